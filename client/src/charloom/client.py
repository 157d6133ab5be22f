"""The client whole: one server, its parts, and the orders."""

import os
from collections.abc import Sequence
from typing import Any, Self, Unpack

from charloom.corpora import Corpora
from charloom.errors import Unavailable
from charloom.jobs import Jobs
from charloom.keys import key_header
from charloom.models import Models
from charloom.options import GenerateOptions, TrainOptions
from charloom.records import Corpus, Estimate, Job, Listing, Model, Readiness, Worker
from charloom.transport import Retrying, Transport

#: Where `charloom up` serves when nothing else is said.
DEFAULT_URL = "http://127.0.0.1:8000"


def named_url() -> str | None:
    """Return what CHARLOOM_URL says, or None where it isn't set."""
    return os.environ.get("CHARLOOM_URL") or None


class Charloom:
    """A Charloom server.

    Use it in a `with` block, or `close` it. It may be used by several threads at once. All calls raise `Unreachable`
    where nobody answers and `ApiError` where the server refuses.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        retrying: Retrying = Retrying(),  # noqa: B008 (frozen)
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: the server; CHARLOOM_URL when left out, and this machine's port 8000 where that isn't set.
            api_key: sent with every request; CHARLOOM_API_KEY when left out, and none where that isn't set.
            retrying: how often and how long requests are tried again.

        Raises:
            CharloomError: the address or the key can't be ones.
        """
        self._transport = Transport(
            url or named_url() or DEFAULT_URL,
            api_key=api_key or os.environ.get("CHARLOOM_API_KEY"),
            retrying=retrying,
        )
        self.corpora = Corpora(self._transport)
        self.jobs = Jobs(self._transport)
        self.models = Models(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The server's address."""
        return self._transport.url

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def train(
        self,
        corpus: Corpus | str,
        *,
        init_from: Model | str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[TrainOptions],
    ) -> Job:
        """Queue a training and return its job.

        Args:
            corpus: the text to learn from.
            init_from: a model to start from, instead of random weights.
            idempotency_key: a name of this wish: with the same one again the first job is returned.
            options: see TrainOptions; those left out have the server's defaults.

        Raises:
            Invalid: a value is out of range or doesn't fit the text; `errors` says which. Conflict, NotFound.
        """
        body = _training(corpus, init_from, options)
        return self._order("/api/v1/train-jobs", body, idempotency_key)

    def estimate(
        self, corpus: Corpus | str, *, init_from: Model | str | None = None, **options: Unpack[TrainOptions]
    ) -> Estimate:
        """Return what a training would take on the workers now seen; nothing is queued. Raises as `train`."""
        body = _training(corpus, init_from, options)
        return self._transport.record(Estimate, "POST", "/api/v1/estimates", json=body, repeatable=True)

    def generate(
        self, model: Model | str, *, idempotency_key: str | None = None, **options: Unpack[GenerateOptions]
    ) -> Job:
        """Queue a writing and return its job.

        Args:
            model: the one that writes.
            idempotency_key: a name of this wish: with the same one again the first job is returned.
            options: see GenerateOptions; without a prompt the seed chooses a passage of the model's text.

        Raises:
            Invalid: a value is out of range, or the prompt has characters that the model never saw.
        """
        body = {"model_id": model if isinstance(model, str) else model.id, **options}
        return self._order("/api/v1/generate-jobs", body, idempotency_key)

    def workers(self) -> Sequence[Worker]:
        """Return the workers seen lately."""
        page = self._transport.record(Listing, "GET", "/api/v1/workers")
        return [self._transport.read(Worker, one) for one in page.data]

    def ready(self) -> Readiness:
        """Return True if jobs can be done, and what is missing where they can't."""
        try:
            return self._transport.record(Readiness, "GET", "/readyz", tries=1)
        except Unavailable as exc:
            return Readiness(status=exc.code or "unavailable", detail=exc.detail)

    def _order(self, path: str, body: Any, key: str | None) -> Job:
        return self._transport.record(Job, "POST", path, json=body, headers=key_header(key), repeatable=True)


def _training(corpus: Corpus | str, init_from: Model | str | None, options: TrainOptions) -> dict[str, Any]:
    body: dict[str, Any] = {"corpus_id": corpus if isinstance(corpus, str) else corpus.id, **options}
    if init_from is not None:
        body["init_from"] = init_from if isinstance(init_from, str) else init_from.id
    return body
