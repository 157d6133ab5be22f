"""Who may read /metrics without a key: the networks of CHARLOOM_METRICS_ALLOW, for Prometheus has no session."""

from flask import request

from shared.networks import is_in
from web.services import services

PATH = "/metrics"


def is_allowed() -> bool:
    """Return True if the current request asks for the metrics, from a network that may."""
    if request.path != PATH:
        return False
    networks = services().settings.metrics_networks
    return bool(networks) and is_in(networks, request.remote_addr or "")
