"""Recognizes Charloom's messages: a job's id for one of its tasks, and nothing else that Celery would act upon.

Celery checks a message late and trusts it: a body that doesn't have three parts ends the worker and returns the message
to the queue, so that it ends the next worker; `chain`, `eta` and `timelimit` would be followed; and an unreadable
message is logged as a whole. So messages are checked before Celery sees them. One of a newer version is dropped
as well: its job stays in its queue, and a reaper sends another message for it.
"""

import json
from collections.abc import Mapping
from typing import Any

from shared.broker import VERSION, VERSION_HEADER, task_name
from shared.ids import is_id
from shared.jobs.record import Queue

_TASKS = frozenset(task_name(queue) for queue in Queue)
#: Longest body, bytes; Charloom's have about 120.
_MAX_BYTES = 1000
#: Headers that Celery would act upon, and their values in Charloom's messages.
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
        and headers.get(VERSION_HEADER, 1) in range(1, VERSION + 1)
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
