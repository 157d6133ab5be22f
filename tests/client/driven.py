"""An AsyncCharloom that is called like a Charloom, so that one test covers both."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Iterator
from typing import Any, cast

from charloom import AsyncCharloom, Charloom
from charloom.calls import Calls


class _Driven:
    def __init__(self, target: Calls[Any], runner: asyncio.Runner) -> None:
        self._target = target
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if isinstance(found, Calls):
            return _Driven(found, self._runner)
        if inspect.isasyncgenfunction(found):
            return lambda *args, **options: self._each(found(*args, **options))
        if inspect.iscoroutinefunction(found):
            return lambda *args, **options: self._runner.run(found(*args, **options))
        return found

    def _each(self, generator: AsyncGenerator[Any, None]) -> Iterator[Any]:
        async def step() -> list[Any]:
            async for item in generator:
                return [item]
            return []

        while found := self._runner.run(step()):
            yield from found


def driven(loom: AsyncCharloom, runner: asyncio.Runner) -> Charloom:
    """Return a client whose calls block, each until `runner` has run the coroutine of `loom`."""
    return cast("Charloom", _Driven(loom, runner))
