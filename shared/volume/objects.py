"""Objects in an S3 bucket: the few calls that `Bucket` makes, with conditional writes and errors of this project.

Credentials, region and endpoint come from where all AWS tools look for them: `AWS_ACCESS_KEY_ID`,
`AWS_ENDPOINT_URL_S3`, `~/.aws` and so on. Knows nothing of corpora, models and jobs.
"""

import logging
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
from botocore.session import Session

from shared.errors import CharloomError, VolumeGone, VolumeUnavailable

#: Without these, a server that is down would be waited for as long as the system does.
_CONNECT_S, _READ_S = 5, 60
_CONNECTIONS = 32
_CHUNK_BYTES = 1 << 20
#: How often a conditional write is tried again that S3 answers with 409: another one was under way at the same time.
_TRIES = 20
_RETRY_S = 0.05
_NOT_FOUND, _CONFLICT, _PRECONDITION_FAILED, _FULL = 404, 409, 412, 507


class Overtaken(CharloomError):
    """A conditional write or deletion was refused: another one came first."""


class Objects:
    """The objects whose keys begin with a prefix. Thread-safe, and usable on both sides of a fork.

    Any method raises VolumeUnavailable.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Return a small object's content and ETag; None if it doesn't exist."""
        with self._translated():
            found = self._found("get_object", key)
            return None if found is None else (found["Body"].read(), found["ETag"])

    def modified_ms(self, key: str) -> int | None:
        """Return when an object was written, by the server's clock, ms since 1970; None if it doesn't exist."""
        with self._translated():
            found = self._found("head_object", key)
            return None if found is None else round(found["LastModified"].timestamp() * 1000)

    def download(self, key: str, path: Path) -> bool:
        """Write an object to a file, which appears whole. Return False if the object doesn't exist. Raises OSError."""
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with self._translated():
            found = self._found("get_object", key)
            if found is None:
                return False
            try:
                with temporary.open("wb") as file:
                    for chunk in found["Body"].iter_chunks(_CHUNK_BYTES):
                        file.write(chunk)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
        return True

    def put(self, key: str, content: bytes | BinaryIO, *, new: bool = False, replaces: str | None = None) -> str:
        """Write an object and return its ETag.

        Args:
            key: the object.
            content: of a conditional write, bytes that no other writer has.
            new: only if there is no such object.
            replaces: only if it has this ETag.

        Raises Overtaken.
        """
        condition = {"IfNoneMatch": "*"} if new else {"IfMatch": replaces} if replaces else {}
        for tries in range(_TRIES):
            try:
                with self._translated():
                    written = self._client.put_object(**self._named(key), Body=content, **condition)
                return str(written["ETag"])
            except _Conflict:
                time.sleep(_RETRY_S * (1 + tries))
            except Overtaken:
                # By the same request, if its first response was lost on the way?
                if (found := self.get(key)) is None or found[0] != content:
                    raise
                return found[1]
        raise VolumeGone(f"The data volume can't be used now: s3://{self._bucket} is too busy.")

    def copy(self, source: str, target: str) -> None:
        """Copy an object within the bucket."""
        with self._translated():
            self._client.copy_object(**self._named(target), CopySource=self._named(source))

    def delete(self, key: str, *, etag: str | None = None) -> None:
        """Delete an object, if it exists; with an ETag, only that version. Raises Overtaken."""
        with self._translated():
            self._client.delete_object(**self._named(key), **({"IfMatch": etag} if etag else {}))

    def keys(self, folder: str) -> Iterator[str]:
        """Yield the keys that begin with `folder` and a slash, in order."""
        with self._translated():
            for page in self._pages(folder):
                yield from (one["Key"].removeprefix(self._prefix) for one in page.get("Contents", ()))

    def names(self, folder: str) -> list[str]:
        """Return what follows `folder` and a slash in the keys, up to the next slash, in order."""
        begin = len(f"{self._prefix}{folder}/")
        found: set[str] = set()
        with self._translated():
            for page in self._pages(folder, Delimiter="/"):
                found.update(one["Prefix"][begin:].rstrip("/") for one in page.get("CommonPrefixes", ()))
                found.update(one["Key"][begin:] for one in page.get("Contents", ()))
        return sorted(found)

    def has(self, folder: str) -> bool:
        """Return True if any key begins with `folder` and a slash."""
        with self._translated():
            found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=f"{self._prefix}{folder}/", MaxKeys=1)
            return bool(found.get("Contents"))

    def _pages(self, folder: str, **more: str) -> Iterator[dict[str, Any]]:
        pages: Iterator[dict[str, Any]] = iter(
            self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=f"{self._prefix}{folder}/", **more
            )
        )
        return pages

    def _found(self, call: str, key: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = getattr(self._client, call)(**self._named(key))
        except ClientError as exc:
            if _status(exc) == _NOT_FOUND and _code(exc) != "NoSuchBucket":
                return None
            raise
        return found

    def _named(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    @property
    def _client(self) -> Any:
        return _client_of(os.getpid())

    @contextmanager
    def _translated(self) -> Iterator[None]:
        here = f"The data volume can't be used now: s3://{self._bucket}"
        try:
            yield
        except ClientError as exc:
            raise _error(exc, here) from exc
        except (NoCredentialsError, PartialCredentialsError) as exc:
            raise VolumeUnavailable(f"{here} needs credentials; set AWS_ACCESS_KEY_ID and so on.") from exc
        except BotoCoreError as exc:
            raise VolumeGone(f"{here} doesn't respond ({type(exc).__name__}).") from exc


@lru_cache(maxsize=1)
def _client_of(pid: int) -> Any:  # noqa: ARG001
    """Return a process' client: one that was made before a fork would share its connections with the parent."""
    logging.getLogger("botocore").setLevel(logging.WARNING)  # it reports where it found each credential
    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        max_pool_connections=_CONNECTIONS,
        retries={"mode": "standard"},
        s3={"addressing_style": "path"},  # servers that aren't Amazon's rarely have a host name for each bucket
        # Newer checksums are unknown to many of them.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return Session().create_client("s3", config=config)


class _Conflict(CharloomError):
    """Another conditional write to the same key is under way."""


def _error(exc: ClientError, here: str) -> CharloomError:
    code, status = _code(exc), _status(exc)
    if status == _PRECONDITION_FAILED or (status == _NOT_FOUND and code == "NoSuchKey"):
        return Overtaken()
    if status == _CONFLICT:
        return _Conflict()
    if code == "NoSuchBucket":
        return VolumeGone(f"{here} doesn't exist.")
    if status == _FULL or "Quota" in code or "StorageFull" in code:
        return VolumeUnavailable(f"{here} is full; free some space (delete models or corpora that nobody needs).")
    if status >= 500:
        return VolumeGone(f"{here} doesn't respond ({code}).")
    return VolumeUnavailable(f"{here} refuses a request ({code}).")


def _code(exc: ClientError) -> str:
    return str(exc.response.get("Error", {}).get("Code", ""))


def _status(exc: ClientError) -> int:
    return int(exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
