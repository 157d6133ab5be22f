"""Every fault that a job must survive, each alone, on real processes: the job ends, with the very same weights.

Judged from outside: over HTTP, by the volume, and by the log of every training step.
"""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from cli.service.shutdown import is_process_running
from shared.jobs.record import Queue
from tests.faults.conftest import LEASE_TTL_S, Stage
from tests.faults.jobs import TRAINING, go_on, pause, stop
from tests.faults.judge import Steps, events_of, litter, losses_of, weights_of
from tests.faults.site import Site
from tests.waiting import eventually

#: Longer than a lease: its owner is taken for dead.
LONG_S = LEASE_TTL_S + 1.5


def kill_child(site: Site, number: int, _job_id: str) -> None:
    """The process that trains is killed, by want of memory for instance."""
    for child in site.hosts[number].children():
        os.kill(child, signal.SIGKILL)


def kill_parent(site: Site, number: int, _job_id: str) -> None:
    """The worker's parent is killed; its children end with it."""
    host = site.hosts[number]
    children = host.children()
    host.signal(signal.SIGKILL)
    assert host.popen is not None
    host.popen.wait()
    eventually(lambda: not any(is_process_running(child) for child in children), "its children end too")


def kill_host(site: Site, number: int, _job_id: str) -> None:
    """The whole host dies."""
    site.hosts[number].kill()


def drain_host(site: Site, number: int, _job_id: str) -> None:
    """The worker is asked to end."""
    assert site.hosts[number].terminate() == 0


def stop_host(site: Site, number: int, _job_id: str) -> None:
    """The host is frozen for longer than a lease, and wakes."""
    stop(site, number)
    pause(LONG_S)
    go_on(site, number)


def stop_child(site: Site, number: int, _job_id: str) -> None:
    """Only the process that trains is frozen; its parent goes on."""
    children = site.hosts[number].children()
    for child in children:
        os.kill(child, signal.SIGSTOP)
    pause(LONG_S)
    for child in children:
        os.kill(child, signal.SIGCONT)


def cut_host(site: Site, number: int, _job_id: str) -> None:
    """The host can't reach Redis for longer than a lease."""
    if not site.network.can_cut:
        pytest.skip("network namespaces are not permitted here")
    site.network.cut(number)
    pause(LONG_S)
    site.network.repair(number)


def cut_shortly(site: Site, number: int, _job_id: str) -> None:
    """The host can't reach Redis for less than a lease."""
    if not site.network.can_cut:
        pytest.skip("network namespaces are not permitted here")
    site.network.cut(number)
    pause(LEASE_TTL_S / 3)
    site.network.repair(number)


def restart_redis(site: Site, _number: int, _job_id: str) -> None:
    """Redis is killed and comes back with its file."""
    site.valkey.kill()
    pause(1)
    site.start_redis()


def lose_redis_for_long(site: Site, _number: int, _job_id: str) -> None:
    """Redis is away for longer than a lease."""
    site.valkey.kill()
    pause(LONG_S)
    site.start_redis()


def empty_redis(site: Site, _number: int, _job_id: str) -> None:
    """Redis loses all it holds."""
    with site.client() as client:
        client.flushall()


def end_web(site: Site, _number: int, _job_id: str) -> None:
    """The web server is asked to end, and started again."""
    assert site.web.terminate() == 0
    site.start_web()


def kill_web(site: Site, _number: int, _job_id: str) -> None:
    """The web server is killed, and started again."""
    site.web.kill()
    site.start_web()


def fill_disk(site: Site, _number: int, _job_id: str) -> None:
    """The volume is full for some seconds, at least one state can't be saved."""
    if not site.disk.is_own:
        pytest.skip("a volume of its own can't be mounted here")
    site.disk.fill()
    pause(2)
    site.disk.free()


def forbid_writing(site: Site, _number: int, _job_id: str) -> None:
    """The volume is read-only for some seconds."""
    if not site.disk.is_own:
        pytest.skip("a volume of its own can't be mounted here")
    site.disk.set_read_only(True)
    pause(2)
    site.disk.set_read_only(False)


def newest_state(site: Site, job_id: str) -> Path:
    return eventually(lambda: site.volume.jobs.states(job_id), "a state")[0].path


def cut_state_and_kill(site: Site, number: int, job_id: str) -> None:
    """The newest state is cut short, and its writer dies."""
    stop(site, number)
    with newest_state(site, job_id).open("rb+") as file:
        file.truncate(1000)
    site.hosts[number].kill()


