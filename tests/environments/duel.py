"""Branches that our environment and upstream's own code play side by side, on a small part of a real database."""

from __future__ import annotations

import copy
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from actors.environments.copy_on_write import differences
from actors.environments.tau2 import upstream
from actors.environments.tau2.domains import Domain
from actors.environments.tau2.environment import Tau2Environment, Tau2State
from actors.environments.tau2.package_code import machinery
from actors.environments.tau2.scoring import UNSCORED_TOOLS
from actors.environments.tau2.toolbox import Toolbox
from rollouts.episode import Side, StopReason, Task, ToolCall
from tests.environments.looks import LOOKS
from tests.environments.plain import Plain, World, adopt_ids, contents, upstream_hash, whole
from tests.environments.plans import gold_steps
from tests.environments.random_calls import RandomCalls

LARGE = 100
# a table of more records is cut down to those that the tasks speak of


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Our state, and the databases that upstream's code has been changing in place alongside."""

    state: Tau2State
    world: World


class Duel:
    """Every call is answered by both sides, which must agree at once; `settle` compares the branches' ends."""

    def __init__(self, domain: Domain, *, seed: int) -> None:
        self._chance = random.Random(seed)
        source = upstream.installed()
        code, files = machinery(domain, source), upstream.files(domain, source)
        entire = Tau2Environment(files=files, load=lambda: code)
        self._tasks = _varied(self._chance, entire.tasks("base"))
        words = _spoken_of(entire, self._tasks)
        self._code = replace(code, databases=[_small_database(held, words) for held in code.databases])
        self._environment = Tau2Environment(files=files, load=lambda: self._code)
        self._toolbox = Toolbox(self._code)
        self._plain = Plain(domain, self._code)
        self._base = contents(whole(self._toolbox, {}, self._code))
        self.answers = Counter[tuple[str, bool]]()
        # (tool, whether it was an error) → calls
        self._calls = dict(self._random_calls(domain.name))
        gold = {task.task_id: self._solved(task).world for task in self._tasks}
        self._gold_hashes = {task_id: upstream_hash(world) for task_id, world in gold.items()}
        self.branches = [start(task) for start in (self._untouched, self._solved) for task in self._tasks]

    def _random_calls(self, domain: str) -> Iterator[tuple[Side, RandomCalls]]:
        examples = [step for task in self._tasks for step in _scored(task)] + list(LOOKS.get(domain, ()))
        for side, tools in self._toolbox.sides.items():
            specs = [tool for tool in tools.specs if tool.name not in (*UNSCORED_TOOLS, "grep")]
            if specs:
                gold = [made for whose, made in examples if whose == side and made.name in {t.name for t in specs}]
                yield side, RandomCalls(self._chance, gold=gold, tools=specs)

    def play(self, *, calls: int, forks: int) -> None:
        forks_at = set(self._chance.sample(range(calls), forks))
        for index in range(calls):
            if index in forks_at:
                branch = self._chance.choice(self.branches)
                self.branches.append(replace(branch, world=copy.deepcopy(branch.world)))
            self._step(self._chance.randrange(len(self.branches)))

    def _step(self, index: int) -> None:
        side = self._chance.choice(list(self._calls))
        self.branches[index] = self._both(self.branches[index], self._calls[side].draw(), side)

    def _both(self, branch: Branch, made: ToolCall, side: Side) -> Branch:
        transition = self._environment.apply(branch.state, made, side=side)
        answer = self._plain.call(branch.world, made, side=side)
        assert (transition.content, transition.is_error) == answer, made
        self.answers[made.name, transition.is_error or transition.content.startswith("Error")] += 1
        after = replace(branch, state=transition.state)
        if self._code.minted_in and after.state is not branch.state:
            adopt_ids(after.world, self._whole(after.state))
        return after

    def settle(self) -> Counter[bool]:
        """Assert that each branch holds, stores and is worth the same on both sides; how many passed and failed."""
        verdicts = Counter[bool]()
        hashes: dict[object, str] = {}
        self.branches += [self._solved(task) for task in self._tasks]
        for branch in self.branches:
            ours = contents(self._whole(branch.state))
            assert ours == contents(branch.world)
            stored = self._environment.load(self._environment.dump(branch.state))
            assert contents(self._whole(stored)) == ours
            assert self._environment.key(stored) == self._environment.key(branch.state)
            theirs = upstream_hash(branch.world)
            parts = self._environment.reward(branch.state, (), StopReason.USER_STOP).parts
            expected = self._parts(branch, theirs)
            assert {part: parts[part] for part in expected if part in parts} == {
                part: value for part, value in expected.items() if part in parts
            }
            verdicts[all(parts.values())] += 1
            same = differences(self._toolbox.database, branch.state.tables)
            assert hashes.setdefault(same, theirs) == theirs
        assert len(set(hashes.values())) == len(hashes), "different differences, different hashes"
        assert contents(whole(self._toolbox, {}, self._code)) == self._base, "the base image was written to"
        return verdicts

    def _parts(self, branch: Branch, theirs: str) -> Mapping[str, float]:
        """The parts of the reward that the state decides, by upstream's own code."""
        criteria: Any = branch.state.task.data["evaluation_criteria"]
        asserted = self._code.criteria.model_validate(criteria).env_assertions or ()
        return {
            "DB": float(theirs == self._gold_hashes[branch.state.task.task_id]),
            "ENV_ASSERTION": float(all(self._plain.holds(branch.world, assertion) for assertion in asserted)),
        }

    def _whole(self, state: Tau2State) -> World:
        return whole(self._toolbox, state.tables, self._code)

    def _untouched(self, task: Task) -> Branch:
        return Branch(state=self._environment.initial(task), world=self._plain.started(task))

    def _solved(self, task: Task) -> Branch:
        """After the gold sequence."""
        branch = self._untouched(task)
        for side, made in _scored(task):
            branch = self._both(branch, made, side)
        return branch


