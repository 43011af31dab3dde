"""What an earlier run recorded of its plays, as a forecast needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollouts.forecasting.predict import RoleFigures
from rollouts.forecasting.profiles import CallRates, Chances, Role, TaskProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRecord:
    """The calls that a model answered in one role."""

    model: str
    # the one that answered most of them
    num_calls: int
    figures: RoleFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSizes:
    """Sums over the recorded trees."""

    num_trees: int
    branches: int
    branch_steps: int
    forks: int
    draws: int
    # beyond the trunks' own


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPlays:
    run_id: str
    tasks: Mapping[str, TaskProfile]
    # by task id; those with a trunk that was played to its end
    chances: Chances
    # of what was seen; `same_answer` is not recorded and stands at 1
    rates: CallRates
    roles: Mapping[Role, RoleRecord]
    # those that models played
    sizes: TreeSizes
