"""Checks of a service: its Redis, its web server, its workers, and the clocks of all of them."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from charloom import ApiError, Charloom, CharloomError, Unauthorized, Unreachable, Worker
from cli.common.exit_codes import SET_URL
from cli.doctor.findings import Finding, bad, note, ok, warn
from shared.common_settings import differences
from shared.errors import StoreUnavailable
from shared.redis_address import sentinels_of
from shared.settings import Settings
from shared.sizes import size
from shared.store import ServerFacts, Store, WorkerInfo

#: Seconds that clocks may differ: ids contain the time of the host that made them, and lists are sorted by id.
MAX_CLOCK_SKEW_S = 5.0
#: Share of Redis's memory limit above which it counts as nearly full.
NEARLY_FULL = 0.8


def redis_settings(settings: Settings, data_dir: Path) -> Settings | None:
    """Return settings with the address of Redis: the one that is set, else that of the Valkey of `charloom up`."""
    if "redis_url" in settings.model_fields_set:
        return settings
    try:
        url = (data_dir / "valkey" / "address").read_text().strip()
    except OSError:
        return None
    return settings.model_validate({"redis_url": url, "volume_url": settings.volume_url})


def check_redis(settings: Settings) -> Iterator[Finding]:
    """Check Redis, and the workers' clocks, which only Redis knows."""
    store = Store.of(settings)
    try:
        store.ping()
        facts, workers = store.server(), store.workers.seen()
    except StoreUnavailable as exc:
        fix = "Start it (`charloom up` starts its own), or correct CHARLOOM_REDIS_URL."
        yield bad("redis", exc.detail.removeprefix("Redis can't serve this now: "), fix)
        return
    finally:
        store.close()
    yield ok("redis", f"{facts.version}, {size(facts.used_bytes)} used")
    yield from check_redis_config(facts)
    if sentinels_of(settings.redis_url.get_secret_value()):
        yield from check_replicas(facts)
    yield _check_clock("redis' clock", facts.clock_ms / 1000 - time.time(), "this machine's")
    yield from check_clocks(workers)
    yield from check_settings(workers)


def no_redis() -> Finding:
    """Report that there is no Redis to check."""
    return note("redis", "CHARLOOM_REDIS_URL isn't set and no service runs on this data; `charloom up` starts its own")


def check_redis_config(facts: ServerFacts) -> Iterator[Finding]:
    """Check whether Redis keeps all that it is given."""
    if facts.policy != "noeviction":
        message = f"maxmemory-policy is {facts.policy}: a full Redis deletes keys, jobs included"
        yield bad("eviction", message, "Set maxmemory-policy to noeviction.")
    else:
        yield ok("eviction", "maxmemory-policy is noeviction: no key is deleted to make room")
    if not facts.append_only:
        message = "appendonly is no: if Redis crashes, all since its last snapshot is lost"
        yield warn("durability", message, "Set appendonly to yes.")
    else:
        yield ok("durability", "appendonly is yes: every write is kept")
    if facts.most_bytes and facts.used_bytes > NEARLY_FULL * facts.most_bytes:
        message = f"{size(facts.used_bytes)} of {size(facts.most_bytes)} are used"
        yield warn("redis' memory", message, "Raise maxmemory, or lower CHARLOOM_JOB_TTL_DAYS.")


def check_replicas(facts: ServerFacts) -> Iterator[Finding]:
    """Check whether a primary behind Sentinels can be replaced."""
    if not facts.replicas:
        yield warn("replicas", "none is connected: if this primary fails, Redis is away", "Start one (docs/redis.md).")
    elif facts.good_replicas is None:
        message = f"{facts.replicas} connected; min-replicas-to-write isn't set"
        yield warn("replicas", message, "Set it to 1: a primary that is cut off must take no writes (docs/redis.md).")
    else:
        yield ok("replicas", f"{facts.replicas} connected")


def check_clocks(workers: Sequence[WorkerInfo]) -> Iterator[Finding]:
    """Compare each worker's clock at its last heartbeat with Redis's."""
    for worker in workers:
        if worker.clock_ms:
            skew_s = (worker.clock_ms - worker.seen_ms) / 1000
            yield _check_clock(f"clock of {worker.name}", skew_s, "Redis'")


def check_settings(workers: Sequence[WorkerInfo]) -> Iterator[Finding]:
    """Check whether the workers agree in the settings that must be equal."""
    for message in differences({worker.name: worker.settings for worker in workers}):
        yield warn("settings", message, "Set it to the same value on all hosts, and restart what differs.")


def check_web(client: Charloom) -> Iterator[Finding]:
    """Check the web server and the workers that it knows of."""
    try:
        readiness = client.ready()
        workers = client.workers() if readiness.status != "store_unavailable" else []
    except Unreachable as exc:
        yield bad("web", f"{exc}", f"Start it with `charloom up`. {SET_URL}")
        return
    except Unauthorized as exc:
        yield bad("web", f"{client.url} responds: {exc}", "Set CHARLOOM_API_KEY to a valid key.")
        return
    except ApiError as exc:
        if exc.code == "not_charloom":
            yield bad("web", f"{exc}", SET_URL)
        else:
            yield bad("web", f"{client.url} responds: {exc}", "See the web server's log.")
        return
    except CharloomError as exc:
        yield bad("web", f"{exc}", "Correct --url or CHARLOOM_URL.")
        return
    if readiness.ready:
        yield ok("web", f"{client.url} responds and is ready")
    else:
        yield bad("web", f"{client.url} isn't ready: {readiness.detail}", "Fix the problem that the message names.")
    yield from check_workers(workers)


def check_workers(workers: Sequence[Worker]) -> Iterator[Finding]:
    """Report each worker, and check whether all have the same versions."""
    if not workers:
        fix = "`charloom up` starts one, and so does `celery -A worker worker`. The worker's log may have the cause."
        yield bad("workers", "none is running, so jobs stay queued", fix)
        return
    for worker in workers:
        count = len(worker.running)
        quota = "" if worker.cpu_quota is None else f" (quota {worker.cpu_quota:.3g})"
        state = "idle" if not count else "runs 1 job" if count == 1 else f"runs {count} jobs"
        versions = ", ".join(f"{name} {found}" for name, found in sorted(worker.versions.items()))
        if worker.volume_error:
            yield bad(
                f"worker {worker.name}", f"it takes no jobs. {worker.volume_error}", "Mount the volume on its host."
            )
            continue
        yield ok(f"worker {worker.name}", f"{state}; {worker.cores} cores{quota}; {versions}")
    for name in sorted({name for worker in workers for name in worker.versions}):
        found = {worker.versions.get(name, "none").partition("+")[0] for worker in workers}
        if len(found) > 1:
            message = f"the workers have different versions of {name}: {', '.join(sorted(found))}"
            yield warn("versions", message, "Install the same one: another worker may have to continue a training.")


def _check_clock(subject: str, skew_s: float, reference: str) -> Finding:
    if abs(skew_s) > MAX_CLOCK_SKEW_S:
        direction = "ahead of" if skew_s > 0 else "behind"
        message = f"{abs(skew_s):.0f} s {direction} {reference}"
        return warn(
            subject, message, "Synchronize it with a time server: jobs are listed by the time they were created."
        )
    return ok(subject, f"within {MAX_CLOCK_SKEW_S:g} s of {reference}")
