"""Uploads: never whole in memory, and deleted with the request unless a handler keeps them.

A multipart file is spooled to an unnamed file on the data volume (a container's /tmp may be in memory), a plain body is
read as it arrives. `Request` is the app's request class.
"""

import io
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

from flask import Request as FlaskRequest
from flask import request
from pydantic import TypeAdapter, ValidationError
from werkzeug.datastructures import FileStorage
from werkzeug.formparser import FormDataParser

from shared.errors import FieldError, InvalidRequest, TooLarge
from shared.requests.fields import Name
from shared.volume.columns import Column, TableFormat, format_of
from shared.volume.files import translated
from web.http.errors import Malformed, UnsupportedMediaType
from web.http.validation import refused
from web.services import services

#: Bytes that boundaries, headers and small fields of a multipart body may take in addition to the file.
_OVERHEAD_BYTES = 64 * 1024
#: Files of one upload.
MAX_FILES = 900
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_NAME: TypeAdapter[str] = TypeAdapter(Name)


class Request(FlaskRequest):
    """A request whose uploads go to the volume, and whose body must be as long as its Content-Length."""

    def __init__(self, environ: dict[str, Any], **options: Any) -> None:
        # Werkzeug compares a body with its Content-Length only where the server doesn't claim to end it. gunicorn
        # claims to, and ends it quietly when the client hangs up.
        if environ.get("CONTENT_LENGTH"):
            environ.pop("wsgi.input_terminated", None)
        super().__init__(environ, **options)
        self._spooled: list[IO[bytes]] = []

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        folder = services().volume.folder
        with translated():
            folder.mkdir(parents=True, exist_ok=True)
            spooled = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed with the request)
        self._spooled.append(spooled)
        return spooled

    def close(self) -> None:
        """Close the uploads, including those of a form that couldn't be parsed."""
        super().close()
        for file in self._spooled:
            file.close()

    def make_form_data_parser(self) -> FormDataParser:
        """Make a parser that raises what is wrong instead of finding nothing."""
        parser = super().make_form_data_parser()
        parser.silent = False
        return parser


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One uploaded file."""

    stream: BinaryIO
    #: Its name at the client, without folders; "" if it has none.
    filename: str
    #: Its name here.
    name: str
    #: Its media type, as the client said; "" if it didn't.
    media_type: str = ""
    #: Whether it was declared to be plain text, which is taken as it is.
    literal: bool = False

    @property
    def size_bytes(self) -> int:
        """Its size, of one that was spooled to the volume."""
        size = self.stream.seek(0, os.SEEK_END)
        self.stream.seek(0)
        return size


def multipart(file: str, *, name: str, several: bool = False) -> dict[str, Any]:
    """Return the JSON schema of a form with a file, or several, and a name; both are descriptions."""
    kind: dict[str, Any] = {"type": "string", "format": "binary"}
    if several:
        kind = {"oneOf": [kind, {"type": "array", "minItems": 1, "items": kind}]}
    fields = {"file": kind | {"description": file}, "name": {"type": "string", "maxLength": 200, "description": name}}
    return {"type": "object", "required": ["file"], "additionalProperties": False, "properties": fields}


def receive(*, limit: int, name: str | None = None) -> Upload:
    """Return the one uploaded file of the current request. Raises as `receive_all`."""
    return only(receive_all(limit=limit, name=name))


def receive_all(*, limit: int, name: str | None = None, plain: bool = False) -> list[Upload]:
    """Return the uploaded files of the current request, one or more.

    Args:
        limit: the most bytes of the files. The caller still has to count them while reading.
        name: a name given in the query.
        plain: whether a text/plain body is allowed too.

    Raises:
        TooLarge: by its headers.
        UnsupportedMediaType, Malformed, InvalidRequest: it isn't such a file.
    """
    multipart = request.mimetype == "multipart/form-data"
    if not multipart and not (plain and request.mimetype == "text/plain"):
        wanted = "multipart/form-data with a field `file`" + (", or text/plain" if plain else "")
        raise UnsupportedMediaType(f"Send the file as {wanted}; this is {request.mimetype or 'without a type'}.")
    room = limit + (_OVERHEAD_BYTES if multipart else 0)
    if request.content_length is not None and request.content_length > room:
        raise TooLarge(f"The file is larger than {limit:,} bytes, the limit.")
    request.max_content_length = room + 1
    if multipart:
        return _from_form(name)
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType(
            f"The text has charset={charset}. Send it in UTF-8, or name its encoding in the query (?encoding=)."
        )
    chosen = check_name(name) or "Untitled"
    return [Upload(stream=request.stream, filename="", name=chosen, literal=True)]  # type: ignore[arg-type]


def check_name(name: str | None) -> str | None:
    """Return a name without surrounding spaces, None for an empty one. Raises InvalidRequest."""
    if name is None or not name.strip():
        return None
    if "\0" in name:
        raise InvalidRequest.at("/name", "name contains a NUL character (U+0000); remove it")
    try:
        return _NAME.validate_python(name)
    except ValidationError as exc:
        raise InvalidRequest.at("/name", f"name has {len(name)} characters, but may have at most 200") from exc


def name_of_file(filename: str) -> str:
    """Make a name from a file's: no folders, no extension, no control characters."""
    stem = _CONTROL.sub("", os.path.splitext(base_name(filename))[0]).strip()  # noqa: PTH122 (a client's, not a path here)
    return stem[:200].strip() or "Untitled"


