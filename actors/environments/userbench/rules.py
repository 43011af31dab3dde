"""Upstream's rules, unmodified, as a pure function of a situation, an action and the answers to what the rules ask.

Upstream's step calls a model and draws at random in its midst. Here each of these is a question: `Rules.run` is given the
answers so far, and runs the step from its beginning until it is done or asks for one more. Nothing of a run outlives it.

Upstream's functions run with their own code in a namespace of their own, in which `model_call` and every generator are ours:
the process-wide ones are neither read nor changed, and no module is written to.
"""

from __future__ import annotations

import copy
import itertools
import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import Any, TypeAlias

from actors.environments.userbench.loading import load_upstream
from actors.environments.userbench.situation import ASPECT_OF_INITIAL, Entry, Situation
from rollouts.episode import JsonValue
from rollouts.seeds import derive_seed

Answer: TypeAlias = str | int
# a model's reply, or the index drawn
_PROMPT_FUNCTIONS = ("generate_judge_search", "generate_judge_response", "evaluate_action")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """The rules ask a model."""

    system: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """The rules ask chance: an index below `options`."""

    options: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    situation: Situation
    text: str
    # what the agent is told
    reward: float
    # of this step alone, shaping included
    elicited: tuple[str, ...]
    # ids of the preferences told in this step
    ended: bool


Outcome: TypeAlias = ModelCall | Draw | Done


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Prepared:
    """A task as upstream's rules want it. Never written to once made."""

    task: Mapping[str, Any]
    preferences: Mapping[str, Mapping[str, Any]]
    # by id
    start: Situation


class Rules:
    def __init__(self, package: Path) -> None:
        """DataError when the code in `package` cannot be imported."""
        self._upstream = load_upstream(package)
        self._config = self._upstream.config.TravelGymConfig(api_key="", max_steps=sys.maxsize)
        # a key, so that none is looked for in the environment; the run has a turn limit of its own

    def prepare(self, task_id: str, record: Mapping[str, JsonValue]) -> Prepared:
        """The order of the options is a function of the task's id."""
        files = itertools.chain([{task_id: copy.deepcopy(dict(record))}], itertools.repeat({}))
        space = _namespace(
            self._upstream.task_data,
            ("load_tasks",),
            np=SimpleNamespace(random=random.Random(option_seed(task_id))),
            load_data_file=lambda path: next(files),
        )
        [task] = space["load_tasks"](None)
        env = self._env(task)
        env._initialize_preferences()
        env._initialize_state_list()
        preferences = {preference["id"]: preference for preference in env.remaining_preferences}
        return Prepared(task=task, preferences=preferences, start=_frozen(env, scores=()))

    def run(self, prepared: Prepared, before: Situation, action: str, answers: Sequence[Answer]) -> Outcome:
        """One step of upstream's. `action` is upstream's: "[search] …", "[action] …" or "[answer] …"."""
        oracle = _Oracle(answers, parse=self._upstream.utils.parse_output_as_json)
        prompts = _namespace(
            self._upstream.prompts, _PROMPT_FUNCTIONS, model_call=oracle.model_call, random=oracle, print=_silence
        )
        travel_env = self._upstream.travel_env
        space = {**vars(travel_env), "evaluate_action": prompts["evaluate_action"]}
        step = FunctionType(travel_env.TravelEnv.step.__code__, space)
        env = self._thawed(prepared, before)
        try:
            observation, reward, ended, _, told = step(env, action)
        except _Unanswered as unanswered:
            return unanswered.question
        return Done(
            situation=_frozen(env, scores=_scores(before, env, reward)),
            text=observation["feedback"],
            reward=reward,
            elicited=tuple(preference["id"] for preference in told["newly_elicited_preferences"]),
            ended=ended,
        )

    def _env(self, task: Mapping[str, Any]) -> Any:
        """Upstream's environment without its constructor, which reads every file and draws a task."""
        env = object.__new__(self._upstream.travel_env.TravelEnv)
        env.config = self._config
        env.current_task = task
        env.episode_complete = False
        env.step_count = 0
        env.total_reward = 0.0
        env.action_history, env.conversation_history, env.elicited_preferences = [], [], []
        return env

    def _thawed(self, prepared: Prepared, situation: Situation) -> Any:
        env = self._env(prepared.task)
        preferences = prepared.preferences
        env.conversation_history = [_line(entry) for entry in situation.history]
        env.remaining_preferences = [dict(preferences[name]) for name in situation.remaining]
        env.elicited_preferences = [dict(preferences[name]) for name in situation.elicited]
        env.state_list = {
            "search_times": situation.searches,
            "nonpreference_times": situation.off_topic,
            "search_arguments": list(situation.unsearched),
            "remaining_best_options": list(situation.best),
            "remaining_correct_options": list(situation.correct),
            "choice_initials": list(situation.initials),
            "active_elicited_preferences": situation.active,
            "passive_elicited_preferences": situation.passive,
        }
        return env


