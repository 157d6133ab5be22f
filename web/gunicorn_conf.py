"""How gunicorn serves Charloom: `gunicorn --config python:web.gunicorn_conf "web:create_app()"`.

In a checkout `gunicorn "web:create_app()"` is enough: it reads gunicorn.conf.py there, which is this module.

One process with many threads, since an open event stream takes one. Everything that may differ between hosts is a
setting in `shared/settings.py`.
"""

import resource
import sys
from pathlib import Path
from typing import Any

from shared import logs
from shared.errors import SettingsError
from shared.settings import check_binding, load, set_umask
from web.http.gunicorn_log import Quiet
from web.server.places import Limits
from web.server.worker import Worker
from web.streaming import shutdown

try:
    _settings = load()
    check_binding(_settings)
    set_umask(_settings)
except SettingsError as exc:
    sys.exit(f"Charloom doesn't start: {exc}")

#: Connections that one process keeps open; most wait in its event loop and take no thread.
_MAX_CONNECTIONS = 4096
#: File descriptors for everything else: a request holds an upload, a file and a connection to Redis or two.
_OTHER_FILES = 256 + 4 * _settings.web_threads


def _max_connections() -> int:
    """Raise the limit of open files as far as it is needed and allowed, and return the connections that fit in."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_CONNECTIONS + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    fitting = _MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else soft - _OTHER_FILES
    return max(2 * _settings.web_threads, min(_MAX_CONNECTIONS, fitting))


def _threads_per_address() -> int:
    """Return the threads that all streams may hold, and half of the others."""
    return (_settings.web_threads + _settings.web_streams) // 2


class _Worker(Worker):
    """The worker with the limits of these settings. Behind proxies all connections come from a few addresses."""

    limits = Limits(
        stall_s=_settings.web_stall_s,
        connections_per_address=_MAX_CONNECTIONS if _settings.trusted_proxies else max(2, _max_connections() // 4),
        threads_per_address=_settings.web_threads if _settings.trusted_proxies else _threads_per_address(),
    )


class _Logger(Quiet):
    """gunicorn's log in the format of these settings."""

    formatter = logs.formatter(_settings) if _settings.log_format == "json" else None


bind = f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
worker_class = _Worker
workers = 1
threads = _settings.web_threads
worker_connections = _max_connections()
#: Seconds that running requests may take after SIGTERM; event streams end at once, see below.
graceful_timeout = 3
#: Seconds without a sign of life of the worker's event loop (not of a request) after which it is replaced.
timeout = 60
#: The file of the worker's heartbeat is kept in memory: a slow disk would look like a hung worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
#: It would be one socket in the home directory for all services of the user.
control_socket_disable = True
proc_name = "charloom-web"
#: Whether a proxy's headers are trusted is decided in web/app.py, by CHARLOOM_TRUSTED_PROXIES.
forwarded_allow_ips = ""
logger_class = _Logger
accesslog = None
errorlog = "-"
loglevel = _settings.log_level.lower()


def post_worker_init(_worker: Any) -> None:
    """Configure logging, and have open streams end at once, or they would use up `graceful_timeout`."""
    logs.set_up(_settings)
    shutdown.install()
