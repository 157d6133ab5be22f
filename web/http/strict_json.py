"""Strict parsing of JSON bodies: one object, no name twice, no lone surrogates in names, not compressed.

NaN and infinities pass here and are refused by the request types, which can name the field.
"""

import json
from typing import Any

from flask import Flask, request

from shared.errors import InvalidRequest
from web.http.errors import Malformed, UnsupportedMediaType

#: Largest JSON body: a prompt of 100,000 characters, each written as two \\u escapes, and room to spare.
MAX_BYTES = 2 * 2**20
#: Below it a float holds every whole number.
_EXACT = 2**53


def install(app: Flask) -> None:
    """Refuse compressed bodies of this app's requests."""
    app.before_request(_refuse_coding)


def read_object() -> dict[str, Any]:
    """Read the request's body as one JSON object.

    Raises:
        UnsupportedMediaType: its type isn't JSON in UTF-8.
        Malformed: it isn't JSON.
        InvalidRequest: it is JSON, but not an object.
    """
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != "application/json" or charset not in ("utf-8", "utf8"):
        sent = request.headers.get("Content-Type") or "nothing"
        raise UnsupportedMediaType(f"Send the body as Content-Type: application/json in UTF-8; this one is {sent}.")
    request.max_content_length = MAX_BYTES
    value = parse(request.get_data(cache=False))
    if not isinstance(value, dict):
        raise InvalidRequest.at("", f"The body is {_kind_of(value)}, but must be a JSON object.")
    return value


def parse(data: bytes) -> Any:
    """Parse strict JSON. Raises Malformed or InvalidRequest."""
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_each_once, parse_float=_number)
    except RecursionError as exc:
        raise Malformed("The body is nested too deeply.") from exc
    except UnicodeDecodeError as exc:
        raise Malformed(f"The body is not valid UTF-8: {exc.reason} at byte {exc.start}.") from exc
    except json.JSONDecodeError as exc:
        raise Malformed(f"The body is not valid JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}.") from exc
    except ValueError as exc:  # an integer of thousands of digits
        raise Malformed("The body holds a number with too many digits.") from exc


def _refuse_coding() -> None:
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise UnsupportedMediaType(f"The body has the content coding {coding[:40]!r}. Send it uncompressed.")


def _number(text: str) -> int | float:
    """Return a number written with a fraction or an exponent; 1.0 is the whole number 1, as JSON Schema has it.

    Only where a float holds each whole number exactly.
    """
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidRequest(f"The field {name[:100]!r} is given twice in one object. Send it once.")
        if not _is_unicode(name):
            raise InvalidRequest(f"The field name {name[:100]!r} holds half a character (a lone surrogate).")
        found[name] = value
    return found


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _kind_of(value: Any) -> str:
    if isinstance(value, list):
        return "an array"
    return "null" if value is None else f"a {type(value).__name__.replace('str', 'string').replace('bool', 'boolean')}"
