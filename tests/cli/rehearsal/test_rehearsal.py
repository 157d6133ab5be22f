"""Which process is killed, and when weights must be the same. The drill itself: tests/faults/test_rehearsal.py."""

import os
import platform
from datetime import UTC, datetime
from typing import Any

import pytest

from charloom import Worker
from cli.common.exit_codes import Failure
from cli.rehearsal.drill import same_code
from cli.rehearsal.fault import process_of
from shared.host import started_s


def worker(**changes: Any) -> Worker:
    """Return a worker's record that describes this very process."""
    here = {"name": "w1", "host": platform.node(), "pid": os.getpid(), "started_s": started_s(os.getpid())}
    same = {"kernel": "avx2", "processor": "x86_64 A 1 2", "versions": {"torch": "2.13.0"}, "cores": 1, "threads": 1}
    return Worker.model_validate({**here, **same, "seen_at": datetime.now(UTC), **changes})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"host": "elsewhere"}, "kills only workers of the host"),
        ({"started_s": 1.0}, "Nothing was killed"),
        ({"pid": 0, "started_s": 0.0}, "Nothing was killed"),
        ({"pid": 2**22 + 1}, "Nothing was killed"),
        ({}, "Nothing was killed"),  # these tests are no worker
    ],
)
def test_only_a_worker_s_own_process_on_this_host_is_killed(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(Failure) as refused:
        process_of(worker(**changes))
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"host": "elsewhere"}, True),
        ({"kernel": "avx512"}, False),
        ({"kernel": ""}, False),
        ({"processor": "x86_64 B 1 2"}, False),
        ({"versions": {"torch": "2.14.0"}}, False),
    ],
)
def test_weights_must_be_the_same_where_the_same_code_computes_them(changes: dict[str, Any], same: bool) -> None:
    assert same_code(worker(), worker(**changes), worker()) is same
    assert not same_code(worker(), None), "one that was never seen"


def test_torchs_own_layer_is_the_same_only_on_one_host() -> None:
    torchs = worker(kernel="torch")
    assert same_code(torchs, worker(kernel="torch", name="w2"))
    assert not same_code(torchs, worker(kernel="torch", host="elsewhere"))
