"""What the client's tests may ask for: a whole service, and servers that misbehave."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from charloom import AsyncCharloom, Charloom, Retrying
from tests.client.driven import driven
from tests.client.scripted import Scripted
from tests.client.stack import Stack, stacked


@pytest.fixture(scope="module")
def stack(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Give a service with a worker, one for a module's tests."""
    with stacked(valkey, tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
def loom(stack: Stack) -> Charloom:
    """Give a client of that service."""
    return stack.loom


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """Give a server that answers as it is told."""
    with Scripted() as server:
        yield server


@pytest.fixture(params=["Charloom", "AsyncCharloom"])
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[[str, Retrying], Charloom]]:
    """Give a function that makes a client of a server, and have the test run with both kinds of client."""
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
