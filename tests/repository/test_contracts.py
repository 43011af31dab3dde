"""The import contracts hold on a skeleton that obeys them, and each one fails once it is broken.

The skeleton has the modules that the contracts speak of and nothing else, so a contract that says nothing is found out.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.needs import REPOSITORY
from tests.repository.sources import PACKAGES, PYPROJECT

FOLDERS = [*PACKAGES, "actors/environments", "actors/ray_workers"]
ALLOWED = {
    "actors/chat_http.py": "import aiohttp, orjson",
    "actors/environments/tau2.py": "import inspect_ai, inspect_evals.tau2, pydantic",
    "actors/ray_workers/pool.py": "import ray.util, actors.chat_http, labeling.stage",
    "actors/vllm_critic.py": "import vllm, rollouts.tree",
    "infra/cli.py": "import ray, pydantic, rich.table, typer, actors.ray_workers.pool, storage.writer",
    "labeling/stage.py": "import polars, rollouts.tree",
    "rollouts/tree.py": "import dataclasses",
    "storage/s3_objects.py": "import boto3, botocore.config",
    "storage/writer.py": "import pyarrow.parquet, polars, labeling.stage, storage.s3_objects",
}
FORBIDDEN = {
    "imports go down only, and the two kinds of adapters never meet": ("storage/x.py", "import actors.x"),
    "ray: its workers and infra": ("actors/environments/x.py", "import ray"),
    "vllm: one file": ("infra/x.py", "import vllm"),
    "the S3 client: one file": ("storage/writer.py", "from botocore import config"),
    "pyarrow: storage": ("labeling/x.py", "import pyarrow.compute"),
    "polars: storage, and labeling's tables": ("rollouts/x.py", "import polars"),
    "aiohttp: the chat client": ("actors/x.py", "import aiohttp.web"),
    "the command line and the terminal: infra": ("actors/ray_workers/x.py", "from rich import table"),
    "pydantic: infra, and environments for upstream's records": (
        "storage/y.py",
        "import pydantic",
    ),
    "benchmarks: their environments": ("actors/ray_workers/y.py", "import inspect_evals.tau2"),
}
UPWARD = {
    ("rollouts/y.py", "import labeling"),
    ("rollouts/z.py", "import infra"),
    ("labeling/y.py", "import storage"),
    ("labeling/z.py", "import actors"),
    ("actors/y.py", "import storage"),
    ("actors/z.py", "import infra"),
    ("storage/z.py", "import infra"),
}


def lint(folder: Path, files: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    for package in FOLDERS:
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").touch()
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / "pyproject.toml").write_bytes((REPOSITORY / "pyproject.toml").read_bytes())
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_what_the_architecture_allows_passes(tmp_path: Path) -> None:
    done = lint(tmp_path, ALLOWED)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_contract_fails_when_it_is_broken(tmp_path: Path) -> None:
    assert [contract["name"] for contract in PYPROJECT["tool"]["importlinter"]["contracts"]] == list(FORBIDDEN)
    done = lint(tmp_path, {"actors/x.py": "", **dict(FORBIDDEN.values())})
    assert [name for name in FORBIDDEN if f"{name} BROKEN" not in done.stdout] == [], done.stdout + done.stderr


def test_every_import_upward_or_sideways_is_named(tmp_path: Path) -> None:
    done = lint(tmp_path, dict(UPWARD))
    reported = done.stdout
    for file, line in UPWARD:
        importer = file.removesuffix(".py").replace("/", ".")
        assert f"{importer} -> {line.removeprefix('import ')}" in reported, reported
