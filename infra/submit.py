"""Hand a run to a Ray cluster as a job, follow its logs, and end as it ends.

What is sent is the configuration and a command line. No code: the cluster's nodes have treeroll installed. No secrets: a variable
that `api_key_env` names, and the AWS variables, must be set in the cluster's own environment.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO
from urllib.parse import urlsplit

from infra.config import as_override, check_run_id, config_text, load_config
from rollouts.errors import DataError, UsageError

if TYPE_CHECKING:
    from ray.job_submission import JobDetails, JobSubmissionClient

INTERRUPTED = 130
POLL_S = 0.5
# between two questions whether a job has ended; its logs have ended by then
_NOT_YET = "No available agent"
# a dashboard answers a moment before any node can take a job; nothing was submitted then
PATIENCE = 60
# a head that is restarted by its operator answers again within half a minute


def submit(
    config_path: Path | str,
    *,
    address: str,
    overrides: Sequence[str] = (),
    root: str | None = None,
    run_id: str | None = None,
    python: str = "python",
    follow: bool = True,
    entrypoint: str | None = None,
    out: TextIO | None = None,
) -> int:
    """Run a configuration on the cluster whose dashboard is at `address`, and return the job's exit code.

    `root` and `run_id` take the place of the configuration's; `python` is the interpreter's name on the cluster's head;
    `entrypoint` replaces the whole command. With `follow`, logs go to `out` (standard output) until the job has ended; a job
    that ends without an exit code (stopped, or its node lost) counts as 1. Without it, 0 as soon as the job is accepted.
    UsageError for a wrong configuration or root and for an address that does not answer, DataError for a cluster that fails.
    """
    out = out or sys.stdout
    text = config_text(config_path)
    rooted = [*overrides, as_override("storage.root", root)] if root is not None else overrides
    config = load_config(config_path, overrides=rooted)
    check_shared_root(config.storage.root)
    check_shared_source(config.tasks.source)
    name = file_name(config_path)
    command = entrypoint or run_command(name, overrides=overrides, root=root, run_id=run_id, python=python)
    client = _connect(address)
    with _failing_as_data(address):
        job = _send(client, command, name, text)
    print(f"submitted {job} to {address}", file=out, flush=True)
    if not follow:
        print(f"follow it: ray job logs --follow --address {address} {job}", file=out, flush=True)
        return 0
    return _follow(client, job, address, out)


def check_shared_root(root: str) -> None:
    """UsageError for a root that names another place on every node."""
    if not root.startswith("s3://") and not Path(root).is_absolute():
        raise UsageError(
            f"storage.root = {root!r} is relative, and each node of a cluster has a working directory of its own; give --root "
            "s3://bucket/prefix, or an absolute path that every node sees"
        )


def check_shared_source(source: str) -> None:
    """UsageError for a file of tasks that the cluster would look for in another place."""
    if source and not Path(source).is_absolute():
        raise UsageError(
            f"tasks.source = {source!r} is relative, and the file is not sent along; put it where every node sees it and give its "
            "absolute path"
        )


def file_name(config_path: Path | str) -> str:
    """The configuration's name on the cluster: it goes into a run's default id, which must be the same wherever it is played."""
    return f"{Path(config_path).stem.lstrip('-') or 'config'}.toml"


def run_command(config: str, *, overrides: Sequence[str], root: str | None, run_id: str | None, python: str) -> str:
    """The job's command line, quoted for a shell."""
    words = [python, "-m", "infra.cli", "run", config]
    for override in overrides:
        words += ["--set", override]
    if root is not None:
        words += ["--root", root]
    if run_id is not None:
        words += ["--run-id", check_run_id(run_id)]
    return shlex.join(words)


# -- the cluster ------------------------------------------------------------------------------------------------------


def _connect(address: str) -> JobSubmissionClient:
    """A client of exactly this cluster. UsageError where none answers, or where it refuses us."""
    if urlsplit(address).scheme not in ("http", "https"):
        raise UsageError(f"--address needs the cluster's dashboard, such as http://127.0.0.1:8265; got {address!r}")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    try:
        with _only(address):
            return JobSubmissionClient(address)
    except AuthenticationError as error:
        raise UsageError(
            f"{address} refuses us: {str(error).splitlines()[0]}; give this process the cluster's RAY_AUTH_MODE=token and its "
            "token in RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
        ) from None
    except (OSError, RuntimeError, ValueError, KeyError) as error:  # whatever answers there, if anything, is no Ray
        raise UsageError(
            f"no Ray cluster answers at {address}: {error}; give the address of its dashboard, such as http://127.0.0.1:8265"
        ) from None


@contextmanager
def _failing_as_data(address: str) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"the cluster at {address} failed: {error}; its dashboard tells whether the job goes on"
        ) from error


@contextmanager
def _only(address: str) -> Iterator[None]:
    """Ray prefers these variables to the address it is given; the command line must win."""
    name = "RAY_API_SERVER_ADDRESS"
    before = os.environ.get(name)
    os.environ[name] = address
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _send(client: JobSubmissionClient, command: str, name: str, config: str) -> str:
    with tempfile.TemporaryDirectory(prefix="treeroll-") as folder:
        Path(folder, name).write_text(config, encoding="utf-8")
        for attempt in range(PATIENCE):
            try:
                return str(client.submit_job(entrypoint=command, runtime_env={"working_dir": folder}))
            except RuntimeError as error:
                if _NOT_YET not in str(error) or attempt + 1 == PATIENCE:
                    raise
            time.sleep(POLL_S)
    raise AssertionError("the last attempt returns or raises")


def _follow(client: JobSubmissionClient, job: str, address: str, out: TextIO) -> int:
    """Copy the logs until the job has ended; its exit code."""
    try:
        told = asyncio.run(_copy_logs(client, job, out))
        with _failing_as_data(address):
            details = _ended(client, job)
            rest = "" if told is None else client.get_job_logs(job)[told:]
        print(rest, end="", file=out, flush=True)
        return _exit_code(details)
    except KeyboardInterrupt:
        print(f"{job} goes on; to end it: ray job stop --address {address} {job}", file=out, flush=True)
        return INTERRUPTED


async def _copy_logs(client: JobSubmissionClient, job: str, out: TextIO) -> int | None:
    """Copy while the job runs. None once its logs have ended; the number of characters copied if the stream broke before."""
    chunks = client.tail_job_logs(job)
    told = 0
    while True:
        try:
            chunk = await anext(chunks)
        except StopAsyncIteration:
            return None
        except Exception:  # noqa: BLE001 - Ray lets the errors of its HTTP library through; the rest is fetched when the job ended
            return told
        told += len(chunk)
        print(chunk, end="", file=out, flush=True)


def _ended(client: JobSubmissionClient, job: str) -> JobDetails:
    """What became of the job, once it has ended. A dashboard may be away for PATIENCE questions on end."""
    failures = 0
    while True:
        try:
            details = client.get_job_info(job)
            if details.status.is_terminal():
                return details
            failures = 0
        except OSError:
            failures += 1
            if failures > PATIENCE:
                raise
        time.sleep(POLL_S)


def _exit_code(details: JobDetails) -> int:
    """The command's own, where the cluster knows it."""
    if details.status == "SUCCEEDED":
        return 0
    code = details.driver_exit_code
    return code if code is not None and 0 < code < 256 else 1
