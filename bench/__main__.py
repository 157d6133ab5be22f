"""Run the benches of the suite, each in a process of its own, one after another, and shows what they found.

    python -m bench [NAME ...] [--long] [--text PATH] [--shakespeare PATH] [--moses PATH]

The JSON lines are appended to bench/results.jsonl. Ends with code 1 where a bench has failed: one that crashed, or
found a wrong result (losses other than the document's, say). Missing a bar of speed is reported and fails nothing.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.suite import SUITE, Bench, existing_file

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "shared" / "sample.txt"
#: What `make` is to be given for a bench that can't do without.
NEEDED = {"shakespeare": "SHAKESPEARE=path/to/tinyshakespeare.txt", "moses": "MOSES=path/to/molsets.whl"}
#: Lines of a failed bench's output that are shown.
TAIL = 30


@dataclass(frozen=True, kw_only=True)
class Texts:
    """The texts that were given, by the kind that a bench takes."""

    any: Path | None
    shakespeare: Path | None
    moses: Path | None

    def path(self, bench: Bench) -> Path | None:
        """Return what a bench is to measure on, or None: nothing, or nothing that is there."""
        by_kind = {"none": None, "any": self.any or SAMPLE, "shakespeare": self.shakespeare, "moses": self.moses}
        return by_kind[bench.text]


def main(words: Sequence[str] | None = None, suite: Sequence[Bench] = SUITE) -> int:
    """Run what is asked for and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = {bench.name: bench for bench in suite}
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--long", action="store_true", help="the long ones instead of the quick ones")
    parser.add_argument("--text", type=existing_file, help="a UTF-8 text; shared/sample.txt when left out")
    parser.add_argument("--shakespeare", type=existing_file, help="tinyshakespeare.txt, for the benches that need it")
    parser.add_argument("--moses", type=existing_file, help="the wheel of molsets, for the bench that needs it")
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results.jsonl")
    given = parser.parse_args(words)
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"there is no bench {unknown[0]!r}; there are {', '.join(known)}")
    chosen = [known[name] for name in given.names] or [bench for bench in suite if bench.long == given.long]
    texts = Texts(any=given.text, shakespeare=given.shakespeare, moses=given.moses)
    if texts.any is None and any(bench.text == "any" for bench in chosen):
        print(f"No TEXT=path is given: {SAMPLE.relative_to(ROOT)} is measured on, a short text. Bars are the book's.")
    return run(chosen, texts, given.results, aloud=bool(given.names))


def run(chosen: Sequence[Bench], texts: Texts, results: Path, *, aloud: bool) -> int:
    """Run these benches; return 1 where one has failed, else 0."""
    failed, below, skipped, began = [], [], [], time.monotonic()
    for bench in chosen:
        path = texts.path(bench)
        if bench.text != "none" and path is None:
            print(f"\n{bench.name}: skipped, it needs {NEEDED[bench.text]}")
            skipped.append(bench.name)
            continue
        print(f"\n{bench.name} ...", flush=True)
        at = time.monotonic()
        code, lines = call([*bench.call, *([str(path)] if path else [])], aloud=aloud)
        found = result(lines)
        if found is not None:
            head = {
                "name": bench.name,
                "when": datetime.now(UTC).isoformat(timespec="seconds"),
                "text": path.name if path else None,
                "took_s": round(time.monotonic() - at, 1),
            }
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(head | found) + "\n")
            print("\n".join(table(found)))
            below += [f"{bench.name} ({row['what']})" for row in found.get("rows", ()) if row["met"] is False]
        if code or found is None:
            failed.append(bench.name)
            print(f"  FAILED with code {code}" + ("" if aloud else ":\n" + "\n".join(lines[-TAIL:])))
        print(f"  took {time.monotonic() - at:.0f} s", flush=True)
    count, seconds = len(chosen) - len(skipped), time.monotonic() - began
    print(f"\n{count} bench{'es' * (count != 1)} in {seconds:.0f} s; what they found is kept in {results.name}")
    for what, names in (("skipped", skipped), ("worse than wanted", below), ("FAILED", failed)):
        if names:
            print(f"{what}: {', '.join(names)}")
    return 1 if failed else 0


def call(words: Sequence[str], *, aloud: bool) -> tuple[int, list[str]]:
    """Run a module; return its code and its lines, and print them as they come if requested."""
    lines = []
    with subprocess.Popen(
        [sys.executable, "-m", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if aloud:
                print(lines[-1], flush=True)
    return process.returncode, lines


def result(lines: Sequence[str]) -> dict[str, Any] | None:
    """Return the last line that is a bench's JSON, or None."""
    for line in reversed(lines):
        if line.startswith('{"'):
            try:
                found: dict[str, Any] = json.loads(line)
            except ValueError:
                continue
            return found
    return None


def table(found: dict[str, Any]) -> list[str]:
    """Return a bench's rows for people; of one without rows, its plain figures."""
    rows = found.get("rows")
    if not rows:
        plain = {name: value for name, value in found.items() if name not in {"bench", "machine"}}
        return [f"  {name.replace('_', ' ')}: {value}" for name, value in plain.items() if not isinstance(value, list)]
    width = max(len(row["what"]) for row in rows)
    lines = [f"  {'':{width}}  {'ours':>16}  {'peer':>16}  {'times':>7}  wanted"]
    for row in rows:
        wanted = f">= {row['least_ratio']:.4g} times" if row["least_ratio"] is not None else ""
        wanted = f"<= {amount(row['most'], row['unit'])}" if row["most"] is not None else wanted
        met = {True: "yes", False: "NO", None: ""}[row["met"]]
        ours, peer = (amount(row[which], row["unit"]) for which in ("ours", "peer"))
        times = amount(row["ratio"], "")
        lines.append(f"  {row['what']:{width}}  {ours:>16}  {peer:>16}  {times:>7}  {wanted} {met}".rstrip())
    return lines


def amount(value: float | None, unit: str) -> str:
    """Format a figure, a dash if there is none."""
    if value is None:
        return "-"
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}") + (f" {unit}" if unit else "")


if __name__ == "__main__":
    sys.exit(main())
