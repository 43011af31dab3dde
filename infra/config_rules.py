"""What depends on more than one setting: a setting without effect, one that is missing, two that cannot both hold.

The rules read settings as they were given (nested tables, nothing filled in), so that they can be checked, and all be told, even
where other settings have wrong types. A setting given at its empty default (0, "", []) asks for nothing and is never refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Self

from pydantic import BaseModel, Field, model_validator
from pydantic.fields import FieldInfo

from infra.config_errors import Problem, shown
from infra.config_sections import (
    ActorSection,
    BranchingSection,
    ChatSection,
    CriticSection,
    JudgeSection,
    LabelsSection,
    LimitsSection,
    RunSection,
    Section,
    StorageSection,
    TasksSection,
    UserSection,
)


class RunConfig(Section):
    """Everything that one run is configured by. Built by `infra.config.load_config`."""

    run: RunSection = Field(default=RunSection(), description=RunSection.__doc__)
    storage: StorageSection = Field(default=StorageSection(), description=StorageSection.__doc__)
    tasks: TasksSection = Field(default=TasksSection(), description=TasksSection.__doc__)
    actor: ActorSection = Field(default=ActorSection(), description=ActorSection.__doc__)
    user: UserSection = Field(default=UserSection(), description=UserSection.__doc__)
    critic: CriticSection = Field(default=CriticSection(), description=CriticSection.__doc__)
    judge: JudgeSection = Field(default=JudgeSection(), description=JudgeSection.__doc__)
    branching: BranchingSection = Field(default=BranchingSection(), description=BranchingSection.__doc__)
    labels: LabelsSection = Field(default=LabelsSection(), description=LabelsSection.__doc__)
    limits: LimitsSection = Field(default=LimitsSection(), description=LimitsSection.__doc__)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if problems := contradictions(self.model_dump(exclude_unset=True, exclude_none=True)):
            raise ValueError("; ".join(f"{problem.key}: {problem.text}" for problem in problems))
        return self


_DEFAULTS = RunConfig.model_construct()


def known_fields() -> dict[str, FieldInfo]:
    """Dotted name → field: sections and settings, in the order they are declared."""
    return dict(_fields(RunConfig))


def _fields(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in section.model_fields.items():
        yield prefix + name, field
        if isinstance(field.default, BaseModel):
            yield from _fields(type(field.default), f"{prefix}{name}.")


# -- reading settings as given ----------------------------------------------------------------------------------------


def given(settings: Mapping[str, Any], key: str) -> Any:
    """The value under a dotted name, or None where nothing is given."""
    value: Any = settings
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _setting(settings: Mapping[str, Any], key: str) -> Any:
    value = given(settings, key)
    return attrgetter(key)(_DEFAULTS) if value is None else value


def _number(settings: Mapping[str, Any], key: str) -> float:
    """nan for what is no number: every comparison with it is false, and its type is somebody else's problem."""
    value = _setting(settings, key)
    return float(value) if isinstance(value, int | float) and abs(value) < 1e300 else math.nan


# -- settings without effect ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Moot:
    """While the switch stands as `when` says, the keys have no effect."""

    switch: str
    when: Callable[[Any], bool]
    keys: tuple[str, ...]


def _is(value: str) -> Callable[[Any], bool]:
    return lambda given_value: bool(given_value == value)


def _keys(section: str, names: str) -> tuple[str, ...]:
    return tuple(f"{section}.{name}" for name in names.split())


_CHAT = " ".join(name for name in ChatSection.model_fields if name != "kind")
_CHATTING = ("actor", "user", "critic", "judge")
# roles that a model behind an endpoint can play
_ASKED = ("chat", "react")
# kinds of a role that do
_SCRIPTED_CRITIC = "hit_rate false_alarm_rate"
_JUDGING = "mode threshold"
_SERVED = "python replicas num_gpus tensor_parallel max_model_len on_too_long max_running max_waiting engine_args"
# of a critic that runs on our own workers
_ADDRESSED = " ".join(name for name in _CHAT.split() if name not in ("model", "temperature", "max_tokens", "timeout_s"))
# of one that somebody else serves

