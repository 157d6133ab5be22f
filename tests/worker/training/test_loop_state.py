"""Tests of the loop's state as training states store it: states of earlier versions must still load."""

import json

from worker.training.loop_state import LoopState, Phase

#: As the first version wrote it, some fields left out.
STORED = {
    "version": 1,
    "phase": "sampling",
    "step": 34,
    "total_steps": 68,
    "plan_at": 3.5,
    "height": 0.75,
    "epoch": 1,
    "waited": 2,
    "best_loss": 2.5,
    "metrics": [{"step": 34}],
    "untold": [["metric", {"step": 34}]],
}


def test_facts_that_an_earlier_version_stored_are_read() -> None:
    loop = LoopState.from_facts(STORED)
    assert loop.phase is Phase.SAMPLING
    assert (loop.step, loop.total_steps, loop.plan_at, loop.epoch) == (34, 68, 3.5, 1)
    assert (loop.decay, loop.epochs_since_best, loop.pending_rows) == (0.75, 2, STORED["untold"])
    assert loop.samples == []


def test_what_a_newer_version_added_to_facts_and_rows_is_left_out() -> None:
    row = {"step": 34, "mood": "good"}
    loop = LoopState.from_facts({**STORED, "mood": "good", "metrics": [row], "untold": [["metric", row]]})
    assert loop == LoopState.from_facts(STORED)


def test_facts_are_stored_under_the_names_that_an_earlier_version_reads() -> None:
    facts = json.loads(json.dumps(LoopState.from_facts(STORED).as_facts()))
    assert facts | STORED == facts | {"version": 1}
    assert not {"decay", "epochs_since_best", "pending_rows"} & facts.keys()


def test_facts_that_were_read_or_stored_do_not_change_with_the_loop() -> None:
    loop = LoopState.from_facts(STORED)
    facts = loop.as_facts()
    loop.pending_rows.pop()
    loop.metrics[0]["step"] = 99
    assert facts["untold"] == STORED["untold"] == [["metric", {"step": 34}]]
    assert facts["metrics"] == STORED["metrics"] == [{"step": 34}]
