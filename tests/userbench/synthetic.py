"""Scenario files in upstream's schema, with texts and numbers of our own: what tests play where a copy lacks upstream's files.

Ids have upstream's form. One of them is the id of a test task of upstream's, so that the division of the tasks can be tested.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from actors.environments.userbench.source import PACKAGE, RULE_FILES

GROUPS = ("22", "33", "44", "233", "333", "334", "444", "2222")
ASPECTS = ("flight", "hotel", "apartment", "rental_car", "restaurant")
HELD_OUT_ID = "apartment:2-86|rental_car:2-60"
# in upstream's data/travel22_multiturn/test.parquet
TASKS_OF_A_GROUP = 3
_INITIALS = {"flight": "F", "hotel": "H", "apartment": "A", "rental_car": "C", "restaurant": "R"}
_TOWNS = ("Oslo", "Lima", "Kyoto", "Quebec", "Porto", "Nairobi")
_SUBJECTS = ("noise", "price level", "arrival time", "company", "view", "distance", "comfort", "rating")
_MANY = 6
# options of each kind


def write_scenarios(directory: Path, *, groups: Sequence[str] = GROUPS) -> None:
    """One file for each group, the same on every machine."""
    directory.mkdir(parents=True, exist_ok=True)
    for group in groups:
        (directory / f"travelgym_data_{group}.json").write_text(json.dumps(scenarios(group)), encoding="utf-8")


def make_checkout(root: Path, upstream: Path) -> None:
    """Upstream's code from its package directory `upstream`, with synthetic scenarios."""
    for name in ("__init__.py", *RULE_FILES):
        (root / PACKAGE / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(upstream / name, root / PACKAGE / name)
    write_scenarios(root / PACKAGE / "data")


def scenarios(group: str) -> dict[str, Any]:
    chance = random.Random(f"scenarios {group}")
    found = {}
    for number in range(TASKS_OF_A_GROUP):
        aspects = chance.sample(ASPECTS, len(group))
        counts = [int(count) for count in group]
        name = "|".join(f"{aspect}:{count}-{900 + number}" for aspect, count in zip(aspects, counts, strict=True))
        found[name] = _scenario(dict(zip(aspects, counts, strict=True)), chance)
    if group == "22":
        found[HELD_OUT_ID] = _scenario({"apartment": 2, "rental_car": 2}, chance)
    return found


def _scenario(counts: Mapping[str, int], chance: random.Random) -> dict[str, Any]:
    start, end = chance.sample(_TOWNS, 2)
    day = chance.randrange(1, 20)
    trip = f"from {start} to {end} on June {day}"
    return {
        "scenario": f"Somebody travels {trip} and needs: {', '.join(counts)}. Äußerst eilig.",
        "dimensions": [*counts],
        "wanted_num": [*counts.values()],
        "initial_description": f"Hello, I want to go {trip}. I need: {', '.join(counts)}.",
        **{aspect: _aspect(aspect, count, end, day, chance) for aspect, count in counts.items()},
    }


def _aspect(aspect: str, count: int, town: str, day: int, chance: random.Random) -> dict[str, Any]:
    kinds = ("correct", "wrong", "noise")
    numbers = iter(chance.sample(range(1, 100), len(kinds) * _MANY))
    options = {kind: [_option(aspect, next(numbers), kind, chance) for _ in range(_MANY)] for kind in kinds}
    correct = [option["id"] for option in options["correct"]]
    return {
        "preferences": [
            [aspect, subject, f"The {subject} of the {aspect} matters.", f"I once regretted the {subject}.", "more"]
            for subject in chance.sample(_SUBJECTS, count)
        ],
        "options": options,
        "arguments": {"place": town, "date": f"June {day}", "people": chance.randrange(1, 5)},
        "correct_ids": correct,
        "best_id": chance.choice(correct),
    }


def _option(aspect: str, number: int, kind: str, chance: random.Random) -> dict[str, Any]:
    return {
        "id": f"{_INITIALS[aspect]}{number}",
        "name": f"{aspect} no. {number}",
        "cost": chance.randrange(20, 900),
        "type": kind,
        "reason": f"made as {kind}",
    }