MOOT = (
    Moot(switch="actor.kind", when=_is("scripted"), keys=_keys("actor", _CHAT)),
    Moot(switch="actor.kind", when=_ASKED.__contains__, keys=_keys("actor", "errors difficulty")),
    Moot(switch="user.kind", when=_is("scripted"), keys=_keys("user", f"reflect {_CHAT}")),
    Moot(
        switch="critic.kind",
        when=_is("none"),
        keys=(
            "actor.best_of",
            *_keys("critic", " ".join(name for name in CriticSection.model_fields if name != "kind")),
        ),
    ),
    Moot(switch="critic.kind", when=_is("scripted"), keys=_keys("critic", f"{_CHAT} {_JUDGING} {_SERVED}")),
    Moot(
        switch="critic.kind", when=_is("self"), keys=_keys("critic", f"{_CHAT} {_SCRIPTED_CRITIC} {_JUDGING} {_SERVED}")
    ),
    Moot(switch="critic.kind", when=_is("chat"), keys=_keys("critic", f"{_SCRIPTED_CRITIC} {_SERVED}")),
    Moot(switch="critic.kind", when=_is("vllm"), keys=_keys("critic", f"{_SCRIPTED_CRITIC} {_ADDRESSED}")),
    Moot(switch="critic.mode", when=_is("critique"), keys=("critic.threshold",)),
    Moot(
        switch="critic.review", when=_is("none"), keys=_keys("critic", "max_revisions on_exhausted feedback_persists")
    ),
    Moot(switch="judge.kind", when=_is("none"), keys=_keys("judge", _CHAT)),
    Moot(
        switch="branching.policy",
        when=_is("none"),
        keys=(
            *_keys("branching", " ".join(n for n in BranchingSection.model_fields if n not in ("policy", "trunks"))),
            *_keys("labels", " ".join(LabelsSection.model_fields)),
        ),
    ),
    Moot(
        switch="branching.policy",
        when=("every_step", "first_error").__contains__,
        keys=_keys("branching", "min_rollouts confidence calls_per_label"),
    ),
    Moot(switch="critic.kind", when=_is("none"), keys=("branching.critiques", "branching.uplift_rollouts")),
    Moot(
        switch="branching.critiques",
        when=lambda wanted: wanted is False,
        keys=("branching.uplift_rollouts", "labels.uplift_level"),
    ),
    Moot(switch="run.pool", when=_is("local"), keys=("run.workers",)),
    Moot(switch="storage.root", when=lambda root: not str(root).startswith("s3://"), keys=("storage.endpoint_url",)),
    Moot(switch="tasks.source", when=bool, keys=("tasks.split",)),
    Moot(switch="tasks.ids", when=bool, keys=("tasks.count",)),
    Moot(switch="tasks.count", when=bool, keys=("tasks.ids",)),
)


def _moot(settings: Mapping[str, Any]) -> Iterator[tuple[str, Moot]]:
    """Settings that are given and have no effect. One that has none cannot take another's away."""
    found: set[str] = set()
    for rule in MOOT:
        if rule.switch in found or not rule.when(_setting(settings, rule.switch)):
            continue
        for key in rule.keys:
            value = given(settings, key)
            if value is not None and (value or not _empty_by_default(key)):
                found.add(key)
                yield key, rule


def _empty_by_default(key: str) -> bool:
    return not attrgetter(key)(_DEFAULTS)


