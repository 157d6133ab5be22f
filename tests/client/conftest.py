"""Fixtures of the client's tests: a whole service, and a server that misbehaves."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from charloom import AsyncCharloom, Charloom, Retrying
from tests.client.driven import driven
from tests.client.scripted import Scripted
from tests.client.stack import Stack, stacked


@pytest.fixture(scope="module")
def stack(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start a service with a worker, one per module."""
    with stacked(valkey, tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
def loom(stack: Stack) -> Charloom:
    """Return a client of that service."""
    return stack.loom


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """Start a server with scripted responses."""
    with Scripted() as server:
        yield server


@pytest.fixture(params=["Charloom", "AsyncCharloom"])
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[[str, Retrying], Charloom]]:
    """Return a function that connects to a server; the test runs once with each kind of client."""
    with asyncio.Runner() as runner:
        made: list[Charloom] = []

        def make(url: str, retrying: Retrying) -> Charloom:
            if request.param == "Charloom":
                made.append(Charloom(url, retrying=retrying))
            else:
                made.append(driven(AsyncCharloom(url, retrying=retrying), runner))
            return made[-1]

        yield make
        for loom in made:
            loom.close()
