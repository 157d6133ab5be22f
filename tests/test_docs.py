"""The documents agree with the code."""

from scripts.settings_page import PAGE, render


def test_the_page_of_settings_lists_every_setting_with_its_default() -> None:
    assert PAGE.read_text() == render(), "run: python -m scripts.settings_page"
