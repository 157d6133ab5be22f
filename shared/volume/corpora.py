"""Corpora: the texts to train on, one folder each. The same bytes are kept once."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import TypeAdapter

from shared.text.text_stream import read
from shared.volume.collection import Collection
from shared.volume.columns import Column
from shared.volume.corpus_record import VERSION, Cleaning, Corpus, Source
from shared.volume.corpus_storing import receive, store
from shared.volume.decoding import detect_encoding
from shared.volume.files import building, sync_folder, translated, write_json
from shared.volume.shared_folder import SharedFolder, T


class Corpora(Collection[Corpus]):
    """The folder of corpora. Any method raises VolumeUnavailable."""

    _noun, _prefix, _record, _version = "corpus", "cor", TypeAdapter(Corpus), VERSION

    def __init__(self, folder: Path, files: SharedFolder | None = None) -> None:
        super().__init__(folder, files)
        self._by_sha = folder / ".by-sha256"

    def add(
        self,
        stream: BinaryIO,
        *,
        name: str,
        max_bytes: int,
        encoding: str | None = None,
        column: Column | None = None,
        separator: str | None = None,
        parent_ids: tuple[str, ...] = (),
        owner: str = "",
        check: Callable[[int], None] = lambda _: None,
    ) -> tuple[Corpus, bool]:
        """Store a text; return the corpus and whether it is new. Memory stays flat, whatever its size.

        Args:
            stream: its bytes.
            name: what to call it.
            max_bytes: most bytes that are taken.
            encoding: one of `shared.text.encodings.ENCODINGS`; None: detected from the bytes.
            column: take this column of a table, one value per line, instead of the whole file.
            separator: what separates the items of a text that is known to be a list.
            parent_ids: the corpora that it was joined from.
            owner: whose it is, if it is new.
            check: called with the size of a new text before it is kept; what it raises stops that.

        Raises:
            TooLarge: more than `max_bytes` came.
            UnknownEncoding: its encoding is uncertain; nothing is kept.
            InvalidRequest: it is empty, not text, not valid in its encoding, or lacks the column; nothing is kept.
        """
        with building(self._folder) as new, translated():
            sha256 = receive(stream, new / "sent", max_bytes)
            mark = _mark(sha256, column)
            known = self._known(mark)
            if known is not None and encoding in (None, known.encoding):
                return known, False
            detected = encoding or detect_encoding(new / "sent")
            known = self._known(f"{mark}.{detected}")
            if known is not None:
                return known, False
            corpus = store(new, new / "sent", detected, name=name, sha256=sha256, column=column, separator=separator)
            check(corpus.bytes)
            corpus = replace(corpus, parent_ids=parent_ids, owner=owner)
            (new / "sent").unlink()
            write_json(new / "meta.json", VERSION.stamp(asdict(corpus)))
            self._files.publish(new, self._folder / corpus.id, last="meta.json")
            return self._claim_mark(corpus, f"{mark}.{encoding}" if encoding else mark)

    def adopt(
        self,
        text: Path,
        *,
        corpus_id: str,
        name: str,
        sha256: str,
        source: Source | None,
        cleaning: Cleaning | None = None,
        owner: str = "",
    ) -> Corpus:
        """Store a text that a job has made, and return its corpus, or an earlier one of the same file.

        Args:
            text: the file, in UTF-8. It stays.
            corpus_id: comes from the job's id, so that adopting twice has the effect of adopting once.
            name: what to call it.
            sha256: of the bytes that were sent.
            source: the file that they were.
            cleaning: how the text was made from another corpus.
            owner: whose it is.

        Raises:
            InvalidRequest: the text is empty.
        """
        if (adopted := self.find(corpus_id)) is not None:
            return adopted
        with building(self._folder) as new, translated():
            corpus = replace(
                store(new, text, "utf-8", name=name, sha256=sha256, column=None, separator=None),
                id=corpus_id,
                source=source,
                parent_id=cleaning.parent_id if cleaning else None,
                owner=owner,
            )
            if cleaning is not None:
                write_json(new / "cleaning.json", asdict(cleaning))
            write_json(new / "meta.json", VERSION.stamp(asdict(corpus)))
            if not self._files.publish(new, self._folder / corpus_id, last="meta.json"):
                return self.get(corpus_id)  # by another attempt, meanwhile
            return corpus if source is None else self._claim_mark(corpus, _mark_of(corpus))[0]

    def extracted(self, sha256: str) -> Corpus | None:
        """Return the corpus that was extracted from a file with these bytes, if there is one."""
        return self._known(_extracted_mark(sha256))

    def text_path(self, corpus_id: str) -> Path:
        r"""Return the path of the text: UTF-8, line ends "\n". Raises NotFound."""
        return self._files.local(self._folder / self.get(corpus_id).id / "text.txt")

    def parts(self, corpus_id: str) -> Iterator[str]:
        """Yield the text in parts, split anywhere. Raises NotFound."""
        path = self.text_path(corpus_id)
        with translated():
            yield from read(path)

    def index_folder(self, corpus_id: str, *, lowercase: bool) -> Path:
        """Return where the index of the text is kept, if there is one, for models that lower-case it or not.

        Raises NotFound.
        """
        return self._files.local_folder(self._index(corpus_id, lowercase=lowercase))

    @contextmanager
    def new_index(self, corpus_id: str, *, lowercase: bool) -> Iterator[Path]:
        """Give an empty folder for a text's index; it is moved into place at the end, unless another was faster.

        Raises:
            NotFound, FileNotFoundError: the corpus is deleted, now or meanwhile.
        """
        target = self._index(corpus_id, lowercase=lowercase)
        with building(self._folder) as new:
            yield new
            with translated():
                sync_folder(new)
            self._files.publish(new, target, last="index.json")

    def drop_index(self, corpus_id: str, *, lowercase: bool) -> None:
        """Remove the index of a text, which is damaged. Raises NotFound."""
        self._files.remove_tree(self._index(corpus_id, lowercase=lowercase))

    def find_fact(self, corpus_id: str, name: str, kind: TypeAdapter[T]) -> T | None:
        """Return what one more file says of a text; None if there is none, or it is damaged or of a newer version.

        Raises NotFound.
        """
        return self._files.find_record(self.folder(corpus_id) / name, kind)

    def keep_fact(self, corpus_id: str, name: str, value: Mapping[str, Any]) -> None:
        """Keep something about a text that can be found out again. Raises NotFound."""
        self._files.write_json(self.folder(corpus_id) / name, value)

    def delete(self, corpus_id: str, *, check: Callable[[], None] = lambda: None) -> None:
        """Remove a corpus, if `check`, called as by `edit`, raises nothing. Raises NotFound."""

        def checked() -> None:
            check()
            if (corpus := self.find(corpus_id)) is not None:
                name = _mark_of(corpus)
                for mark in (name, f"{name}.{corpus.encoding}"):
                    if self._marked(mark) == corpus_id:
                        self._files.remove(self._by_sha / mark)

        super().delete(corpus_id, check=checked)

    def _index(self, corpus_id: str, *, lowercase: bool) -> Path:
        return self.folder(corpus_id) / ("index-lowercase" if lowercase else "index")

    def _marked(self, mark: str) -> str:
        try:
            return self._files.read(self._by_sha / mark).decode("ascii")
        except FileNotFoundError:
            return ""

    def _known(self, mark: str) -> Corpus | None:
        """Return the corpus of some bytes, named by their sha256, or with the encoding that came with them."""
        return self.find(self._marked(mark))

    def _claim_mark(self, corpus: Corpus, name: str) -> tuple[Corpus, bool]:
        """Record the corpus as the one of these bytes, unless another upload was faster: then that one stays."""
        while not self._files.create(self._by_sha / name, corpus.id.encode("ascii")):
            other = self._known(name)
            if other is not None and other.id != corpus.id:
                self._files.remove_tree(self._folder / corpus.id)
                return other, False
            self._files.remove(self._by_sha / name)  # of a corpus that was deleted
        return corpus, True


def _mark(sha256: str, column: Column | None) -> str:
    """Return the name of what was sent, or of one column of it."""
    if column is None:
        return sha256
    return hashlib.sha256(f"{sha256} {column.format} {column.name}".encode()).hexdigest()


def _extracted_mark(sha256: str) -> str:
    """Return the name of a file from which the text was extracted: the same bytes can be taken as plain text, too."""
    return hashlib.sha256(f"{sha256} extracted".encode()).hexdigest()


def _mark_of(corpus: Corpus) -> str:
    return _mark(corpus.sha256, corpus.column) if corpus.source is None else _extracted_mark(corpus.sha256)
