"""A server that speaks the S3 protocol, checks signatures and keeps its word on conditional puts: SeaweedFS, on free ports.

It lives exactly as long as the `with` block and is ended by its own process id. A test asks for the fixture `s3_place`:
a prefix of its own on one server that all tests of the session share.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.needs import need, weed_binary

START_TIMEOUT_S = 60.0
_PORTS = ("s3", "master", "volume", "filer", "admin")
_READER_KEY, _READER_SECRET = "reader-key", "reader-secret"
_numbers = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    endpoint_url: str
    bucket: str
    access_key: str
    secret_key: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which boto3 and polars find the credentials."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def reader_environment(self) -> dict[str, str]:
        """The same, for credentials that may read and list but not write."""
        return self.environment | {"AWS_ACCESS_KEY_ID": _READER_KEY, "AWS_SECRET_ACCESS_KEY": _READER_SECRET}


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Place:
    """What `storage.objects.open_store` is told."""

    root: str
    endpoint_url: str


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    need("s3")
    with running_s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3_place(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Place:
    """An empty place, with the credentials in the environment."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return S3Place(root=f"s3://{s3_server.bucket}/test-{next(_numbers)}", endpoint_url=s3_server.endpoint_url)


@contextmanager
def running_s3_server(folder: Path) -> Iterator[S3Server]:
    """A server with one empty bucket, its data and log in `folder`. Needs `weed` (tests.needs.need("s3"))."""
    binary = weed_binary()
    assert binary is not None, 'call need("s3") first'
    server, ports = _description()
    folder.mkdir(parents=True, exist_ok=True)
    # its own log files go there
    environment = os.environ | {"TMPDIR": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            _command(binary, folder, server, ports), stdout=log, stderr=log, cwd=folder, env=environment
        )
        try:
            _wait_until_up(server, process, folder / "log")
            yield server
        finally:
            process.kill()
            process.wait()
            _remove_sockets(ports)


def _description() -> tuple[S3Server, dict[str, int]]:
    ports = _free_ports()
    server = S3Server(
        endpoint_url=f"http://127.0.0.1:{ports['s3.port']}",
        bucket="treeroll",
        access_key="test-key",
        secret_key="test-secret",
    )
    return server, ports


def _free_ports() -> dict[str, int]:
    """A free port for each listener; all held open until the last is chosen, so that no two are equal."""
    with ExitStack() as stack:
        ports = {}
        for name in [f"{part}.port{kind}" for part in _PORTS for kind in ("", ".grpc")]:
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            ports[name] = int(listener.getsockname()[1])
        return ports


def _command(binary: Path, folder: Path, server: S3Server, ports: dict[str, int]) -> list[str]:
    identities = [
        _identity("test", server.access_key, server.secret_key, ["Admin", "Read", "Write", "List"]),
        _identity("reader", _READER_KEY, _READER_SECRET, ["Read", "List"]),
    ]
    config = folder / "identities.json"
    config.write_text(json.dumps({"identities": identities}))
    data = folder / "data"
    data.mkdir()
    fixed = {
        "dir": data,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "bucket": server.bucket,
        "s3.config": config,
        "s3.autoCreateBucket": "false",
        "s3.port.iceberg": "0",
        "s3.port.lance": "0",
        "s3.localSocket": folder / "s3.sock",
        "filer.localSocket": folder / "filer.sock",
        "webdav": "false",
        "admin.ui": "false",
        "master.telemetry": "false",
    }
    return [str(binary), "mini", *(f"-{name}={value}" for name, value in (fixed | ports).items())]


def _identity(name: str, access_key: str, secret_key: str, actions: list[str]) -> dict[str, object]:
    return {"name": name, "credentials": [{"accessKey": access_key, "secretKey": secret_key}], "actions": actions}


def _remove_sockets(ports: dict[str, int]) -> None:
    """It puts one for each gRPC port into /tmp, wherever its data is, and killed, leaves them there."""
    for port in ports.values():
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            path.unlink(missing_ok=True)


def _wait_until_up(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the bucket, which is made last, can be listed."""
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.list_objects_v2(Bucket=server.bucket)
        except (ClientError, BotoCoreError):
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the S3 server did not come up; its log ends: {log.read_text(errors='replace')[-2000:]}")
