"""How long to wait before the next attempt: full jitter under an exponential ceiling, never earlier than the endpoint asked.

Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015; RFC 9110, section 10.2.3 (Retry-After);
Azure's retry-after-ms, which is the same in milliseconds and more exact.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

FIRST_CEILING_S = 0.5
LAST_CEILING_S = 30.0
# providers' limits count by the minute: longer waits only leave capacity unused
MAX_RETRY_AFTER_S = 120.0
# an endpoint that asks for hours is asked again after this


def delay_s(attempt: int, *, retry_after_s: float | None, jitter: random.Random) -> float:
    """Seconds to wait after the failed attempt number `attempt`, counted from 1.

    A wait that the endpoint asked for is lengthened by the jitter, or all callers would come back at once.
    """
    ceiling = min(LAST_CEILING_S, FIRST_CEILING_S * 2.0 ** (attempt - 1))
    asked = 0.0 if retry_after_s is None else min(MAX_RETRY_AFTER_S, retry_after_s)
    return asked + jitter.uniform(0.0, ceiling)


def retry_after_s(headers: Mapping[str, str], *, now: float) -> float | None:
    """What the headers ask for, in seconds from `now` (Unix time); None when they ask for nothing that can be read."""
    milliseconds = _amount(headers.get("Retry-After-Ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("Retry-After", "")
    seconds = _amount(value)
    return _until(value, now=now) if seconds is None else seconds


def _amount(value: str) -> float | None:
    try:
        amount = float(value)
    except ValueError:
        return None
    return amount if math.isfinite(amount) and amount >= 0 else None


def _until(date: str, *, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now)
