"""The export formats by name. A new one is a file that makes a `Format`, and its line here."""

from __future__ import annotations

from collections.abc import Mapping

from rollouts.errors import UsageError
from storage.export.actor_preference import ACTOR_PREFERENCE
from storage.export.critic_kto import CRITIC_KTO
from storage.export.critic_sft import CRITIC_SFT
from storage.export.formats import Format
from storage.export.prm_stepwise import PRM_STEPWISE
from storage.export.values import VALUES

FORMATS: Mapping[str, Format] = {
    made.name: made for made in (CRITIC_SFT, CRITIC_KTO, ACTOR_PREFERENCE, PRM_STEPWISE, VALUES)
}


def find_format(name: str) -> Format:
    """UsageError, naming the formats there are, for a name that is none."""
    if name not in FORMATS:
        raise UsageError(f"there is no export format {name!r}; the formats are {', '.join(sorted(FORMATS))}")
    return FORMATS[name]
