"""A wrong setting stops the start with its name."""

import pytest

from shared.errors import SettingsError
from shared.settings import load


def test_nothing_need_be_set() -> None:
    assert load({}).port == 8000


def test_values_are_read_from_their_variables() -> None:
    settings = load({"CHARLOOM_TRAIN_SLOTS": "2", "CHARLOOM_ALLOWED_HOSTS": "a.example, b.example", "PATH": "/bin"})
    assert (settings.train_slots, settings.allowed_hosts) == (2, ["a.example", "b.example"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHARLOOM_PORT", "http"),
        ("CHARLOOM_PORT", "70000"),
        ("CHARLOOM_REDIS_URL", "http://localhost"),
        ("CHARLOOM_LEASE_TTL_S", "0"),
        ("CHARLOOM_WEB_STREAMS", "64"),
        ("CHARLOOM_PROT", "8000"),
    ],
)
def test_a_wrong_one_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load({name: value})


def test_a_secret_isn_t_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"CHARLOOM_REDIS_URL": "http://:hunter2@localhost"})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(load({"CHARLOOM_REDIS_URL": "redis://:hunter2@localhost"}))
