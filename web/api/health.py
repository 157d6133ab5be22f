"""Health checks: whether the process is alive, and whether jobs can be submitted."""

from flask import Response

from shared.errors import StoreUnavailable, VolumeUnavailable
from web.http.endpoints import API
from web.http.errors import NotReady
from web.http.responses import json_response, reply
from web.http.schemas import Health, Readiness
from web.security import auth
from web.services import services

api = API("health", prefix="")


@api.call("GET", "/healthz", responses={200: json_response("The process is alive.", Health)})
def get_health() -> Response:
    """Report that the process is alive.

    It looks at nothing else and needs no key: for a supervisor or a load balancer's liveness probe.
    """
    return reply(Health(), headers={"Cache-Control": "no-store"})


@api.call("GET", "/readyz", responses={200: json_response("Jobs can be submitted.", Readiness)})
def get_readiness() -> Response:
    """Report whether jobs can be submitted: Redis and the volume can be reached.

    The number of workers seen is in the body; without any, jobs wait in their queue. No key is needed, but without one
    the detail of a 503 only names what is missing.
    """
    here = services()
    missing: dict[str, str] = {}
    workers = 0
    try:
        here.store.ping()
        workers = len(here.store.workers.seen())
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
