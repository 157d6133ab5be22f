"""Both clients: one server, its groups of calls, and the calls that make jobs."""

import os
from collections.abc import Sequence
from typing import Any, ClassVar, Self, Unpack

from charloom.async_transport import AsyncTransport
from charloom.blocking_transport import BlockingTransport
from charloom.calls import Awaited, Blocking, Calls, M, call
from charloom.corpora import Corpora
from charloom.errors import Unavailable
from charloom.ids import api_path, id_of
from charloom.job_records import Job
from charloom.jobs import Jobs, key_header
from charloom.models import Models
from charloom.options import GenerateOptions, TrainOptions
from charloom.record import Listing
from charloom.records import Corpus, Estimate, Model, Readiness, Usage, Worker
from charloom.transport import Retrying, Transport

#: Where `charloom up` serves by default.
DEFAULT_URL = "http://127.0.0.1:8000"
#: `init_from`: the server chooses.
AUTO = "auto"


def named_url() -> str | None:
    """Return CHARLOOM_URL, or None if it isn't set."""
    return os.environ.get("CHARLOOM_URL") or None


class Client(Calls[M]):
    """What both clients have in common."""

    _transport_type: ClassVar[type[Transport]]

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        retrying: Retrying = Retrying(),  # noqa: B008 (frozen)
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: the server; if left out, CHARLOOM_URL, and if that isn't set, port 8000 of this machine.
            api_key: sent with every request; if left out, CHARLOOM_API_KEY, and if that isn't set, none.
            retrying: how often and how long requests are retried.

        Raises:
            CharloomError: the address or the key can't be one.
        """
        super().__init__(
            self._transport_type(
                url or named_url() or DEFAULT_URL,
                api_key=api_key or os.environ.get("CHARLOOM_API_KEY"),
                retrying=retrying,
            )
        )
        self._transport.inherited_trace = os.environ.get("TRACEPARENT")
        self.corpora: Corpora[M] = Corpora(self._transport)
        self.jobs: Jobs[M] = Jobs(self._transport)
        self.models: Models[M] = Models(self._transport)

    @property
    def url(self) -> str:
        """The server's address."""
        return self._transport.url

    @call
    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    @call
    async def train(
        self,
        corpus: Corpus | str,
        *,
        init_from: Model | str | None = AUTO,
        idempotency_key: str | None = None,
        **options: Unpack[TrainOptions],
    ) -> Job:
        """Queue a training and return its job.

        Args:
            corpus: the text to train on.
            init_from: a model to start from; "auto": the server chooses a base that knows the text's language, if there
                is one; None: random weights.
            idempotency_key: identifies this request: sent again with the same key, it returns the first job.
            options: see TrainOptions; the server chooses those left out.

        Raises:
            Invalid: a value is out of range or doesn't fit the text; `errors` says which. Conflict, NotFound.
        """
        return await self._submit("train-jobs", _training(corpus, init_from, options), idempotency_key)

    @call
    async def estimate(
        self, corpus: Corpus | str, *, init_from: Model | str | None = AUTO, **options: Unpack[TrainOptions]
    ) -> Estimate:
        """Return what a training would take on the workers now seen; nothing is queued. Raises as `train`."""
        body = _training(corpus, init_from, options)
        return await self._transport.record(Estimate, "POST", api_path("estimates"), json=body, repeatable=True)

    @call
    async def generate(
        self, model: Model | str, *, idempotency_key: str | None = None, **options: Unpack[GenerateOptions]
    ) -> Job:
        """Queue a generation and return its job.

        Args:
            model: the model that generates.
            idempotency_key: identifies this request: sent again with the same key, it returns the first job.
            options: see GenerateOptions; without a prompt the seed chooses a passage of the model's corpus.

        Raises:
            Invalid: a value is out of range, or the prompt has characters that the model doesn't know.
        """
        return await self._submit("generate-jobs", {"model_id": id_of(model, "mod"), **options}, idempotency_key)

    @call
    async def workers(self) -> Sequence[Worker]:
        """Return the workers seen lately."""
        page = await self._transport.record(Listing, "GET", api_path("workers"))
        return [self._transport.read(Worker, row) for row in page.data]

    @call
    async def drain_worker(self, name: str, *, undo: bool = False) -> Worker:
        """Have a worker release its jobs, saved, and take none until `undo`, or until its process ends.

        Raises:
            NotFound: no worker of this name is seen.
        """
        path = api_path("workers", name, "undrain" if undo else "drain")
        return await self._transport.record(Worker, "POST", path, repeatable=True)

    @call
    async def usage(self) -> Usage:
        """Return how many texts, models and bytes the caller stores and may store."""
        return await self._transport.record(Usage, "GET", api_path("usage"))

    @call
    async def ready(self) -> Readiness:
        """Return whether jobs can be submitted, what is missing if they can't, and how many workers are seen."""
        try:
            return await self._transport.record(Readiness, "GET", "/readyz", tries=1)
        except Unavailable as exc:
            return Readiness(status=exc.code or "unavailable", detail=exc.detail)

    async def _submit(self, call: str, body: Any, key: str | None) -> Job:
        return await self._transport.record(
            Job, "POST", api_path(call), json=body, headers=key_header(key), repeatable=True
        )


class Charloom(Client[Blocking]):
    """A Charloom server.

    Use it in a `with` block, or `close` it. Several threads may use it at once. All calls raise `Unreachable` if the
    server can't be reached and `ApiError` if it refuses.
    """

    _transport_type = BlockingTransport

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncCharloom(Client[Awaited]):
    """A Charloom server, for asyncio: the calls of `Charloom`, awaited; lists and events with `async for`.

    Use it in an `async with` block, or `await close()`.
    """

    _transport_type = AsyncTransport

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _training(corpus: Corpus | str, init_from: Model | str | None, options: TrainOptions) -> dict[str, Any]:
    body: dict[str, Any] = {"corpus_id": id_of(corpus, "cor"), **options}
    if init_from is None:
        body["init_from"] = None
    elif init_from != AUTO:
        body["init_from"] = id_of(init_from, "mod")
    return body
