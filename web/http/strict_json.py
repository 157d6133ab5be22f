"""JSON bodies read strictly: one object, no name twice, no lone surrogates in names.

NaN and infinities pass here and are refused by the request types, which can say where they stand.
"""

import json
from typing import Any

from flask import request

from shared.errors import InvalidRequest
from web.http.problems import Malformed, UnsupportedMediaType

#: Largest JSON body taken: a prompt of 100,000 characters, each spelled as two \\u escapes, and room to spare.
MAX_BYTES = 2 * 2**20


def read_object() -> dict[str, Any]:
    """Read the request's body as one JSON object.

    Raises:
        UnsupportedMediaType: it isn't sent as JSON in UTF-8.
        Malformed: it isn't JSON.
        InvalidRequest: it is JSON, but no object.
    """
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != "application/json" or charset not in ("utf-8", "utf8"):
        sent = request.headers.get("Content-Type") or "nothing"
        raise UnsupportedMediaType(f"Send the body as Content-Type: application/json in UTF-8; this one says {sent}.")
    request.max_content_length = MAX_BYTES
    value = parse(request.get_data(cache=False))
    if not isinstance(value, dict):
        raise InvalidRequest.at("", f"The body is {_kind_of(value)}, but must be a JSON object.")
    return value


def parse(data: bytes) -> Any:
    """Parse strict JSON. Raises Malformed or InvalidRequest."""
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_each_once)
    except RecursionError as exc:
        raise Malformed("The body is nested too deeply.") from exc
    except UnicodeDecodeError as exc:
        raise Malformed(f"The body is not valid UTF-8: {exc.reason} at byte {exc.start}.") from exc
    except json.JSONDecodeError as exc:
        raise Malformed(f"The body is not valid JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}.") from exc
    except ValueError as exc:  # an integer of thousands of digits
        raise Malformed("The body holds a number with too many digits.") from exc


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidRequest(f"The field {name[:100]!r} stands twice in one object. Send it once.")
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
