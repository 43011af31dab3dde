"""What the τ² environments cost, beside upstream's own code in the same run: `python -m tests.benchmarks.environments`.

CPU time of this process; every figure is the mean over all tasks' gold sequences unless the line says otherwise.
"""

from __future__ import annotations

import copy
import itertools
import resource
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from actors.environments.tau2 import upstream
from actors.environments.tau2.domains import DOMAINS, Domain
from actors.environments.tau2.environment import Tau2Environment, Tau2State
from actors.environments.tau2.package_code import machinery
from actors.environments.tau2.scoring import UNSCORED_TOOLS
from rollouts.episode import Side, StopReason, Task, ToolCall
from tests.benchmarks.measure import held_bytes, resident_mb, timed
from tests.environments.plain import Plain, World, upstream_hash
from tests.environments.plans import gold_steps

Step = tuple[Side, ToolCall]

BRANCH_CALLS = 6
BRANCHES = 2_000
LIVE = 10_000
ROUNDS = 20
UPSTREAM_ROUNDS = 8
# whole copies and hashes take a tenth of a second each


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    name: str
    ours: str
    goal: str = ""
    upstream: str = ""
    ratio: str = ""
    # of upstream's cost to ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A task, played by its gold sequence."""

    task: Task
    calls: Sequence[Step]
    state: Tau2State


def main() -> None:
    for domain in DOMAINS.values():
        table = Table("", "ours", "goal", "upstream", "ratio", title=f"tau2 {domain.name}")
        for line in _measured(domain):
            table.add_row(line.name, line.ours, line.goal, line.upstream, line.ratio)
        Console().print(table)


def _measured(domain: Domain) -> Iterator[Line]:
    before, source = _peak_mb(), upstream.installed()
    load_s, code = timed(lambda: machinery(domain, source))
    yield Line(
        name="import and load", ours=f"{load_s:.2f} s, {_peak_mb() - before:.0f} MB (imports in the first table)"
    )
    files = upstream.files(domain, source)
    environment, plain = Tau2Environment(files=files, load=lambda: code), Plain(domain, code)
    tasks = environment.tasks("base")
    environment.initial(tasks[0])
    first_s, _ = timed(lambda: [environment.initial(task) for task in tasks])
    yield Line(name="first state of a task (plays its gold sequence)", ours=_us(first_s / len(tasks)))
    yield from _calls(environment, plain, tasks)
    finished = [_played(environment, task) for task in tasks]
    yield from _rewards(environment, finished, plain)
    yield from _sizes(environment, finished)
    yield from _branches(environment, plain, [end for end in finished if end.calls])
    yield _live(environment, tasks)


def _calls(environment: Tau2Environment, plain: Plain, tasks: Sequence[Task]) -> Iterator[Line]:
    played = [(task, gold) for task in tasks if (gold := _scored(task))]
    count = sum(len(gold) for _, gold in played)
    starts = [environment.initial(task) for task, _ in played]
    ours_s, _ = timed(lambda: [_ends(environment, s, gold) for s, (_, gold) in zip(starts, played, strict=True)])
    world = plain.fresh()
    theirs_s, _ = timed(lambda: [plain.call(world, call, side=side) for _, gold in played for side, call in gold])
    yield _against("tool call", ours_s / count, theirs_s / count)


def _rewards(environment: Tau2Environment, finished: Sequence[Finished], plain: Plain) -> Iterator[Line]:
    def judge() -> list[float]:
        return [environment.reward(end.state, (), StopReason.USER_STOP).value for end in finished]

    first, _ = timed(judge)
    again, _ = timed(lambda: [judge() for _ in range(ROUNDS)])
    again /= ROUNDS
    world = plain.fresh()
    hash_s, _ = timed(lambda: [upstream_hash(world) for _ in range(UPSTREAM_ROUNDS)])
    hash_s /= UPSTREAM_ROUNDS
    count = len(finished)
    yield _against("exact reward, first (upstream: two hashes)", first / count, 2 * hash_s, goal="1000 µs")
    yield _against("exact reward, again", again / count, 2 * hash_s, goal="5 µs")


