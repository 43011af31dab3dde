"""Branches that our environment and upstream's own code play side by side, on a small part of a real database."""

from __future__ import annotations

import copy
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from actors.environments.copy_on_write import differences
from actors.environments.tau2 import upstream
from actors.environments.tau2.domains import Domain
from actors.environments.tau2.environment import Tau2Environment, Tau2State
from actors.environments.tau2.scoring import UNSCORED_TOOLS
from actors.environments.tau2.toolbox import Toolbox
from actors.environments.tau2.upstream import Machinery
from rollouts.episode import StopReason, Task, ToolCall
from tests.environments.plain import PlainToolkit, contents, upstream_hash, whole_database
from tests.environments.plans import gold_calls
from tests.environments.random_calls import RandomCalls


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Our state, and the database that upstream's code has been changing in place alongside."""

    state: Tau2State
    database: Any


class Duel:
    """Every call is answered by both sides, which must agree at once; `settle` compares the branches' ends."""

    def __init__(self, domain: Domain, *, seed: int) -> None:
        self._chance = random.Random(seed)
        code = upstream.machinery(domain)
        files = upstream.files(domain, version=upstream.supported_version())
        whole = Tau2Environment(files=files, load=lambda: code)
        tasks = _varied(self._chance, whole.tasks("base"))
        self._code = replace(code, database=_small_database(code, _spoken_of(whole, tasks)))
        self._environment = Tau2Environment(files=files, load=lambda: self._code)
        self._toolbox = Toolbox(self._code)
        self._plain = PlainToolkit(self._code)
        self._base = contents(self._code.database)
        self.answers = Counter[tuple[str, bool]]()
        # (tool, whether it was an error) → calls
        gold = [made for task in tasks for made in _scored(task)]
        tools = [tool for tool in self._toolbox.specs if tool.name not in UNSCORED_TOOLS]
        self._tasks = tasks
        self._calls = RandomCalls(self._chance, gold=gold, tools=tools)
        self._gold_hashes = {task.task_id: upstream_hash(self._solved(task).database) for task in tasks}
        self.branches = [self._untouched(task) for task in tasks] + [self._solved(task) for task in tasks]

    def play(self, *, calls: int, forks: int) -> None:
        forks_at = set(self._chance.sample(range(calls), forks))
        for index in range(calls):
            if index in forks_at:
                branch = self._chance.choice(self.branches)
                self.branches.append(replace(branch, database=copy.deepcopy(branch.database)))
            self._step(self._chance.randrange(len(self.branches)))

    def _step(self, index: int) -> None:
        made = self._calls.draw()
        self.branches[index] = self._both(self.branches[index], made)

    def _both(self, branch: Branch, made: ToolCall) -> Branch:
        transition = self._environment.apply(branch.state, made)
        answer = self._plain.call(branch.database, made)
        assert (transition.content, transition.is_error) == answer, made
        self.answers[made.name, transition.is_error] += 1
        return replace(branch, state=transition.state)

    def settle(self) -> Counter[bool]:
        """Assert that each branch holds, stores and is worth the same on both sides; how many passed and failed."""
        verdicts = Counter[bool]()
        hashes: dict[object, str] = {}
        self.branches += [self._solved(task) for task in self._tasks]
        for branch in self.branches:
            ours = self._whole(branch.state)
            assert ours == contents(branch.database)
            stored = self._environment.load(self._environment.dump(branch.state))
            assert self._whole(stored) == ours
            assert self._environment.key(stored) == self._environment.key(branch.state)
            theirs = upstream_hash(branch.database)
            passes = theirs == self._gold_hashes[branch.state.task.task_id]
            assert self._environment.reward(branch.state, (), StopReason.USER_STOP).parts["DB"] == float(passes)
            verdicts[passes] += 1
            same = differences(self._toolbox.image, branch.state.tables)
            assert hashes.setdefault(same, theirs) == theirs
        assert len(set(hashes.values())) == len(hashes), "different differences, different hashes"
        assert contents(self._code.database) == self._base, "the base image was written to"
        return verdicts

    def _whole(self, state: Tau2State) -> str:
        return contents(whole_database(self._toolbox, state, self._code))

    def _untouched(self, task: Task) -> Branch:
        return Branch(state=self._environment.initial(task), database=self._plain.fresh())

    def _solved(self, task: Task) -> Branch:
        """After the gold sequence."""
        branch = self._untouched(task)
        for made in _scored(task):
            branch = self._both(branch, made)
        return branch


def _scored(task: Task) -> list[ToolCall]:
    return [made for made in gold_calls(task) if made.name not in UNSCORED_TOOLS]


def _varied(chance: random.Random, tasks: Sequence[Task]) -> list[Task]:
    """Some tasks that between them use every tool that any task uses."""
    by_tool: dict[str, list[Task]] = {}
    for task in tasks:
        for made in _scored(task):
            by_tool.setdefault(made.name, []).append(task)
    chosen = {task.task_id: task for task in (chance.choice(by_tool[name]) for name in sorted(by_tool))}
    return list(chosen.values())


def _spoken_of(environment: Tau2Environment, tasks: Sequence[Task]) -> frozenset[str]:
    """Every word in the tasks' gold calls and in the answers to them."""
    words: set[str] = set()
    for task in tasks:
        state = environment.initial(task)
        for made in _scored(task):
            transition = environment.apply(state, made)
            state = transition.state
            words.update(re.findall(r"[#\w]+", f"{made.arguments} {transition.content}"))
    return frozenset(words)


def _small_database(code: Machinery, keys: frozenset[str]) -> Any:
    tables = {
        name: {key: record for key, record in getattr(code.database, name).items() if key in keys}
        for name in type(code.database).model_fields
    }
    assert all(tables.values()), "each table has records that the tasks speak of"
    return type(code.database).model_construct(**tables)
