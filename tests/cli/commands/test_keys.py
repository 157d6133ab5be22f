"""A server that requires a key gets the one in CHARLOOM_API_KEY; a missing one is reported."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import clean_environment, doctor_of
from tests.cli.runner import Cli
from tests.web.serving import serve

KEY = "a-key-of-twenty-four-characters-or-more"


@pytest.fixture
def locked(redis_url: str, tmp_path: Path) -> Iterator[Cli]:
    """Run commands that call a server that requires a key."""
    with serve(redis_url, tmp_path, CHARLOOM_API_KEYS=f"anna:{KEY}", CHARLOOM_QUOTA_TEXTS="3") as served:
        yield Cli(tmp_path, clean_environment() | {"CHARLOOM_URL": served.url})


def test_the_key_is_sent_and_a_missing_one_is_reported(locked: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("", "another-key-of-twenty-four-characters"):
        refused = locked("jobs", CHARLOOM_API_KEY=key)
        assert refused.exit_code == 4
        assert "CHARLOOM_API_KEY" in refused.stderr
    doctor = doctor_of(locked, monkeypatch)
    refusing = doctor(CHARLOOM_API_KEY="another-key-of-twenty-four-characters")
    assert refusing.exit_code == 3
    assert "bad   web: " in refusing.stdout
    assert "Set CHARLOOM_API_KEY to a valid key." in refusing.stdout
    assert locked("jobs", CHARLOOM_API_KEY=KEY).exit_code == 0
    usage = locked("usage", CHARLOOM_API_KEY=KEY)
    assert [line.split() for line in usage.stdout.splitlines()] == [
        ["key", "anna"],
        ["texts", "0", "of", "3"],
        ["models", "0"],
        ["together", "0", "bytes"],
    ]
    assert KEY not in doctor(CHARLOOM_API_KEY=KEY).stdout
