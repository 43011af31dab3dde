"""Worlds of every sort, small enough to enumerate."""

from __future__ import annotations

import functools

from hypothesis import strategies as st

from actors.environments.known_values import FAMILIES, KnownValuesCasting, KnownValuesEnvironment, Parameters, Rules
from actors.environments.known_values.families import make_plan
from actors.environments.known_values.plan import record_of
from rollouts.episode import AssistantMessage, Draft, Step, Task
from rollouts.protocols import Cast

CHANCES = st.sampled_from([0.1, 0.35, 0.5, 0.8])
SOLVED = st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.7, 0.95, 1.0]), min_size=1, max_size=3)


@st.composite
def rules(draw: st.DrawFn, *, quiet: bool = False) -> Rules:
    """`quiet`: errors that show change nothing."""
    solved = tuple(sorted(draw(SOLVED), reverse=True))
    noise = draw(st.sampled_from([0.0, 0.1, 0.4]))
    if quiet:
        return Rules(solved=solved, noise=noise)
    steps = draw(st.integers(0, 2))
    gives_up = draw(st.sampled_from([0.0, 0.15]))
    return Rules(
        solved=solved,
        noise=noise,
        delay=draw(st.integers(0, 3)) if steps or gives_up else 0,
        recovery_steps=steps,
        recovery=draw(CHANCES) if steps else 0.0,
        diligence=draw(CHANCES) if steps else 0.0,
        gives_up=gives_up,
    )


@st.composite
def small_worlds(draw: st.DrawFn) -> Parameters:
    return Parameters(
        rules=draw(rules()),
        depth=draw(st.integers(1, 4)),
        branching=2,
        harmless=0,
        kinds=draw(st.sampled_from([("write", "message"), ("message",), ("read", "write", "message")])),
        skill=draw(CHANCES),
        num_hard=draw(st.integers(0, 1)),
    )


def world(parameters: Parameters, *, number: int = 0) -> tuple[KnownValuesEnvironment, Task, Cast]:
    """The task alone is made: a family's other 95 take longer than a play."""
    record = record_of(make_plan("mine", number, parameters))
    task = Task(task_id=f"mine-{number:02}", domain="mine", split="train", data=record)
    return KnownValuesEnvironment("mine", parameters), task, KnownValuesCasting().cast(task)


@functools.cache
def _open(name: str) -> KnownValuesEnvironment:
    return KnownValuesEnvironment(name, FAMILIES[name])


def family(name: str, *, number: int = 0) -> tuple[KnownValuesEnvironment, Task, Cast]:
    environment = _open(name)
    task = environment.tasks("train")[number]
    return environment, task, KnownValuesCasting().cast(task)


def faultless(*, solved: tuple[float, ...], noise: float) -> Parameters:
    """An actor that always takes the right option."""
    return Parameters(rules=Rules(solved=solved, noise=noise), skill=1.0)


def passed(step: Step) -> str:
    """What a step did: the name of its call, or "said"."""
    first = step.added[0]
    assert isinstance(first, AssistantMessage)
    return first.tool_calls[0].name if first.tool_calls else "said"


ODD = Draft(text="Let me think about this for a moment.")
