"""Delivers webhook messages at least once, signed as Standard Webhooks specifies (https://www.standardwebhooks.com).

Threads in every worker's parent process. The messages are kept in Redis, so a worker that dies loses none: one that it
had taken is due again a minute later, under the same id.
"""

import base64
import hashlib
import hmac
import json
import logging
import random
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from shared import logs
from shared.errors import NewerVersion, StoreUnavailable
from shared.jobs import record
from shared.jobs.schemas import Job, format_time
from shared.requests.webhook_urls import parse
from shared.setting_forms import webhook_key
from shared.settings import Settings
from shared.store import Message, Store
from shared.tracing import NO_TRACER, Attributes, Tracer, trace_id
from worker.webhooks.safe_http import Caller, Unreachable

log = logging.getLogger(__name__)

#: Seconds between two tries, each four times the one before, up to half a day; after the last one, some 20 hours after
#: the first, the message is dropped.
RETRIES_S = (5, 20, 80, 320, 1280, 5120, 20_480, 43_200)
#: Each is made longer by up to this fraction at random, so that not all come at once when a receiver is back.
_SPREAD = 0.1
#: Messages that one worker delivers at once.
_THREADS = 4
#: Seconds between two checks for a message.
_POLL_S = 1.0
_GONE = 410
#: Longest body, bytes: what Standard Webhooks advises. Of a longer job these are left out, in this order.
MAX_BODY_BYTES = 20_000
_OPTIONAL: Mapping[str, Any] = {"params": {}, "metadata": {}, "result": None}


class WebhookSender:
    """Delivers what is due, until it is stopped."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        caller: Caller | None = None,
        retries_s: Sequence[float] = RETRIES_S,
        poll_s: float = _POLL_S,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._store = store
        secret = settings.webhook_secret
        self._key = webhook_key(secret.get_secret_value()) if secret is not None else None
        self._caller = caller or Caller(allowed=settings.webhook_networks, tls=httpx.create_ssl_context())
        self._retries_s = retries_s
        self._poll_s = poll_s
        self._tracer = tracer
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._loop, name=f"sender-{number}", daemon=True) for number in range(_THREADS)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take nothing more. A delivery in progress ends with the process, and is due again later."""
        self._closing.set()

    def check(self) -> bool:
        """Deliver the message that is due; return True if there was one. Raises StoreUnavailable."""
        message = self._store.webhooks.take()
        if message is None:
            return False
        try:
            job = self._store.jobs.find(message.job_id)
        except NewerVersion as exc:
            self._try_again(message, exc.detail)
            return True
        if job is None:
            log.warning("%s is dropped: its job has been deleted", message.id)
            self._store.webhooks.end(message, delivered=False)
            return True
        with logs.bound(job=job.id, request_id=job.request_id, trace_id=trace_id(job.traceparent)):
            self._deliver(message, job)
        return True

    def _deliver(self, message: Message, job: record.Job) -> None:
        key = webhook_key(message.secret) if message.secret else self._key
        if key is None:
            self._try_again(message, "this worker has no CHARLOOM_WEBHOOK_SECRET to sign it with")
            return
        body = serialize(message, Job.of(job))
        try:
            status = self._post(message, job, _headers(message, body, key), body)
        except Unreachable as exc:
            self._try_again(message, str(exc))
            return
        if 200 <= status < 300:
            log.info("%s is delivered", message.id)
            self._store.webhooks.end(message, delivered=True)
        elif status == _GONE:
            log.warning("%s is dropped: the receiver is gone for good (410)", message.id)
            self._store.webhooks.end(message, delivered=False)
        else:
            self._try_again(message, f"the receiver answered {status}")

    def _post(self, message: Message, job: record.Job, headers: dict[str, str], body: bytes) -> int:
        """Post a message as a span of the job's trace, which it names to the receiver. Raises Unreachable."""
        about: Attributes = {
            "charloom.job.id": job.id,
            "charloom.event": message.type,
            "charloom.try": message.number_of_try,
        }
        span = self._tracer.begin("webhook", parent=job.traceparent, kind="client", attributes=about)
        if span.traceparent is not None:
            headers["traceparent"] = span.traceparent
        status = 0
        try:
            status = self._caller.post(parse(message.url), headers, body)
            span.set({"http.response.status_code": status})
            return status
        finally:
            if not 200 <= status < 300:
                span.fail(str(status) if status else "unreachable")
            span.end()

    def _try_again(self, message: Message, why: str) -> None:
        if message.number_of_try > len(self._retries_s):
            log.error("%s is dropped after %d tries: %s", message.id, message.number_of_try, why)
            self._store.webhooks.end(message, delivered=False)
            return
        wait_s = self._retries_s[message.number_of_try - 1] * (1 + _SPREAD * random.random())
        log.warning("%s could not be delivered (%s); the next try is in %.0f s", message.id, why, wait_s)
        self._store.webhooks.put_off(message, wait_s)

    def _loop(self) -> None:
        while not self._closing.is_set():
            try:
                found = self.check()
            except StoreUnavailable as exc:
                log.warning("Redis is away; no webhook can be called now: %s", exc)
                found = False
            if not found:
                self._closing.wait(self._poll_s)


def serialize(message: Message, job: Job) -> bytes:
    """Return a message's body: what happened, when, and the job as the API shows it; `omitted` names what is too long.

    What may be omitted has its empty value then, so that `data` can still be parsed as a job.
    """
    data, omitted = job.model_dump(mode="json"), []
    content = {"type": message.type, "timestamp": format_time(message.created_ms), "data": data}
    for name, empty in _OPTIONAL.items():
        if len(body := _json(content)) <= MAX_BODY_BYTES:
            return body
        data[name] = empty
        omitted.append(name)
        content["omitted"] = omitted
    return _json(content)


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _headers(message: Message, body: bytes, key: bytes) -> dict[str, str]:
    now = int(time.time())
    return {
        "Content-Type": "application/json",
        "User-Agent": "Charloom",
        "webhook-id": message.id,
        "webhook-timestamp": str(now),
        "webhook-signature": sign(key, message.id, now, body),
    }


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a message, version 1 of Standard Webhooks."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