def flip_state_and_kill(site: Site, number: int, job_id: str) -> None:
    """One bit of the newest state flips, and its writer dies."""
    stop(site, number)
    with newest_state(site, job_id).open("rb+") as file:
        file.seek(-100, os.SEEK_END)
        bits = file.read(1)
        file.seek(-100, os.SEEK_END)
        file.write(bytes([bits[0] ^ 1]))
    site.hosts[number].kill()


def send_twice(site: Site, _number: int, job_id: str) -> None:
    """The job's message comes three times more."""
    for _ in range(3):
        site.broker.send(job_id, Queue.TRAIN)


FAULTS: tuple[Callable[[Site, int, str], None], ...] = (
    kill_child,
    kill_parent,
    kill_host,
    drain_host,
    stop_host,
    stop_child,
    cut_host,
    cut_shortly,
    restart_redis,
    lose_redis_for_long,
    empty_redis,
    end_web,
    kill_web,
    fill_disk,
    forbid_writing,
    cut_state_and_kill,
    flip_state_and_kill,
    send_twice,
)


#: Whoever trains loses the job, and another attempt begins. One whose host is cut off may have ended before.
LOSING = (kill_child, kill_parent, kill_host, drain_host, stop_host)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_training_survives(stage: Stage, fault: Callable[[Site, int, str], None]) -> None:
    site, client = stage.site, stage.client
    # Given a training that runs and has saved a state
    job_id = client.train()
    number = client.saved(job_id)
    # When
    fault(site, number, job_id)
    # Then it ends as if nothing had happened
    job = client.ended(job_id)
    assert job["status"] == "succeeded", job
    assert weights_of(site, job_id) == stage.weights
    assert fault not in LOSING or job["attempt"] > 1
    steps = Steps.read(site.steps)
    in_hand, more = steps.overlaps(job_id)
    assert more == 0, "two attempts computed at once"
    assert in_hand <= 1
    if fault is empty_redis:
        assert job["attempt"] == len(steps.tokens(job_id)) == 1, "its owner went on"
    else:
        with site.api() as api:
            assert losses_of(api, job_id) == stage.losses
    assert max(move.step for move in steps.moves[job_id]) == job["progress"]["total_steps"]
    with site.api() as api:
        assert [event["type"] for event in events_of(api, job_id)].count("done") == 1
    eventually(lambda: not litter(site), f"nothing is left over: {litter(site)}")


def test_a_job_whose_web_server_dies_before_its_message_is_sent_is_run_once(stage: Stage) -> None:
    site, client = stage.site, stage.client
    body = {"corpus_id": client.corpus_id, **TRAINING, "epochs": 1}
    headers = {"Idempotency-Key": "dies-of-it"}
    site.web.terminate()
    site.app = "tests.faults.dying_web:make_app()"
    try:
        site.start_web()
        with pytest.raises(httpx.HTTPError):
            httpx.post(f"{site.url}/api/v1/train-jobs", json=body, headers=headers)
    finally:
        site.web.kill()
        site.app = "web:create_app()"
        site.start_web()
    with site.api() as api:
        job_id = api.get("/jobs", params={"limit": 1}).raise_for_status().json()["data"][0]["id"]
        again = api.post("/train-jobs", json=body, headers=headers)
    assert (again.status_code, again.json()["id"]) == (202, job_id), "whoever asks again gets the same job"
    assert client.ended(job_id)["status"] == "succeeded"


def test_step_logs_show_two_attempts_at_once(tmp_path: Path) -> None:
    """The judge itself: it must see what must not be."""
    lines = [
        {"job": "j", "token": 1, "worker": "a", "step": 1, "began": 0.0, "ended": 1.0, "spent": 1.0},
        {"job": "j", "token": 1, "worker": "a", "step": 2, "began": 1.0, "ended": 5.0, "spent": 0.5},
        {"job": "j", "token": 1, "worker": "a", "step": 3, "began": 5.0, "ended": 6.0, "spent": 1.0},
        {"job": "j", "token": 2, "worker": "b", "step": 2, "began": 3.0, "ended": 4.0, "spent": 1.0},
    ]
    (tmp_path / "1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"cut')
    steps = Steps.read(tmp_path)
    assert steps.overlaps("j") == (1, 1)
    assert steps.lost("j") == [1.5]
