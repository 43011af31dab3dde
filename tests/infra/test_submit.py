"""A run as a Ray job: what is sent, what comes back, and what is refused before anything is sent."""

from __future__ import annotations

import io
import shlex
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra.config import load_config
from infra.submit import check_shared_root, file_name, run_command, submit
from rollouts.errors import UsageError
from tests.infra.ray_head import running_ray_head
from tests.needs import need

# -- what is sent -----------------------------------------------------------------------------------------------------


def test_the_command_plays_the_same_configuration_on_the_cluster(tmp_path: Path) -> None:
    overrides = ["branching.width=4", 'tasks.ids=["it\'s", "$HOME"]']
    words = shlex.split(
        run_command("mine.toml", overrides=overrides, root="s3://bucket/a b", run_id="r-1", python="/opt/py thon")
    )
    assert words[:5] == ["/opt/py thon", "-m", "infra.cli", "run", "mine.toml"]
    assert words[5:] == ["--set", overrides[0], "--set", overrides[1], "--root", "s3://bucket/a b", "--run-id", "r-1"]
    assert load_config("smoke", overrides=words[6:10:2]).tasks.ids == ("it's", "$HOME")


def test_a_root_and_a_run_id_are_sent_only_where_they_were_given() -> None:
    assert (
        run_command("c.toml", overrides=[], root=None, run_id=None, python="python") == "python -m infra.cli run c.toml"
    )


@pytest.mark.parametrize(
    ("path", "name"),
    [("quickstart", "quickstart.toml"), ("a/b/mine.toml", "mine.toml"), ("-rf", "rf.toml"), ("---", "config.toml")],
)
def test_a_configuration_keeps_its_name_on_the_cluster(path: str, name: str) -> None:
    assert file_name(path) == name


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("root", ["data/quickstart", ".", "~/rows"])
def test_a_relative_root_is_refused(root: str) -> None:
    with pytest.raises(UsageError, match="is relative, and each node"):
        check_shared_root(root)


@pytest.mark.parametrize("root", ["s3://bucket/prefix", "/srv/rows"])
def test_a_root_that_every_node_can_see_is_taken(root: str) -> None:
    check_shared_root(root)


def test_a_relative_file_of_tasks_is_refused_since_it_is_not_sent_along() -> None:
    with pytest.raises(UsageError, match=r"tasks\.source = 'mine\.jsonl'"):
        submit("quickstart", address="http://127.0.0.1:9", root="/srv/rows", overrides=["tasks.source=mine.jsonl"])


def test_the_root_of_the_configuration_is_examined_where_no_other_is_given() -> None:
    with pytest.raises(UsageError, match="data/quickstart"):
        submit("quickstart", address="http://127.0.0.1:1")


def test_a_bad_configuration_is_refused_before_anybody_is_called() -> None:
    with pytest.raises(UsageError, match=r"branching\.width: needs at least 1"):
        submit("quickstart", address="http://127.0.0.1:1", root="/srv/rows", overrides=["branching.width=-1"])


def test_a_bad_run_id_is_refused_before_anybody_is_called() -> None:
    with pytest.raises(UsageError, match="a run id needs"):
        submit("quickstart", address="http://127.0.0.1:1", root="/srv/rows", run_id="a/b")


@pytest.mark.parametrize("address", ["127.0.0.1:8265", "ray://127.0.0.1:10001", "auto", ""])
def test_an_address_that_is_no_dashboard_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(UsageError, match=r"such as http://127\.0\.0\.1:8265"):
        submit("quickstart", address=address, root="/srv/rows")


@pytest.mark.ray
def test_an_address_where_nobody_answers_is_named() -> None:
    with pytest.raises(UsageError, match=r"no Ray cluster answers at http://127\.0\.0\.1:1\b"):
        submit("quickstart", address="http://127.0.0.1:1", root="/srv/rows")


@pytest.mark.ray
def test_an_address_in_the_environment_does_not_take_the_place_of_the_one_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:2")
    with pytest.raises(UsageError, match=r"no Ray cluster answers at http://127\.0\.0\.1:1: .*127\.0\.0\.1:1\."):
        submit("quickstart", address="http://127.0.0.1:1", root="/srv/rows")


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that gives every request the same answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.ray
def test_a_cluster_that_wants_a_token_says_which_variables_to_set() -> None:
    with answering(401, b"Unauthorized: Missing authentication token") as address:
        with pytest.raises(UsageError, match=r"RAY_AUTH_MODE=token.*RAY_AUTH_TOKEN") as caught:
            submit("quickstart", address=address, root="/srv/rows")
        assert address in str(caught.value)


@pytest.mark.ray
@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (200, b"{}"), (404, b""), (500, b"")])
def test_a_server_that_is_no_ray_dashboard_is_named(status: int, body: bytes) -> None:
    with answering(status, body) as address, pytest.raises(UsageError, match=f"no Ray cluster answers at {address}"):
        submit("quickstart", address=address, root="/srv/rows")


# -- a real cluster ---------------------------------------------------------------------------------------------------

JOB = """
import os, sys
print("files:", os.listdir())
print("seed:", [line for line in open("quickstart.toml") if line.startswith("seed")])
sys.exit(3)
"""


@pytest.mark.ray
@pytest.mark.slow
def test_a_job_gets_the_configuration_and_its_logs_and_exit_code_come_back() -> None:
    need("ray")
    out = io.StringIO()
    with running_ray_head() as address:
        entrypoint = shlex.join([sys.executable, "-c", JOB])
        code = submit("quickstart", address=address, root="/srv/rows", entrypoint=entrypoint, out=out)
    log = out.getvalue()
    assert code == 3
    assert f"to {address}" in log
    assert "files: ['quickstart.toml']" in log
    assert "seed: ['seed = 0 " in log
