"""Why one attempt gave no reply, and whether another may."""

from __future__ import annotations

from dataclasses import dataclass

from rollouts.episode import Usage
from rollouts.errors import FailureKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    message: str
    # safe to show: without the key
    kind: FailureKind
    retryable: bool
    fatal: bool = False
    # every other request would be refused alike
    overloaded: bool = False
    # the endpoint refused for load: fewer requests would help
    retry_after_s: float | None = None
    # what the endpoint asked for
    usage: Usage | None = None
    # of a reply that was paid for and cannot be used


def broken(message: str, *, retry_after_s: float | None = None) -> Fault:
    """Something on the way failed that may work the next time."""
    return Fault(message=message, kind=FailureKind.INFRASTRUCTURE, retryable=True, retry_after_s=retry_after_s)


def overloaded(message: str, *, kind: FailureKind, retry_after_s: float | None) -> Fault:
    """The endpoint has too much to do, or we sent more than we may."""
    return Fault(message=message, kind=kind, retryable=True, overloaded=True, retry_after_s=retry_after_s)


def refused(message: str, *, kind: FailureKind = FailureKind.REJECTED, fatal: bool = False) -> Fault:
    """The same request will be refused again."""
    return Fault(message=message, kind=kind, retryable=False, fatal=fatal)
