"""Each compiler takes the sources without a warning, and its layer computes the same bits."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from tests.worker.nn.test_compilation import FAMILY, Elsewhere
from tests.worker.nn.test_kernel import gradients
from worker.nn.kernel import Kernel, compilation
from worker.nn.kernel.compilation import (
    FAMILIES,
    FOLDER,
    SOURCES,
    KernelUnavailable,
    build,
    machine,
    processor_flags,
)
from worker.nn.model import CharLSTM


# All code but neon.h, and of avx2.h and its users what is compiled nowhere else in the tests.
@pytest.mark.parametrize(("compiler", "name"), [("gcc", "amx"), ("clang", "amx"), ("clang", "avx2")])
@pytest.mark.skipif(machine() != "x86_64", reason="the families are those of x86-64")
def test_a_compiler_has_nothing_to_warn_of(compiler: str, name: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler} here")
    family = next(family for family in FAMILIES if family.name == name)
    words = [compiler, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *family.flags, f'-DFAMILY="{family.header}"']
    done = subprocess.run(
        [*words, *(str(FOLDER / source) for source in SOURCES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def usual() -> Kernel:
    if not processor_flags().issuperset(FAMILY.needs):
        pytest.skip(f"this processor has no {FAMILY.title}")
    return Kernel(FAMILY)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package like ziglang, whose clang is the machine's, and no other compiler. It keeps what it was called with."""
    clang = shutil.which("clang")
    if clang is None:
        pytest.skip("there is no clang here")
    package = tmp_path / "site" / "ziglang"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import pathlib, subprocess, sys\n"
        "pathlib.Path(__file__).with_name('words').write_text(' '.join(sys.argv[1:]))\n"
        f"sys.exit(subprocess.run([{clang!r}, *sys.argv[4:]], env={{'PATH': {os.environ['PATH']!r}}}).returncode)\n"
    )
    (tmp_path / "kernel").mkdir()
    Elsewhere(tmp_path / "kernel", monkeypatch)
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setenv("PYTHONPATH", str(package.parent), prepend=os.pathsep)
    monkeypatch.setenv("PATH", "/nowhere")
    return package


def test_the_package_that_brings_a_compiler_makes_the_layer_that_gcc_makes(usual: Kernel, package: Path) -> None:
    # Given
    for source in ("muon.c", "write.c"):  # two thirds of the time, and nothing below calls them
        functions = re.findall(r"^void (charloom_\w+)\(", (FOLDER / source).read_text(), re.MULTILINE)
        (compilation.FOLDER / source).write_text("".join(f"void {name}(void) {{}}\n" for name in functions))

    # When
    made = Kernel(FAMILY)

    # Then
    assert (package / "words").read_text().startswith("cc -target x86_64-linux-gnu.2.17 -O3 -ffp-contract=off ")
    torch.manual_seed(1)
    torch.set_num_threads(1)
    model = CharLSTM(vocab_size=30, hidden_size=96, embedding_size=8, layers=2).eval()
    codes, found = torch.randint(0, 30, (7, 9)), []
    for kernel in (usual, made):
        model.fuse(kernel, bfloat16=False)
        found.append(gradients(model, codes, bfloat16=False, last=False))
    assert torch.equal(found[0][0], found[1][0])
    assert [name for name, value in found[0][1].items() if not torch.equal(value, found[1][1][name])] == []


def test_the_package_is_told_of_arms_instructions_as_it_names_them(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compilation, "machine", lambda: "aarch64")
    family = next(family for family in FAMILIES if family.name == "neon-dot")
    with pytest.raises(KernelUnavailable):  # the machine's clang has no such processor
        build(family)
    words = (package / "words").read_text()
    assert words.startswith("cc -target aarch64-linux-gnu.2.17 ")
    assert " -mcpu=generic+v8_2a+dotprod " in words
