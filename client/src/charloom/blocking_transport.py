"""The transport of `Charloom`: its coroutines end without ever waiting for an event loop."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx

from charloom.transport import CONNECT_S, Retrying, Streamed, Transport

R = TypeVar("R")


class BlockingTransport(Transport):
    """Sends requests through `httpx.Client`."""

    blocking = True

    def __init__(self, url: str, *, api_key: str | None, retrying: Retrying) -> None:
        super().__init__(url, api_key=api_key, retrying=retrying)
        self.http: httpx.Client = httpx.Client(**self._http_options)

    async def request(self, method: str, path: str, **how: Any) -> httpx.Response:
        """Send a request once and return its response, read."""
        return self.http.request(method, path, **how)

    @asynccontextmanager
    async def stream(self, method: str, path: str, *, read_s: float, **how: Any) -> AsyncIterator[Streamed]:
        """Send a request once and open its response."""
        with self.http.stream(method, path, timeout=httpx.Timeout(read_s, connect=CONNECT_S), **how) as response:
            chunks = response.iter_bytes()

            async def chunk() -> bytes:
                return next(chunks, b"")

            async def read() -> bytes:
                return response.read()

            yield Streamed(response=response, chunk=chunk, read=read)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    async def run(self, function: Callable[[], R]) -> R:
        """Call a function."""
        return function()

    async def close(self) -> None:
        """Close the connections."""
        self.http.close()
