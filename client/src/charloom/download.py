"""A file downloaded completely: resumed where it broke off, and checked against the sha256 that the server names."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import httpx

from charloom.errors import CharloomError, Damaged, Unreachable, error_of
from charloom.part_file import PartFile
from charloom.transport import READ_S, TRY_AGAIN, Transport, describe, retry_after_s

#: Called with the bytes downloaded so far and the total.
Tell = Callable[[int, int], None]
_SHA256 = re.compile(r'"([0-9a-f]{64})"')
_FILENAME = re.compile(r'filename="?([^";]+)"?')
#: Compressed by a proxy, the bytes would be others, and ranges would mean something else.
_PLAIN = {"Accept-Encoding": "identity"}


async def download(
    transport: Transport,
    path: str,
    target: Path,
    *,
    overwrite: bool = False,
    tell: Tell | None = None,
    checked: bool = True,
) -> Path:
    """Download a file. Until it is complete it has another name (`PartFile`), from which a later call continues.

    Args:
        transport: the server.
        path: path and query.
        target: a file, or a directory, in which the file gets the server's name for it.
        overwrite: whether to replace an existing file.
        tell: called with every chunk.
        checked: whether the ETag is the file's own sha256; that of a text is of the bytes that were uploaded.

    Returns:
        The path of the file.

    Raises:
        FileExistsError, OSError: the file can't be written.
        Damaged: its sha256 is wrong, downloaded from the beginning too.
        Unreachable, ApiError.
    """
    head = await transport.send("HEAD", path, headers=_PLAIN)
    etag = _SHA256.fullmatch(head.headers.get("ETag", ""))
    length = head.headers.get("Content-Length", "")
    if etag is None or not length.isdigit():
        raise CharloomError(
            f"{transport.url} doesn't send sha256 and length of {path}: it isn't Charloom, or a proxy removes them."
        )
    sha256, size = etag[1], int(length)
    if target.is_dir():
        target = target / _name_of(head)
    if target.exists() and not overwrite:
        raise FileExistsError(17, "the file exists", str(target))
    with PartFile(target, sha256) as part:
        resumed = part.file.tell() > 0
        while True:
            await _fetch(transport, path, part, etag=etag[0], size=size, tell=tell or (lambda *_: None))
            if not checked or await transport.run(lambda: _sha256_of(part.path)) == sha256:
                break
            if not resumed:
                part.discard()
                raise Damaged(f"The sha256 of {target.name} isn't {sha256}, as the server says; nothing was kept.")
            part.clear()  # what was there was not the beginning of this file
            resumed = False
        if not overwrite and target.exists() and not (checked and _sha256_of(target) == sha256):
            raise FileExistsError(17, "the file exists", str(target))
        await transport.run(part.publish)
    return target


async def _fetch(transport: Transport, path: str, part: PartFile, *, etag: str, size: int, tell: Tell) -> None:
    """Download until the file has its size; give up after `tries` connections in a row that brought nothing."""
    failures = 0
    file = part.file
    while (begin := file.tell()) < size:
        headers = {**_PLAIN, **({"Range": f"bytes={begin}-", "If-Range": etag} if begin else {})}
        try:
            async with transport.stream("GET", path, read_s=READ_S, headers=headers) as stream:
                response = stream.response
                if response.is_success:
                    _check_etag(response, etag)
                    if response.status_code != httpx.codes.PARTIAL_CONTENT:
                        part.clear()
                    while chunk := await stream.chunk():
                        file.write(chunk)
                        tell(file.tell(), size)
                    reason = "the connection ended early"
                else:
                    await stream.read()
                    problem = error_of(response, retry_after_s=retry_after_s(response))
                    if response.status_code not in TRY_AGAIN:
                        raise problem
                    reason = str(problem)
        except httpx.TransportError as exc:
            reason = describe(exc)
        if file.tell() >= size:
            break
        failures = 1 if file.tell() > begin else failures + 1
        if failures >= transport.retrying.tries:
            kept = f" ({file.tell():,} of {size:,} bytes are kept for the next attempt)" if part.resumable else ""
            raise Unreachable(transport.url, reason + kept)
        await transport.sleep(transport.retrying.wait_s(failures))
    tell(file.tell(), size)
    file.flush()


def _check_etag(response: httpx.Response, etag: str) -> None:
    if response.headers.get("ETag") != etag:
        raise Damaged("the file has changed on the server meanwhile; download it again")


def _name_of(response: httpx.Response) -> str:
    """Return the server's name for the file, without the directories that it may contain."""
    found = _FILENAME.search(response.headers.get("Content-Disposition", ""))
    name = re.split(r"[/\\]", found[1])[-1].strip(". ") if found else ""
    return name or "model"


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
