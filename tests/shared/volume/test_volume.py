"""Corpora, models and job files on a real disk: what goes in comes out, what is refused leaves nothing."""

import errno
import io
import sys
from pathlib import Path

import pytest

from cli.doctor.findings import Level
from cli.doctor.volume_checks import check_mark
from shared.errors import InvalidRequest, LeaseLost, NotFound, SettingsError, TooLarge, VolumeUnavailable
from shared.ids import new_id
from shared.jobs.record import JobType, NewJob
from shared.settings import load
from shared.volume import Corpus, SavedState, Volume
from shared.volume.decoding import detect_encoding
from shared.volume.files import translated
from tests.jobs import make_job

MAX = 10_000_000


@pytest.fixture
def volume(data_dir: Path) -> Volume:
    return Volume(data_dir)


@pytest.fixture(params=["folder", "bucket"])
def either(request: pytest.FixtureRequest, data_dir: Path) -> Volume:
    """A volume of each kind."""
    if request.param == "folder":
        return Volume(data_dir)
    url = request.getfixturevalue("volume_url")
    return Volume.of(load({"CHARLOOM_VOLUME_URL": url, "CHARLOOM_DATA_DIR": str(data_dir)}))


def add(volume: Volume, data: bytes, name: str = "a text", max_bytes: int = MAX) -> tuple[Corpus, bool]:
    return volume.corpora.add(io.BytesIO(data), name=name, max_bytes=max_bytes)


def left_behind(volume: Volume) -> list[str]:
    return [path.name for path in volume.folder.rglob("*") if path.is_file() and path.name != ".lock"]


@pytest.mark.parametrize(
    ("sent", "text", "encoding"),
    [
        (b"Hello,\r\nworld!\rBye\n", "Hello,\nworld!\nBye\n", "utf-8"),
        (b"\xef\xbb\xbfAbc", "\ufeffAbc", "utf-8"),
        ("안녕하세요 🙂 שלום".encode(), "안녕하세요 🙂 שלום", "utf-8"),
        ("Grüße".encode("utf-16"), "Grüße", "utf-16"),
        ("Grüße".encode("utf-32"), "Grüße", "utf-32"),
    ],
)
def test_a_text_comes_out_as_it_went_in_but_for_line_ends(
    volume: Volume, sent: bytes, text: str, encoding: str
) -> None:
    corpus, is_new = add(volume, sent)
    assert is_new
    assert "".join(volume.corpora.parts(corpus.id)) == text
    assert (corpus.chars, corpus.encoding, corpus.bytes) == (len(text), encoding, len(text.encode()))
    assert (corpus.vocab_size, corpus.vocab_size_lowercase) == (len(set(text)), len(set(text.lower())))
    assert corpus.lines == len(text.splitlines())


def test_counts_hold_over_the_edges_of_what_is_read_at_once(volume: Volume) -> None:
    # Line ends, a four-byte character and a final sigma on the edges of the megabytes that are read at once.
    part = "ΟΔΥΣΣΕΥΣ\r\n"
    text = part * 100_000 + "x" * (2**20 - 3) + "🙂" + "\r\n" * 50_000 + "ΣΑΣ"
    corpus, _ = add(volume, text.encode(), max_bytes=2**26)
    plain = text.replace("\r\n", "\n")
    assert "".join(volume.corpora.parts(corpus.id)) == plain
    assert (corpus.chars, corpus.lines) == (len(plain), plain.count("\n") + 1)
    assert corpus.vocab_size_lowercase == len(set(plain.lower()))


