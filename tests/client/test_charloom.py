"""Everything that the client can, on a real server with a real worker."""

import asyncio
import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest
import redis

from charloom import (
    AsyncCharloom,
    Charloom,
    Conflict,
    Corpus,
    Damaged,
    DoneEvent,
    Invalid,
    Job,
    JobFailed,
    MetricEvent,
    NotFound,
    Outcome,
    ProgressEvent,
    ResetEvent,
    Source,
    Texts,
    TimedOut,
    UnknownEvent,
    WriteItems,
)
from shared.store import keys
from tests.client.scripted import Cutting, Reply, Scripted
from tests.client.stack import ENDLESS, SAMPLE, SMALL, Stack
from tests.waiting import eventually
from tests.worker.extraction.makers import BOOK, GOOD, pdf


def test_a_text_uploaded_as_file_bytes_or_string_is_one_corpus(loom: Charloom, tmp_path: Path) -> None:
    text = "Über den Wolken war der Webstuhl.\n" * 40
    path = tmp_path / "Wolken.txt"
    path.write_text(text, encoding="utf-8")
    corpus = loom.corpora.add(path)
    assert (corpus.name, corpus.chars, corpus.created_at.tzname()) == ("Wolken", len(text), "UTC")
    assert loom.corpora.add_bytes(text.encode(), name="again") == corpus
    assert loom.corpora.add_text(text, name="again").id == corpus.id
    assert loom.corpora.get(corpus.id) == corpus
    assert loom.corpora.text(corpus) == text
    western = text.replace("Webstuhl", "“Webstuhl”").encode("cp1252")
    with pytest.raises(Invalid, match="windows-1252"):
        loom.corpora.add_bytes(western, name="western")
    path.write_bytes(western)
    given = loom.corpora.add(path, encoding="cp1252")
    assert (given.encoding, loom.corpora.text(given)) == ("windows-1252", western.decode("cp1252"))
    path = loom.corpora.download(given, tmp_path / "given.txt")
    assert path.read_bytes() == western.decode("cp1252").encode(), "its sha256 is that of other bytes, those sent"
    with pytest.raises(FileExistsError):
        loom.corpora.download(given, path)
    loom.corpora.delete(given)
    loom.corpora.delete(corpus)
    with pytest.raises(NotFound):
        loom.corpora.get(corpus.id)


