"""What the web's tests may ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.web.browsing import chromium
from tests.web.locked import locked_world
from tests.web.serving import Served, serve
from tests.web.world import World, settings_of


@pytest.fixture
def world(redis_url: str, data_dir: Path) -> Iterator[World]:
    """Give an app on an empty store and an empty volume."""
    world = World(settings_of(redis_url, data_dir))
    yield world
    world.close()


@pytest.fixture
def locked(redis_url: str, data_dir: Path) -> Iterator[World]:
    """Give an app that asks for a key."""
    world = locked_world(redis_url, data_dir)
    yield world
    world.close()


@pytest.fixture(scope="module")
def served(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Give a gunicorn that serves the app, one for a module's tests; event streams ping every half second."""
    with serve(valkey, tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture
def live(served: Served, redis_url: str) -> Iterator[World]:
    """Give the world behind the served app, its store emptied."""
    world = World(settings_of(redis_url, served.data_dir))
    yield world
    world.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a Chromium for a module; each test opens a context of its own in it.

    Playwright's event loop runs as long as it does, and no other one may meanwhile, as those of the client's tests.
    """
    with chromium() as browser:
        yield browser
