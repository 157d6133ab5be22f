"""Never run: a program that uses the client, which type checkers must understand (`tests/test_package.py`)."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path
from typing import Literal, assert_never, assert_type

from charloom import (
    AnyEvent,
    AsyncCharloom,
    Charloom,
    Copied,
    Corpus,
    ItemsResult,
    Job,
    JobStatus,
    Losses,
    Metric,
    Outcome,
    Output,
    Silence,
    SucceededJob,
    Texts,
    WebhookEvent,
)

EVENTS: Sequence[WebhookEvent] = ("job.succeeded", "job.failed")


def blocking(loom: Charloom) -> None:
    """Use every kind of call."""
    corpus = loom.corpora.add(Path("book.txt"), name="a book")
    assert_type(corpus, Corpus)
    job = loom.train(corpus, epochs=3, recipe="stream", webhook={"url": "https://example.org", "events": EVENTS})
    assert_type(job, Job)
    assert_type(job.model_id, str | None)
    assert_type(job.status, JobStatus)
    done = loom.jobs.wait(job, timeout_s=3).check()
    assert_type(done, SucceededJob)
    assert_type(done.model_id, str)
    assert_type(done.outputs, Sequence[Output])
    assert_type(loom.jobs.list(type="train", status=["failed", "cancelled"]), Iterator[Job])
    assert_type(loom.jobs.watch(job), Iterator[AnyEvent | Silence])
    assert_type(loom.models.download(done.model_id, tell=print), Path)
    assert_type(loom.models.delete(done.model_id), None)
    for event in loom.jobs.events(job):
        see(event)
    loom.train(corpus, epochs="three")  # type: ignore[arg-type]
    loom.train(corpus, webhook={"url": "https://example.org", "events": ["job.ended"]})  # type: ignore[list-item]
    loom.jobs.get(3)  # type: ignore[arg-type]
    loom.jobs.list(status="done")  # type: ignore[arg-type]


async def asynchronous() -> None:
    """Use every kind of call, awaited."""
    async with AsyncCharloom("http://127.0.0.1:8000") as loom:
        job = await loom.generate("mod_1", length=300, stop=["\n"])
        assert_type(job, Job)
        assert_type((await loom.jobs.wait(job)).check().model_id, str)
        assert_type(loom.jobs.list(limit=3), AsyncGenerator[Job, None])
        texts = Texts()
        async for event in loom.jobs.events(job):
            see(event)
            assert_type(texts.add(event), Sequence[tuple[int, str]])
        assert_type(await loom.models.download("mod_1", "model.zip"), Path)
        await loom.generate("mod_1", length="long")  # type: ignore[arg-type]
        str(loom.models.get("mod_1").name)  # type: ignore[attr-defined]


def see(event: AnyEvent) -> None:
    """Distinguish events by their type."""
    if event.type == "metric":
        assert_type(event.data, Metric)
    elif event.type == "progress":
        assert_type(event.data.metrics, Losses | None)
    elif event.type == "text":
        assert_type(event.data.delta, str)
    elif event.type == "items":
        assert_type(event.data.items, list[str])
    elif event.type == "done":
        assert_type(event.data, Outcome)
        assert_type(event.data.outputs[0].copied, Copied | None)
        assert_type(event.data.items, ItemsResult | None)
    elif event.type == "reset":
        assert_type(event.data.id, str)
    elif event.type == "unknown":
        assert_type(event.name, str)
    elif event.type == "status":
        assert_type(event.data.status, JobStatus)
    elif event.type == "sample" or event.type == "log":
        assert_type(event.type, Literal["sample", "log"])
    else:
        assert_never(event)