def test_a_book_is_extracted_and_a_bad_one_says_why(loom: Charloom, stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "reeds.epub"
    path.write_bytes(GOOD["reeds.epub"])
    job = loom.corpora.upload(path)
    assert isinstance(job, Job)
    corpus = loom.corpora.extracted(job)
    assert loom.corpora.text(corpus) == BOOK
    extraction = loom.jobs.wait(job).check()
    assert extraction.corpus_id == corpus.id
    with pytest.raises(ValueError, match="a job of type extract has no model"):
        _ = extraction.model_id
    assert corpus.source == Source(format="epub", filename="reeds.epub", title="Reeds", author="A. B.")
    assert loom.corpora.add(path) == loom.corpora.upload(path) == corpus
    with pytest.raises(JobFailed, match=r"b\.pdf has no text layer: .*OCR"):
        loom.corpora.add_bytes(pdf([[]]), name="b.pdf")
    # Marks of a format are a part of a text that is sent as such.
    assert loom.corpora.text(loom.corpora.add_text("<html>" + BOOK, name="a.md")) == "<html>" + BOOK

    async def several() -> Corpus:
        async with AsyncCharloom(stack.url) as there:
            paths = [tmp_path / f"{number}.txt" for number in (10, 9)]
            for one in paths:
                one.write_text(f"Chapter {one.stem}")
            return await there.corpora.add(*paths, name="both")

    both = asyncio.run(several())
    assert (both.name, loom.corpora.text(both)) == ("both", "Chapter 9\n\nChapter 10\n")


def test_texts_are_tagged_found_joined_and_counted(loom: Charloom) -> None:
    first = loom.corpora.add_text("abca\n" * 3, name="First to join")
    second = loom.corpora.add_text("ab", name="Second to join")
    tagged = loom.corpora.patch(first, metadata={"mood": "calm=yes"})
    assert tagged == loom.corpora.get(first) == first.model_copy(update={"metadata": {"mood": "calm=yes"}})
    assert list(loom.corpora.list(metadata=("mood", "calm=yes"), kind="prose", name="FIRST")) == [tagged]
    joined = loom.corpora.join([first, second.id], name="Joined", separator="-")
    assert (joined.name, joined.parent_ids) == ("Joined", [first.id, second.id])
    assert loom.corpora.text(joined) == "abca\n" * 3 + "-ab"
    assert loom.corpora.join([first, second], separator="-") == joined
    counts = [(one.character, one.count) for one in loom.corpora.vocabulary(joined)]
    assert counts == [("a", 7), ("b", 4), ("\n", 3), ("c", 3), ("-", 1)]
    with pytest.raises(Invalid, match="named twice"):
        loom.corpora.join([first, first])
    assert not [*loom.models.list(corpus_id=first.id), *loom.jobs.list(corpus_id=first.id)]
    for corpus in (first, second, joined):
        loom.corpora.delete(corpus)


def test_items_of_a_list_are_written_and_read(loom: Charloom, stack: Stack) -> None:
    # Given a model of prose, whose items are words
    model = stack.model()
    words = set(SAMPLE.read_text().split(" "))
    asked: WriteItems = {"count": 1100, "separator": " ", "max_chars": 30}
    # When
    job = loom.generate(model, seed=1, temperature=0.5, items=asked)
    events = [event for event in loom.jobs.events(job) if event.type == "items"]
    done = loom.jobs.wait(job).check()
    items = list(loom.jobs.items(done))
    # Then
    assert done.items is not None
    assert (done.items.written, done.items.finish_reason, done.outputs) == (1100, "count", [])
    assert [item.index for item in items] == list(range(1100))
    assert len({item.text for item in items}) == 1100
    assert all(item.known == (item.text in words) for item in items if "\n" not in item.text)
    assert done.items.known == sum(bool(item.known) for item in items) > 0
    assert all(item.logprob < 0 for item in items)
    assert events[0].data.items == [item.text for item in items[: len(events[0].data.items)]]
    assert list(loom.jobs.items(job, after=1050, limit=30)) == items[1051:1081]
    text = httpx.get(f"{loom.url}/api/v1/jobs/{job.id}/items?format=text", trust_env=False).text
    assert text == "".join(item.text + " " for item in items)
    # And the same seed gives the same items, of which the new ones can be asked for alone
    new = loom.jobs.wait(loom.generate(model, seed=1, temperature=0.5, items={**asked, "count": 300, "new": True}))
    assert [item.text for item in loom.jobs.items(new)] == [item.text for item in items if not item.known][:300]
    assert new.items is not None
    assert new.items.known


def test_items_end_with_what_there_is(loom: Charloom, stack: Stack) -> None:
    asked: WriteItems = {"count": 50, "separator": " ", "max_chars": 30}
    job = loom.jobs.wait(loom.generate(stack.model(), prompt="the", temperature=0, items=asked)).check()
    assert job.items is not None
    assert (job.items.written, job.items.finish_reason) == (1, "exhausted")
    assert "1,000 repeated an earlier one" in job.items.detail
    with pytest.raises(Invalid, match=r"items\.separator is missing"):
        loom.generate(stack.model(), items={"count": 5})
    with pytest.raises(NotFound):
        list(loom.jobs.items(loom.generate(stack.model(), prompt="the", length=1)))


def test_lists_request_their_next_pages(loom: Charloom) -> None:
    made = [loom.corpora.add_text(f"text number {number} " * 10, name=f"n{number}") for number in range(105)]
    listed = list(loom.corpora.list())
    assert [corpus.name for corpus in listed[:105]] == [corpus.name for corpus in reversed(made)]
    assert [corpus.name for corpus in loom.corpora.list(limit=3)] == ["n104", "n103", "n102"]
    oldest = list(loom.corpora.list(order="asc", after=made[99].id))
    assert [corpus.name for corpus in oldest] == [f"n{number}" for number in range(100, 105)]
    for corpus in made:
        loom.corpora.delete(corpus)


def test_a_training_is_queued_watched_and_waited_for(loom: Charloom, stack: Stack) -> None:
    job = loom.train(stack.corpus(), name="a small one", metadata={"for": "tests"}, **SMALL)
    assert (job.type, job.status, job.ended, job.model_id) == ("train", "queued", False, None)
    events = list(loom.jobs.events(job))
    assert {"status", "progress", "metric", "sample"} < {event.type for event in events}
    assert events[-1].type == "done"
    done = loom.jobs.wait(job).check()
    assert done.ended
    assert done.progress.fraction == 1.0
    assert done.metadata == {"for": "tests"}
    metrics = loom.jobs.metrics(job)
    assert metrics == [event.data for event in events if isinstance(event, MetricEvent)]
    assert not any(isinstance(event, UnknownEvent) for event in events)
    assert done.metrics.best_loss == pytest.approx(min(row.validation_loss or 9 for row in metrics))
    model = loom.models.get(done.model_id)
    assert done.stop_reason == "completed"
    assert not done.outputs
    assert (model.name, model.job_id, model.corpus_id) == ("a small one", job.id, stack.corpus().id)


def test_records_dump_to_exactly_the_server_s_json(loom: Charloom, stack: Stack) -> None:
    model = stack.model()
    for path, record in (
        (f"/models/{model.id}", model),
        (f"/jobs/{model.job_id}", loom.jobs.get(model.job_id)),
        (f"/corpora/{model.corpus_id}", loom.corpora.get(model.corpus_id or "")),
    ):
        answer = httpx.get(f"{stack.url}/api/v1{path}", trust_env=False).json()
        assert record.model_dump(mode="json") == answer
        assert record.model_extra == {}, "every field of the contract is typed"
        assert json.loads(record.model_dump_json()) == answer


def test_events_carry_the_generated_text_in_pieces(loom: Charloom, stack: Stack) -> None:
    job = loom.generate(stack.model(), prompt="there was a ", length=300, n=2, seed=5)
    texts, seen = Texts(), ["", ""]
    for event in loom.jobs.events(job):
        for index, new in texts.add(event):
            seen[index] += new
    outputs = loom.jobs.wait(job).check().outputs
    assert [output.text for output in outputs] == seen
    assert [len(text) for text in seen] == [300, 300]
    assert {output.finish_reason for output in outputs} == {"length"}
    assert outputs[0].copied is not None
    assert 0 < outputs[0].copied.longest < 300
    again = loom.jobs.wait(loom.generate(stack.model(), prompt="there was a ", length=300, n=2, seed=5))
    assert [output.text for output in again.outputs] == seen


def test_refusals_name_the_value(loom: Charloom, stack: Stack) -> None:
    with pytest.raises(Invalid) as caught:
        loom.train(stack.corpus(), epochs=0, hidden_size=9999)
    assert [error.pointer for error in caught.value.errors] == ["/hidden_size", "/epochs"]
    assert "epochs is 0, but must be at least 1" in str(caught.value)


def test_a_job_is_cancelled_resumed_and_listed(loom: Charloom, stack: Stack) -> None:
    job = loom.train(stack.corpus(), **ENDLESS)
    eventually(lambda: loom.jobs.get(job).progress.step > 5, "it trains")
    with pytest.raises(TimedOut):
        loom.jobs.wait(job, timeout_s=0.1)
    with pytest.raises(Conflict):
        loom.corpora.delete(stack.corpus())
    assert loom.jobs.cancel(job).status in ("cancelling", "cancelled")
    ended = loom.jobs.wait(job)
    assert ended.status == "cancelled"
    with pytest.raises(JobFailed, match="it is cancelled") as caught:
        ended.check()
    assert caught.value.job == ended
    resumed = loom.jobs.resume(job)
    assert resumed.parent_id == job.id
    loom.jobs.cancel(resumed)
    loom.jobs.wait(resumed)
    cancelled = list(loom.jobs.list(type="train", status=["cancelled", "failed"]))
    assert [found.id for found in cancelled[:2]] == [resumed.id, job.id]
    with pytest.raises(Conflict):
        loom.jobs.resume(loom.jobs.get(stack.model().job_id))
    assert job.id not in [found.id for found in loom.jobs.list(model_id=stack.model().id)]


def test_a_model_is_renamed_downloaded_imported_and_deleted(loom: Charloom, stack: Stack, tmp_path: Path) -> None:
    model = loom.models.patch(stack.model(), name="Webstuhl", metadata={"a": "b"})
    assert (model.name, model.metadata) == ("Webstuhl", {"a": "b"})
    seen: list[tuple[int, int]] = []
    path = loom.models.download(model, tmp_path, tell=lambda *now: seen.append(now))
    assert path == tmp_path / f"Webstuhl-{model.id[-6:]}.zip"
    assert path.stat().st_size == model.bytes == seen[-1][0] == seen[-1][1]
    with pytest.raises(FileExistsError):
        loom.models.download(model, path)
    loom.models.download(model, path, overwrite=True)
    assert [found.name for found in tmp_path.iterdir()] == [path.name], "nothing else is left"
    job = loom.jobs.wait(loom.models.import_file(path, name="theirs")).check()
    copy = loom.models.get(job.model_id)
    assert (copy.name, copy.vocabulary, copy.parameters) == ("theirs", model.vocabulary, model.parameters)
    loom.models.delete(copy)
    assert copy.id not in [found.id for found in loom.models.list()]
    with pytest.raises(NotFound):
        loom.models.download(model, tmp_path, format="pth")


def test_a_download_that_breaks_off_is_resumed(loom: Charloom, stack: Stack, tmp_path: Path) -> None:
    model = stack.model()
    whole = loom.models.download(model, tmp_path / "whole.zip").read_bytes()
    third = len(whole) // 3
    # Given a way to the server that breaks every answer but the first (the file's headers) after a third of the file
    with Cutting(stack.served.port, cut_after=lambda number: None if number == 0 else third) as cutting:
        with Charloom(cutting.url) as behind:
            behind._transport.http.headers["Connection"] = "close"
            seen: list[int] = []
            path = behind.models.download(model, tmp_path / "cut.zip", tell=lambda there, _: seen.append(there))
        assert cutting.connections > 3
    # Then every bit came once, in order
    assert path.read_bytes() == whole
    assert seen == sorted(seen)


def test_a_download_resumes_a_part_file_and_discards_one_that_does_not_belong(
    loom: Charloom, stack: Stack, tmp_path: Path
) -> None:
    model = stack.model()
    whole = loom.models.download(model, tmp_path / "whole.zip").read_bytes()
    sha256 = hashlib.sha256(whole).hexdigest()
    for beginning in (whole[:1000], b"nonsense" * 100, whole, whole + b"more"):
        (tmp_path / f".model.zip.{sha256[:16]}.part").write_bytes(beginning)
        path = loom.models.download(model, tmp_path / "model.zip", overwrite=True)
        assert path.read_bytes() == whole


def test_threads_that_download_one_model_to_one_file_all_get_it(loom: Charloom, stack: Stack, tmp_path: Path) -> None:
    model = stack.model()
    whole = loom.models.download(model, tmp_path / "whole.zip").read_bytes()
    together = threading.Barrier(32)

    def fetch(_: int) -> bytes:
        together.wait()
        return loom.models.download(model, tmp_path / "model.zip", overwrite=True).read_bytes()

    with ThreadPoolExecutor(32) as threads:
        assert set(threads.map(fetch, range(32))) == {whole}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.zip", "whole.zip"], "nothing else is left"


def test_the_asynchronous_client_does_the_same_and_several_things_at_once(
    loom: Charloom, stack: Stack, tmp_path: Path
) -> None:
    model = stack.model()
    whole = loom.models.download(model, tmp_path / "whole.zip")

    async def written(there: AsyncCharloom, seed: int) -> tuple[str, str]:
        job = await there.generate(model, prompt="there was a ", length=200, seed=seed)
        texts = Texts()
        async for event in there.jobs.events(job):
            texts.add(event)
        ended = (await there.jobs.wait(job)).check()
        return texts[0], ended.outputs[0].text

    async def all_of_it() -> None:
        async with AsyncCharloom(stack.url) as there:
            # Given a training that runs meanwhile
            corpus = await there.corpora.add(SAMPLE)
            assert await there.corpora.text(corpus) == loom.corpora.text(corpus)
            training = await there.train(corpus, **ENDLESS)
            # When 32 downloads go to one file, and several texts are generated and watched, all at once
            target = tmp_path / "model.zip"
            downloads = [there.models.download(model, target, overwrite=True) for _ in range(32)]
            assert set(await asyncio.gather(*downloads)) == {target}
            assert target.read_bytes() == whole.read_bytes()
            assert sorted(path.name for path in tmp_path.iterdir()) == ["model.zip", "whole.zip"]
            for bit_by_bit, at_the_end in await asyncio.gather(*(written(there, seed) for seed in range(3))):
                assert bit_by_bit == at_the_end
            # Then a wait can be cancelled, and events be left in the middle
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(there.jobs.wait(training), 0.2)
            with pytest.raises(TimedOut):
                await there.jobs.wait(training, timeout_s=0.2)
            async with aclosing(there.jobs.events(training)) as events:
                async for event in events:
                    if isinstance(event, ProgressEvent) and event.data.progress.step > 5:
                        break
            await there.jobs.cancel(training)
            with pytest.raises(JobFailed, match="it is cancelled"):
                (await there.jobs.wait(training)).check()
            newest = [job async for job in there.jobs.list(limit=4)]
            assert [job.type for job in newest] == ["generate"] * 3 + ["train"]
            # And an upload of a file makes a model
            imported = (await there.jobs.wait(await there.models.import_file(whole, name="theirs"))).check()
            await there.models.delete(imported.model_id)
            assert (await there.ready()).ready
            with pytest.raises(NotFound):
                await there.models.get(imported.model_id)
            # And a blocking client, as in a notebook, works inside of a running event loop
            assert list(Charloom(stack.url).jobs.events(training))[-1].type == "done"

    # In a thread: other tests of this process may have left an event loop running in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(all_of_it())).result()


def test_a_download_with_another_hash_is_not_kept(scripted: Scripted, tmp_path: Path) -> None:
    scripted.replies = [Reply(body=b"other bytes", headers={"ETag": f'"{"0" * 64}"'})]
    with Charloom(scripted.url) as loom, pytest.raises(Damaged, match="sha256 of model"):
        loom.models.download("mod_1", tmp_path / "model.zip")
    assert list(tmp_path.iterdir()) == []


def test_workers_and_readiness(loom: Charloom) -> None:
    [worker] = loom.workers()
    assert worker.cores >= 1
    assert "torch" in worker.versions
    ready = loom.ready()
    assert (ready.ready, ready.workers) == (True, 1)
    assert loom.drain_worker(worker.name).draining
    assert not loom.drain_worker(worker.name, undo=True).draining
    with pytest.raises(NotFound, match="No worker nobody is seen"):
        loom.drain_worker("nobody")


def test_events_continue_after_an_id_and_end_after_the_last(loom: Charloom, stack: Stack) -> None:
    job_id = stack.model().job_id
    events = list(loom.jobs.events(job_id))
    assert list(loom.jobs.events(job_id, after=events[3].id)) == events[4:]
    assert list(loom.jobs.events(job_id, after=events[-1].id)) == []
    with pytest.raises(NotFound):
        list(loom.jobs.events("job_00000000000000000000000000"))


def test_a_job_whose_events_are_gone_ends_with_its_record(loom: Charloom, stack: Stack) -> None:
    job = stack.train(seed=11)
    with redis.Redis.from_url(stack.cluster.settings.redis_url.get_secret_value()) as server:
        server.delete(keys.events(job.id))
    events = list(loom.jobs.events(job))
    assert [event.type for event in events] == ["reset", "done"]
    assert isinstance(events[0], ResetEvent)
    assert events[0].data.id == job.id
    assert events[1] == DoneEvent(data=Outcome(status="succeeded", result=job.result))


def test_an_odd_name_survives(loom: Charloom) -> None:
    corpus = loom.corpora.add_bytes(SAMPLE.read_bytes() + b"\n", name='Ü "quoted"; name=../x')
    assert corpus.name == 'Ü "quoted"; name=../x'