def _sizes(environment: Tau2Environment, finished: Sequence[Finished]) -> Iterator[Line]:
    shared = [environment._toolbox.image, [end.task for end in finished]]
    held = [held_bytes(end.state.tables, shared) for end in finished]
    dumped = [len(environment.dump(end.state)) for end in finished]
    yield Line(name="a finished episode's state", ours=f"{_mean(held):.0f} B, at most {max(held)} B")
    yield Line(name="the same, stored", ours=f"{_mean(dumped):.0f} B, at most {max(dumped)} B")


def _branches(environment: Tau2Environment, plain: Plain, finished: Sequence[Finished]) -> Iterator[Line]:
    world = plain.fresh()
    fork_s, forks = timed(lambda: [end.state for end in itertools.islice(itertools.cycle(finished), BRANCHES)])
    copy_s, _ = timed(lambda: [copy.deepcopy(world) for _ in range(UPSTREAM_ROUNDS)])
    yield _against(
        "fork (a reference; upstream: deepcopy)", fork_s / len(forks), copy_s / UPSTREAM_ROUNDS, goal="20 µs"
    )

    plans = [(environment.initial(end.task), _six(end)) for end in finished]
    ours_s, _ = timed(
        lambda: [_branch(environment, *plan) for plan in itertools.islice(itertools.cycle(plans), BRANCHES)]
    )
    theirs_s, _ = timed(lambda: [_slow_branch(plain, world, calls) for _, calls in plans[:UPSTREAM_ROUNDS]])
    ours, theirs = BRANCHES / ours_s, UPSTREAM_ROUNDS / theirs_s
    yield Line(
        name=f"branches (fork, {BRANCH_CALLS} calls, reward) per core-second",
        ours=f"{ours:.0f}",
        goal="500",
        upstream=f"{theirs:.1f}",
        ratio=f"{ours / theirs:.0f}",
    )


def _against(name: str, ours_s: float, theirs_s: float, *, goal: str = "") -> Line:
    return Line(name=name, ours=_us(ours_s), goal=goal, upstream=_us(theirs_s), ratio=f"{theirs_s / ours_s:.1f}")


def _branch(environment: Tau2Environment, state: Tau2State, calls: Sequence[Step]) -> float:
    return environment.reward(_ends(environment, state, calls), (), StopReason.USER_STOP).value


def _slow_branch(plain: Plain, world: World, calls: Sequence[Step]) -> str:
    own = copy.deepcopy(world)
    for side, call in calls:
        plain.call(own, call, side=side)
    return upstream_hash(own)


def _played(environment: Tau2Environment, task: Task) -> Finished:
    calls = _scored(task)
    return Finished(task=task, calls=calls, state=_ends(environment, environment.initial(task), calls))


def _live(environment: Tau2Environment, tasks: Sequence[Task]) -> Line:
    """Episodes held at once, each with every state on its way and every answer of a tool; the process holds plain upstream too."""
    before, held = resident_mb(), []
    for task in itertools.islice(itertools.cycle(tasks), LIVE):
        states, answers = [environment.initial(task)], []
        for side, call in _scored(task):
            transition = environment.apply(states[-1], call, side=side)
            states.append(transition.state)
            answers.append(transition.content)
        held.append((states, answers))
    now = resident_mb()
    return Line(name=f"{len(held)} live episodes", ours=f"{now - before:.0f} MB (process {now:.0f} MB)", goal="2000 MB")


def _ends(environment: Tau2Environment, state: Tau2State, calls: Iterable[Step]) -> Tau2State:
    for side, call in calls:
        state = environment.apply(state, call, side=side).state
    return state


def _six(end: Finished) -> list[Step]:
    """The gold sequence's last calls, writes above all; repeated where there are fewer."""
    return list(itertools.islice(itertools.cycle(end.calls[-BRANCH_CALLS:]), BRANCH_CALLS))


def _scored(task: Task) -> list[Step]:
    return [(side, call) for side, call in gold_steps(task) if call.name not in UNSCORED_TOOLS]


# -- measuring --------------------------------------------------------------------------------------------------------


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values)


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:.2f} µs"


if __name__ == "__main__":
    main()
