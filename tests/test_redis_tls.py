"""Charloom over TLS: both sides show certificates, and who can't prove themselves is not talked to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.broker import Broker
from shared.errors import StoreUnavailable
from shared.jobs.record import Queue
from shared.store import Store
from tests.guarded import Guarded, go_the_whole_way, guarded, settings_of
from tests.servers import make_certificates, need_redis_server


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_redis_server()
    return make_certificates(tmp_path_factory.mktemp("tls") / "certificates")


@contextmanager
def encrypted(folder: Path, certificates: Path, *, server: str = "server", asks: str = "yes") -> Iterator[Guarded]:
    """Start a server that speaks TLS, asks for a certificate, and knows the documented user."""
    options = [
        "--tls-cert-file",
        f"{certificates}/{server}.pem",
        "--tls-key-file",
        f"{certificates}/{server}.key",
        "--tls-ca-cert-file",
        f"{certificates}/ca.pem",
        "--tls-auth-clients",
        asks,
    ]
    with guarded(folder, *options, certificates=certificates, binary=need_redis_server()) as guard:
        yield guard


def test_everything_goes_over_tls_with_certificates_on_both_sides(certificates: Path, tmp_path: Path) -> None:
    with encrypted(tmp_path / "server", certificates) as server:
        shown = {"redis_cert_file": f"{certificates}/client.pem", "redis_key_file": f"{certificates}/client.key"}
        go_the_whole_way(server, tmp_path, **shown)
        assert server.denials() == []


@pytest.mark.parametrize(
    ("ca", "server", "shown", "says"),
    [
        ("other-ca", "server", True, "certificate verify failed"),
        (None, "server", True, "certificate verify failed"),
        ("ca", "stranger", True, "IP address mismatch"),
        ("ca", "server", False, ""),
    ],
    ids=["another authority", "the system's authorities", "another name", "no certificate of ours"],
)
def test_who_can_t_prove_themselves_is_not_talked_to(
    certificates: Path, tmp_path: Path, ca: str | None, server: str, shown: bool, says: str
) -> None:
    with encrypted(tmp_path / "server", certificates, server=server) as guard:
        more = {"redis_ca_file": f"{certificates}/{ca}.pem"} if ca else {}
        if shown:
            more |= {"redis_cert_file": f"{certificates}/client.pem", "redis_key_file": f"{certificates}/client.key"}
        settings = settings_of(guard.url, **more)
        with pytest.raises(StoreUnavailable, match=says or None):
            Store.of(settings).ping()
        with pytest.raises(StoreUnavailable, match=says or None):
            Broker.of(settings).send("job_x", Queue.TRAIN)


def test_no_word_is_said_in_the_clear_where_tls_is_spoken(certificates: Path, tmp_path: Path) -> None:
    with encrypted(tmp_path / "server", certificates) as guard, pytest.raises(StoreUnavailable):
        Store.of(settings_of(guard.url.replace("rediss:", "redis:"))).ping()
