"""A run that was recorded, and scoring it: in this process, or as it is typed."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infra.config import load_config
from infra.launch import Ended as RunEnded
from infra.launch import play, prepare
from infra.score import Session
from infra.score import prepare as prepare_scoring
from infra.score_config import score_config
from infra.score_report import score_record
from rollouts.receipt import Progress
from storage.objects import ObjectStore, open_store
from storage.runs import read_run
from tests.end_to_end.process import COMMAND

RECORDED = """\
[run]
pool = "local"
[tasks]
environment = "known_values"
domain = "late_error"
count = 6
[branching]
trunks = 2
width = 3
rollouts = 4
"""
SCRIPTED = '[critic]\nkind = "scripted"\n'


class Silent:
    """A display that shows nothing."""

    def update(self, progress: Progress, *, items_done: int, items_total: int, elapsed_s: float) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


def record_run(root: Path, *overrides: str) -> RunEnded:
    """Play the run "recorded" into `root`, which must be below a folder of the test's own. Outside an event loop."""
    config = root.parent / "recorded.toml"
    config.write_text(RECORDED)
    configured = load_config(config, overrides=[f'storage.root="{root}"', *overrides])
    return play(prepare(configured, name="recorded", run_id="recorded"), Silent())


def chat(base_url: str, *, mode: str = "score", **more: object) -> str:
    settings = {"kind": "chat", "base_url": base_url, "model": "judge", "mode": mode, **more}
    return "[critic]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())


def _written(root: str, critic: str) -> Path:
    config = Path(root).parent / f"critic-{abs(hash(critic))}.toml"
    config.write_text(critic)
    return config


async def scored(
    root: str, critic: str, *overrides: str, batch: int = 1024, store: ObjectStore | None = None
) -> Mapping[str, Any]:
    """Score what is left in this process; `critic`: the text of a configuration. The result as --json prints it.

    `store`: to be written to in place of the root's own.
    """
    record = read_run(open_store(root), "recorded")
    config = score_config(_written(root, critic), record=record, overrides=overrides, root=root, endpoint_url="")
    scoring = prepare_scoring(config, record)
    scoring = replace(scoring, store=store or scoring.store)
    session = Session(scoring, batch_drafts=batch, told=lambda items, drafts: None)
    await session.run()
    return {**score_record(scoring, None), "session": {"drafts": session.drafts}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    code: int
    out: str
    err: str


async def begin(root: str, critic: str, *arguments: str, env: dict[str, str] | None = None) -> Process:
    """The command, in a process of its own."""
    command = [*COMMAND, "score", "--root", root, "--critic", str(_written(root, critic)), *arguments]
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, env=env)


async def end(process: Process) -> Ended:
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(code=process.returncode, out=out.decode(), err=err.decode())


async def typed(root: str, critic: str, *arguments: str, env: dict[str, str] | None = None) -> Ended:
    return await end(await begin(root, critic, *arguments, env=env))
