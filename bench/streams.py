"""Open event streams on one web process: how long until each of them has an event.

    python -m bench.streams [TEXT] [--streams 300]

What: one gunicorn process with the repository's configuration, its threads raised; so many streams of one job, read by
this process; then events at a steady pace, as a worker records them; from the record to each client.
Bar: every event has come to every stream, 99 of 100 within 250 ms.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from bench.common import Row, report
from bench.service import SAMPLE, cluster_of_argument
from bench.suite import existing_file
from cli.service.ports import find_free
from shared.jobs.events import Event, EventType
from shared.jobs.record import JobType
from tests.waiting import eventually
from tests.worker.cluster import ROOT, Cluster

EVENTS, EVERY_S, PROMISED_MS = 60, 0.25, 250
HOST = "127.0.0.1"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("text", nargs="?", type=existing_file, default=SAMPLE)
    parser.add_argument("--streams", type=int, default=300)
    given = parser.parse_args()
    sys.argv[1:] = [str(given.text)]
    with cluster_of_argument() as (cluster, path):
        corpus = cluster.corpus(path)
        job_id = cluster.send(JobType.GENERATE, {"corpus_id": corpus.id})
        with served(cluster, given.streams) as (port, pid):
            begun = processor_s(pid)
            arrivals, recorded = asyncio.run(watch(cluster, job_id, port, given.streams))
            spent = processor_s(pid) - begun
    times = [(arrived - recorded[number]) * 1000 for number, arrived in arrivals]
    late = sum(took > PROMISED_MS for took in times)
    worst = [max(took for (n, _), took in zip(arrivals, times, strict=True) if n == number) for number in recorded]
    p99 = statistics.quantiles(times, n=100)[98]
    rows = [
        Row(what=f"an event at each of {given.streams} streams, 99 %", unit="ms", ours=p99, most=PROMISED_MS),
        Row(what="events that never came", unit="", ours=given.streams * EVENTS - len(times), most=0, must=True),
    ]
    report(
        bench="streams",
        rows=rows,
        streams=given.streams,
        events=EVENTS,
        expected=given.streams * EVENTS,
        arrived=len(times),
        median_ms=round(statistics.median(times), 1),
        p99_ms=round(p99, 1),
        worst_ms=round(max(times), 1),
        to_all_median_ms=round(statistics.median(worst), 1),
        later_than_250_ms=late,
        web_processor_ms_an_event=round(1000 * spent / EVENTS, 1),
    )


@contextlib.contextmanager
def served(cluster: Cluster, streams: int) -> Iterator[tuple[int, int]]:
    """Serve with room for the streams; give the port and the process that answers."""
    port = find_free(HOST)
    more = {
        "CHARLOOM_PORT": str(port),
        "CHARLOOM_WEB_STREAMS": str(streams + 2),
        "CHARLOOM_WEB_THREADS": str(streams + 20),
    }
    with (cluster.logs / "web.log").open("wb") as log:
        words = [sys.executable, "-m", "gunicorn", "web:create_app()"]
        process = subprocess.Popen(words, cwd=ROOT, env={**cluster.environment, **more}, stdout=log, stderr=log)
    try:
        eventually(lambda: healthy(port), "gunicorn answers")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield port, int(children[0])
    finally:
        process.terminate()
        process.wait()


def healthy(port: int) -> bool:
    """Return True if the service answers."""
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://{HOST}:{port}/healthz").status_code == 200
    return False


def processor_s(pid: int) -> float:
    """Return the processor time that a process has taken, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def watch(
    cluster: Cluster, job_id: str, port: int, streams: int
) -> tuple[list[tuple[int, float]], dict[int, float]]:
    """Open the streams, record the events; return (event, when it came) of every stream, and when each was recorded."""
    arrivals: list[tuple[int, float]] = []
    recorded: dict[int, float] = {}
    opened = asyncio.Semaphore(0)
    clients = [asyncio.create_task(read(port, job_id, arrivals, opened)) for _ in range(streams)]
    for number in range(len(clients)):
        try:
            await asyncio.wait_for(opened.acquire(), 60)
        except TimeoutError:
            raise SystemExit(
                f"only {number} streams opened: {[r.exception() for r in clients if r.done()][:3]}"
            ) from None
    claim = cluster.store.jobs.claim(job_id, worker="bench", lease_s=3600)
    assert claim is not None
    await asyncio.sleep(1)
    for number in range(EVENTS):
        recorded[number] = time.monotonic()
        event = Event(type=EventType.LOG, data={"number": number})
        await asyncio.to_thread(cluster.store.jobs.record, job_id, claim.token, events=[event])
        await asyncio.sleep(EVERY_S)
    await asyncio.sleep(2)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    return arrivals, recorded


async def read(port: int, job_id: str, arrivals: list[tuple[int, float]], opened: asyncio.Semaphore) -> None:
    """Read one stream and note when each event comes."""
    incoming, outgoing = await asyncio.open_connection(HOST, port)
    head = f"GET /api/v1/jobs/{job_id}/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
    outgoing.write(head.encode())
    status = await incoming.readline()
    assert b" 200 " in status, status + await incoming.read(2000)
    while line := await incoming.readline():
        if line.startswith(b"event: status"):
            opened.release()
        if line.startswith(b'data: {"number":'):
            arrivals.append((json.loads(line[6:])["number"], time.monotonic()))


if __name__ == "__main__":
    main()
