"""What the τ-bench environments cost, beside upstream's own code in the same run: `python -m tests.benchmarks.tau_bench`.

CPU time of this process; every figure is the mean over all tasks' gold sequences unless the line says otherwise. Upstream's
are means over a few rounds: whole copies and hashes of its database take tens to hundreds of milliseconds.
"""

from __future__ import annotations

import copy
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from actors.environments.tau_bench import open_environment
from actors.environments.tau_bench.environment import TauBenchEnvironment, TauBenchState
from rollouts.episode import AssistantMessage, StopReason, Task, ToolCall
from tests.benchmarks.measure import held_bytes, resident_mb, timed
from tests.benchmarks.table import print_table
from tests.needs import missing
from tests.tau_bench.plain import PlainEnvironment, gold_calls

BRANCH_CALLS = 6
BRANCHES = 4_000
LIVE = 10_000
UPSTREAM_ROUNDS = 8
SPLITS = {"retail": ("train", "test", "dev"), "airline": ("test",)}
SAID = tuple(AssistantMessage(text="Your order, which cost $1,234.56, is on its way. " * 4) for _ in range(13))
# what an actor says in an episode of average length
Row = tuple[str, str, str, str, str]
HEADING: Row = ("", "ours", "goal", "upstream", "ratio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A task, played by its gold sequence."""

    task: Task
    calls: Sequence[ToolCall]
    state: TauBenchState


def main() -> None:
    if reason := missing("tau_bench"):
        print(f"not measured: {reason}")
        return
    for domain in SPLITS:
        print(f"\ntau_bench {domain}\n")
        print_table(HEADING, list(_measured(domain)))


def _measured(domain: str) -> Iterator[Row]:
    environment = open_environment(domain)
    load_s, tasks = timed(lambda: [task for split in SPLITS[domain] for task in environment.tasks(split)])
    image_s, _ = timed(lambda: environment.initial(tasks[0]))
    yield _row("import, tasks and base image", f"{load_s + image_s:.2f} s; the process then has {resident_mb():.0f} MB")
    gold_s, starts = timed(lambda: [environment.initial(task) for task in tasks])
    yield _row("first state of a task (plays its gold sequence)", _us(gold_s / len(tasks)))
    if domain == "retail":
        yield _live(environment, tasks)
    plain = PlainEnvironment(domain)
    yield _calls(environment, plain, tasks)
    finished = [_played(environment, start) for start in starts]
    yield from _forks(plain, finished, environment)
    yield from _rewards(environment, plain, finished)
    yield from _sizes(environment, finished)
    yield _branches(environment, plain, [end for end in finished if end.calls])


def _calls(environment: TauBenchEnvironment, plain: PlainEnvironment, tasks: Sequence[Task]) -> Row:
    played = [(environment.initial(task), gold_calls(task)) for task in tasks]
    count = sum(len(gold) for _, gold in played)
    ours_s, _ = timed(lambda: [_end(environment, start, gold) for start, gold in played])
    database = plain.fresh()
    theirs_s, _ = timed(lambda: [plain.call(database, made) for _, gold in played for made in gold])
    return _against("tool call", ours_s / count, theirs_s / count)


def _forks(plain: PlainEnvironment, finished: Sequence[Finished], environment: TauBenchEnvironment) -> Iterator[Row]:
    fork_s, forks = timed(lambda: [end.state for end in itertools.islice(itertools.cycle(finished), BRANCHES)])
    database = plain.fresh()
    copy_s, _ = timed(lambda: [copy.deepcopy(database) for _ in range(UPSTREAM_ROUNDS)])
    yield _against("fork (a reference; upstream: deepcopy)", fork_s / len(forks), copy_s / UPSTREAM_ROUNDS, goal="1 µs")
    yield _row("memory of a fork", f"{held_bytes([forks[0]], forks[0]) - sys.getsizeof([])} B", goal="1000 B")


def _rewards(environment: TauBenchEnvironment, plain: PlainEnvironment, finished: Sequence[Finished]) -> Iterator[Row]:
    silent = [end for end in finished if not end.task.data["outputs"]]
    telling = [end for end in finished if end.task.data["outputs"]]
    theirs_s, _ = timed(lambda: [_upstream_reward(plain, end) for end in finished[:UPSTREAM_ROUNDS]])
    theirs_s /= UPSTREAM_ROUNDS
    for name, goal in (("first", "50 µs"), ("again", "2 µs")):
        ours_s, _ = timed(lambda: [environment.reward(end.state, SAID, StopReason.USER_STOP) for end in silent])
        yield _against(f"exact reward, {name}", ours_s / len(silent), theirs_s, goal=goal)
    for name, goal in (("first", "50 µs"), ("again", "")):
        ours_s, _ = timed(lambda: [environment.reward(end.state, SAID, StopReason.USER_STOP) for end in telling])
        yield _against(f"the same with outputs to look for, {name}", ours_s / len(telling), theirs_s, goal=goal)


def _sizes(environment: TauBenchEnvironment, finished: Sequence[Finished]) -> Iterator[Row]:
    shared = [environment._image, [end.state.assignment for end in finished], [end.calls for end in finished]]
    held = [held_bytes(end.state, shared) for end in finished]
    dumped = [len(environment.dump(end.state)) for end in finished]
    yield _row(
        "a finished episode's state, its rewards known", f"{_mean(held):.0f} B, at most {max(held)} B", goal="5000 B"
    )
    yield _row("the same, stored", f"{_mean(dumped):.0f} B, at most {max(dumped)} B")


def _branches(environment: TauBenchEnvironment, plain: PlainEnvironment, finished: Sequence[Finished]) -> Row:
    plans = [(environment.initial(end.task), _six(end)) for end in finished]
    ours_s, _ = timed(
        lambda: [_branch(environment, *plan) for plan in itertools.islice(itertools.cycle(plans), BRANCHES)]
    )
    database = plain.fresh()
    theirs_s, _ = timed(lambda: [_slow_branch(plain, database, end) for end in finished[:UPSTREAM_ROUNDS]])
    ours, theirs = BRANCHES / ours_s, UPSTREAM_ROUNDS / theirs_s
    name = f"branches (fork, {BRANCH_CALLS} calls, reward) per core-second"
    return name, f"{ours:.0f}", "4000", f"{theirs:.1f}", f"{ours / theirs:.0f}"


def _live(environment: TauBenchEnvironment, tasks: Sequence[Task]) -> Row:
    """Episodes held at once, each with every state on its way and every answer of a tool."""
    held = []
    for task in itertools.islice(itertools.cycle(tasks), LIVE):
        states, answers = [environment.initial(task)], []
        for made in gold_calls(task):
            transition = environment.apply(states[-1], made)
            states.append(transition.state)
            answers.append(transition.content)
        held.append((states, answers))
    return _row(f"{len(held)} live episodes, memory of the process", f"{resident_mb():.0f} MB", goal="1000 MB")


def _branch(environment: TauBenchEnvironment, state: TauBenchState, calls: Sequence[ToolCall]) -> float:
    return environment.reward(_end(environment, state, calls), SAID, StopReason.USER_STOP).value


def _slow_branch(plain: PlainEnvironment, database: Any, end: Finished) -> float:
    own = copy.deepcopy(database)
    for made in _six(end):
        plain.call(own, made)
    return plain.reward(own, end.task, [message.text for message in SAID])


def _upstream_reward(plain: PlainEnvironment, end: Finished) -> float:
    return plain.reward(plain.fresh(), end.task, [message.text for message in SAID])


def _played(environment: TauBenchEnvironment, start: TauBenchState) -> Finished:
    calls = gold_calls(start.assignment.task)
    return Finished(task=start.assignment.task, calls=calls, state=_end(environment, start, calls))


def _end(environment: TauBenchEnvironment, state: TauBenchState, calls: Sequence[ToolCall]) -> TauBenchState:
    for made in calls:
        state = environment.apply(state, made).state
    return state


def _six(end: Finished) -> list[ToolCall]:
    """The gold sequence's last calls, writes above all; repeated where there are fewer."""
    return list(itertools.islice(itertools.cycle(end.calls[-BRANCH_CALLS:]), BRANCH_CALLS))


# -- measuring --------------------------------------------------------------------------------------------------------


def _row(name: str, ours: str, *, goal: str = "") -> Row:
    return name, ours, goal, "", ""


def _against(name: str, ours_s: float, theirs_s: float, *, goal: str = "") -> Row:
    return name, _us(ours_s), goal, _us(theirs_s), f"{theirs_s / ours_s:.1f}"


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values)


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:.2f} µs"


if __name__ == "__main__":
    main()
