"""Opening an environment: what is imported when, and what is said to whoever asks for the wrong thing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from actors.environments.registry import environment
from rollouts.errors import UsageError
from tests.needs import REPOSITORY

OPENED = """
import sys
sys.path.insert(0, {repository!r})
{before}
from actors.environments.registry import environment
from rollouts.errors import UsageError
try:
    opened = environment("tau2", "retail")
except UsageError as error:
    sys.exit(f"refused: {{error}}")
"""
HEAVY = ("inspect_evals", "inspect_ai", "litellm")


def _python(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *options, "-c", code], cwd="/", capture_output=True, text=True, check=False)


def test_an_unknown_environment_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(UsageError, match=r"unknown environment 'tau'.*'tau2'.*; did you mean 'tau2'"):
        environment("tau", "retail")


def test_an_unknown_domain_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(
        UsageError, match=r"unknown tau2 domain 'retial'.*'retail', 'airline', .*; did you mean 'retail'"
    ):
        environment("tau2", "retial")


@pytest.mark.tau2
def test_one_process_has_one_environment_of_each_domain() -> None:
    assert environment("tau2", "retail") is environment("tau2", domain="retail")
    assert environment("tau2", "retail") is not environment("tau2", "airline")


@pytest.mark.tau2
def test_planning_imports_nothing_of_the_package() -> None:
    code = OPENED.format(repository=str(REPOSITORY), before="")
    code += f"""
assert len(opened.tasks("train")) == 74 and opened.provenance.data_hash
print(sorted(set({HEAVY}) & set(sys.modules)))
"""
    assert _python(code).stdout.strip() == "[]"


@pytest.mark.tau2
def test_playing_never_imports_litellm() -> None:
    code = OPENED.format(repository=str(REPOSITORY), before="")
    code += f"""
from rollouts.episode import StopReason, ToolCall
task = opened.tasks("train")[0]
state = opened.initial(task)
state = opened.apply(state, ToolCall(call_id="1", name="calculate", arguments={{"expression": "1"}})).state
opened.briefing(task), opened.reward(state, (), StopReason.USER_STOP)
print(sorted(set({HEAVY}) & set(sys.modules)))
"""
    assert _python(code, "-W", "error").stdout.strip() == "['inspect_ai', 'inspect_evals']"


def test_a_missing_package_is_refused_with_the_command_that_installs_it() -> None:
    hidden = "import pydantic.main; sys.path[:] = [path for path in sys.path if 'site-packages' not in path]"
    found = _python(OPENED.format(repository=str(REPOSITORY), before=hidden))
    assert "refused: " in found.stderr, found.stderr
    assert "pip install 'treeroll[tau2]'" in found.stderr


def test_another_version_is_refused_with_both_versions(tmp_path: Path) -> None:
    metadata = tmp_path / "inspect_evals-0.27.1.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: inspect-evals\nVersion: 0.27.1\n")
    found = _python(OPENED.format(repository=str(REPOSITORY), before=f"sys.path.insert(0, {str(tmp_path)!r})"))
    assert "refused: " in found.stderr, found.stderr
    assert "needs inspect-evals 0.26.0, but 0.27.1 is installed" in found.stderr