def option_seed(task_id: str) -> int:
    """Of the generator that a task's options are shuffled with."""
    return derive_seed(0, "userbench", task_id, "options")


def _frozen(env: Any, *, scores: tuple[tuple[str, float], ...]) -> Situation:
    counts = env.state_list
    return Situation(
        history=tuple(Entry(**line) for line in env.conversation_history),
        remaining=tuple(preference["id"] for preference in env.remaining_preferences),
        elicited=tuple(preference["id"] for preference in env.elicited_preferences),
        active=counts["active_elicited_preferences"],
        passive=counts["passive_elicited_preferences"],
        off_topic=counts["nonpreference_times"],
        searches=counts["search_times"],
        unsearched=tuple(counts["search_arguments"]),
        best=tuple(counts["remaining_best_options"]),
        correct=tuple(counts["remaining_correct_options"]),
        initials=tuple(sorted(counts["choice_initials"])),
        scores=scores,
    )


def _line(entry: Entry) -> dict[str, str]:
    line = {"role": entry.role, "content": entry.content}
    return {**line, "note": entry.note} if entry.note else line


def _scores(before: Situation, env: Any, reward: float) -> tuple[tuple[str, float], ...]:
    """A recommendation that counts leaves its initial behind; its step's reward is its score."""
    new = [name for name in env.state_list["choice_initials"] if name not in before.initials]
    return tuple(sorted((*before.scores, *((ASPECT_OF_INITIAL[name], reward) for name in new))))


# -- running upstream's functions -------------------------------------------------------------------------------------


def _namespace(module: Any, functions: Sequence[str], **ours: object) -> dict[str, Any]:
    """The module's namespace with some names ours; the named functions run in it, their code unchanged."""
    space = {**vars(module), **ours}
    for name in functions:
        function = vars(module)[name]
        space[name] = FunctionType(function.__code__, space, name, function.__defaults__)
    return space


class _Unanswered(BaseException):
    """Leaves a run that asks for more than it was given. A BaseException: upstream catches every Exception."""

    def __init__(self, question: ModelCall | Draw) -> None:
        super().__init__(question)
        self.question = question


class _Oracle:
    """Answers in order, to upstream as `model_call` and as the module `random`."""

    def __init__(self, answers: Sequence[Answer], *, parse: Any) -> None:
        self._answers: Iterator[Any] = iter(answers)
        self._parse = parse

    def model_call(self, system_prompt: str, user_prompt: str, model_config: object) -> Any:
        reply = self._next(ModelCall(system=system_prompt, user=user_prompt))
        return _writable(_parsed(reply, self._parse))

    def choice(self, options: Sequence[Any]) -> Any:
        return options[self._next(Draw(options=len(options)))]

    def _next(self, question: ModelCall | Draw) -> Any:
        for answer in self._answers:
            return answer
        raise _Unanswered(question)


def _parsed(reply: str, parse: Any) -> Any:
    """None for what upstream cannot parse, nesting without end included: it gives up on such a call."""
    try:
        return parse(reply.strip())
    except (ValueError, RecursionError):
        return None


def _writable(value: Any) -> Any:
    """Without the half characters that JSON may spell out and no file can hold."""
    text = json.dumps(value, ensure_ascii=False)
    if text.isascii():
        return value
    return json.loads(text.encode(errors="replace"))


def _silence(*args: object) -> None:
    """Upstream prints a line for every reply that it cannot use."""
