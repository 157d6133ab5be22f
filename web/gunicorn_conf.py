"""How gunicorn serves Charloom: `gunicorn --config python:web.gunicorn_conf "web:create_app()"`.

In a checkout `gunicorn "web:create_app()"` is enough: it reads gunicorn.conf.py there, which is this module.

One process with many threads: an open event stream takes a thread, not a process. Everything that may differ between
hosts is a setting in `shared/settings.py`.
"""

import logging
import sys
from pathlib import Path
from typing import Any

from shared.errors import SettingsError
from shared.settings import check_binding, load
from web.streaming import shutdown

try:
    _settings = load()
    check_binding(_settings)
except SettingsError as exc:
    sys.exit(f"Charloom doesn't start: {exc}")

bind = f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
worker_class = "gthread"
workers = 1
threads = _settings.web_threads
worker_connections = _settings.web_threads * 4
#: Seconds that a request in work may take after SIGTERM; streams are told at once, see below.
graceful_timeout = 3
#: Seconds without a sign of the worker's main loop (not of a request) after which it is replaced.
timeout = 60
#: The heartbeat's file is best kept in memory: a slow disk would look like a hung worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
#: It would be one socket in the home directory for all services of this user.
control_socket_disable = True
proc_name = "charloom-web"
#: Scheme and address as a proxy tells them are believed in one place: CHARLOOM_TRUSTED_PROXIES, in web/app.py.
forwarded_allow_ips = ""
logger_class = "web.http.gunicorn_log.Quiet"
accesslog = None
errorlog = "-"
loglevel = _settings.log_level.lower()


def post_worker_init(_worker: Any) -> None:
    """Log our own lines as the worker does, and have open streams end at once, or they would use up the grace."""
    logging.basicConfig(level=_settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    shutdown.install()
