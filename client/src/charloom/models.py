"""Models: list, rename, download, bring in, delete."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from charloom.download import Tell, download
from charloom.keys import key_header
from charloom.listing import every
from charloom.records import Job, Model
from charloom.transport import Transport

_PATH = "/api/v1/models"


class Models:
    """Calls that concern models. Any raises Unreachable or ApiError. A model is named by its id or its record."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self, *, order: Literal["asc", "desc"] = "desc", after: str | None = None, limit: int | None = None
    ) -> Iterator[Model]:
        """Yield the models, newest first; those after an id, and so many, where that is said."""
        return every(self._transport, Model, _PATH, {"order": order, "after": after}, limit=limit)

    def get(self, model: Model | str) -> Model:
        """Return a model. Raises NotFound."""
        return self._transport.record(Model, "GET", f"{_PATH}/{_id(model)}")

    def patch(self, model: Model | str, *, name: str | None = None, metadata: Mapping[str, str] | None = None) -> Model:
        """Change a model's name or metadata, and return it; what is left out stays. Raises NotFound, Invalid."""
        changes = {"name": name, "metadata": None if metadata is None else dict(metadata)}
        return self._transport.record(
            Model,
            "PATCH",
            f"{_PATH}/{_id(model)}",
            json={field: value for field, value in changes.items() if value is not None},
        )

    def delete(self, model: Model | str) -> None:
        """Delete a model. Raises NotFound, or Conflict while a live job uses it."""
        self._transport.send("DELETE", f"{_PATH}/{_id(model)}")

    def download(
        self,
        model: Model | str,
        target: str | os.PathLike[str] = ".",
        *,
        format: Literal["bundle", "pth"] = "bundle",  # noqa: A002 (the name in the API)
        overwrite: bool = False,
        tell: Tell | None = None,
    ) -> Path:
        """Fetch a model's file, go on with one that broke off, and check it against its sha256.

        Args:
            model: whose file.
            target: a file, or a directory for the server's own name of it.
            format: "bundle", or "pth": the seed document's file, of classic models.
            overwrite: whether a file may be replaced.
            tell: told how far it is: bytes there, bytes in all.

        Returns:
            Where it lies.

        Raises:
            FileExistsError, OSError: it can't lie there. Damaged, NotFound.
        """
        path = f"{_PATH}/{_id(model)}/download?format={format}"
        return download(self._transport, path, Path(target), overwrite=overwrite, tell=tell)

    def import_file(
        self, path: str | os.PathLike[str], *, name: str | None = None, idempotency_key: str | None = None
    ) -> Job:
        """Send a bundle, or a file in the seed document's format, and return the job that reads it.

        Raises:
            OSError: it can't be read. Invalid, TooLarge.
        """
        path = Path(path)
        with path.open("rb") as file:
            return self._transport.record(
                Job,
                "POST",
                f"{_PATH}/import",
                files={"file": (path.name, file, "application/octet-stream")},
                data={"name": name} if name else {},
                headers=key_header(idempotency_key),
            )


def _id(model: Model | str) -> str:
    return model if isinstance(model, str) else model.id
