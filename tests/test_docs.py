"""The documents agree with the code."""

import re
from pathlib import Path

import pytest

from scripts import api_page, metrics_page
from scripts.settings_page import PAGE, render
from shared.settings import CLIENT_VARIABLES, PREFIX, Settings
from tests.test_layers import ROOT

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_page_of_settings_lists_every_setting_with_its_default() -> None:
    assert PAGE.read_text() == render(), "run: python -m scripts.settings_page"


def test_the_page_of_the_api_has_every_call_and_every_case() -> None:
    page = api_page.PAGE.read_text()
    assert page == api_page.render(page), "run: python -m scripts.api_page"


def test_the_page_of_metrics_has_every_metric() -> None:
    page = metrics_page.PAGE.read_text()
    assert page == metrics_page.render(page), "run: python -m scripts.metrics_page"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(path: Path) -> None:
    text = path.read_text()
    for file in re.findall(
        r"`((?:tests|shared|web|worker|cli|client|scripts|bench|docs)/(?:[\w/.-]+(?:\.\w+|/))?)`", text
    ):
        assert (ROOT / file).exists(), f"{file} isn't there"
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text):
        assert (path.parent / target).exists(), f"{target} isn't there"
    for name in re.findall(rf"\b{PREFIX}([A-Z][A-Z0-9_]*[A-Z0-9])\b", text):
        assert name.lower() in set(Settings.model_fields) | CLIENT_VARIABLES, f"{PREFIX}{name} is no setting"
