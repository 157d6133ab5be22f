"""At a terminal: Ctrl-C asks, colours are shown, and nothing is wider than the terminal."""

import re
from collections.abc import Callable

import pytest

from tests.cli.commands.test_commands import ENDLESS, SMALL
from tests.cli.pseudo_terminal import Terminal
from tests.client.stack import Stack
from tests.waiting import eventually

Start = Callable[..., Terminal]


@pytest.fixture(scope="module", autouse=True)
def model(stack: Stack) -> str:
    return stack.train(name="a model with a rather long name, longer than there is room for").model_id or ""


def _newest(stack: Stack) -> str:
    [job] = stack.loom.jobs.list(limit=1)
    return job.id


def test_ctrl_c_asks_and_c_cancels(terminal: Start, stack: Stack) -> None:
    train = terminal("train", "sample", "--follow", *ENDLESS)
    train.wait_for("sample after epoch")
    train.type("\x03")
    train.wait_for("[c]ancel, [L]eave")
    train.type("c\n")
    assert train.ended() == 130
    assert "Cancelled. `charloom resume" in train.printed
    assert stack.loom.jobs.get(_newest(stack)).status == "cancelled"


@pytest.mark.parametrize("answer", ["\n", "l\n", "\x03", "\x04"], ids=["enter", "l", "ctrl-c", "ctrl-d"])
def test_ctrl_c_asks_and_everything_else_leaves_the_job_alone(terminal: Start, stack: Stack, answer: str) -> None:
    train = terminal("train", "sample", "--follow", *ENDLESS)
    train.wait_for("training")
    eventually(lambda: stack.loom.jobs.get(_newest(stack)).status == "running", "it trains")
    train.type("\x03")
    train.wait_for("[c]ancel, [L]eave")
    train.type(answer)
    assert train.ended() == 130
    assert "The job continues." in train.printed
    assert stack.loom.jobs.get(_newest(stack)).status == "running"
    # And it is found again
    again = terminal("job", _newest(stack), "--follow")
    again.wait_for("training")
    stack.loom.jobs.cancel(_newest(stack))
    assert again.ended() == 1
    assert "The training was cancelled." in again.printed


def test_ctrl_c_cancels_a_generation_and_keeps_its_text(terminal: Start, stack: Stack, model: str) -> None:
    write = terminal("write", model, "--length", "100000", "--n", "64", "--prompt", "the ")
    eventually(lambda: len(write.printed) > 300, "it writes")
    write.type("\x03")
    assert write.ended() == 130
    assert "Stopped." in write.printed
    job = stack.loom.jobs.wait(_newest(stack))
    assert job.status == "cancelled"
    assert job.outputs[0].text


def test_ctrl_c_doesn_t_cancel_a_generation_of_another_command(terminal: Start, stack: Stack, model: str) -> None:
    job = stack.loom.generate(model, length=100_000, n=64, prompt="the ")
    watched = terminal("job", job.id, "--follow")
    eventually(lambda: len(watched.printed) > 300, "it writes")
    watched.type("\x03")
    assert watched.ended() == 130
    assert "The job continues." in watched.printed
    assert stack.loom.jobs.get(job).status == "running"
    stack.loom.jobs.cancel(job)
    stack.loom.jobs.wait(job)


def test_deleting_asks(terminal: Start, stack: Stack) -> None:
    copy = stack.train(seed=9).model_id or ""
    asked = terminal("delete", copy)
    asked.wait_for("[y/N]")
    asked.type("n\n")
    asked.ended()
    assert stack.loom.models.get(copy)
    asked = terminal("delete", copy)
    asked.wait_for("[y/N]")
    asked.type("y\n")
    assert asked.ended() == 0
    assert copy not in [found.id for found in stack.loom.models.list()]


@pytest.mark.parametrize("columns", [60, 132])
def test_nothing_is_wider_than_the_terminal(terminal: Start, model: str, columns: int) -> None:
    for words in (
        ("jobs",),
        ("job",),
        ("models",),
        ("model", model),
        ("corpora",),
        ("workers",),
        ("doctor",),
        ("estimate", "sample"),
        ("write", model, "--length", "300"),
        ("train", "sample", "--follow", *SMALL),
        ("train", "nope"),
        ("--help",),
        ("train", "--help"),
    ):
        shown = terminal(*words, columns=columns)
        shown.ended()
        widest = max(re.split(r"[\r\n]", shown.printed), key=len)
        assert len(widest) <= columns, (words, widest)


def test_no_color_turns_off_every_style(terminal: Start, model: str) -> None:
    assert model
    coloured, plain = terminal("jobs"), terminal("jobs", NO_COLOR="1")
    assert coloured.ended() == plain.ended() == 0
    assert "\x1b[32msucceeded" in coloured.raw
    assert "\x1b[2m" in coloured.raw
    assert "\x1b" not in plain.raw, "no colour, and nothing dim or bold either"


def test_a_name_can_not_steer_the_terminal(terminal: Start, stack: Stack) -> None:
    corpus = stack.loom.corpora.add_text("calm\x1b]0;owned\x07 text " * 20, name="evil \x1b[2J\x9b31m \u202ename")
    for words in (("corpora",), ("corpora", "--json")):
        shown = terminal(*words)
        assert shown.ended() == 0
        assert "evil" in shown.printed
        assert not [char for char in ("\x1b[2J", "\x9b", "\u202e") if char in shown.raw]
    stack.loom.corpora.delete(corpus)
