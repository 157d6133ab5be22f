"""Model files made to do harm: small ones that become large, and ones that would run, read or write something."""

import json
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.errors import BadModelFile
from shared.ids import model_id_of
from shared.jobs.record import JobType, Status
from tests.worker.cluster import Cluster
from tests.worker.formats.test_bundle import config, remade, written
from worker.formats.bundle import read_upload

#: Memory that reading a bomb may take, bytes.
MAX_MEMORY_BYTES = 20 << 20


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path(self.target),))


def refuse(path: Path, words: str | None = None) -> None:
    """See that a file is refused, in these words and without much memory."""
    tracemalloc.start()
    try:
        with pytest.raises(BadModelFile, match=words):
            read_upload(path)
        assert tracemalloc.get_traced_memory()[1] < MAX_MEMORY_BYTES
    finally:
        tracemalloc.stop()


def with_many_parts(path: Path, count: int) -> Path:
    """Make a zip file that is all list: entries of 47 bytes for parts that aren't there."""
    entry = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, *[0] * 7, 1, *[0] * 6) + b"a"
    size = len(entry) * count
    with path.open("wb") as file:
        for _ in range(count // 1000):
            file.write(entry * 1000)
        file.write(struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, 0))
        file.write(struct.pack("<4sIQI", b"PK\6\7", 0, size, 1))
        file.write(struct.pack("<4sHHHHIIH", b"PK\5\6", *[0xFFFF] * 4, *[0xFFFFFFFF] * 2, 0))
    return path


def test_a_file_that_is_all_list_is_not_read(tmp_path: Path) -> None:
    refuse(with_many_parts(tmp_path / "x", 1_000_000), "directory has 47000000 bytes")


def test_parts_whose_entries_lie_over_each_other_are_not_unpacked(tmp_path: Path) -> None:
    """As in zip bombs that unpack one kernel of zeros a thousand times."""
    written(tmp_path)
    path = tmp_path / "x"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", config(tmp_path))
        archive.writestr("weights.safetensors", b"\0" * 50_000_000)
        for name in ("metrics.jsonl", "samples.jsonl"):
            info = zipfile.ZipInfo(name)
            kernel = archive.getinfo("weights.safetensors")
            for field in ("header_offset", "compress_size", "file_size", "CRC", "compress_type"):
                setattr(info, field, getattr(kernel, field))
            archive.filelist.append(info)
    refuse(path)


def test_weights_that_unpack_to_a_thousand_times_their_size_are_not_unpacked(tmp_path: Path) -> None:
    # Given: a bundle of a large model, all zeros, in a small zip file.
    written(tmp_path)
    big = config(tmp_path, hidden_size=1024, layers=2)
    zeros = b"\0" * 50_000_000
    path = remade(tmp_path, {"config.json": big, "weights.safetensors": zeros}, zipfile.ZIP_DEFLATED)
    del zeros
    refuse(path, "bytes to 50000000")


def lying(size: int) -> Callable[[bytes], bytes]:
    """Make what changes the size in a file's own list to a smaller one."""

    def change(content: bytes) -> bytes:
        place = content.rindex(b"PK\1\2", 0, content.rindex(b"weights.safetensors"))
        return content[: place + 24] + struct.pack("<I", size) + content[place + 28 :]

    return change


def test_a_part_larger_than_its_entry_says_is_cut_off(tmp_path: Path) -> None:
    written(tmp_path)
    path = remade(tmp_path, {"weights.safetensors": b"\0" * 80_000_000}, zipfile.ZIP_DEFLATED)
    path.write_bytes(lying(1000)(path.read_bytes()))
    refuse(path)


ROW = b'{"step":1,"epoch":1,"seconds":1}\n'


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("metrics.jsonl", b"{}\n" * (63 * 2**20 // 3), "would unpack from"),
        ("samples.jsonl", b" " * (64 << 20), "would unpack from"),
        ("config.json", b'{"x":[' + b"[]," * 5_000_000 + b"[]]}", "would unpack from"),
    ],
)
def test_text_that_unpacks_to_many_times_its_size_is_not_unpacked(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    written(tmp_path)
    refuse(remade(tmp_path, {name: content}, zipfile.ZIP_DEFLATED), words)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("metrics.jsonl", b"{}\n" * 5_000_000, "line 1: step"),
        ("metrics.jsonl", ROW * 20_001, "more than 20,000 lines"),
        ("metrics.jsonl", ROW + b" " * (16 << 20), "line 2 has more than 262,144 bytes"),
        ("metrics.jsonl", b"[" * (64 << 10), "recursion limit"),
        ("config.json", b'{"x":[' + b"[]," * 5_000_000 + b"[]]}", "more values"),
        ("config.json", b"{" * 15_000_000, "more values"),
        ("config.json", b'{"vocabulary":[' + b"0," * 7_000_000 + b"0]}", "config.json"),
    ],
    ids=range(7),
)
def test_stored_text_of_more_objects_than_a_model_has_is_refused_early(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    written(tmp_path)
    refuse(remade(tmp_path, {name: content}), words)


@pytest.mark.parametrize(
    ("pickled", "words"),
    [
        (b"\x80\x02" + b"]" * (31 << 20) + b".", "more objects"),
        (b"\x80\x02(" + b"K\0" * 1_000_000 + b"t.", "more objects"),
        (b"cbuiltins\nbytearray\n(I3000000000\ntR.", "more than tensors"),
        (b"ctorch.storage\nUntypedStorage\n(I3000000000\ntR.", "more than tensors"),
    ],
    ids=range(4),
)
def test_a_pickle_that_makes_more_than_a_model_is_not_run(tmp_path: Path, pickled: bytes, words: str) -> None:
    written(tmp_path, "classic")
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(tmp_path / "document.pth") as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, pickled if entry.filename.endswith("data.pkl") else old.read(entry))
    del pickled
    refuse(path, words)


