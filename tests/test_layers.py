"""The table of layers in docs/architecture.md, proven on the imports themselves; and other conventions of the tree."""

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("shared", "worker", "web", "charloom", "cli")
#: Where a package is, where it isn't at the top.
SOURCES = {"charloom": ROOT / "client" / "src" / "charloom"}

#: Files of shared/ that are only words: the standard library and pydantic.
WORDS = ("errors", "settings", "text", "requests", "jobs", "ids", "api_keys", "sizes")
#: The one outside thing that each adapter may know.
ADAPTERS = {"store": {"redis"}, "broker": {"celery", "kombu"}, "volume": {"charset_normalizer"}}


def files(*packages: str) -> list[Path]:
    """List the Python files of packages."""
    return sorted(path for package in packages for path in SOURCES.get(package, ROOT / package).rglob("*.py"))


def module_of(path: Path) -> str:
    """Name the module in a file."""
    source = ROOT / "client" / "src" if path.is_relative_to(ROOT / "client" / "src") else ROOT
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path) -> frozenset[str]:
    """Name every module that a file imports, in functions too; of `from a import b`, `a.b` where that is a module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {
                submodule if is_module(submodule := f"{node.module}.{alias.name}") else node.module
                for alias in node.names
            }
    return frozenset(found)


def is_module(name: str) -> bool:
    """Tell whether one of our own files is this module."""
    top, *rest = name.split(".")
    path = SOURCES.get(top, ROOT / top).joinpath(*rest)
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def outside(path: Path) -> set[str]:
    """Name the packages from elsewhere that a file imports."""
    tops = {name.partition(".")[0] for name in imports(path)}
    return tops - sys.stdlib_module_names - {*PACKAGES, "__future__"}


def own(path: Path) -> set[str]:
    """Name the modules of this project that a file imports."""
    return {name for name in imports(path) if name.partition(".")[0] in PACKAGES}


def is_under(name: str, packages: set[str] | tuple[str, ...]) -> bool:
    """Tell whether a module is one of these or inside one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("name", WORDS)
def test_words_know_only_the_standard_library_pydantic_and_each_other(name: str) -> None:
    place = ROOT / "shared" / name
    for path in [place.with_suffix(".py")] if place.with_suffix(".py").exists() else sorted(place.rglob("*.py")):
        assert outside(path) <= {"pydantic", "annotated_types"}
        assert all(is_under(module, {f"shared.{word}" for word in WORDS}) for module in own(path)), path


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_knows_one_outside_thing_and_words(name: str) -> None:
    place = ROOT / "shared" / name
    for path in [place.with_suffix(".py")] if place.with_suffix(".py").exists() else sorted(place.rglob("*.py")):
        assert outside(path) <= ADAPTERS[name] | {"pydantic"}, path
        allowed = {f"shared.{name}", *(f"shared.{word}" for word in WORDS)}
        assert all(is_under(module, allowed) for module in own(path)), (path, own(path))


def test_only_the_store_uses_redis_py() -> None:
    users = {module_of(path) for path in files(*PACKAGES) if "redis" in outside(path)}
    assert all(is_under(user, ("shared.store",)) for user in users), users


def test_shared_knows_neither_torch_nor_flask_nor_who_uses_it() -> None:
    for path in files("shared"):
        assert not outside(path) & {"torch", "numpy", "flask"}, path
        assert all(is_under(module, ("shared",)) for module in own(path)), path


def test_what_computes_knows_neither_celery_nor_redis_nor_http() -> None:
    """A file of worker/ that imports torch, and everything it imports, is computing; jobs are run above it."""
    for path in files("worker"):
        if "torch" in outside(path):
            assert not outside(path) & {"celery", "kombu", "billiard", "redis", "flask", "httpx"}, path
            runs_jobs = {module for module in own(path) if is_under(module, {"shared.store", "shared.broker"})}
            assert not runs_jobs, (path, runs_jobs)


def test_the_client_stands_alone() -> None:
    for path in files("charloom"):
        assert outside(path) <= {"httpx", "pydantic"}, path
        assert all(is_under(module, ("charloom",)) for module in own(path)), path


def test_only_the_command_line_uses_the_client() -> None:
    """What calls over HTTP is `charloom`; nothing of the service calls itself."""
    for path in files("shared", "worker", "web"):
        assert not any(is_under(module, ("charloom",)) for module in own(path)), path


@pytest.mark.parametrize("door", ["web", "cli"])
def test_web_and_cli_never_import_torch_or_the_worker(door: str) -> None:
    for path in files(door):
        assert not outside(path) & {"torch", "numpy", "safetensors"}, path
        assert not any(is_under(module, ("worker",)) for module in own(path)), path
    other = {"web": "cli", "cli": "web"}[door]
    assert not any(is_under(module, (other,)) for path in files(door) for module in own(path))


def test_the_worker_never_imports_a_door() -> None:
    for path in files("worker"):
        assert "flask" not in outside(path), path
        assert not any(is_under(module, ("web", "cli")) for module in own(path)), path


def test_nothing_is_imported_in_circles() -> None:
    graph = {module_of(path): own(path) - {module_of(path)} for path in files(*PACKAGES)}
    TopologicalSorter(graph).prepare()  # CycleError names the circle


@pytest.mark.parametrize("module", ["web", "charloom", "cli.main", "cli.commands.demo", "cli.doctor.doctor"])
def test_importing_a_door_leaves_torch_unloaded(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_environment_is_read_in_one_place() -> None:
    """Settings read it; the client, which stands alone, reads its own two; `cli.service.service` passes it on."""
    readers = {
        module_of(path)
        for path in files(*PACKAGES)
        if re.search(r"\bos\.(environ\b(?!\.setdefault)|getenv)", path.read_text())
    }
    assert readers == {"shared.settings", "charloom.client", "cli.service.service"}


def test_no_redis_key_is_spelled_outside_the_stores_keys() -> None:
    sources = [*files(*PACKAGES), *sorted((ROOT / "shared").rglob("*.lua"))]
    spelled = [str(path) for path in sources if re.search(r"[\"']charloom:", path.read_text())]
    assert spelled == [str(ROOT / "shared" / "store" / "keys.py")]


DOCUMENTED = [*files(*PACKAGES, "tests", "bench", "scripts"), ROOT / "gunicorn.conf.py"]


@pytest.mark.parametrize("path", DOCUMENTED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_does(path: Path) -> None:
    source = path.read_text()
    assert not source or ast.get_docstring(ast.parse(source))
