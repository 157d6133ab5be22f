"""Memory that a training on a long text takes in a real worker, over what that worker has while it is idle.

What: the highest resident memory of the worker's child that trains, less what it had before, with the defaults of both
recipes on CHARS characters, the given text over and over; a state is saved every second.
Peer: the document's loop on the given text, which is hundreds of times shorter: its lists of windows, and one batch.
Bar: 400 MB.

    python -m bench.memory [TEXT]
"""

import tempfile
from pathlib import Path

from bench.common import Row, forget_peak, memory_of, report, text_argument, write_lengthened
from bench.document import BATCH, HIDDEN, WINDOW
from bench.peer import PeerProcess
from bench.service import own_cluster
from shared.jobs.record import JobType
from shared.requests.fit import fit
from shared.requests.options import TRAIN_REQUESTS
from shared.volume import Corpus
from tests.waiting import eventually
from tests.worker.cluster import Cluster
from tests.worker.reference import DocumentModel, document_training

CHARS = 100_000_000
#: Steps that are waited for: the state has been saved by then.
STEPS = 12
MAX_MB = 400


def main() -> None:
    """Train by both recipes, one after the other, each in a fresh worker."""
    text, _ = text_argument(__doc__ or "")
    peer = PeerProcess().call(document_bytes, text)
    taken: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="charloom-bench-") as name:
        write_lengthened(Path(name) / "text", text, CHARS)
        with own_cluster() as cluster:
            corpus = cluster.corpus(Path(name) / "text")
            for recipe in ("stream", "classic"):
                taken[recipe] = training_bytes(cluster, corpus, recipe)
    rows = [
        Row(
            what=f"{recipe}, {CHARS:,} characters",
            unit="MB",
            ours=value / 1e6,
            peer=peer / 1e6,
            ratio=peer / value,
            most=MAX_MB,
        )
        for recipe, value in taken.items()
    ]
    report(bench="memory", rows=rows, characters=CHARS, document_characters=len(text))


def training_bytes(cluster: Cluster, corpus: Corpus, recipe: str) -> int:
    """Train for some steps in a new worker; return the bytes that the child took over its idle memory."""
    kind = TRAIN_REQUESTS[recipe]
    asked = {
        "corpus_id": corpus.id,
        "recipe": recipe,
        "name": recipe,
        "init_from": None,
        "seed": 1,
        "checkpoint_seconds": 1,
    }
    bare = kind.model_validate(asked)
    chars, vocab_size = corpus.normalized_size(lowercase=bare.lowercase, drop_bom=bare.kind.drops_bom)
    request = fit(bare, chars=chars, vocab_size=vocab_size, memory_limit_bytes=None)
    with cluster.worker(recipe) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        # Until then there is one more child, which measures.
        eventually(lambda: any(worker.speed for worker in cluster.seen()), "the speed is measured")
        idle = {}
        for pid in children.read_text().split():
            forget_peak(pid)
            idle[pid] = memory_of(pid, "VmRSS")
        job_id = cluster.send(JobType.TRAIN, request.model_dump(mode="json"))
        cluster.running(job_id, step=STEPS)
        taken = max(memory_of(pid, "VmHWM") - before for pid, before in idle.items())
        cluster.store.jobs.cancel(job_id)
        cluster.ended(job_id)
    return taken


def document_bytes(text: str) -> int:
    """Return what the document's lists, tensors and one batch take in this process."""
    idle = memory_of("self", "VmRSS")
    forget_peak("self")
    document_training(
        text,
        weights=DocumentModel(len(set(text.lower())), HIDDEN).state_dict(),
        seq_length=WINDOW,
        hidden_size=HIDDEN,
        batch_size=BATCH,
        orders=[range(BATCH)],
        seed_step=lambda _: None,
    )
    return memory_of("self", "VmHWM") - idle


if __name__ == "__main__":
    main()