def safetensors(header: bytes, *, length: int | None = None, data: bytes = b"") -> bytes:
    """Make a safetensors file of a header and data."""
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def described(**tensor: Any) -> bytes:
    return json.dumps({"linear.bias": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} | tensor}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        safetensors(b"{}", length=2**63),
        safetensors(b"{}", length=2**32),
        safetensors(b"{}", length=3),
        safetensors(b"[" * 50_000),
        safetensors(b'{"a":' * 50_000),
        safetensors(b"{" + b" " * 1_000_000 + b"}"),
        safetensors(described(data_offsets=[0, 2**62]), data=b"\0" * 4),
        safetensors(described(data_offsets=[4, 0]), data=b"\0" * 4),
        safetensors(described(data_offsets=[-1, 4]), data=b"\0" * 4),
        safetensors(described(shape=[2**40, 2**40]), data=b"\0" * 4),
        safetensors(described(shape=[2**63]), data=b"\0" * 4),
        safetensors(described(shape=[-1]), data=b"\0" * 4),
        safetensors(described(shape=[0, 10**18]), data=b"\0" * 4),
        safetensors(described(dtype="OBJECT"), data=b"\0" * 4),
        safetensors(described(dtype="F64", data_offsets=[0, 8]), data=b"\0" * 8),
        safetensors(b'{"__metadata__":{"a":1}}'),
        safetensors(b"\xff\xfe{}"),
    ],
    ids=range(19),
)
def test_weights_with_a_false_header_are_refused(tmp_path: Path, content: bytes) -> None:
    written(tmp_path)
    refuse(remade(tmp_path, {"weights.safetensors": content}))


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "../../x",
        "/etc/x",
        "C:\\x",
        "..\\x",
        "a/../../x",
        "config.json/x",
        "Config.json",
        "weights.pkl",
        "data.pkl",
    ],
)
def test_a_part_that_would_land_elsewhere_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "below" / "this"
    folder.mkdir(parents=True)
    written(folder)
    path = remade(folder, {name: b"x"})
    before = {one for one in tmp_path.rglob("*") if one.is_file()}
    refuse(path, "no place")
    assert {one for one in tmp_path.rglob("*") if one.is_file()} == before


def bombs(folder: Path, target: Path) -> list[Path]:
    """Make files that would run code when they are unpickled, in each form that there is."""
    in_torch, plain, legacy, in_bundle = (folder / name for name in ("a.pth", "b.pth", "c.pth", "d.zip"))
    torch.save([{"lstm.weight_hh_l0": Touch(target)}, {"a": 0}], in_torch)
    plain.write_bytes(pickle.dumps(Touch(target)))
    torch.save([Touch(target)], legacy, _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(in_bundle, "w") as archive:
        archive.writestr("config.json", pickle.dumps(Touch(target)))
        archive.writestr("weights.safetensors", pickle.dumps(Touch(target)))
    return [in_torch, plain, legacy, in_bundle]


def test_a_real_worker_fails_every_bomb_with_words_and_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    target = tmp_path / "exploded"
    written(tmp_path, "classic")
    files = [*bombs(tmp_path, target), with_many_parts(tmp_path / "many", 100_000)]
    with cluster.worker("w-bombs") as worker:
        for file in files:
            params = {"filename": file.name, "name": "bomb"}
            job = cluster.ended(cluster.send(JobType.IMPORT, params, upload=file))
            assert (job.status, job.error and job.error.code) == (Status.FAILED, "bad_model_file"), file.name
            assert job.lost_attempts == 0
        good = cluster.send(JobType.IMPORT, {"filename": "x", "name": "good"}, upload=tmp_path / "document.pth")
        assert cluster.ended(good).status is Status.SUCCEEDED
        folder = cluster.volume.models.folder(model_id_of(good))
        assert [path for path in (folder, *folder.iterdir()) if path.stat().st_mode & 0o077] == []
        assert worker.poll() is None
    assert not target.exists()