def _scored(task: Task) -> list[tuple[Side, ToolCall]]:
    return [(side, made) for side, made in gold_steps(task) if made.name not in UNSCORED_TOOLS]


def _varied(chance: random.Random, tasks: Sequence[Task]) -> list[Task]:
    """Some tasks that between them use every tool that any task uses, discoverable ones included."""
    by_tool: dict[str, list[Task]] = {}
    for task in tasks:
        for _, made in _scored(task):
            inner = made.arguments.get("agent_tool_name") or made.arguments.get("discoverable_tool_name")
            by_tool.setdefault(str(inner or made.name), []).append(task)
    chosen = {task.task_id: task for task in (chance.choice(by_tool[name]) for name in sorted(by_tool))}
    return list(chosen.values())


def _spoken_of(environment: Tau2Environment, tasks: Sequence[Task]) -> frozenset[str]:
    """Every word in the tasks' beginnings and gold calls, and in the answers to them."""
    words: set[str] = set()
    for task in tasks:
        state = environment.initial(task)
        words.update(_words(json.dumps(task.data["initial_state"])))
        for side, made in _scored(task):
            transition = environment.apply(state, made, side=side)
            state = transition.state
            words.update(_words(f"{made.arguments} {transition.content}"))
    return frozenset(words)


def _words(text: str) -> list[str]:
    return re.findall(r"[#\w]+", text)


def _small_database(database: Any, keys: frozenset[str]) -> Any:
    tables = {name: _small_table(getattr(database, name), keys) for name in type(database).model_fields}
    return type(database).model_construct(**tables)


def _small_table(table: Any, keys: frozenset[str]) -> Any:
    if hasattr(table, "notes"):
        return type(table).model_construct(data=_small_table(table.data, keys), notes=table.notes)
    if not isinstance(table, dict):
        return table
    kept = {key: record for key, record in table.items() if key in keys or len(table) <= LARGE}
    assert kept or not table, "each table has records that the tasks speak of"
    return kept
