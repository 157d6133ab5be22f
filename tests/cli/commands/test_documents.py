"""The examples of docs/cli.md and docs/client.md work, and the pages agree with the code."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cli.common import exit_codes
from cli.common.exit_codes import Exit
from cli.main import GROUPS, main
from cli.service.service import ROOT
from tests.cli.runner import Cli
from tests.client.stack import SAMPLE
from tests.preloaded import write_command

CLI_PAGE, CLIENT_PAGE = ROOT / "docs" / "cli.md", ROOT / "docs" / "client.md"


def blocks(page: Path, language: str) -> list[str]:
    """Return the examples of a page, with the shortest trainings."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [re.sub(r"(max.seconds[ =])\d+", r"\g<1>1", block) for block in found]


@pytest.fixture
def book(cli: Cli) -> Path:
    book = cli.folder / "book.txt"
    book.write_bytes(SAMPLE.read_bytes())
    return book


@pytest.mark.skipif(not shutil.which("jq") and "CI" not in os.environ, reason="the examples use jq, which isn't there")
def test_the_examples_of_the_command_line_work(cli: Cli, book: Path) -> None:
    assert book.exists()
    command = cli.folder / "bin" / "charloom"
    command.parent.mkdir()
    write_command(command, "cli.main")
    script = "\n".join(["set -euo pipefail", *blocks(CLI_PAGE, "sh")])
    # As long as it takes until there is something to resume.
    assert "sleep 10 " in script
    script = script.replace(
        "sleep 10 ", 'until charloom job "$job" --json | jq -e ".progress.step > 0"; do sleep 0.1; done '
    )
    environment = cli.environment | {"PATH": f"{command.parent}:{cli.environment['PATH']}"}
    done = subprocess.run(
        ["bash", "-x", "-c", script], cwd=cli.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    text = (cli.folder / "more.txt").read_text()
    assert text[100:] == ("" if text[99] == "\n" else "\n")  # a line end follows a text that doesn't have one
    assert (cli.folder / "as-stored.txt").read_bytes() == SAMPLE.read_bytes()
    assert (cli.folder / "losses.txt").read_text().startswith("EPOCH")


def test_the_examples_of_the_client_work(cli: Cli, book: Path) -> None:
    assert book.exists()
    code = "\n".join(blocks(CLIENT_PAGE, "python"))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cli.folder, env=cli.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "done succeeded" in done.stdout
    assert "422 invalid_request epochs is 0" in done.stdout
    assert [line for line in done.stdout.splitlines() if line.endswith("] True")], (
        "a worker is seen, and the service is ready"
    )


def test_the_page_has_every_command_and_every_exit_code() -> None:
    page = CLI_PAGE.read_text()
    for names in GROUPS.values():
        for name in names:
            assert f"`{name}`" in page
    table = exit_codes.__doc__ or ""
    listed = dict(re.findall(r"^\| (\d+) \| (.*) \|$", page, re.MULTILINE))
    assert listed == dict(re.findall(r"^\| (\d+) \| (.*) \|$", table, re.MULTILINE))
    assert {int(code) for code in listed} == set(Exit)


@pytest.mark.parametrize("name", [name for names in GROUPS.values() for name in names])
def test_every_command_has_help_with_examples_that_it_would_take(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.get_short_help_str(70).endswith("."), "its first sentence is whole"
    _, _, shown = (command.epilog or "").partition("Examples:\n")
    mine = [part for line in shown.splitlines() for part in re.findall(rf"charloom {name}\b([^|>)]*)", line)]
    assert mine, "no example"
    for words in mine:
        arguments = [word.strip("\"'") for word in re.findall(r"'[^']*'|\"[^\"]*\"|\S+", words)]
        if name != "import":  # its file must be there
            command.make_context(name, arguments, resilient_parsing=False)