def test_a_western_text_that_could_be_several_things_is_not_guessed(volume: Volume) -> None:
    with pytest.raises(InvalidRequest, match="UTF-8"):
        add(volume, "naïve café".encode("latin-1"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b" \n\t\r\n", "white space"),
        ("\ufeff \n".encode(), "white space"),
        (b"abc\0def", "NUL"),
        (bytes(range(256)) * 20, "NUL"),
        ("a\0b".encode("utf-16"), "NUL"),
        (b"\xff\xfea", "UTF-16"),
        (b"ok \xe9\xff\xfa\x80 no", "UTF-8"),
    ],
)
def test_what_is_no_text_is_refused_and_leaves_nothing(volume: Volume, data: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        add(volume, data)
    assert left_behind(volume) == []


def test_too_many_bytes_are_refused_and_leave_nothing(volume: Volume) -> None:
    with pytest.raises(TooLarge, match="1,000"):
        add(volume, b"x" * 1001, max_bytes=1000)
    assert left_behind(volume) == []
    add(volume, b"x" * 1000, max_bytes=1000)


def test_a_sender_that_hangs_up_leaves_nothing(volume: Volume) -> None:
    class HangsUp(io.RawIOBase):
        def read(self, _size: int = -1) -> bytes:
            raise ConnectionResetError(errno.ECONNRESET, "gone")

    with pytest.raises(ConnectionResetError):
        volume.corpora.add(HangsUp(), name="x", max_bytes=MAX)  # type: ignore[arg-type]
    assert left_behind(volume) == []


def test_the_same_bytes_are_kept_once_until_they_are_deleted(either: Volume) -> None:
    first, _ = add(either, b"the same", name="one")
    second, is_new = add(either, b"the same", name="two")
    assert (second, is_new) == (first, False)
    either.corpora.delete(first.id)
    third, is_new = add(either, b"the same", name="three")
    assert is_new
    assert third.name == "three"


def test_of_two_uploads_of_the_same_bytes_at_once_one_stays(either: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(path: Path) -> str:
        monkeypatch.undo()
        add(either, b"the same", name="faster")
        return detect_encoding(path)

    monkeypatch.setattr("shared.volume.corpora.detect_encoding", tell)
    corpus, is_new = add(either, b"the same", name="slower")
    assert (corpus.name, is_new) == ("faster", False)
    assert [one.id for one in either.corpora.list(after=None, limit=9)[0]] == [corpus.id]


def test_corpora_are_listed_by_time_in_pages(either: Volume) -> None:
    ids = [add(either, f"text {n}".encode())[0].id for n in range(5)]
    page, more = either.corpora.list(after=None, limit=2)
    assert ([corpus.id for corpus in page], more) == (ids[:2:-1], True)
    page, more = either.corpora.list(after=ids[3], limit=5)
    assert ([corpus.id for corpus in page], more) == (ids[2::-1], False)
    page, _ = either.corpora.list(after=ids[1], limit=5, newest_first=False)
    assert [corpus.id for corpus in page] == ids[2:]


@pytest.mark.parametrize("bad", ["", "..", "cor_../../x", "../corpora", "cor_0", ".by-sha256"])
def test_unknown_ids_are_not_found_whatever_they_contain(volume: Volume, bad: str) -> None:
    add(volume, b"a text")
    for read in (
        volume.corpora.get,
        volume.corpora.delete,
        volume.corpora.text_path,
        volume.models.get,
        volume.models.delete,
    ):
        with pytest.raises(NotFound):
            read(bad)


def test_a_model_is_published_once_and_only_if_it_was_built(either: Volume) -> None:
    def built(name: str) -> Path:
        folder = either.folder / name
        folder.mkdir()
        (folder / "meta.json").write_text(name)
        return folder

    model_id = new_id("mod")
    with pytest.raises(FileNotFoundError):
        either.models.publish(either.folder / "none", model_id)
    either.models.publish(built("first"), model_id)
    either.models.publish(either.folder / "first", model_id)
    either.models.publish(built("second"), model_id)
    assert either.files.read(either.models.folder(model_id) / "meta.json") == b"first"


@pytest.fixture
def job() -> NewJob:
    return make_job(JobType.IMPORT)


def test_an_import_s_file_is_there_before_the_job_is(either: Volume, job: NewJob) -> None:
    either.jobs.create(job, io.BytesIO(b"weights"), max_bytes=100)
    assert either.jobs.upload(job.id).read_bytes() == b"weights"
    assert either.jobs.list_ids() == [job.id]


@pytest.mark.parametrize(("data", "error"), [(b"", InvalidRequest), (b"x" * 101, TooLarge)])
def test_a_refused_upload_leaves_nothing(volume: Volume, job: NewJob, data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        volume.jobs.create(job, io.BytesIO(data), max_bytes=100)
    assert left_behind(volume) == []


def test_each_token_has_a_folder_of_its_own_once(either: Volume, job: NewJob) -> None:
    assert either.jobs.min_token(job.id) == 0
    either.jobs.open_attempt(job.id, 3)
    with pytest.raises(LeaseLost):
        either.jobs.open_attempt(job.id, 3)
    either.jobs.open_attempt(job.id, 11)
    assert either.jobs.min_token(job.id) == 11


def test_states_are_found_newest_token_first_and_older_files_go(either: Volume, job: NewJob) -> None:
    for token, steps in ((1, (10, 20)), (2, (15,))):
        folder = either.jobs.open_attempt(job.id, token)
        for step in steps:
            path = folder / f"state-{step}.safetensors"
            path.write_bytes(b"state")
            either.jobs.commit_state(folder, SavedState(path=path, sha256="ab", step=step))
    assert [state.step for state in either.jobs.states(job.id)] == [15, 20]
    assert not either.files.exists(either.folder / "jobs" / job.id / "t1" / "state-10.safetensors")
    either.jobs.drop_attempts(job.id)
    assert either.jobs.states(job.id) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_the_disk_s_troubles_are_said_in_words(number: int) -> None:
    with pytest.raises(VolumeUnavailable, match="data volume"), translated():
        raise OSError(number, "trouble")


def test_a_volume_that_is_no_folder_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(VolumeUnavailable):
        Volume(tmp_path / "data").check()


def test_a_bucket_without_its_client_says_what_to_install(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shared.volume.bucket", None)
    settings = load({"CHARLOOM_VOLUME_URL": "s3://bucket/x", "CHARLOOM_DATA_DIR": str(data_dir)})
    with pytest.raises(SettingsError, match=r"pip install .charloom\[s3\]"):
        Volume.of(settings)
    assert {finding.level for finding in check_mark(settings, None, adopt=False)} == {Level.WARN}
