"""Keys are read strictly, kept as hashes, and never shown."""

import pytest

from shared import api_keys
from shared.errors import SettingsError
from shared.settings import Settings, check_binding, load

GOOD, OTHER = "0123456789abcdef01234567", "a-key.of_another~person+/=="


def settings_of(keys: str) -> Settings:
    return load({"CHARLOOM_API_KEYS": keys})


def test_keys_have_names_of_their_own_or_their_place() -> None:
    keys = settings_of(f" {GOOD}, anna:{OTHER},").api_keys
    assert [key.name for key in keys] == ["key-1", "anna"]
    assert api_keys.find(keys, GOOD) == keys[0]
    assert api_keys.find(keys, OTHER) == keys[1]


@pytest.mark.parametrize(
    "presented", ["", GOOD[:-1], GOOD + " ", GOOD.upper(), "key-1", f"anna:{OTHER}", "\ud800", "ü"]
)
def test_nothing_else_fits(presented: str) -> None:
    assert api_keys.find(settings_of(f"{GOOD},anna:{OTHER}").api_keys, presented) is None


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (GOOD[:23], "CHARLOOM_API_KEYS: key 1 has 23 characters, but must have 24 to 200"),
        (f"{GOOD},anna:short", "key 2 has 5 characters"),
        ("ab" * 12, "only 2 different characters"),
        (GOOD + "ü", "character that a Bearer token can't"),
        (GOOD + " x", "character that a Bearer token can't"),
        (f"a.b:{GOOD}", "the name of key 1"),
        (f":{GOOD}", "the name of key 1"),
        (f"anna:{GOOD},anna:{OTHER}", "two keys have one name"),
        (f"anna:{GOOD},bert:{GOOD}", "one key is listed twice"),
    ],
)
def test_a_bad_one_stops_the_start_with_words_and_is_not_shown(keys: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        settings_of(keys)
    assert "CHARLOOM_API_KEYS" in str(caught.value)
    message = f"{caught.value} {caught.value.__cause__}"
    assert not any(part in message for part in (GOOD, OTHER, GOOD[:23]))


def test_settings_hold_no_key_and_show_no_hash() -> None:
    settings = settings_of(f"anna:{GOOD}")
    shown = f"{settings!r} {settings} {settings.api_keys!r}"
    assert GOOD not in shown
    assert repr(settings.api_keys[0].digest) not in shown
    assert GOOD.encode() not in settings.api_keys[0].digest


def test_the_hash_is_the_same_after_every_start() -> None:
    assert settings_of(GOOD).api_keys == settings_of(GOOD).api_keys


def test_keys_allow_to_bind_any_address() -> None:
    with pytest.raises(SettingsError, match="CHARLOOM_API_KEYS"):
        check_binding(load({"CHARLOOM_HOST": "0.0.0.0"}))  # noqa: S104
    check_binding(load({"CHARLOOM_HOST": "0.0.0.0", "CHARLOOM_API_KEYS": GOOD}))  # noqa: S104


def test_a_short_signing_key_stops_the_start_and_is_not_shown() -> None:
    with pytest.raises(SettingsError, match="CHARLOOM_SECRET_KEY has 7 characters, but must have 32") as caught:
        load({"CHARLOOM_SECRET_KEY": "hunter2"})
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"
