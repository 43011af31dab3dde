"""Every seed derives from its place, so that a run can be repeated and re-grown in any order."""

from __future__ import annotations

import hashlib

SEED_BITS = 53
# endpoints take a JSON number; 53 bits survive every JSON parser


def derive_seed(run_seed: int, *place: str | int) -> int:
    """A seed in [0, 2**53) for one place, e.g. ``derive_seed(0, task_id, path, step, "actor")``."""
    text = "\x1f".join([str(run_seed), *map(str, place)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> (64 - SEED_BITS)
