"""The layer is compiled once, found again, and its absence is survived."""

import importlib.util
import platform
from pathlib import Path
from typing import Any

import pytest

from tests.preloaded import output_of
from worker.nn import kernel
from worker.nn.kernel import compilation
from worker.nn.kernel.compilation import (
    FAMILIES,
    Family,
    KernelUnavailable,
    build,
    file_name,
    processor_flags,
    supported,
)

#: Any compiler for x86-64 compiles it, whatever the processor.
FAMILY = next(family for family in FAMILIES if family.name == "avx2")


class Elsewhere:
    """A folder with the sources alone."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.sources = sorted(compilation.SOURCES + compilation.HEADERS)
        for name in self.sources:
            (folder / name).write_bytes((compilation.FOLDER / name).read_bytes())
        monkeypatch.setattr(compilation, "FOLDER", folder)
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    return Elsewhere(tmp_path, monkeypatch)


def test_where_the_package_takes_no_files_the_users_cache_does(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_nothing(monkeypatch)
    cache = elsewhere.folder / "cache" / "charloom"
    monkeypatch.setattr(compilation, "folders", lambda: [Path("/proc/no-such-place"), cache])
    assert build(FAMILY) == cache / file_name(FAMILY)
    assert build(FAMILY) == cache / file_name(FAMILY)
    assert [path.name for path in cache.iterdir()] == [file_name(FAMILY)]
    monkeypatch.setattr(compilation, "folders", lambda: [Path("/proc/no-such-place"), Path("/proc/nor-this")])
    with pytest.raises(KernelUnavailable, match=r"no-such-place takes no files.*nor-this takes no files"):
        build(FAMILY)


def test_it_is_compiled_once_and_again_when_its_source_changes(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_nothing(monkeypatch)
    first = build(FAMILY)
    made = first.stat().st_mtime_ns
    assert build(FAMILY) == first
    assert first.stat().st_mtime_ns == made
    names = {first.name}
    for source in elsewhere.sources:
        with (elsewhere.folder / source).open("a") as file:
            file.write("/* more */\n")
        names.add(file_name(FAMILY))
    assert len(names) == 1 + len(elsewhere.sources), "each of them gives it another name"
    second = build(FAMILY)
    assert second.name == file_name(FAMILY) != first.name
    assert elsewhere.files() == sorted([*elsewhere.sources, second.name])


def with_flags(patch: pytest.MonkeyPatch, *flags: str) -> None:
    patch.setattr(compilation, "processor_flags", lambda: frozenset(flags))


def hide_compilers(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("PATH", "/nowhere")
    patch.setattr(importlib.util, "find_spec", lambda name: None)  # noqa: ARG005


def compile_nothing(patch: pytest.MonkeyPatch) -> None:
    """Have the compiler leave the file empty."""
    with_flags(patch, "avx2", "fma")
    patch.setattr(compilation, "_compile", lambda *_: None)


def write_nonsense(_: pytest.MonkeyPatch) -> None:
    """Have every compiler refuse every source, which it would compile for seconds next to one that it refuses."""
    for source in compilation.SOURCES:
        (compilation.FOLDER / source).write_text("int nonsense = ;")


@pytest.mark.parametrize(
    ("hurt", "why"),
    [
        (hide_compilers, "no C compiler"),
        (write_nonsense, "refused it"),
        (lambda patch: patch.setattr(platform, "machine", lambda: "riscv64"), "isn't written for Linux on riscv64"),
        (compile_nothing, "can't be loaded"),
        (lambda patch: with_flags(patch, "avx2"), "neither AVX-512 nor AVX2"),
        (
            lambda patch: patch.setenv("CHARLOOM_KERNEL", "neon"),
            "CHARLOOM_KERNEL is neon, which this processor doesn't",
        ),
        (lambda patch: patch.setenv("CHARLOOM_KERNEL", "none"), "CHARLOOM_KERNEL is none"),
    ],
)
def test_without_it_the_reason_is_said_and_nothing_is_left(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, hurt: Any, why: str
) -> None:
    hurt(monkeypatch)
    with pytest.raises(KernelUnavailable, match=why):
        kernel.find()
    assert [name for name in elsewhere.files() if name.startswith(".")] == []


def test_a_process_without_it_logs_the_reason_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CHARLOOM_KERNEL", "none")
    kernel.load.cache_clear()
    try:
        assert kernel.load() is None
        assert kernel.load() is None
    finally:
        kernel.load.cache_clear()
    [line] = [record.getMessage() for record in caplog.records if record.name == "worker.nn.kernel"]
    assert line.startswith("The LSTM layer is torch's own, which is several times slower: ")


def test_the_best_family_is_taken_and_a_slower_one_where_its_file_cannot_be_made(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    every = {flag for family in FAMILIES if family.machine == platform.machine() for flag in family.needs}
    if not processor_flags().issuperset(FAMILY.needs):
        pytest.skip(f"this processor has no {FAMILY.title}")
    with_flags(monkeypatch, *every)
    made: list[str] = []

    def refusing(family: Family) -> Path:
        made.append(family.name)
        if family is not FAMILY:
            raise KernelUnavailable("the compiler doesn't know these instructions")
        return build(family)

    monkeypatch.setattr(kernel, "build", refusing)
    assert kernel.find("auto").family is FAMILY
    assert made == ["amx", "bf16", "vnni", "avx512", "avx-vnni", "avx2"]
    assert caplog.text.count("isn't used: the compiler doesn't know these instructions") == 5
    made.clear()
    assert kernel.find("avx2").family is FAMILY
    assert made == ["avx2"]


def test_every_mac_with_an_arm_processor_has_dot_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    processor_flags.cache_clear()
    try:
        assert [family.name for family in supported()] == ["neon-dot", "neon"]
    finally:
        processor_flags.cache_clear()


def test_a_user_without_a_home_directory_has_the_packages_folder(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    compile_nothing(monkeypatch)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert compilation.folders() == [elsewhere.folder]
    assert build(FAMILY).parent == elsewhere.folder


def test_the_command_says_how_it_went() -> None:
    for environment in ({}, {"PATH": "/nowhere"}):  # the second finds it compiled
        said = output_of("worker.nn.kernel", **environment)
        assert said.startswith("The LSTM layer is ")
        assert ("is compiled for" in said) is (kernel.load() is not None)
