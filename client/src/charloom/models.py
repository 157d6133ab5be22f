"""The calls for models."""

import os
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import httpx

from charloom.calls import Calls, M, call, iterate
from charloom.download import Tell, download
from charloom.ids import api_path, id_of
from charloom.job_records import Job
from charloom.listing import items
from charloom.records import Model
from charloom.values import Format, Order


class Models(Calls[M]):
    """Calls for models. All raise Unreachable and ApiError; those that take an id raise InvalidId."""

    @iterate
    async def list(
        self, *, corpus_id: str | None = None, order: Order = "desc", after: str | None = None, limit: int | None = None
    ) -> AsyncGenerator[Model, None]:
        """Yield the models, newest first; only those of a corpus, those after an id, and at most `limit`, if given."""
        query = {"corpus_id": corpus_id, "order": order, "after": after}
        async for model in items(self._transport, Model, api_path("models"), query, limit=limit):
            yield model

    @call
    async def get(self, model: Model | str) -> Model:
        """Return a model. Raises NotFound."""
        return await self._transport.record(Model, "GET", api_path("models", id_of(model, "mod")))

    @call
    async def patch(
        self,
        model: Model | str,
        *,
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        base: bool | None = None,
    ) -> Model:
        """Change name or metadata of a model, or whether it is a base, and return it; what is left out stays.

        Raises:
            NotFound, Invalid
        """
        changes = {"name": name, "metadata": None if metadata is None else dict(metadata), "base": base}
        changes = {field: value for field, value in changes.items() if value is not None}
        return await self._transport.record(Model, "PATCH", api_path("models", id_of(model, "mod")), json=changes)

    @call
    async def delete(self, model: Model | str) -> None:
        """Delete a model. Raises NotFound, or Conflict while a live job uses it."""
        await self._transport.send("DELETE", api_path("models", id_of(model, "mod")))

    @call
    async def download(
        self,
        model: Model | str,
        target: str | os.PathLike[str] = ".",
        *,
        format: Format = "bundle",  # noqa: A002 (the name in the API)
        overwrite: bool = False,
        tell: Tell | None = None,
    ) -> Path:
        """Download a model, resuming a download that broke off, and check its sha256.

        Args:
            model: the model.
            target: a file, or a directory, in which the file gets the server's name for it.
            format: "bundle", or "pth": the seed document's format, for classic models.
            overwrite: whether to replace an existing file.
            tell: called with the bytes downloaded so far and the total.

        Returns:
            The path of the file.

        Raises:
            FileExistsError, OSError: the file can't be written.
            Damaged: its sha256 is wrong. NotFound.
        """
        path = f"{api_path('models', id_of(model, 'mod'), 'download')}?{httpx.QueryParams(format=format)}"
        return await download(self._transport, path, Path(target), overwrite=overwrite, tell=tell)

    @call
    async def import_file(self, path: str | os.PathLike[str], *, name: str | None = None) -> Job:
        """Upload a bundle, or a file in the seed document's format, and return the job that reads it.

        It isn't sent again if the connection breaks: two uploads are two models.

        Raises:
            OSError: the file can't be read. Invalid, TooLarge.
        """
        path = Path(path)
        with path.open("rb") as file:
            return await self._transport.record(
                Job,
                "POST",
                api_path("models", "import"),
                files={"file": (path.name, file, "application/octet-stream")},
                data={"name": name} if name else {},
            )
