"""Seconds and memory that it takes to examine a text, and to fix it.

What: processor seconds, and the highest resident memory, of a process that examines MEGABYTES of the given text, over
and over; with --clean also of one that fixes what is advised. Peer: a tenth of that text, to show that it is linear.
Bar: 100 MB in a minute and 400 MB of memory to examine.

    python -m bench.doctor [TEXT] [--megabytes 100] [--clean yes]
"""

import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.common import Row, memory_of, report, text_argument, write_lengthened
from shared.text.text_stream import read
from worker.texts.cleaning import clean
from worker.texts.doctor import examine

MEGABYTES = 100
MAX_S, MAX_MB = 60, 400


def main() -> None:
    """Examine, and clean if requested, a tenth and the whole, each in a separate process."""
    text, given = text_argument(__doc__ or "", megabytes=int, clean=str)
    most = (given.megabytes or MEGABYTES) * 1_000_000
    acts = (examined, fixed) if given.clean else (examined,)
    rows: list[Row] = []
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="charloom-bench-") as name:
        for act in acts:
            took: list[tuple[float, float]] = []
            for size in (most // 10, most):
                write_lengthened(path := Path(name) / "text", text, int(size * len(text) / len(text.encode())))
                with ProcessPoolExecutor(1, context) as pool:
                    took.append(pool.submit(act, path).result())
            (few_s, _), (seconds, megabytes) = took
            most_s, most_mb = (MAX_S, MAX_MB) if act is examined else (None, None)
            ratio = 10 * few_s / seconds
            what = f"{act.__name__}, {most:,} bytes"
            rows.append(Row(what=what, unit="s", ours=seconds, peer=few_s, ratio=ratio, most=most_s))
            rows.append(Row(what=f"memory, {act.__name__}", unit="MB", ours=megabytes, most=most_mb))
    report(bench="doctor", rows=rows, characters=len(text))


def examined(path: Path) -> tuple[float, float]:
    """Examine a text; return processor seconds, and the highest memory in MB."""
    began = time.process_time()
    examine(lambda: read(path))
    return time.process_time() - began, memory_of("self", "VmHWM") / 1e6


def fixed(path: Path) -> tuple[float, float]:
    """Fix what is advised; return processor seconds, and the highest memory in MB."""
    advised = [finding.id for finding in examine(lambda: read(path)) if finding.advised]
    began = time.process_time()
    clean(path, path.with_name("fixed"), advised)
    path.with_name("fixed").unlink(missing_ok=True)
    return time.process_time() - began, memory_of("self", "VmHWM") / 1e6


if __name__ == "__main__":
    main()
