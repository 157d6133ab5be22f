"""What the benches share: taking turns, and rows that say whether they are as wanted."""

import json
import sys
from pathlib import Path

import pytest

from bench.common import Row, Turns, in_turns, report, text_argument


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "argument text: there is no file {!r}"), (b"caf\xe9", "{!r} isn't UTF-8")]
)
def test_a_text_that_cant_be_read_ends_a_bench_in_one_line_with_code_2(
    content: bytes | None,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(sys, "argv", ["pace", str(path)])
    with pytest.raises(SystemExit) as ended:
        text_argument("How fast")
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"pace: error: {reason.format(str(path))}"


def test_turns_are_taken_in_alternating_order_and_the_warm_up_isnt_counted() -> None:
    order: list[str] = []
    turns = in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=3)
    assert order == ["a", "b", "b", "a", "a", "b", "b", "a"]
    assert {name: len(seconds) for name, seconds in turns.seconds.items()} == {"a": 3, "b": 3}


def test_seconds_are_for_each_thing_that_an_act_says_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 6.0, 10.0, 12.0])
    monkeypatch.setattr("bench.common.time.perf_counter", lambda: next(times))
    turns = in_turns({"three": lambda: 3, "one": lambda: None}, rounds=1, warm_up=0)
    assert turns.seconds == {"three": [2.0], "one": [2.0]}


def test_no_round_begins_after_its_time_but_the_first_that_counts() -> None:
    calls: list[int] = []
    turns = in_turns({"slow": lambda: calls.append(1)}, rounds=9, warm_up=1, most_s=0)
    assert len(calls) == 2
    assert len(turns.seconds["slow"]) == 1


def test_a_ratio_is_the_median_of_pairs_that_met_the_same_load() -> None:
    # In the third round everything took ten times as long: the pair says the same.
    turns = Turns({"peer": [4.0, 4.0, 40.0], "ours": [2.0, 2.0, 20.0]})
    assert turns.ratio("peer", "ours") == 2.0
    assert turns.median("peer") == 4.0


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row(what="x", unit="s", ours=1.0), None),
        (Row(what="x", unit="s", ours=1.0, peer=2.0, ratio=2.0, least_ratio=2.0), True),
        (Row(what="x", unit="s", ours=1.0, peer=1.9, ratio=1.9, least_ratio=2.0), False),
        (Row(what="x", unit="s", ours=1.0, most=1.0), True),
        (Row(what="x", unit="s", ours=1.1, most=1.0), False),
        (Row(what="x", unit="s", ours=None, most=1.0), False),
    ],
)
def test_a_row_says_whether_it_is_as_good_as_wanted(row: Row, met: bool | None) -> None:
    assert row.met is met


def test_a_report_is_one_line_and_what_must_be_ends_the_bench_where_it_isnt(capsys: pytest.CaptureFixture[str]) -> None:
    report(bench="x", rows=[Row(what="slow", unit="s", ours=2 / 3, most=0.1)])
    [line] = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found["rows"][0]["ours"] == 0.66667
    assert found["rows"][0]["met"] is False
    with pytest.raises(SystemExit, match="as it must be: wrong"):
        report(bench="x", rows=[Row(what="wrong", unit="", ours=1, most=0, must=True)])
