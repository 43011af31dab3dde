"""What the UserBench environment costs, beside plain upstream in the same run: `python -m tests.benchmarks.userbench`.

Needs `USERBENCH_PATH`. Scenarios are synthetic, 18 options an aspect; no model is asked: both sides get the same fixed
replies, so the figures are the orchestration's share of an episode. CPU time of this process.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from actors.environments.userbench.environment import TravelEnvironment, TravelState
from actors.environments.userbench.rules import option_seed
from actors.environments.userbench.scenarios import Scenarios
from actors.environments.userbench.source import PACKAGE, locate
from actors.scripted_travel import ScriptedTravelCasting, TravelErrors
from rollouts.episode import Episode, StopReason, ToolMessage
from rollouts.ledger import Ledger
from rollouts.meter import Meter
from rollouts.play import Place, Played, Player, PlaySettings
from rollouts.protocols import NoCritic
from rollouts.supervision import Supervision
from tests.benchmarks.table import print_table
from tests.userbench.calls import call, judged, spoken, turn
from tests.userbench.plain import PlainUpstream, Recorded, one_task
from tests.userbench.synthetic import make_checkout

ROUNDS = 2_000
UPSTREAM_ROUNDS = 200
EPISODES = 60
GROUP = "T-444"
NO_MISTAKES = TravelErrors(sloppy_search=0, vague_question=0, early_choice=0, wrong_choice=0)
REPLIES = (judged("2", "P1"), spoken("I sleep lightly."))
Row = tuple[str, str, str, str]


class Fixed(Recorded):
    """The same two replies, whatever is asked."""

    def reply(self, system: str, user: str) -> str:
        self.asked.append((system, user))
        return REPLIES[len(self.asked) - 1]


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        make_checkout(root, locate(os.environ))
        rows = list(_measured(root))
    print_table(("UserBench, " + GROUP, "ours", "upstream", "ratio"), rows)


def _measured(root: Path) -> Iterator[Row]:
    package = root / PACKAGE
    travel = TravelEnvironment(domain="travel", package=package, scenarios=Scenarios(package / "data", domain="travel"))
    task = travel.tasks(GROUP)[0]
    first_s, start = _timed(lambda: travel.initial(task))
    upstream = PlainUpstream(root)
    directory = one_task(root / "one", task.task_id, task.data)
    construct_s, plain = _timed(lambda: upstream.env(directory, task.task_id, options_seed=option_seed(task.task_id)))
    yield ("first state in a process (imports upstream's code)", _us(first_s), "", "")
    again_s = _each(ROUNDS, lambda: travel.initial(task))
    yield _against("state of a task at its start (upstream: constructor, files of one task)", again_s, construct_s)
    yield from _steps(travel, upstream, start, plain)
    yield from asyncio.run(_episodes(travel))


def _steps(travel: TravelEnvironment, upstream: PlainUpstream, start: TravelState, plain: Any) -> Iterator[Row]:
    held = [start] * ROUNDS
    fork_s = _each(1, lambda: list(held)) / ROUNDS
    copy_s = _each(UPSTREAM_ROUNDS, lambda: copy.deepcopy(plain))
    yield _against("fork (a reference; upstream: deepcopy)", fork_s, copy_s)
    copies = iter([copy.deepcopy(plain) for _ in range(2 * UPSTREAM_ROUNDS)])
    turn_s = _each(ROUNDS, lambda: turn(travel, start, "How quiet?", *REPLIES))
    step_s = _each(UPSTREAM_ROUNDS, lambda: upstream.step(next(copies), "[action] How quiet?", Fixed(salt="")))
    yield _against("message that asks for a wish (3 calls of the user's side)", turn_s, step_s)
    data: Any = start.task.data
    best = data[data["dimensions"][0]]["best_id"]
    answer_s = _each(ROUNDS, lambda: travel.apply(start, call("answer", option_id=best)))
    step_s = _each(UPSTREAM_ROUNDS, lambda: upstream.step(next(copies), f"[answer] {best}", Fixed(salt="")))
    yield _against("recommendation", answer_s, step_s)
    yield ("reward", _us(_each(ROUNDS, lambda: travel.reward(start, (), StopReason.AGENT_STOP))), "", "")


async def _episodes(travel: TravelEnvironment) -> list[Row]:
    tasks = travel.tasks(GROUP)
    players = [_player(travel, index, tasks) for index in range(EPISODES)]
    began = time.process_time()
    played = [await player.trunk(Place(path="t0", user_path="t0")) for player in players]
    spent = time.process_time() - began
    steps = sum(len(one.episode.steps) for one in played)
    calls = sum(one.episode.spend.calls for one in played)
    prompts = sum(_prompts(one.episode) for one in played)
    ends = [one.states[-1].environment for one in played]
    key_s = _each(ROUNDS // EPISODES, lambda: [travel.key(end) for end in ends]) / EPISODES
    return [
        ("scripted episode, all in", f"{spent / EPISODES * 1e3:.1f} ms, {steps / EPISODES:.0f} steps", "", ""),
        ("  per call of a policy", f"{spent / calls * 1e3:.2f} ms ({calls / EPISODES:.0f} calls)", "", ""),
        ("  per call that takes a model", f"{spent / (steps + prompts) * 1e3:.2f} ms", "", ""),
        ("key of an episode's last state", _us(key_s), "", ""),
        ("all states of an episode, in memory", _kb(sum(map(_states_bytes, played)) / EPISODES), "", ""),
        ("last state, stored", _kb(sum(len(travel.dump(end)) for end in ends) / EPISODES), "", ""),
        (
            "what the user's side was told, per episode",
            _kb(sum(_told(one.episode) for one in played) / EPISODES),
            "",
            "",
        ),
    ]


def _player(travel: TravelEnvironment, index: int, tasks: Sequence[Any]) -> Player[TravelState]:
    task = tasks[index % len(tasks)]
    return Player(
        travel,
        task=task,
        cast=ScriptedTravelCasting(errors=NO_MISTAKES, critic=NoCritic()).cast(task),
        seed=index,
        settings=PlaySettings(supervision=Supervision(), turn_limit=40, episode_timeout_s=600),
        meter=Meter(),
        clock=time.monotonic,
        ledger=Ledger(),
    )


def _user_side(episode: Episode) -> list[str]:
    added = [message for step in episode.steps for message in step.added]
    return [message.content for message in added if isinstance(message, ToolMessage) and message.side == "user"]


def _prompts(episode: Episode) -> int:
    return sum('"system": ' in content for content in _user_side(episode))


def _told(episode: Episode) -> int:
    return sum(map(len, _user_side(episode)))


# -- measuring --------------------------------------------------------------------------------------------------------


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds, and what `work` returned."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def _each(rounds: int, work: Callable[[], object]) -> float:
    """CPU seconds of one round."""
    began = time.process_time()
    for _ in range(rounds):
        work()
    return (time.process_time() - began) / rounds


def _states_bytes(played: Played[TravelState]) -> int:
    """Memory of an episode's environment states, without the task and what was made of it."""
    states = [state.environment for state in played.states]
    seen: set[int] = set()
    for shared in _reachable([states[0].task, states[0].prepared], seen):
        seen.add(id(shared))
    return sum(sys.getsizeof(found) for found in _reachable(states, seen))


def _reachable(root: object, seen: set[int]) -> Iterator[object]:
    waiting = [root]
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, type | ModuleType | FunctionType):
            continue
        seen.add(id(found))
        yield found
        waiting.extend(gc.get_referents(found))


def _against(name: str, ours_s: float, theirs_s: float) -> Row:
    return name, _us(ours_s), _us(theirs_s), f"{theirs_s / ours_s:.1f}"


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:.2f} µs"


def _kb(count: float) -> str:
    return f"{count / 1e3:.1f} kB"


if __name__ == "__main__":
    main()
