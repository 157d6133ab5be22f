"""The names of all Redis keys of Charloom, used everywhere.

| key | type | what it holds |
| --- | --- | --- |
| job:<id> | hash | the job record, see `shared/jobs/record.py` |
| events:<id> | stream | what happened to the job, the newest some thousands |
| metrics:<id> | list | every loss measured, one JSON object each |
| samples:<id> | list | the newest samples of a training, one JSON object each |
| index:<type>:<status> | zset | job ids by name (score 0), so by time |
| index:<model>:<type>:<status> | zset | the same, of the jobs that made or use a model |
| index:<corpus>:<type>:<status> | zset | the same, of the jobs that use a corpus |
| queue:<queue> | zset | ids of queued jobs by their turns: the order of the queue |
| turns:<queue> | zset | callers with waiting jobs, one entry for each priority, by the turn of the last one |
| clock:<queue> | string | the turn of the job of this queue that was claimed last |
| running | zset | ids of running jobs by the end of their lease |
| outbox | zset | ids of jobs whose message has to be sent, by the time from which it is due |
| ended | zset | ids of ended jobs by when they ended: they are deleted after some time |
| uses:<resource> | set | live jobs that need this corpus or model |
| retired:<resource> | string | the resource is being deleted: no new job may use it; expires |
| claimed:<queue> | string | when the newest message of this queue that led to a claim had been sent, ms |
| compared | string | the history of the server (`JobStore.history`) in which the records agree with the volume |
| owed | set | jobs whose end, or request to cancel, couldn't be written to the volume yet |
| volume | string | the id of the service's volume, see `shared/volume_guard.py` |
| probe | string | written to find out if the server takes writes; expires |
| tries:<address> | set | fingerprints of the wrong API keys that an address has sent; expires |
| signedout:<session> | string | the session was ended before its time; expires |
| workers | zset | names of workers by when they were last seen |
| worker:<name> | string | what that worker reports, JSON; expires |
| hooks | zset | ids of webhook messages to deliver, by the time of the next try |
| hook:<id> | hash | one of them: its job, what happened, the URL, tries so far |
| rate:<caller> | string | when a caller's full allowance is back, ms; expires |
| waiting:<caller> | set | a caller's queued jobs |
| making:<owner> | hash | live jobs that make a text or a model of this owner: "model:" or "text:" and about its bytes |
| wake:<name> | stream | at most one entry: a web process wakes its own reading thread with it; expires |
| counters | hash | what has happened since the server was emptied, by kind: "ended:train:failed" |
| fleet | stream | what happened to workers, and to jobs on them, the newest thousand |
| drains | hash | workers that are to drain: the owner_id of each by its name |
| repeat:<sha256> | hash | a request with an idempotency key: its job's id and its response; expires |
"""

from collections.abc import Mapping

PREFIX = "charloom:"

#: The prefix of each kind of key. The Lua scripts get this table, since they find ids that their caller doesn't know.
LAYOUT: Mapping[str, str] = {
    kind: f"{PREFIX}{kind}:"
    for kind in (
        "job",
        "events",
        "metrics",
        "samples",
        "index",
        "queue",
        "turns",
        "clock",
        "claimed",
        "uses",
        "retired",
        "worker",
        "repeat",
        "hook",
        "rate",
        "waiting",
        "making",
        "tries",
        "signedout",
        "wake",
    )
} | {
    kind: f"{PREFIX}{kind}"
    for kind in (
        "running",
        "outbox",
        "ended",
        "workers",
        "compared",
        "probe",
        "hooks",
        "owed",
        "volume",
        "counters",
        "fleet",
        "drains",
    )
}

RUNNING = LAYOUT["running"]
OUTBOX = LAYOUT["outbox"]
ENDED = LAYOUT["ended"]
WORKERS = LAYOUT["workers"]
COMPARED = LAYOUT["compared"]
PROBE = LAYOUT["probe"]
VOLUME = LAYOUT["volume"]
HOOKS = LAYOUT["hooks"]
PENDING_SYNC = LAYOUT["owed"]
COUNTERS = LAYOUT["counters"]
FLEET = LAYOUT["fleet"]
DRAINS = LAYOUT["drains"]


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


def index(job_type: str, status: str, resource_id: str | None = None) -> str:
    """Key of the index of jobs of a type and shown status, of one model or corpus where it is given."""
    of_resource = f"{resource_id}:" if resource_id else ""
    return f"{LAYOUT['index']}{of_resource}{job_type}:{status}"


def queue(name: str) -> str:
    """Key of the order of a queue."""
    return LAYOUT["queue"] + name


def worker(name: str) -> str:
    """Key of a worker's report."""
    return LAYOUT["worker"] + name


def tries(address: str) -> str:
    """Key of the wrong API keys that came from an address."""
    return LAYOUT["tries"] + address


def signedout(session_id: str) -> str:
    """Key that exists until a session that was signed out would have expired."""
    return LAYOUT["signedout"] + session_id


def wake(name: str) -> str:
    """Key of the stream that wakes a thread that reads events."""
    return LAYOUT["wake"] + name
