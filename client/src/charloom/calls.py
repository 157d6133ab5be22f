"""Calls that are written once, as coroutines, for both clients.

`AsyncCharloom` gives its user the coroutine. `Charloom` runs it at once: on a blocking transport no `await` ever waits
for an event loop, so one `send` takes the coroutine to its end. The type parameter of a group of calls says to which of
the two it belongs, and so what its calls return.
"""

import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from charloom.transport import Transport

P = ParamSpec("P")
R = TypeVar("R")


class Blocking:
    """Calls return when they are done."""


class Awaited:
    """Calls are awaited."""


M = TypeVar("M", Blocking, Awaited)


class Calls(Generic[M]):
    """A group of calls to one server, through either transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport


class call(Generic[P, R]):  # noqa: N801 (a decorator, named like `property`)
    """Make a coroutine function a method of both clients."""

    def __init__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> None:
        self._function = function

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]: ...
    @overload
    def __get__(self, instance: Calls[Blocking], owner: type[Any]) -> Callable[P, R]: ...
    @overload
    def __get__(self, instance: Calls[Awaited], owner: type[Any]) -> Callable[P, Coroutine[Any, Any, R]]: ...
    def __get__(self, instance: Any, owner: type[Any]) -> Any:
        return _bind(self._function, instance, run)


class iterate(Generic[P, R]):  # noqa: N801
    """Make an asynchronous generator function a method of both clients, which return iterators."""

    def __init__(self, function: Callable[Concatenate[Any, P], AsyncGenerator[R, None]]) -> None:
        self._function = function

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Callable[Concatenate[Any, P], AsyncGenerator[R, None]]: ...
    @overload
    def __get__(self, instance: Calls[Blocking], owner: type[Any]) -> Callable[P, Iterator[R]]: ...
    @overload
    def __get__(self, instance: Calls[Awaited], owner: type[Any]) -> Callable[P, AsyncGenerator[R, None]]: ...
    def __get__(self, instance: Any, owner: type[Any]) -> Any:
        return _bind(self._function, instance, run_each)


def _bind(function: Callable[..., Any], instance: Any, run: Callable[[Any], object]) -> object:
    if instance is None:
        return function
    method = MethodType(function, instance)
    if not instance._transport.blocking:  # noqa: SLF001 (a part of its class)
        return method

    @functools.wraps(function)
    def blocking(*args: Any, **options: Any) -> object:
        return run(method(*args, **options))

    return blocking


def run(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine that never waits for an event loop, and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    coroutine.close()
    raise RuntimeError("a blocking call has waited for an event loop")


def run_each(generator: AsyncGenerator[R, None]) -> Iterator[R]:
    """Yield from an asynchronous generator that never waits for an event loop."""
    try:
        while True:
            try:
                item = run(generator.__anext__())
            except StopAsyncIteration:
                return
            yield item
    finally:
        run(generator.aclose())
