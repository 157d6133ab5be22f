"""What is installed is what is imported: nothing more, nothing less, and no torch for the web server."""

import re
import tomllib
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.test_layers import ROOT, files, outside

#: Where the name that is imported isn't the name that is installed.
INSTALLED_AS = {
    "charset_normalizer": "charset-normalizer",
    "flask_compress": "flask-compress",
    "markdown_it": "markdown-it-py",
    "prometheus_client": "prometheus-client",
    "pythonjsonlogger": "python-json-logger",
}
#: Packages that another one brings along as a part of itself.
BROUGHT_BY = {
    "annotated_types": "pydantic",
    "billiard": "celery",
    "itsdangerous": "flask",
    "jinja2": "flask",
    "kombu": "celery",
    "markupsafe": "flask",
    "pydantic_core": "pydantic",
    "werkzeug": "flask",
}
#: Imported only where an extra is installed.
OPTIONAL = {"botocore", "opentelemetry"}
#: Not imported by our code: a command, what redis takes where it is there, what kombu imports without naming it.
NOT_IMPORTED = {"gunicorn", "hiredis", "packaging"}


def pins(name: str) -> dict[str, str]:
    """Read the versions that a file pins, by the packages' normal names."""
    lines = re.findall(r"^([A-Za-z][\w.-]*)==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {canonicalize_name(package): version for package, version in lines}


def imported(*packages: str) -> set[str]:
    """Name the packages, as they are installed, that our packages import."""
    names = {name for path in files(*packages) for name in outside(path)}
    return {INSTALLED_AS.get(name, BROUGHT_BY.get(name, name)) for name in names - OPTIONAL}


def listed(lines: list[str]) -> dict[str, SpecifierSet]:
    """Read requirements as pyproject.toml lists them."""
    return {canonicalize_name(one.name): one.specifier for one in map(Requirement, lines)}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WHOLE = listed(PROJECT["dependencies"])
WEB, WORKER, DEV = (listed(PROJECT["optional-dependencies"][extra]) for extra in ("web", "worker", "dev"))


def test_each_part_asks_for_what_it_imports_and_nothing_more() -> None:
    assert set(WEB) == imported("shared", "web") | NOT_IMPORTED
    assert set(WORKER) == imported("worker", "shared") | NOT_IMPORTED - {"gunicorn"}
    assert set(WHOLE) == imported("shared", "web", "worker", "charloom", "cli") | NOT_IMPORTED
    for part in (WEB, WORKER):
        assert part.items() <= WHOLE.items()


def test_the_pins_are_those_of_the_package_and_fit_its_ranges() -> None:
    pinned = pins("requirements.txt")
    assert set(pinned) == set(WHOLE) | {"setuptools"}  # which installs the project itself
    for name, specifier in WHOLE.items():
        assert pinned[name] in specifier, name


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("run", set(WHOLE) - {"torch"}),
        ("web", set(WEB)),
        ("dev", set(WHOLE | DEV) - {"torch"}),
        ("compiler", {"ziglang"}),
        ("otel", {"opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http", "opentelemetry-proto"}),
    ],
)
def test_a_lock_has_all_that_is_needed_in_the_pinned_versions_with_hashes(name: str, wanted: set[str]) -> None:
    locked, pinned = pins(f"locks/{name}.txt"), pins("requirements.txt")
    assert wanted <= set(locked)
    for package, version in locked.items():
        assert version == pinned.get(package, version), package
        assert version in DEV.get(package, SpecifierSet()), package
    entries = re.split(r"^(?=\w)", (ROOT / "locks" / f"{name}.txt").read_text(), flags=re.MULTILINE)[1:]
    assert len(entries) == len(locked)
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_locks_agree_and_the_web_server_is_given_no_torch() -> None:
    run, web, dev = (pins(f"locks/{name}.txt") for name in ("run", "web", "dev"))
    assert web.items() <= run.items() <= dev.items()
    assert pins("locks/otel.txt").items() <= dev.items()
    assert "torch" not in web


@pytest.mark.parametrize("name", ["run", "dev"])
def test_a_lock_has_what_torch_brings_along(name: str) -> None:
    needed = {canonicalize_name(one.name) for one in map(Requirement, requires("torch") or []) if not one.marker}
    assert needed
    assert needed <= set(pins(f"locks/{name}.txt"))
