"""Whether the process lives, and whether jobs can be done."""

from flask import Response

from shared.errors import StoreUnavailable, VolumeUnavailable
from web.api.answers import json_answer, reply
from web.calls import API
from web.parts import parts
from web.problems import NotReady
from web.views import Health, Readiness

api = API("health", prefix="")


@api.call("GET", "/healthz", answers={200: json_answer("It lives.", Health)})
def live() -> Response:
    """Tell that the process lives."""
    return reply(Health(), headers={"Cache-Control": "no-store"})


@api.call("GET", "/readyz", answers={200: json_answer("Everything is there.", Readiness)})
def ready() -> Response:
    """Tell whether Redis and the volume answer and a worker is seen; 503 names what is missing."""
    here = parts()
    missing, workers = [], 0
    try:
        here.store.ping()
        workers = len(here.store.workers.seen())
        if not workers:
            missing.append("worker: none has been seen lately")
    except StoreUnavailable as exc:
        missing.append(f"redis: {exc.detail}")
    try:
        here.volume.check()
    except VolumeUnavailable as exc:
        missing.append(f"volume: {exc.detail}")
    if missing:
        raise NotReady("; ".join(missing))
    return reply(Readiness(workers=workers), headers={"Cache-Control": "no-store"})
