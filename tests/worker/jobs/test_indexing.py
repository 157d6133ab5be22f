"""A corpus's index is built when it is needed, whatever happens to the corpus, the volume or the job meanwhile."""

import io
import time
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pytest

from shared.errors import VolumeUnavailable
from shared.volume import Corpora, Corpus
from tests.worker.jobs.test_child_process import Held
from tests.worker.short_trainings import sample_text
from worker.generation.overlap import find_overlaps
from worker.generation.text_index import TextIndex, build, load
from worker.jobs import indexing
from worker.jobs.child_process import CHECK_S
from worker.jobs.lease import Lease, StopRequest, StopRequested

TEXT = sample_text(5000).upper()


@pytest.fixture
def corpora(tmp_path: Path) -> Corpora:
    return Corpora(tmp_path / "corpora")


@pytest.fixture
def corpus(corpora: Corpora) -> Corpus:
    return corpora.add(io.BytesIO(TEXT.encode()), name="a text", max_bytes=1 << 20)[0]


def index_of(
    corpora: Corpora, corpus: Corpus, *, lowercase: bool = False, lease: Held | None = None
) -> TextIndex | None:
    return indexing.index_of(corpora, corpus.id, lowercase=lowercase, lease=cast("Lease", lease or Held()))


def finds(index: TextIndex | None, text: str) -> bool:
    assert index is not None
    return find_overlaps([text], index)[0]["longest"] == len(text)


def left(corpora: Corpora, corpus: Corpus) -> set[str]:
    """Name what is in the corpus's folder, and the folders that are being filled or removed."""
    folder = corpora.index_folder(corpus.id, lowercase=False).parent
    return {path.name for path in [*folder.iterdir(), *folder.parent.glob(".new-*")]}


def never(*_: object) -> None:
    raise AssertionError("it was built again")


def test_it_is_built_once_for_each_way_of_reading_the_text(
    corpora: Corpora, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    for lowercase in (False, True):
        assert finds(index_of(corpora, corpus, lowercase=lowercase), TEXT.lower() if lowercase else TEXT)
    assert left(corpora, corpus) == {"text.txt", "meta.json", "index", "index-lowercase"}
    monkeypatch.setattr(indexing, "build", never)
    assert finds(index_of(corpora, corpus), TEXT)


def test_building_the_index_of_a_large_text_is_noted_once(
    corpora: Corpora, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "NOTED_BYTES", len(TEXT))
    notes: list[str] = []
    for _ in range(2):
        indexing.index_of(corpora, corpus.id, lowercase=False, lease=cast("Lease", Held()), note=notes.append)
    assert len(notes) == 1


def test_a_damaged_one_is_built_again(corpora: Corpora, corpus: Corpus) -> None:
    index_of(corpora, corpus)
    path = corpora.index_folder(corpus.id, lowercase=False) / "order-0.npy"
    path.write_bytes(path.read_bytes()[:-1])
    assert finds(index_of(corpora, corpus), TEXT)
    assert finds(load(path.parent), TEXT)


def test_two_processes_may_build_it_at_once(corpora: Corpora, corpus: Corpus) -> None:
    with corpora.new_index(corpus.id, lowercase=False) as first, corpora.new_index(corpus.id, lowercase=False) as other:
        build(first, [TEXT])
        build(other, [TEXT])
    assert finds(index_of(corpora, corpus), TEXT)
    assert left(corpora, corpus) == {"text.txt", "meta.json", "index"}


def full(_: Path, __: Iterable[str]) -> None:
    raise VolumeUnavailable("The data volume can't be used now: the disk is full.")


def test_on_a_full_volume_it_is_built_in_a_temporary_folder(
    corpora: Corpora, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "build", lambda to, parts: (full if "corpora" in str(to) else build)(to, parts))
    assert finds(index_of(corpora, corpus), TEXT)
    assert left(corpora, corpus) == {"text.txt", "meta.json"}


def test_a_failure_is_logged_and_there_is_none(
    corpora: Corpora, corpus: Corpus, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(indexing, "build", never)
    assert index_of(corpora, corpus) is None
    assert "can't be built: AssertionError" in caplog.text
    assert left(corpora, corpus) == {"text.txt", "meta.json"}


def slow_build(folder: Path, parts: Iterable[str]) -> None:
    time.sleep(2 * CHECK_S)
    build(folder, parts)


def test_a_stop_while_it_is_built_leaves_nothing(
    corpora: Corpora, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "build", slow_build)
    with pytest.raises(StopRequested):
        index_of(corpora, corpus, lease=Held(lambda: StopRequest.CANCEL))
    assert left(corpora, corpus) == {"text.txt", "meta.json"}


def test_there_is_none_of_a_corpus_that_is_deleted_before_or_meanwhile(
    corpora: Corpora, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "build", slow_build)
    deleted: list[str] = []

    def delete() -> None:
        if not deleted:
            corpora.delete(corpus.id)
            deleted.append(corpus.id)

    assert index_of(corpora, corpus, lease=Held(delete)) is None
    assert deleted
    assert index_of(corpora, corpus) is None
    folder = corpora._folder
    assert {path.name for path in folder.iterdir()} == {".by-sha256", ".lock"}