def base_name(filename: str) -> str:
    """Return what is behind the last slash or backslash."""
    return re.split(r"[/\\]", filename)[-1]


def _from_form(name: str | None) -> list[Upload]:
    try:
        files, fields = request.files, request.form
    except ValueError as exc:
        raise Malformed(f"The multipart body can't be read: {exc}.") from exc
    # The name of a part without one is None.
    strange = sorted({field or "" for field in (*files, *fields)} - {"file", "name"})
    if strange:
        raise refused(
            [FieldError(pointer=f"/{field}", detail=f"{field} is not a field of this request") for field in strange]
        )
    return uploads_of(files.getlist("file"), fields.get("name") or name)


def only(uploads: Sequence[Upload]) -> Upload:
    """Return the one upload of a request that takes one file. Raises InvalidRequest."""
    if len(uploads) != 1:
        raise InvalidRequest.at("/file", f"The body has {len(uploads)} files named `file`, but must have one.")
    return uploads[0]


def uploads_of(sent: Sequence[FileStorage], name: str | None) -> list[Upload]:
    """Return the files of a form, each named as given or after the file. Raises InvalidRequest."""
    if not 0 < len(sent) <= MAX_FILES:
        raise InvalidRequest.at(
            "/file", f"The body has {len(sent)} files named `file`, but must have 1 to {MAX_FILES}."
        )
    chosen = check_name(name)
    return [
        Upload(
            stream=file.stream,  # type: ignore[arg-type]
            filename=(filename := base_name(file.filename or ""))[:255],
            name=chosen or name_of_file(filename),
            media_type=file.mimetype,
        )
        for file in sent
    ]


def column_of(upload: Upload, name: str | None, table: TableFormat | None) -> Column | None:
    """Return the column to take of an upload, if one is named. Raises InvalidRequest."""
    if name is None:
        if table is not None:
            raise InvalidRequest.at("/column", "column is missing: the name of the column to take of the table")
        return None
    table = table or format_of(upload.filename, upload.media_type)
    if table is None:
        raise InvalidRequest.at(
            "/column",
            "column: the file's name doesn't say which format its table has; name it .csv, .tsv or .jsonl, or send "
            "format csv, tsv or jsonl",
        )
    return Column(name=name, format=table)


def pasted(text: str) -> tuple[BinaryIO, str]:
    """Return a pasted text as a stream, and a name from its first line."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return io.BytesIO(text.encode("utf-8", "replace")), name_of_file(first[:60].replace("/", " ").rstrip("."))
