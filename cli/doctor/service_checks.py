"""What `charloom doctor` looks at of a service: its Redis, its web server, its workers, everybody's clocks."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from charloom import ApiError, Charloom, CharloomError, Unauthorized, Unreachable, Worker
from cli.doctor.findings import Finding, bad, note, ok, warn
from shared.errors import StoreUnavailable
from shared.settings import Settings
from shared.sizes import size
from shared.store import ServerFacts, Store, WorkerInfo

#: Seconds that clocks may differ: ids are sorted by the time of their making, on the maker's clock.
MAX_CLOCK_SKEW_S = 5.0
#: Share of the memory allowed to Redis from which on it is nearly full.
NEARLY_FULL = 0.8


def redis_settings(settings: Settings, data_dir: Path) -> Settings | None:
    """Return settings that name the Redis: the one that is set, else the one that `charloom up` started on the data."""
    if "redis_url" in settings.model_fields_set:
        return settings
    try:
        url = (data_dir / "valkey" / "address").read_text().strip()
    except OSError:
        return None
    return settings.model_validate({"redis_url": url})


def check_redis(settings: Settings | None) -> Iterator[Finding]:
    """Yield what is found of Redis, and of the workers' clocks that only it knows."""
    if settings is None:
        yield note("redis", "none is named, and none runs on this data; `charloom up` brings its own")
        return
    store = Store.of(settings)
    try:
        store.ping()
        facts, workers = store.server(), store.workers.seen()
    except StoreUnavailable as exc:
        todo = "Start it (`charloom up` starts its own), or look at CHARLOOM_REDIS_URL."
        yield bad("redis", exc.detail.removeprefix("Redis can't serve this now: "), todo)
        return
    finally:
        store.close()
    yield ok("redis", f"{facts.version}, {size(facts.used_bytes)} used")
    yield from check_redis_config(facts)
    yield _clock("redis' clock", facts.clock_ms / 1000 - time.time(), "this machine's")
    yield from check_clocks(workers)


def check_redis_config(facts: ServerFacts) -> Iterator[Finding]:
    """Yield whether Redis keeps what it is given."""
    if facts.policy != "noeviction":
        said = f"maxmemory-policy is {facts.policy}: it throws keys away when it is full, jobs among them"
        yield bad("eviction", said, "Set maxmemory-policy noeviction.")
    else:
        yield ok("eviction", "maxmemory-policy noeviction: nothing is thrown away")
    if not facts.append_only:
        said = "appendonly is no: a crash of Redis loses what came since its last snapshot"
        yield warn("durability", said, "Set appendonly yes.")
    else:
        yield ok("durability", "appendonly yes: every write is kept")
    if facts.most_bytes and facts.used_bytes > NEARLY_FULL * facts.most_bytes:
        said = f"{size(facts.used_bytes)} of {size(facts.most_bytes)} are used"
        yield warn("redis' memory", said, "Raise maxmemory, or lower CHARLOOM_JOB_TTL_DAYS.")


def check_clocks(workers: Sequence[WorkerInfo]) -> Iterator[Finding]:
    """Yield how the workers' clocks differ from Redis', as each told at its last sign of life."""
    for worker in workers:
        if worker.clock_ms:
            yield _clock(f"clock of {worker.name}", (worker.clock_ms - worker.seen_ms) / 1000, "Redis'")


def check_web(client: Charloom) -> Iterator[Finding]:
    """Yield what is found of the web server, and of the workers that it sees."""
    try:
        ready = client.ready()
        workers = client.workers() if ready.status != "store_unavailable" else []
    except Unreachable as exc:
        yield bad("web", f"{exc}", "Start it with `charloom up`, or say where it is: --url, or CHARLOOM_URL.")
        return
    except Unauthorized as exc:
        yield bad("web", f"{client.url} answers: {exc}", "Put a key that it knows into CHARLOOM_API_KEY.")
        return
    except ApiError as exc:
        if exc.code == "not_charloom":
            yield bad("web", f"{exc}", "Say where Charloom is: --url, or CHARLOOM_URL.")
        else:
            yield bad("web", f"{client.url} answers: {exc}", "Look at the web server's log.")
        return
    except CharloomError as exc:
        yield bad("web", f"{exc}", "Look at --url and CHARLOOM_URL.")
        return
    if ready.ready:
        yield ok("web", f"{client.url} answers and is ready")
    else:
        yield bad("web", f"{client.url} answers, but isn't ready: {ready.detail}", "Mend what it names.")
    yield from check_workers(workers)


def check_workers(workers: Sequence[Worker]) -> Iterator[Finding]:
    """Yield who works, and whether all have the same versions."""
    if not workers:
        todo = "`charloom up` brings one, `celery -A worker worker` is one alone. Its log says why it isn't seen."
        yield bad("workers", "none has been seen lately: jobs wait", todo)
        return
    for worker in workers:
        runs = f"runs {len(worker.running)} job{'s' if len(worker.running) != 1 else ''}" if worker.running else "idle"
        spelled = ", ".join(f"{name} {found}" for name, found in sorted(worker.versions.items()))
        yield ok(f"worker {worker.name}", f"{runs}; {worker.cores} cores; {spelled}")
    for name in sorted({name for worker in workers for name in worker.versions}):
        found = {worker.versions.get(name, "none").partition("+")[0] for worker in workers}
        if len(found) > 1:
            said = f"the workers have different versions of {name}: {', '.join(sorted(found))}"
            yield warn("versions", said, "Install the same everywhere: a training may wander from one to another.")


def _clock(what: str, skew_s: float, whose: str) -> Finding:
    if abs(skew_s) > MAX_CLOCK_SKEW_S:
        way = "ahead of" if skew_s > 0 else "behind"
        said = f"{abs(skew_s):.0f} s {way} {whose}"
        return warn(what, said, "Set it by a time server: jobs are listed by the time of their making.")
    return ok(what, f"agrees with {whose} within {MAX_CLOCK_SKEW_S:g} s")
