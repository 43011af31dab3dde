"""What the engine says to settings that it cannot serve; run by the environment that has vLLM.

One process for all of them, because importing vLLM takes longest. Arguments: JSON lists of settings as fields; prints a JSON list.
"""

from __future__ import annotations

import json
import sys

from actors.critic_settings import CriticSettings
from actors.vllm_critic import open_engine
from rollouts.errors import DataError, UsageError


def refusal(fields: dict[str, object]) -> str:
    try:
        open_engine(CriticSettings(**fields))  # type: ignore[arg-type]
    except (UsageError, DataError) as error:
        return f"{type(error).__name__}: {error}"
    return "it opened"


if __name__ == "__main__":
    print(json.dumps([refusal(fields) for fields in json.loads(sys.argv[1])]))
