"""A web server that soon gives slow clients up."""

import resource
from collections.abc import Iterator

import pytest

from tests.web.locked import ANNA
from tests.web.serving import Served, serve

#: As many as a flood has.
CLIENTS = 1200


@pytest.fixture(scope="package")
def impatient(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Give a gunicorn that asks for a key and gives slow clients up after two seconds."""
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, max(files, 2 * CLIENTS)), most))
    folder = tmp_path_factory.mktemp("impatient")
    with serve(valkey, folder, CHARLOOM_WEB_STALL_S="2", CHARLOOM_API_KEYS=ANNA) as served:
        yield served
