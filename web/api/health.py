"""Whether the process lives, and whether jobs can be done."""

from flask import Response

from shared.errors import StoreUnavailable, VolumeUnavailable
from web.http.endpoints import API
from web.http.problems import NotReady
from web.http.responses import json_answer, reply
from web.http.schemas import Health, Readiness
from web.security import auth
from web.services import services

api = API("health", prefix="")


@api.call("GET", "/healthz", answers={200: json_answer("It lives.", Health)})
def live() -> Response:
    """Tell that the process lives."""
    return reply(Health(), headers={"Cache-Control": "no-store"})


@api.call("GET", "/readyz", answers={200: json_answer("Everything is there.", Readiness)})
def ready() -> Response:
    """Return True if Redis and the volume answer and a worker is seen; 503 names what is missing.

    No key is needed, since those who watch a service have none; but then only the names are told.
    """
    here = services()
    missing: dict[str, str] = {}
    workers = 0
    try:
        here.store.ping()
        workers = len(here.store.workers.seen())
        if not workers:
            missing["worker"] = "none has been seen lately"
    except StoreUnavailable as exc:
        missing["redis"] = exc.detail
    try:
        here.volume.check()
    except VolumeUnavailable as exc:
        missing["volume"] = exc.detail
    if missing:
        known = auth.is_known()
        raise NotReady("; ".join(f"{name}: {detail}" if known else name for name, detail in missing.items()))
    return reply(Readiness(workers=workers), headers={"Cache-Control": "no-store"})
