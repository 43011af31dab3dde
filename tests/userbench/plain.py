"""Plain upstream: its own environment, constructed and stepped as upstream does, with recorded answers to model and chance.

Its modules are imported a second time, apart from the adapter's. Only what upstream asks of the world is given: Gymnasium's
classes (nothing of theirs is used in a step), a shuffler for numpy's, the model's replies, the draws.
"""

from __future__ import annotations

import importlib
import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from actors.environments.userbench.source import PACKAGE
from rollouts.identity import digest

_FILES = ("22", "33", "44", "2222", "233", "334", "444", "333")


class _Anything(ModuleType):
    """A module of which every name is a class that takes anything."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": lambda self, *args, **kwargs: None})


@dataclass(slots=True, kw_only=True)
class Recorded:
    """Answers that are functions of what is asked: equal questions, equal answers; every kind of reply, useless ones too."""

    salt: str
    asked: list[tuple[str, str] | int] = field(default_factory=list)

    def reply(self, system: str, user: str) -> str:
        self.asked.append((system, user))
        chance = self._chance(system, user)
        return chance.choice(_replies(user, chance))

    def index(self, options: int) -> int:
        self.asked.append(options)
        return self._chance("draw", str(len(self.asked))).randrange(options)

    def _chance(self, *asked: str) -> random.Random:
        return random.Random(digest(self.salt.encode(), *(text.encode() for text in asked)))


def _replies(user: str, chance: random.Random) -> list[str]:
    """Replies to any of upstream's prompts: most of them of the right form."""
    known = [f"P{number}" for number in range(1, 17) if f"Preference ID: P{number}\t" in user] or ["P1"]
    aspect = chance.choice(["flight", "hotel", "apartment", "Rental Car", "car rental", "restaurant", "boat"])
    fine: list[Mapping[str, Any]] = [
        {"type": "2", "preference_id": chance.choice(known), "response": "I like it. ", "alignment_judgement": "False"},
        {"type": " 2", "preference_id": chance.choice(known), "response": "Hm."}
        | {"alignment_judgement": "True", "alignment_aspect": aspect},
        {"type": chance.choice("1134"), "response": "Well…", "alignment_judgement": "True", "alignment_aspect": aspect},
        {"type": chance.choice("134"), "response": "Fine.", "alignment_judgement": "N/A"},
    ]
    useless = [
        "",
        "no json",
        "[1, 2]",
        "7",
        "null",
        '{"type": 2}',
        '{"response": 3, "type": "2", "preference_id": null}',
    ]
    odd = [
        "```json\n{}\n```",
        '{"type": "9", "alignment_judgement": "Perhaps"}',
        '{"type": "2", "preference_id": "P99"}',
    ]
    wrapped = [f"Sure!\n```json\n{json.dumps(reply)}\n```" for reply in fine] + [json.dumps(reply) for reply in fine]
    return wrapped * 2 + useless[:: chance.randrange(1, 4)] + odd


class PlainUpstream:
    """Upstream, imported as it is."""

    def __init__(self, checkout: Path) -> None:
        stand_ins = {name: _Anything(name) for name in ("openai", "gymnasium", "gymnasium.spaces", "numpy")}
        vars(stand_ins["numpy"]).update(random=random.Random(0))
        vars(stand_ins["gymnasium"]).update(spaces=stand_ins["gymnasium.spaces"], register=lambda **given: None)
        before = {name: sys.modules.get(name) for name in stand_ins}
        sys.modules.update(stand_ins)
        sys.path.insert(0, str(checkout))
        try:
            self.package: Any = importlib.import_module(PACKAGE)
            self._prompts: Any = importlib.import_module(f"{PACKAGE}.env.prompts")
            self._task_data: Any = importlib.import_module(f"{PACKAGE}.env.task_data")
        finally:
            sys.path.remove(str(checkout))
            for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
                del sys.modules[name]
            for name, module in before.items():
                if module is None:
                    del sys.modules[name]
                else:
                    sys.modules[name] = module

    def env(self, directory: Path, task_id: str, *, options_seed: int) -> Any:
        """A fresh environment on the one task in `directory`."""
        self._task_data.get_data_path = lambda: directory
        self._task_data.np.random.seed(options_seed)
        config = self.package.TravelGymConfig(
            api_key="none", data_mode="single", data_source=task_id, max_steps=1_000_000
        )
        return self.package.TravelEnv(config)

    def step(self, env: Any, action: str, recorded: Recorded) -> tuple[str, float, bool]:
        """What the agent is told, the reward, and whether the episode is over."""
        self._prompts.model_call = lambda system, user, config: self._parsed(recorded.reply(system, user))
        self._prompts.random = _Drawn(recorded)
        observation, reward, terminated, _, _ = env.step(action)
        return observation["feedback"], reward, terminated

    def _parsed(self, reply: str) -> Any:
        """What upstream's `model_call` makes of a model's reply."""
        return self._prompts.parse_output_as_json(reply.strip())


@dataclass(frozen=True, slots=True)
class _Drawn:
    recorded: Recorded

    def choice(self, options: Sequence[Any]) -> Any:
        return options[self.recorded.index(len(options))]


def one_task(directory: Path, task_id: str, data: Mapping[str, Any]) -> Path:
    """Upstream's files with only this task in them."""
    directory.mkdir(parents=True)
    for number, group in enumerate(_FILES):
        held = {} if number else {task_id: data}
        (directory / f"travelgym_data_{group}.json").write_text(json.dumps(held), encoding="utf-8")
    return directory
