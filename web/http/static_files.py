"""The pages' scripts and styles, at addresses that hold a hash, so that a browser may keep them for a year.

Scripts import each other by relative addresses, so one hash of the whole folder, as a folder, serves for all of them.
The plain addresses stay, to be requested each time.
"""

import hashlib
import mimetypes
from pathlib import Path
from typing import Any

from flask import Flask, Response

from shared.errors import NotFound
from web.http.conditional import reply_file

_ENDPOINT = "static"
_FOREVER = "public, max-age=31536000, immutable"


def install(app: Flask, folder: Path) -> None:
    """Serve the files of a folder; `url_for("static", filename=…)` has the address with the hash."""
    files = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    hashes = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    current = hashlib.sha256(repr(hashes).encode()).hexdigest()[:12]

    def send(filename: str, version: str = "") -> Response:
        if filename not in files:
            raise NotFound
        mimetype, _ = mimetypes.guess_type(filename)
        response = reply_file(files[filename], etag=hashes[filename], mimetype=mimetype or "application/octet-stream")
        # Another version's address: a page from before an update keeps working, but nothing is cached.
        response.headers["Cache-Control"] = _FOREVER if version == current else "no-cache"
        return response

    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == _ENDPOINT:
            values.setdefault("version", current)

    app.url_defaults(add_version)
    app.add_url_rule("/static/<filename>", _ENDPOINT, send)
    app.add_url_rule("/static/<version>/<filename>", _ENDPOINT, send)
