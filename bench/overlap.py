"""How long it takes to find what generated texts copy from a corpus, by the corpus's length.

What: seconds to build the index of the first nine tenths of the text, over and over to 58 MB if it is shorter, as the
end of a training does; seconds to find what 1 text of 200 characters and 64 texts of 7,000 from the last tenth copy.
Peer: the same texts and an index of a hundredth of it.
Bar: 0.1 s and 2 s, what MOSES's 58 MB of molecules took 2.1 s and 235 s for by scanning the corpus.

    python -m bench.overlap [TEXT]
"""

import tempfile
import time
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from bench.common import Row, in_turns, report, text_argument, write_lengthened
from shared.text.text_stream import read
from worker.generation.overlap import find_overlaps
from worker.generation.text_index import TextIndex, build, load

CHARS, ROUNDS = 58_000_000, 5
#: Texts, characters of each -> most seconds.
WRITTEN = {(1, 200): 0.1, (64, 7000): 2.0}


def indexed(folder: Path, text: str, chars: int) -> tuple[TextIndex, float]:
    """Return the index of so many characters of a text, and the seconds that building it took."""
    path = folder / f"{chars}.txt"
    write_lengthened(path, text, chars)
    folder = folder / str(chars)
    folder.mkdir()
    began = time.perf_counter()
    build(folder, read(path))
    took = time.perf_counter() - began
    index = load(folder)
    if index is None:
        raise RuntimeError("the index wasn't built")
    return index, took


def main() -> None:
    """Measure both lengths in turns."""
    text, _ = text_argument(__doc__ or "")
    learned, rest = text[: len(text) * 9 // 10], text[len(text) * 9 // 10 :]
    chars = max(CHARS, len(learned))
    with tempfile.TemporaryDirectory() as name:
        short, _ = indexed(Path(name), learned, chars // 100)
        long, building = indexed(Path(name), learned, chars)
        rows = [Row(what=f"building, {chars:,} characters", unit="s", ours=building)]
        for (count, length), most in WRITTEN.items():
            written = "".join(islice(cycle(rest), count * length))
            texts = [written[at : at + length] for at in range(0, len(written), length)]
            acts = {"short": partial(find, texts, short), "long": partial(find, texts, long)}
            turns = in_turns(acts, rounds=ROUNDS)
            what = f"finding what {count} × {length:,} characters copy"
            rows.append(turns.row(what, peer="short", ours="long", most=most))
    report(bench="overlap", rows=rows)


def find(texts: list[str], index: TextIndex) -> None:
    """Find what the texts copy."""
    find_overlaps(texts, index)


if __name__ == "__main__":
    main()
