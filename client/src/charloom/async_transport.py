"""The transport of `AsyncCharloom`. Loads asyncio, which takes a while, only when it is used."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx

from charloom.transport import CONNECT_S, Retrying, Streamed, Transport

R = TypeVar("R")


class AsyncTransport(Transport):
    """Sends requests through `httpx.AsyncClient`."""

    blocking = False

    def __init__(self, url: str, *, api_key: str | None, retrying: Retrying) -> None:
        super().__init__(url, api_key=api_key, retrying=retrying)
        self.http: httpx.AsyncClient = httpx.AsyncClient(**self._http_options)

    async def request(self, method: str, path: str, **how: Any) -> httpx.Response:
        """Send a request once and return its response, read."""
        return await self.http.request(method, path, **how)

    @asynccontextmanager
    async def stream(self, method: str, path: str, *, read_s: float, **how: Any) -> AsyncIterator[Streamed]:
        """Send a request once and open its response."""
        timeout = httpx.Timeout(read_s, connect=CONNECT_S)
        async with self.http.stream(method, path, timeout=timeout, **how) as response:
            chunks = response.aiter_bytes()

            async def chunk() -> bytes:
                return await anext(chunks, b"")

            yield Streamed(response=response, chunk=chunk, read=response.aread)

    async def sleep(self, seconds: float) -> None:
        """Wait, while other tasks run."""
        import asyncio  # noqa: PLC0415

        await asyncio.sleep(seconds)

    async def run(self, function: Callable[[], R]) -> R:
        """Call a function in a thread."""
        import asyncio  # noqa: PLC0415

        return await asyncio.to_thread(function)

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()
