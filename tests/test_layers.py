"""The rooms of docs/architecture.md, enforced on the imports themselves; and other conventions of the tree."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAP = ROOT / "docs" / "architecture.md"
PACKAGES = ("shared", "worker", "web", "charloom", "cli")
#: The folder that holds a package, where it isn't the root.
SOURCES = {"charloom": ROOT / "client" / "src"}
#: The packages of this project that each one may import.
USES: dict[str, set[str]] = {
    "shared": set(),
    "charloom": set(),
    "worker": {"shared"},
    "web": {"shared"},
    "cli": {"shared", "charloom"},
}


@dataclass(frozen=True)
class Room:
    """A row of the map: a folder, or a file at the top of a package."""

    path: str
    outside: frozenset[str]

    @property
    def package(self) -> str:
        """Name the package it is in."""
        return Path(self.path.removeprefix("client/src/")).parts[0]

    def holds(self, name: str) -> bool:
        """Return True if the file of this name is in this folder, or is this file."""
        return name.startswith(self.path) if self.path.endswith("/") else name == self.path


def read_rooms() -> list[Room]:
    """Read the rooms from the map's tables, in order: a room imports only from those above it."""
    rows = re.findall(r"^\| `([\w/.]+)` \| [^|]+ \| ([^|]+) \|$", MAP.read_text(), flags=re.MULTILINE)
    return [Room(path, frozenset(re.findall(r"`(\w+)`", outside))) for path, outside in rows]


ROOMS = read_rooms()


@cache
def files(*packages: str) -> list[Path]:
    """List the Python files of packages."""
    return sorted(path for package in packages for path in (SOURCES.get(package, ROOT) / package).rglob("*.py"))


def module_of(path: Path) -> str:
    """Name the module in a file."""
    source = next((place for place in SOURCES.values() if path.is_relative_to(place)), ROOT)
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def file_of(module: str) -> Path | None:
    """Return the file of one of our own modules, or None for a name that isn't one."""
    top, *rest = module.split(".")
    path = (SOURCES.get(top, ROOT) / top).joinpath(*rest)
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()), None)


@cache
def source(path: Path) -> str:
    """Read a file."""
    return path.read_text()


@cache
def tree(path: Path) -> ast.Module:
    """Parse a file."""
    return ast.parse(source(path))


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements in a node, at any depth. No expression holds an import."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for inner in getattr(node, field, ()):
            yield inner
            yield from statements(inner)


@cache
def imports(path: Path) -> frozenset[str]:
    """Name every module that a file imports, in functions too; of `from a import b`, `a.b` where that is a module."""
    found: set[str] = set()
    for node in statements(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path} has a relative import"
            found |= {
                submodule if file_of(submodule := f"{node.module}.{alias.name}") else node.module
                for alias in node.names
            }
    return frozenset(found)


def outside(path: Path) -> set[str]:
    """Name the packages from elsewhere that a file imports."""
    tops = {name.partition(".")[0] for name in imports(path)}
    return tops - sys.stdlib_module_names - {*PACKAGES, "__future__"}


def own(path: Path) -> set[str]:
    """Name the modules of this project that a file imports."""
    return {name for name in imports(path) if name.partition(".")[0] in PACKAGES}


def is_bare(path: Path) -> bool:
    """Return True for an `__init__.py` that holds nothing but a docstring."""
    return path.name == "__init__.py" and len(tree(path).body) <= 1


@cache
def room_of(path: Path) -> Room:
    """Return the room that a file is in: the innermost one, where a room lies within another."""
    name = path.relative_to(ROOT).as_posix()
    holding = [room for room in ROOMS if room.holds(name)]
    assert holding, f"{name} is in no room of docs/architecture.md"
    return max(holding, key=lambda room: len(room.path))


def test_the_map_lists_each_room_once_and_each_is_there() -> None:
    paths = [room.path for room in ROOMS]
    assert len(paths) == len(set(paths))
    assert {room.package for room in ROOMS} == set(PACKAGES)
    for room in ROOMS:
        names = [path.relative_to(ROOT).as_posix() for path in files(room.package)]
        assert any(map(room.holds, names)), f"{room.path} holds no module"


def test_a_module_is_in_a_room_and_imports_from_rooms_above() -> None:
    faults: list[str] = []
    for path in files(*PACKAGES):
        if is_bare(path):
            continue
        room = room_of(path)
        faults += [f"{path}: {room.path} doesn't list {name}" for name in outside(path) - room.outside]
        for name in own(path):
            file = file_of(name)
            assert file, f"{path}: {name} is no module"
            if is_bare(file):
                continue
            other = room_of(file)
            if other.package not in {room.package, *USES[room.package]}:
                faults.append(f"{path}: {room.package} imports {name}")
            elif other.package == room.package and ROOMS.index(other) > ROOMS.index(room):
                faults.append(f"{path}: {other.path} is below {room.path}: it can't give {name}")
    assert not faults, "\n".join(faults)


def test_a_room_lists_no_outside_package_that_it_does_without() -> None:
    for room in ROOMS:
        used = {
            name
            for path in files(room.package)
            if not is_bare(path) and room_of(path) == room
            for name in outside(path)
        }
        assert room.outside <= used, f"{room.path} lists {room.outside - used}"


def test_nothing_is_imported_in_circles() -> None:
    graph = {module_of(path): own(path) - {module_of(path)} for path in files(*PACKAGES)}
    TopologicalSorter(graph).prepare()  # CycleError names the circle


def test_what_computes_knows_neither_the_store_nor_the_broker() -> None:
    """The rooms of worker/ that use torch, up to the one that runs jobs, don't know where a job comes from."""
    for path in files("worker"):
        if "torch" in outside(path):
            known = {name for name in own(path) if name.startswith(("shared.store", "shared.broker"))}
            assert not known, (path, known)


def test_importing_web_cli_or_client_leaves_torch_unloaded() -> None:
    modules = ("charloom", "cli.main", "cli.commands.demo", "cli.doctor.doctor", "web")
    code = f"""
import importlib, sys
for module in {modules}:
    importlib.import_module(module)
    # redis-py loads some of OpenTelemetry by itself where that is installed.
    found = {{"torch", "numpy", "opentelemetry.exporter", "botocore"}} & sys.modules.keys()
    assert not found, f"{{module}} loads {{found}}"
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_environment_is_read_in_one_place() -> None:
    """Settings read it; the client, installed alone, reads its own two; a service passes it on to its children."""
    readers = {
        module_of(path)
        for path in files(*PACKAGES)
        if re.search(r"\bos\.(environ\b(?!\.setdefault)|getenv)", source(path))
    }
    assert readers == {"shared.settings", "charloom.client", "cli.service.service"}


def test_no_redis_key_is_written_outside_the_stores_keys() -> None:
    sources = [*files(*PACKAGES), *sorted((ROOT / "shared").rglob("*.lua"))]
    found = [str(path) for path in sources if re.search(r"[\"']charloom:", source(path))]
    assert found == [str(ROOT / "shared" / "store" / "keys.py")]


def test_every_module_says_what_it_does() -> None:
    paths = [*files(*PACKAGES, "tests", "bench", "scripts"), ROOT / "gunicorn.conf.py"]
    assert not [str(path) for path in paths if not re.match(r"(#.*\n|\n)*([rR]?\"\"\"|$)", source(path))]
