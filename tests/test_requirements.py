"""What is installed is what is imported: nothing more, nothing less, and no torch for the web server."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.test_layers import ROOT, files, outside

#: Where the name that is imported isn't the name that is installed.
INSTALLED_AS = {"charset_normalizer": "charset-normalizer", "flask_wtf": "flask-wtf"}
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
#: Not imported by our code: a command, what redis takes where it is there, what kombu imports without naming it.
NOT_IMPORTED = {"gunicorn", "hiredis", "packaging"}


REQUIREMENTS = ("requirements-web.txt", "requirements.txt", "requirements-dev.txt")


def read(name: str) -> str:
    """Return a file of the checkout."""
    return (ROOT / name).read_text()


def required(name: str) -> set[str]:
    """Read the packages that a requirements file names itself."""
    return {found.lower() for found in re.findall(r"^([A-Za-z][\w.-]*)==", (ROOT / name).read_text(), re.MULTILINE)}


def imported(*packages: str) -> set[str]:
    """Name the packages, as they are installed, that our packages import."""
    names = {name for path in files(*packages) for name in outside(path)}
    return {INSTALLED_AS.get(name, BROUGHT_BY.get(name, name)) for name in names}


def test_the_web_server_is_given_what_it_imports_and_nothing_more() -> None:
    assert required("requirements-web.txt") == imported("shared", "web") | NOT_IMPORTED


def test_the_rest_is_what_worker_and_command_line_import_beside_it() -> None:
    theirs = imported("worker", "charloom", "cli") - required("requirements-web.txt")
    assert required("requirements.txt") == theirs | {"setuptools"}  # which installs the project itself


def listed(lines: list[str]) -> dict[str, SpecifierSet]:
    """Read requirements as pyproject.toml lists them."""
    return {one.name.lower(): one.specifier for one in map(Requirement, lines)}


def test_the_package_asks_for_what_is_pinned_and_the_pins_fit() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    pins = dict(re.findall(r"^([A-Za-z][\w.-]*)==(\S+)", "".join(map(read, REQUIREMENTS)), re.MULTILINE))
    pins = {name.lower(): pin for name, pin in pins.items()}
    whole, dev = listed(project["dependencies"]), listed(extras["dev"])
    assert set(whole) == (required("requirements-web.txt") | required("requirements.txt")) - {"setuptools"}
    assert set(dev) == required("requirements-dev.txt") | {"setuptools"}
    assert set(listed(extras["web"])) == required("requirements-web.txt")
    assert set(listed(extras["worker"])) == imported("worker", "shared") | NOT_IMPORTED - {"gunicorn"}
    for part in ("web", "worker"):
        assert listed(extras[part]).items() <= whole.items()
    for name, specifier in (whole | dev).items():
        assert pins[name] in specifier, name


def test_every_version_is_pinned() -> None:
    for path in [*ROOT.glob("requirements*.txt"), ROOT / "constraints.txt"]:
        for line in path.read_text().splitlines():
            assert re.match(r"^(#.*|-r \S+|[A-Za-z][\w.-]*==[\w.]+|)$", line), f"{path.name}: {line}"


def test_the_constraints_pin_only_what_the_requirements_bring_along() -> None:
    named = set().union(*(required(Path(path).name) for path in ROOT.glob("requirements*.txt")))
    assert not named & required("constraints.txt")
