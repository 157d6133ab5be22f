"""A file fetched whole: gone on with where it broke off, and checked against the sha256 that the server tells."""

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

import httpx

from charloom.errors import CharloomError, Damaged, Unreachable, error_of
from charloom.transport import READ_S, Transport, describe, retry_after_s

#: Tells how far it is: bytes there, bytes in all.
Tell = Callable[[int, int], None]
_SHA256 = re.compile(r'"([0-9a-f]{64})"')
_NAMED = re.compile(r'filename="?([^";]+)"?')
_NOT_NOW = (429, 502, 503, 504)
#: A proxy that compresses would change the bytes, and so what a range means.
_PLAIN = {"Accept-Encoding": "identity"}


def download(
    transport: Transport, path: str, target: Path, *, overwrite: bool = False, tell: Tell | None = None
) -> Path:
    """Fetch a file.

    While it comes it lies beside the target under a name made of its sha256, so that the next call, in another process
    too, goes on with it.

    Args:
        transport: the server.
        path: what is fetched, query included.
        target: where to; in a directory it is called as the server calls it.
        overwrite: whether a file may be replaced.
        tell: told of every bit.

    Returns:
        Where it lies.

    Raises:
        FileExistsError, OSError: it can't lie there.
        Damaged: it comes with another sha256, from the beginning too.
        Unreachable, ApiError.
    """
    head = transport.send("HEAD", path, headers=_PLAIN)
    named = _SHA256.fullmatch(head.headers.get("ETag", ""))
    length = head.headers.get("Content-Length", "")
    if named is None or not length.isdigit():
        raise CharloomError(
            f"{transport.url} doesn't tell sha256 and length of {path}: it is no Charloom, or a proxy takes them away."
        )
    sha256, size = named[1], int(length)
    if target.is_dir():
        target = target / _name_of(head)
    if target.exists() and not overwrite:
        raise FileExistsError(17, "there is a file already", str(target))
    part = target.with_name(f".{target.name}.{sha256[:16]}.part")
    resumed = part.exists()
    _fetch(transport, path, part, etag=named[0], size=size, tell=tell or (lambda *_: None))
    if _sha256_of(part) != sha256:
        part.unlink()
        if resumed:  # what lay there was no beginning of this file
            _fetch(transport, path, part, etag=named[0], size=size, tell=tell or (lambda *_: None))
        if not resumed or _sha256_of(part) != sha256:
            part.unlink(missing_ok=True)
            raise Damaged(f"{target.name} came with another sha256 than the server told, {sha256}; nothing was kept.")
    part.replace(target)
    return target


def _fetch(transport: Transport, path: str, part: Path, *, etag: str, size: int, tell: Tell) -> None:
    """Bring the file to its size, over as many connections as it takes; `tries` in a row may bring nothing."""
    failures = 0
    with part.open("ab") as file:
        while (there := file.tell()) < size:
            headers = {**_PLAIN, **({"Range": f"bytes={there}-", "If-Range": etag} if there else {})}
            reason = ""
            try:
                with transport.stream("GET", path, read_s=READ_S, headers=headers) as answer:
                    if answer.is_success:
                        _check_etag(answer, etag)
                        if answer.status_code != httpx.codes.PARTIAL_CONTENT:
                            file.truncate(0)
                            file.seek(0)
                        for chunk in answer.iter_raw():
                            file.write(chunk)
                            tell(file.tell(), size)
                        file.flush()
                        reason = "it ended early"
                    else:
                        answer.read()
                        problem = error_of(answer, retry_after_s=retry_after_s(answer))
                        if answer.status_code not in _NOT_NOW:
                            raise problem
                        reason = str(problem)
            except httpx.TransportError as exc:
                reason = describe(exc)
            if file.tell() >= size:
                break
            failures = 0 if file.tell() > there else failures
            failures += 1
            if failures >= transport.retrying.tries:
                raise Unreachable(
                    transport.url, f"{reason} ({file.tell():,} of {size:,} bytes are kept for the next try)"
                )
            transport.sleep(transport.retrying.wait_s(failures))
        tell(file.tell(), size)
        file.flush()
        os.fsync(file.fileno())


def _check_etag(answer: httpx.Response, etag: str) -> None:
    if answer.headers.get("ETag") != etag:
        raise Damaged("the file has changed on the server meanwhile; download it again")


def _name_of(answer: httpx.Response) -> str:
    """Return what the server calls the file: its last part, whatever slashes stand in it."""
    found = _NAMED.search(answer.headers.get("Content-Disposition", ""))
    name = re.split(r"[/\\]", found[1])[-1].strip(". ") if found else ""
    return name or "model"


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
