"""A writing job over HTTP against an empty Celery task, and `GET /jobs/{id}` against an empty Flask route, in turns.

    python -m bench.roundtrip [TEXT]

The job writes 200 characters with a warm model of stream's default size: POST, then GET with `wait` until it has
ended, by httpx, and once more by the standard library's client, which takes less of the time itself. The rates are of
one gunicorn process with the repository's configuration each, called over two connections that are kept open; the
processor time per response is listed too, which busy neighbours change less.
"""

import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx

from bench.common import report
from bench.empty import make_celery
from bench.service import cluster_of_argument, trained
from bench.streams import HOST, processor_s, served
from cli.service.ports import find_free
from tests.waiting import eventually
from tests.worker.cluster import ROOT, Cluster

#: Round trips of each kind; blocks of GETs, seconds each.
TIMES, BLOCKS, BLOCK_S = 100, 6, 2.0
CONNECTIONS = 2


def main() -> None:
    """Measure and print."""
    with cluster_of_argument() as (cluster, path), ExitStack() as stack:
        corpus = cluster.corpus(path)
        stack.enter_context(cluster.worker())
        port, pid = stack.enter_context(served(cluster, 30))
        model = trained(cluster, corpus)
        job_ms, lean_ms, task_ms = round_trips(cluster, port, model, stack)
        job_id = cluster.ended(cluster.write(model)).id
        ours, empty = rates(cluster, port, pid, f"/api/v1/jobs/{job_id}", stack)
    job, lean, task = (statistics.median(times) for times in (job_ms, lean_ms, task_ms))
    report(
        bench="roundtrip",
        text=path.name,
        times=TIMES,
        job_ms=round(job, 2),
        lean_client_ms=round(lean, 2),
        empty_task_ms=round(task, 2),
        over_ms=round(job - task, 2),
        lean_over_ms=round(lean - task, 2),
        job_p99_ms=round(statistics.quantiles(job_ms, n=100)[98], 1),
        get_job_per_s=round(statistics.median(rate for rate, _ in ours)),
        empty_route_per_s=round(statistics.median(rate for rate, _ in empty)),
        share=round(statistics.median(a / b for (a, _), (b, _) in zip(ours, empty, strict=True)), 3),
        get_job_processor_us=round(statistics.median(spent for _, spent in ours)),
        empty_route_processor_us=round(statistics.median(spent for _, spent in empty)),
        processor_share=round(statistics.median(b / a for (_, a), (_, b) in zip(ours, empty, strict=True)), 3),
    )


def round_trips(
    cluster: Cluster, port: int, model: str, stack: ExitStack
) -> tuple[list[float], list[float], list[float]]:
    """Return the milliseconds of jobs by either client and of empty tasks, in turns."""
    words = [sys.executable, "-m", "celery", "-A", "bench.empty", "worker", "-Q", "empty", "-n", "empty@test"]
    with (cluster.logs / "empty.log").open("wb") as log:
        worker = subprocess.Popen(words, cwd=ROOT, env=dict(cluster.environment), stdout=log, stderr=log)
    stack.callback(worker.wait)
    stack.callback(worker.terminate)
    app = make_celery(cluster.settings)
    app.send_task("nothing", queue="empty").get(timeout=60)
    client = stack.enter_context(httpx.Client(base_url=f"http://{HOST}:{port}/api/v1", timeout=60))
    body = {"model_id": model, "prompt": "there was a ", "length": 200, "seed": 1}

    def job() -> None:
        job_id = client.post("/generate-jobs", json=body).raise_for_status().json()["id"]
        answer = client.get(f"/jobs/{job_id}", params={"wait": 10}).raise_for_status().json()
        assert answer["status"] == "succeeded", answer

    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    stack.callback(connection.close)

    def ask(method: str, path: str, sent: str | None = None) -> dict[str, str]:
        connection.request(method, f"/api/v1{path}", sent, {"Content-Type": "application/json"} if sent else {})
        answer = connection.getresponse()
        found: dict[str, str] = json.loads(answer.read())
        assert answer.status < 300, found
        return found

    def lean() -> None:
        job_id = ask("POST", "/generate-jobs", json.dumps(body))["id"]
        assert ask("GET", f"/jobs/{job_id}?wait=10")["status"] == "succeeded"

    def task() -> None:
        app.send_task("nothing", queue="empty").get(timeout=60)

    acts = (job, lean, task)
    for _ in range(5):
        for act in acts:
            act()
    turns = [[timed(act) for act in acts] for _ in range(TIMES)]
    jobs, leans, tasks = zip(*turns, strict=True)
    return list(jobs), list(leans), list(tasks)


def timed(act: Callable[[], None]) -> float:
    """Return how long an act takes, ms."""
    begun = time.perf_counter()
    act()
    return (time.perf_counter() - begun) * 1000


def rates(
    cluster: Cluster, port: int, pid: int, path: str, stack: ExitStack
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Return answers a second, and processor time an answer, us, of our route and of an empty one, in turns."""
    other = find_free(HOST)
    words = [sys.executable, "-m", "gunicorn", "bench.empty:make_flask()"]
    with (cluster.logs / "route.log").open("wb") as log:
        environment = {**cluster.environment, "CHARLOOM_PORT": str(other)}
        server = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=log, stderr=log)
    stack.callback(server.wait)
    stack.callback(server.terminate)
    eventually(lambda: answers(other), "the empty route answers")
    empty = int(Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()[0])
    found = [(rate(port, pid, path), rate(other, empty, "/")) for _ in range(BLOCKS)]
    return [pair[0] for pair in found], [pair[1] for pair in found]


def answers(port: int) -> bool:
    """Return True if somebody answers there."""
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://{HOST}:{port}/").is_success
    return False


def rate(port: int, pid: int, path: str) -> tuple[float, float]:
    """Ask for some seconds; return the answers a second, all connections together, and the process' us for each."""
    begun = processor_s(pid)
    counts = [0] * CONNECTIONS
    end = time.perf_counter() + BLOCK_S

    def ask(number: int) -> None:
        connection = http.client.HTTPConnection(HOST, port)
        while time.perf_counter() < end:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            counts[number] += 1
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / BLOCK_S, (processor_s(pid) - begun) / sum(counts) * 1e6


if __name__ == "__main__":
    main()
