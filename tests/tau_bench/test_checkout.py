"""Finding the package, and saying what is wrong with what was found."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.environments.tau_bench import open_environment, upstream
from actors.environments.tau_bench.checkout import SUPPORTED_VERSION, find_checkout
from actors.environments.tau_bench.domains import RETAIL
from rollouts.errors import DataError, UsageError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a directory that looks like a checkout as far as anything is read without importing it."""

    def made(version: str = SUPPORTED_VERSION) -> Path:
        directory = tmp_path / "checkout" / "tau_bench" / "envs" / "retail"
        (directory / "data").mkdir(parents=True)
        for table in RETAIL.tables:
            (directory / "data" / f"{table}.json").write_text(json.dumps({"k": {"a": 1}}))
        for path in RETAIL.splits.values():
            (directory / f"{path.partition(':')[0]}.py").write_text("")
        (tmp_path / "checkout" / "setup.py").write_text(f'setup(\n    name="tau_bench",\n    version="{version}",\n)\n')
        return tmp_path / "checkout"

    return made


def _environ(root: Path) -> dict[str, str]:
    return {"TAU_BENCH_PATH": str(root)}


def test_a_checkout_is_found_by_its_variable(make: Make) -> None:
    found = find_checkout(_environ(make()))
    assert found.version == SUPPORTED_VERSION
    assert upstream.tables(RETAIL, found) == {table: {"k": {"a": 1}} for table in RETAIL.tables}


@pytest.mark.parametrize("layout", ["detached", "branch", "packed", "worktree"])
def test_the_commit_of_a_checkout_is_part_of_its_version(make: Make, layout: str) -> None:
    root = make()
    git = root / ".git"
    if layout == "worktree":
        git.write_text("gitdir: ../repo/.git/worktrees/one\n")
        git = root.parent / "repo" / ".git" / "worktrees" / "one"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text(f"{COMMIT}\n" if layout == "detached" else "ref: refs/heads/main\n")
    match layout:
        case "branch":
            (git / "refs" / "heads" / "main").write_text(f"{COMMIT}\n")
        case "packed":
            (git / "packed-refs").write_text(f"# pack-refs\n{COMMIT} refs/heads/main\n^{COMMIT}\n")
        case "worktree":
            (git / "commondir").write_text("../..\n")
            (git / "../../refs/heads").resolve().mkdir(parents=True)
            (git / "../../refs/heads/main").resolve().write_text(f"{COMMIT}\n")
    assert find_checkout(_environ(root)).version == f"{SUPPORTED_VERSION}+{COMMIT[:12]}"


def test_a_repository_without_commits_is_no_commit(make: Make) -> None:
    root = make()
    (root / ".git").mkdir()
    (root / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    assert find_checkout(_environ(root)).version == SUPPORTED_VERSION


def test_another_version_is_refused_with_both_versions(make: Make) -> None:
    with pytest.raises(UsageError, match=r"needs version 0\.1\.0 .* holds 0\.2\.0: pip install"):
        find_checkout(_environ(make(version="0.2.0")))


def test_a_directory_that_is_no_checkout_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no tau_bench/envs.*git\+https://.*TAU_BENCH_PATH"):
        find_checkout(_environ(tmp_path))


def test_an_unknown_domain_is_refused_before_anything_is_looked_for() -> None:
    with pytest.raises(UsageError, match=r"'retial'.*'retail', 'airline'; did you mean 'retail'"):
        open_environment("retial")


@pytest.mark.parametrize(
    ("content", "problem"), [("{", "no JSON"), ("[]", "no records"), ("{}", "no records"), (None, "No such file")]
)
def test_a_damaged_data_file_is_named(make: Make, content: str | None, problem: str) -> None:
    root = make()
    path = root / "tau_bench" / "envs" / "retail" / "data" / "orders.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(DataError, match=rf"orders\.json.*{problem}"):
        upstream.tables(RETAIL, find_checkout(_environ(root)))


def test_another_database_or_another_task_is_another_data_hash(make: Make) -> None:
    root = make()
    found = find_checkout(_environ(root))
    directory = root / "tau_bench" / "envs" / "retail"
    hashes = {upstream.data_hash(RETAIL, found)}
    for path in (directory / "data" / "users.json", directory / "tasks_dev.py"):
        path.write_text("changed")
        hashes.add(upstream.data_hash(RETAIL, found))
    assert len(hashes) == 3


def test_a_missing_package_is_refused_with_what_to_install_or_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tau_bench", None)
    with pytest.raises(UsageError, match=r"not installed: pip install .*git\+https://.*TAU_BENCH_PATH"):
        find_checkout({})
