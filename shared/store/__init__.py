"""Everything in Redis: job records, their events, workers and more. The only user of redis-py, with its Lua scripts."""

from shared.store.connection import connect
from shared.store.events import EventLog
from shared.store.fleet import Fleet, FleetFacts
from shared.store.idempotency import Begun
from shared.store.job_reader import Page
from shared.store.job_store import CancelOutcome, Claim, JobStore, Reaped, Reserved
from shared.store.rates import Allowance
from shared.store.server import ServerFacts
from shared.store.store import Store
from shared.store.webhooks import Message
from shared.store.workers import WorkerBoard, WorkerInfo

__all__ = [
    "Allowance",
    "Begun",
    "CancelOutcome",
    "Claim",
    "EventLog",
    "Fleet",
    "FleetFacts",
    "JobStore",
    "Message",
    "Page",
    "Reaped",
    "Reserved",
    "ServerFacts",
    "Store",
    "WorkerBoard",
    "WorkerInfo",
    "connect",
]
