"""What Redis holds: job records, their events, the workers seen. The only user of redis-py, its Lua beside it."""

from shared.store.connection import connect
from shared.store.events import EventLog
from shared.store.jobs import CancelOutcome, Claim, JobStore, Page, Reaped
from shared.store.store import Store
from shared.store.workers import WorkerBoard, WorkerInfo

__all__ = [
    "CancelOutcome",
    "Claim",
    "EventLog",
    "JobStore",
    "Page",
    "Reaped",
    "Store",
    "WorkerBoard",
    "WorkerInfo",
    "connect",
]
