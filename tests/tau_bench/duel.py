"""A tree of branches that our environment and upstream's own play side by side, on a small part of the real database."""

from __future__ import annotations

import copy
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from actors.environments.tau_bench.checkout import find_checkout
from actors.environments.tau_bench.domains import DOMAINS
from actors.environments.tau_bench.environment import TauBenchEnvironment, TauBenchState
from rollouts.episode import AssistantMessage, StopReason, Task, ToolCall
from tests.environments.random_calls import RandomCalls
from tests.tau_bench.plain import PlainEnvironment, all_tasks, gold_calls, open_once, same_answer, whole_database

SPARE_RECORDS = 3
# of each table, that no task speaks of
LISTING = ("list_", "search_")
# tools that speak of everything


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Our state, and the database that upstream's code has been changing in place alongside."""

    state: TauBenchState
    database: Any

    @property
    def task(self) -> Task:
        return self.state.assignment.task


class Duel:
    """Every call is answered by both sides, which must agree at once; `settle` compares the branches' ends."""

    def __init__(self, domain: str, *, seed: int, tasks: int) -> None:
        self._chance = random.Random(seed)
        self._tasks = _varied(self._chance, all_tasks(domain), count=tasks)
        small = _small_database(open_once(domain), self._tasks)
        self._environment = TauBenchEnvironment(
            DOMAINS[domain], find_checkout(), load_tables=lambda *_: copy.deepcopy(small)
        )
        self._plain = PlainEnvironment(domain)
        self._plain.use(small)
        self._base = repr(self._plain.fresh())
        gold = [made for task in self._tasks for made in gold_calls(task)]
        tools = self._environment.briefing(self._tasks[0]).tools
        self._calls = RandomCalls(self._chance, gold=gold, tools=tools)
        self.answers = Counter[tuple[str, bool]]()
        # (tool, whether it was an error) → calls
        self.branches = [branch for task in self._tasks for branch in (self._untouched(task), self._solved(task))]

    def play(self, *, calls: int, forks: int) -> None:
        forks_at = set(self._chance.sample(range(calls), forks))
        for index in range(calls):
            if index in forks_at:
                branch = self._chance.choice(self.branches)
                self.branches.append(replace(branch, database=copy.deepcopy(branch.database)))
            at = self._chance.randrange(len(self.branches))
            self.branches[at] = self._both(self.branches[at], self._calls.draw())

    def settle(self) -> Counter[float]:
        """Assert that each branch holds, stores and is worth the same on both sides; how often it is worth what."""
        ours, rewards = self._environment, Counter[float]()
        keys: dict[bytes, object] = {}
        hashes: dict[object, str] = {}
        for branch in [*self.branches, *map(self._solved, self._tasks)]:
            state, contents = branch.state, repr(branch.database)
            assert repr(whole_database(ours, state)) == contents
            assert ours.key(ours.load(ours.dump(state))) == ours.key(state)
            shown = (state.assignment.key, contents)
            assert keys.setdefault(ours.key(state), shown) == shown
            hashed = self._plain.hash(branch.database)
            assert hashes.setdefault(state.overlay.differences(ours._image), hashed) == hashed
            rewards[self._reward(branch)] += 1
        assert len(set(keys.values())) == len(keys)
        assert len(set(hashes.values())) == len(hashes)
        assert repr(whole_database(ours, ours.initial(self._tasks[0]))) == self._base
        return rewards

    def _reward(self, branch: Branch) -> float:
        """Equal on both sides, also when asked for again."""
        outputs: Any = branch.task.data["outputs"]
        said = self._chance.choice(
            [[], ["", *outputs], [f"It is {' and '.join(outputs).upper()}, as you see."], ["1,234", *outputs[1:]]]
        )
        conversation = tuple(AssistantMessage(text=text) for text in said)
        ours = [self._environment.reward(branch.state, conversation, StopReason.USER_STOP).value for _ in range(2)]
        theirs = self._plain.reward(branch.database, branch.task, said)
        assert ours == [theirs, theirs], branch.task.task_id
        return theirs

    def _both(self, branch: Branch, made: ToolCall) -> Branch:
        transition = self._environment.apply(branch.state, made)
        answer = self._plain.call(branch.database, made)
        assert same_answer(transition.content, answer), (made, transition.content, answer)
        self.answers[made.name, transition.is_error] += 1
        return replace(branch, state=transition.state)

    def _untouched(self, task: Task) -> Branch:
        return Branch(state=self._environment.initial(task), database=self._plain.fresh())

    def _solved(self, task: Task) -> Branch:
        """After the gold sequence."""
        branch = self._untouched(task)
        for made in gold_calls(task):
            branch = self._both(branch, made)
        return branch


def _varied(chance: random.Random, tasks: Sequence[Task], *, count: int) -> list[Task]:
    """Some tasks that between them use every tool that any task uses, those with outputs among them."""
    by_tool: dict[str, list[Task]] = {"": [task for task in tasks if task.data["outputs"]]}
    for task in tasks:
        for made in gold_calls(task):
            by_tool.setdefault(made.name, []).append(task)
    groups = [by_tool[name] for name in sorted(by_tool)]
    chosen = [chance.choice(groups[index % len(groups)]) for index in range(count)]
    return list({task.task_id: task for task in chosen}.values())


def _small_database(environment: TauBenchEnvironment, tasks: Sequence[Task]) -> Mapping[str, Mapping[str, Any]]:
    """The records that the tasks' gold calls and the answers to them speak of, and a few more."""
    words: set[str] = set()
    for task in tasks:
        state = environment.initial(task)
        words.add(str(task.data["user_id"]))
        for made in gold_calls(task):
            transition = environment.apply(state, made)
            state = transition.state
            answer = "" if made.name.startswith(LISTING) else transition.content
            words.update(re.findall(r"[#\w]+", f"{made.arguments} {answer}"))
    database = whole_database(environment, environment.initial(tasks[0]))
    return {
        name: {
            key: record for index, (key, record) in enumerate(table.items()) if key in words or index < SPARE_RECORDS
        }
        for name, table in database.items()
    }
