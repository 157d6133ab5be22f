"""What a scrape of /metrics costs, by the number of jobs in the store: `python -m bench.scrape`.

Each number of jobs gets 50 scrapes of the whole fleet with ten workers, through the app without a socket. Also printed:
the processor time of this process, and that of Redis by its own count.
"""

import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import redis

from shared.ids import model_id_of, new_id
from shared.jobs.record import JobType, NewJob, Status
from shared.settings import load
from shared.store import Store, WorkerInfo
from tests.servers import serving
from web import create_app

JOBS = (10, 10_000)
SCRAPES = 50


def fill(store: Store, jobs: int) -> None:
    """Add jobs, half of them ended."""
    for number in range(jobs):
        job_id = new_id("job")
        job_type = list(JobType)[number % len(JobType)]
        store.jobs.create(NewJob(id=job_id, type=job_type, params={}, model_id=model_id_of(job_id)))
        if number % 2 and (claim := store.jobs.claim(job_id, worker="w", lease_s=60)):
            store.jobs.finish(job_id, claim.token, Status.SUCCEEDED, characters=100)


def main() -> None:
    """Measure and print one JSON line."""
    worker = WorkerInfo(
        name="w", host="h", cores=2, threads=2, bfloat16=False, memory_bytes=1, versions={}, train_slots=1
    )
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "valkey") as port:
        url = f"redis://127.0.0.1:{port}/0"
        store = Store.of(load({"CHARLOOM_REDIS_URL": url}))
        http = create_app(load({"CHARLOOM_REDIS_URL": url, "CHARLOOM_DATA_DIR": f"{folder}/data"})).test_client()
        client = redis.Redis.from_url(url)
        there = 0
        for jobs in JOBS:
            fill(store, jobs - there)
            there = jobs
            for number in range(10):
                store.workers.report(replace(worker, name=f"w{number}@h{number}", owner_id=str(number)))
            http.get("/metrics")
            client.config_resetstat()
            times, worked = [], time.process_time()
            for _ in range(SCRAPES):
                began = time.perf_counter()
                size = len(http.get("/metrics").data)
                times.append(time.perf_counter() - began)
            spent = sum(one["usec"] for one in client.info("commandstats").values() if isinstance(one, dict))
            found[f"{jobs} jobs"] = {
                "cpu_ms": round(1000 * (time.process_time() - worked) / SCRAPES, 2),
                "median_ms": round(1000 * statistics.median(times), 2),
                "worst_ms": round(1000 * max(times), 2),
                "redis_ms": round(spent / SCRAPES / 1000, 3),
                "bytes": size,
            }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
