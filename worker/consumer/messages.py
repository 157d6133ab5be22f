"""Which messages are ours: the id of a job for one of our tasks, and nothing else that Celery would obey.

Celery looks at a message late and believes it: a body that isn't three things ends the worker with the message put
back, so that it ends the next one; `chain`, `eta` or `timelimit` would be obeyed; and what can't be read is written
into the log whole. So a message is looked at before Celery does.
"""

import json
from collections.abc import Mapping
from typing import Any

from shared.broker import task_name
from shared.ids import is_id
from shared.jobs.record import Queue

_TASKS = frozenset(task_name(queue) for queue in Queue)
#: Bytes of a body; ours has about 120.
_MAX_BYTES = 1000
#: Headers that would have Celery do something, and what they are in ours.
_NEUTRAL: Mapping[str, Any] = {
    "shadow": None,
    "eta": None,
    "expires": None,
    "group": None,
    "group_index": None,
    "retries": 0,
    "timelimit": [None, None],
    "parent_id": None,
    "replaced_task_nesting": 0,
    "stamped_headers": None,
    "stamps": {},
}


def is_ours(message: Any) -> bool:
    """Return True if a message (kombu's) is one that `shared/broker.py` sends."""
    return (
        (message.content_type, message.content_encoding) == ("application/json", "utf-8")
        and _is_head(message.headers)
        and len(message.body) <= _MAX_BYTES
        and _is_body(message.body)
    )


def _is_head(headers: Any) -> bool:
    return (
        isinstance(headers, dict)
        and isinstance(headers.get("task"), str)
        and headers["task"] in _TASKS
        and all(isinstance(headers.get(name), str) for name in ("id", "root_id"))
        and all(headers.get(name, neutral) == neutral for name, neutral in _NEUTRAL.items())
    )


def _is_body(body: bytes | str) -> bool:
    try:
        args, kwargs, embedded = json.loads(body)
    except (ValueError, TypeError, RecursionError):
        return False
    return (
        isinstance(args, list)
        and len(args) == 1
        and isinstance(args[0], str)
        and is_id(args[0], "job")
        and kwargs == {}
        and isinstance(embedded, dict)
        and not any(embedded.values())
    )
