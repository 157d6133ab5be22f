"""The index of a corpus, made when a training has ended or when a text is first compared with the corpus.

It is built in a child process, so that the lease is kept and requests to stop are obeyed meanwhile, and kept in the
corpus's folder. Two processes may build the same index at the same time: the first one to end keeps its own.
"""

import logging
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from shared.errors import BadModelFile, Damaged, NotFound, VolumeUnavailable
from shared.text.text_stream import normalized_chunks
from shared.volume import Corpora
from worker.generation.text_index import OVERLAP_BYTES, PIECE_BYTES, TextIndex, build, load
from worker.jobs.child_process import run_in_child
from worker.jobs.lease import Lease

log = logging.getLogger(__name__)

#: Memory for building: a piece, a copy of it, its suffix array, and all else.
MEMORY_BYTES = 6 * (PIECE_BYTES + OVERLAP_BYTES) + (256 << 20)

#: Size of a text whose indexing is noted: it takes a second or more.
NOTED_BYTES = 8 << 20


def index_of(
    corpora: Corpora,
    corpus_id: str,
    *,
    lowercase: bool,
    lease: Lease,
    note: Callable[[str], None] = lambda _: None,
) -> TextIndex | None:
    """Return the index of a corpus as a model reads it; it is built if there is none, or if it is damaged.

    If the volume takes no files, it is built in a temporary folder and is gone when this process drops it. None means
    that the corpus is deleted, or that the index can't be built, which is logged. `note` gets a message for the job's
    log if building will take seconds.

    Raises:
        StopRequested, LeaseLost, VolumeUnavailable
    """
    try:
        folder = corpora.index_folder(corpus_id, lowercase=lowercase)
        try:
            found = load(folder)
        except Damaged as exc:
            log.warning("%s It is built again.", exc)
            corpora.drop_index(corpus_id, lowercase=lowercase)
            found = None
        if found is None:
            log.info("The index of %s is built", corpus_id)
            if corpora.get(corpus_id).bytes >= NOTED_BYTES:
                note("The text is being indexed, so that copied passages are found quickly.")
            found = _built(corpora, corpus_id, lowercase=lowercase, lease=lease)
    except (NotFound, FileNotFoundError):  # deleted before or meanwhile
        return None
    except (BadModelFile, RuntimeError) as exc:
        log.error("The index of %s can't be built: %s", corpus_id, exc)
        return None
    return found


def _built(corpora: Corpora, corpus_id: str, *, lowercase: bool, lease: Lease) -> TextIndex | None:
    def build_in(folder: Path) -> None:
        work = partial(_build, corpora, corpus_id, folder, lowercase)
        run_in_child(lambda _: work(), lease=lease, memory_bytes=MEMORY_BYTES)

    try:
        with corpora.new_index(corpus_id, lowercase=lowercase) as folder:
            build_in(folder)
    except VolumeUnavailable as exc:
        log.warning("The index of %s is built in a temporary folder: %s", corpus_id, exc.detail)
        with tempfile.TemporaryDirectory(prefix="charloom-") as name:
            build_in(Path(name))
            return load(Path(name))
    return load(corpora.index_folder(corpus_id, lowercase=lowercase))


def _build(corpora: Corpora, corpus_id: str, folder: Path, lowercase: bool) -> str:
    # Read when libdivsufsort loads an OpenMP of its own: a thread for each core would only take memory.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        build(folder, normalized_chunks(corpora.parts(corpus_id), lowercase=lowercase, drop_bom=False))
    except (NotFound, FileNotFoundError):
        return "deleted"
    return "built"
