"""What the client's tests may ask for: a whole service, and servers that misbehave."""

from collections.abc import Iterator

import pytest

from charloom import Charloom
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
