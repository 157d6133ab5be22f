"""What is installed is what is imported: nothing more, nothing less, and no torch for the web server."""

import re
from pathlib import Path

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
    assert required("requirements.txt") == imported("worker", "charloom", "cli") - required("requirements-web.txt")


def test_every_version_is_pinned() -> None:
    for path in [*ROOT.glob("requirements*.txt"), ROOT / "constraints.txt"]:
        for line in path.read_text().splitlines():
            assert re.match(r"^(#.*|-r \S+|[A-Za-z][\w.-]*==[\w.]+|)$", line), f"{path.name}: {line}"


def test_the_constraints_pin_only_what_the_requirements_bring_along() -> None:
    named = set().union(*(required(Path(path).name) for path in ROOT.glob("requirements*.txt")))
    assert not named & required("constraints.txt")