def in_force(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A complete set of settings without those that have no effect."""
    return without(settings, [key for rule in MOOT if rule.when(_setting(settings, rule.switch)) for key in rule.keys])


def superseded(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> list[str]:
    """What loses its effect because an override turned a switch: it is dropped, not refused.

    So `--set branching.policy=none` works on a file that gives a width, while a file that gives both is refused.
    """
    return [
        key
        for rule in MOOT
        if given(overrides, rule.switch) is not None and rule.when(_setting(settings, rule.switch))
        for key in rule.keys
        if given(overrides, key) is None
    ]


def without(settings: Mapping[str, Any], keys: list[str], prefix: str = "") -> dict[str, Any]:
    """A copy that lacks these dotted names."""
    return {
        name: without(value, keys, f"{prefix}{name}.") if isinstance(value, Mapping) else value
        for name, value in settings.items()
        if prefix + name not in keys
    }


# -- contradictions ---------------------------------------------------------------------------------------------------


def contradictions(settings: Mapping[str, Any]) -> list[Problem]:
    """Everything wrong between settings. Wrong types are passed over."""
    return [*_without_effect(settings), *_chat_needs(settings), *_prices(settings), *_ranges(settings)]


def _without_effect(settings: Mapping[str, Any]) -> Iterator[Problem]:
    for key, rule in _moot(settings):
        state = shown(_setting(settings, rule.switch))
        yield Problem(key=key, text=f"has no effect with {rule.switch} = {state}; remove it or change {rule.switch}")


def _chat_needs(settings: Mapping[str, Any]) -> Iterator[Problem]:
    for role in _CHATTING:
        if (kind := _setting(settings, f"{role}.kind")) in _ASKED:
            for name, example in (
                ("base_url", "http://127.0.0.1:8000/v1"),
                ("model", "the model's name at the endpoint"),
            ):
                if not _setting(settings, f"{role}.{name}"):
                    yield Problem(key=f"{role}.{name}", text=f'is needed with {role}.kind = "{kind}": {example}')
    critic = _setting(settings, "critic.kind")
    if critic == "vllm" and not _setting(settings, "critic.model"):
        yield Problem(
            key="critic.model", text='is needed with critic.kind = "vllm": a folder, or a name on the model hub'
        )
    if critic == "vllm" and _setting(settings, "run.pool") == "local":
        yield Problem(key="run.pool", text='needs "ray" with critic.kind = "vllm": its engines are Ray actors')
    if critic == "self" and _setting(settings, "actor.kind") not in _ASKED:
        yield Problem(
            key="critic.kind", text="self asks the actor's own model, and the actor is a stand-in; set actor.kind, too"
        )


def _prices(settings: Mapping[str, Any]) -> Iterator[Problem]:
    chats = [role for role in _CHATTING if _setting(settings, f"{role}.kind") in _ASKED]
    for role in chats:
        prices = _keys(role, "price_per_million_prompt price_per_million_completion")
        unknown = [key for key in prices if given(settings, key) is None]
        if len(unknown) == 1:
            yield Problem(
                key=unknown[0], text="is needed with the other price: a cost is known from both or not at all"
            )
        elif unknown and _number(settings, "limits.cost_usd") > 0:
            yield Problem(
                key="limits.cost_usd",
                text=f"has no effect while the {role}'s prices are unknown; set {prices[0]} and {prices[1]}",
            )
    for key in ("limits.tokens", "limits.cost_usd"):
        if not chats and _number(settings, key) > 0:
            yield Problem(
                key=key,
                text="has no effect: scripted stand-ins use no tokens and cost nothing; limits.calls counts their calls",
            )


def _ranges(settings: Mapping[str, Any]) -> Iterator[Problem]:
    if _setting(settings, "branching.policy") == "none":
        return
    trunks, forked = _number(settings, "branching.trunks"), _number(settings, "branching.forked_trunks")
    if forked > trunks:
        yield Problem(
            key="branching.forked_trunks", text=f"needs at most branching.trunks ({trunks:g}), got {forked:g}"
        )
    least = _number(settings, "branching.min_rollouts")
    if _setting(settings, "branching.policy") in ("bisect", "adaptive") and least > _number(
        settings, "branching.rollouts"
    ):
        yield Problem(
            key="branching.rollouts", text=f"is the most for one action and needs at least min_rollouts ({least:g})"
        )
    calls = _number(settings, "branching.calls_per_tree")
    if 0 < calls < trunks:
        yield Problem(
            key="branching.calls_per_tree", text=f"needs at least a call for each trunk ({trunks:g}), or 0 for no limit"
        )
    draws, width = _number(settings, "branching.max_draws"), _number(settings, "branching.width")
    if 0 < draws < width:
        yield Problem(
            key="branching.max_draws",
            text=f"needs at least branching.width ({width:g}), or 0 for twice the width; got {draws:g}",
        )
