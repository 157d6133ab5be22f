"""Every Redis key of Charloom: the only place where one is spelled.

| key | type | what it holds |
| --- | --- | --- |
| job:<id> | hash | the job record, see `shared/jobs/record.py` |
| events:<id> | stream | what happened to the job, newest some thousands |
| metrics:<id> | list | every loss measured, one JSON object each |
| samples:<id> | list | the newest samples that a model wrote while it learned, one JSON object each |
| index:<type>:<status> | zset | job ids by name (score 0), so by time |
| index:<model>:<type>:<status> | zset | the same, of the jobs that made or use a model |
| queue:<queue> | zset | ids of queued jobs by the time they came in: the place in the queue |
| running | zset | ids of running jobs by the end of their lease |
| outbox | zset | ids whose message is to be sent, by the time from which it is due |
| ended | zset | ids of ended jobs by when they ended: what is cleaned up after a set time |
| uses:<resource> | set | live jobs that need this corpus or model |
| retired:<resource> | string | the resource is being deleted: no new job may use it |
| claimed:<queue> | string | when the newest claimed job of this queue had been sent, ms |
| whole | string | "1" once the records agree with the volume, else a mark; gone when the server was emptied |
| owed | set | jobs whose end, or wish to end, the volume could not be told when it came |
| probe | string | written by whoever asks whether the server takes writes; goes by itself |
| tries:<address> | set | marks of the wrong keys that an address has tried; goes by itself |
| signedout:<session> | string | the session was ended before its time; goes by itself |
| workers | zset | names of workers by when they were last seen |
| worker:<name> | string | what that worker says of itself, JSON; goes by itself |
| hooks | zset | ids of webhook messages to be delivered, by the time of the next try |
| hook:<id> | hash | one of them: whose job, what happened, where to, tries so far |
| rate:<caller> | string | when a caller may call as often as ever again, ms; goes by itself |
| waiting:<caller> | set | queued jobs that a caller sent, kept where their number is limited |
| wake:<name> | stream | one entry at most: a web process wakes its own reader by it; goes by itself |
| repeat:<sha256> | hash | a request with an idempotency key: its job's id and its answer; goes by itself |
"""

from collections.abc import Mapping

PREFIX = "charloom:"

#: What each kind of key begins with. The store's Lua gets this table: a script meets ids that its caller can't name.
LAYOUT: Mapping[str, str] = {
    kind: f"{PREFIX}{kind}:"
    for kind in (
        "job",
        "events",
        "metrics",
        "samples",
        "index",
        "queue",
        "claimed",
        "uses",
        "retired",
        "worker",
        "repeat",
        "hook",
        "rate",
        "waiting",
        "tries",
        "signedout",
        "wake",
    )
} | {kind: f"{PREFIX}{kind}" for kind in ("running", "outbox", "ended", "workers", "whole", "probe", "hooks", "owed")}

RUNNING = LAYOUT["running"]
OUTBOX = LAYOUT["outbox"]
ENDED = LAYOUT["ended"]
WORKERS = LAYOUT["workers"]
WHOLE = LAYOUT["whole"]
PROBE = LAYOUT["probe"]
HOOKS = LAYOUT["hooks"]
OWED = LAYOUT["owed"]


def job(job_id: str) -> str:
    """Key of a job's record."""
    return LAYOUT["job"] + job_id


def events(job_id: str) -> str:
    """Key of a job's stream of events."""
    return LAYOUT["events"] + job_id


def metrics(job_id: str) -> str:
    """Key of a job's list of losses."""
    return LAYOUT["metrics"] + job_id


def samples(job_id: str) -> str:
    """Key of a job's list of samples."""
    return LAYOUT["samples"] + job_id


def index(job_type: str, status: str, model_id: str | None = None) -> str:
    """Key of the index of jobs of a type and shown status, of one model where it is given."""
    of_model = f"{model_id}:" if model_id else ""
    return f"{LAYOUT['index']}{of_model}{job_type}:{status}"


def queue(name: str) -> str:
    """Key of the order of a queue."""
    return LAYOUT["queue"] + name


def worker(name: str) -> str:
    """Key of what a worker says of itself."""
    return LAYOUT["worker"] + name


def tries(address: str) -> str:
    """Key of the wrong keys that came from an address."""
    return LAYOUT["tries"] + address


def signedout(session_id: str) -> str:
    """Key that stands while a session that was ended hasn't run out."""
    return LAYOUT["signedout"] + session_id


def wake(name: str) -> str:
    """Name the stream by which a reader of events is woken."""
    return LAYOUT["wake"] + name
