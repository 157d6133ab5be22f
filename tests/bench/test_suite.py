"""The suite: every bench is in it, and what its runner reports of good, wrong and broken ones, in real processes."""

import json
from pathlib import Path

import pytest

from bench.__main__ import ROOT, main
from bench.suite import SUITE, Bench

GOOD = Bench(name="good", call=("tests.bench.good",))
WRONG = Bench(name="wrong", call=("tests.bench.wrong",))
BROKEN = Bench(name="broken", call=("tests.bench.broken",), text="none")
PLAYS = Bench(name="plays", call=("tests.bench.good", "--seconds", "1"), text="shakespeare", long=True)
ALL = (BROKEN, GOOD, WRONG, PLAYS)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "some book.txt"
    path.write_text("Once upon a time")
    return path


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_one_bench_that_breaks_keeps_no_other_from_running_and_sets_the_exit_code(
    results: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["--results", str(results), "--text", str(text)], ALL)
    output = capsys.readouterr().out
    assert code == 1
    assert "RuntimeError: broken as asked" in output
    assert output.splitlines()[-1] == "FAILED: broken, wrong"
    # The wrong one has said what it found: that is kept too.
    assert [line["name"] for line in lines(results)] == ["good", "wrong"]
    assert lines(results)[0]["given"] == [str(text)]
    assert "plays" not in output


def test_a_slow_bench_is_named_and_fails_nothing_and_results_are_added_to_those_of_before(
    results: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["good", "--results", str(results), "--text", str(text)], ALL)
    output = capsys.readouterr().out.splitlines()
    assert code == 0
    assert output[-1] == "worse than wanted: good (too slow)"
    # One bench alone is shown as it goes.
    assert f"on the way {text}" in output
    [quick] = [line for line in output if "quick enough" in line and "{" not in line]
    assert quick.split() == ["quick", "enough", "2", "ms", "8", "ms", "4", ">=", "3", "times", "yes"]
    [slow] = [line for line in output if "too slow" in line and "{" not in line and "worse" not in line]
    assert slow.split() == ["too", "slow", "12,345", "s", "-", "-", "<=", "10", "s", "NO"]
    # And without a text the sample is taken; its results are added to those of before.
    main(["good", "--results", str(results)], ALL)
    assert "No TEXT=path is given: shared/sample.txt" in capsys.readouterr().out
    assert [line["text"] for line in lines(results)] == ["some book.txt", "sample.txt"]
    assert lines(results)[1]["given"] == [str(ROOT / "shared" / "sample.txt")]


def test_a_bench_that_needs_shakespeare_is_skipped_with_words_or_gets_him_last(
    results: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--long", "--results", str(results)], ALL) == 0
    output = capsys.readouterr().out
    assert "plays: skipped, it needs SHAKESPEARE=" in output
    assert "sample.txt" not in output
    assert not results.exists()

    main(["--long", "--results", str(results), "--shakespeare", str(text)], ALL)
    assert lines(results)[0]["given"] == ["--seconds", "1", str(text)]


@pytest.mark.parametrize("option", ["--text", "--shakespeare", "--moses"])
def test_a_file_that_doesnt_exist_is_refused_by_name_before_any_bench_runs(
    option: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--results", str(results), option, "nosuch.txt"], ALL)
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(f"error: argument {option}: there is no file 'nosuch.txt'\n")
    assert not results.exists()


def test_a_name_that_isn_t_there_is_answered_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["god"], ALL)
    assert ended.value.code == 2
    assert "there are broken, good, wrong, plays" in capsys.readouterr().err


def test_every_bench_is_in_the_suite_and_explained() -> None:
    programs = {
        f"bench.{path.stem if path.parent.name == 'bench' else path.parent.name}"
        for path in (ROOT / "bench").rglob("*.py")
        if "__name__ ==" in path.read_text() and path.parent / path.name != ROOT / "bench" / "__main__.py"
    }
    assert {bench.call[0] for bench in SUITE} == programs
    assert len({bench.name for bench in SUITE}) == len(SUITE)
    page = (ROOT / "bench" / "README.md").read_text()
    for bench in SUITE:
        assert f"| `{bench.name}` |" in page, f"{bench.name} isn't in bench/README.md"
