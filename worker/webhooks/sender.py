"""Delivers webhook messages: signed as Standard Webhooks has it, tried again and again, at least once.

A thread in every worker's parent process. What is to be delivered stands in Redis, so a worker that dies loses nothing:
a message that it had taken is due again a minute later, under the same id.
"""

import base64
import hashlib
import hmac
import json
import logging
import random
import threading
import time
from collections.abc import Sequence

import httpx

from shared.errors import StoreUnavailable
from shared.jobs.schemas import Job, format_time
from shared.requests.webhook_urls import parse
from shared.settings import Settings, webhook_key
from shared.store import Message, Store
from worker.webhooks.safe_http import Caller, Unreachable

log = logging.getLogger(__name__)

#: Seconds between two tries, each four times the one before, up to half a day; after the last the message is given up,
#: some 20 hours after the first.
RETRIES_S = (5, 20, 80, 320, 1280, 5120, 20_480, 43_200)
#: Share by which each is made longer at random, so that not all come at once when a receiver is back.
_SPREAD = 0.1
#: Messages that one worker delivers at once.
_PLACES = 4
#: Seconds between two looks for a message.
_LOOK_S = 1.0
_GONE = 410


class WebhookSender:
    """Delivers what is due, until it is stopped. Does nothing where no secret is set."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        caller: Caller | None = None,
        retries_s: Sequence[float] = RETRIES_S,
        look_s: float = _LOOK_S,
    ) -> None:
        self._store = store
        secret = settings.webhook_secret
        self._key = webhook_key(secret.get_secret_value()) if secret is not None else None
        self._caller = caller or Caller(allowed=settings.webhook_networks, tls=httpx.create_ssl_context())
        self._retries_s = retries_s
        self._look_s = look_s
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._loop, name=f"sender-{number}", daemon=True) for number in range(_PLACES)
        ]

    def start(self) -> None:
        """Begin."""
        if self._key is not None:
            for thread in self._threads:
                thread.start()

    def stop(self) -> None:
        """Take nothing more. What is under way ends with the process, and is due again later."""
        self._closing.set()

    def check(self) -> bool:
        """Deliver the message that is due, and tell whether there was one. Raises StoreUnavailable."""
        message = self._store.webhooks.take()
        if message is None:
            return False
        job = self._store.jobs.find(message.job_id)
        if job is None:
            log.warning("%s is given up: its job has been forgotten", message.id)
            self._store.webhooks.end(message)
            return True
        body = serialize(message, Job.of(job))
        try:
            status = self._caller.post(parse(message.url), self._headers(message, body), body)
        except Unreachable as exc:
            self._try_again(message, str(exc))
            return True
        if 200 <= status < 300:
            log.info("%s is delivered", message.id)
            self._store.webhooks.end(message)
        elif status == _GONE:
            log.warning("%s is given up: the receiver says that it is gone for good (410)", message.id)
            self._store.webhooks.end(message)
        else:
            self._try_again(message, f"the receiver answered {status}")
        return True

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        now = int(time.time())
        return {
            "Content-Type": "application/json",
            "User-Agent": "Charloom",
            "webhook-id": message.id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(self._key or b"", message.id, now, body),
        }

    def _try_again(self, message: Message, why: str) -> None:
        if message.number_of_try > len(self._retries_s):
            log.error("%s is given up after %d tries: %s", message.id, message.number_of_try, why)
            self._store.webhooks.end(message)
            return
        wait_s = self._retries_s[message.number_of_try - 1] * (1 + _SPREAD * random.random())
        log.warning("%s is not delivered (%s); the next try comes in %.0f s", message.id, why, wait_s)
        self._store.webhooks.put_off(message, wait_s)

    def _loop(self) -> None:
        while not self._closing.is_set():
            try:
                found = self.check()
            except StoreUnavailable as exc:
                log.warning("Redis is away; no webhook can be called now: %s", exc)
                found = False
            if not found:
                self._closing.wait(self._look_s)


def serialize(message: Message, job: Job) -> bytes:
    """Spell a message's body: what happened, when, and the job as the API shows it."""
    told = {"type": message.type, "timestamp": format_time(message.created_ms), "data": job.model_dump(mode="json")}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a message, version 1 (https://www.standardwebhooks.com)."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
