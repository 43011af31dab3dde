"""What the replicas of a vLLM critic did in one session of a run or of a scoring: kept with the run, and told to people.

    runs/<run>/critics.json      of the run's last session; replaced by the next one

It is no content: times and caches differ from session to session. A replica that died has told nothing of what it did before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from actors.critic_service import CriticStats
from infra.display import count_text
from rollouts.errors import DataError
from storage.layout import RUNS, check_run_id
from storage.objects import MissingObject, ObjectStore


def served_record(replicas: Sequence[CriticStats | None]) -> dict[str, Any]:
    """JSON-able; means and shares are null where there was no question. None: a replica that did not answer."""
    known = [stats for stats in replicas if stats is not None]
    total = sum(known, CriticStats())
    return {
        "replicas": len(replicas),
        "silent": len(replicas) - len(known),
        "questions": total.questions,
        "unreadable": total.unreadable,
        "abandoned": total.abandoned,
        "too_long": total.too_long,
        "shortened": total.shortened,
        "prompt_tokens": total.prompt_tokens,
        "cached_tokens": total.cached_tokens,
        "completion_tokens": total.completion_tokens,
        "hit_rate": total.hit_rate if total.prompt_tokens else None,
        "mean_wait_s": total.queue_s / total.questions if total.questions else None,
        "mean_engine_s": total.engine_s / total.questions if total.questions else None,
        "routed": {"prefix": total.routed_prefix, "moved": total.routed_moved, "load": total.routed_load},
    }


def served_rows(served: Mapping[str, Any]) -> list[tuple[str, str]]:
    """For people; nothing where there were no replicas, or no questions."""
    if not served or not served["questions"]:
        return []
    routed = ", ".join(f"{reason} {count_text(count)}" for reason, count in served["routed"].items())
    odd = [f"{name.replace('_', ' ')} {count_text(served[name])}" for name in _ODD if served[name]]
    text = (
        f"{served['replicas']}: {count_text(served['questions'])} questions, "
        f"{served['hit_rate']:.1%} of prompt tokens cached, wait {1000 * served['mean_wait_s']:.0f} ms, "
        f"engine {1000 * served['mean_engine_s']:.0f} ms (means), routed by {routed}"
    )
    return [("replicas", "; ".join([text, *odd]))]


_ODD = ("unreadable", "abandoned", "too_long", "shortened", "silent")


def put_served(store: ObjectStore, run_id: str, served: Mapping[str, Any]) -> None:
    store.put(_key(run_id), json.dumps(served, sort_keys=True).encode() + b"\n")


def read_served(store: ObjectStore, run_id: str) -> dict[str, Any]:
    """Empty where the run has had no replicas."""
    key = _key(run_id)
    try:
        found: dict[str, Any] = json.loads(store.get(key))
    except MissingObject:
        return {}
    except ValueError as error:
        raise DataError(f"{key} is corrupted ({error}); delete it: it only tells of the last session") from None
    return found


def _key(run_id: str) -> str:
    return f"{RUNS}{check_run_id(run_id)}/critics.json"
