"""The three kinds of trouble, and nothing else.

- `UsageError`: the caller asked for something that cannot be done as asked; exit code 2.
- `DataError`: stored data, a store or an installation is not what it must be; exit code 1.
- `RolloutError`: a provider, tool or time-out failure inside one episode; it becomes a `Failure` record on its
  branch at the one boundary (`rollouts.play`) and never a reward.

Everything else that is raised is a bug of ours and travels up.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollouts.episode import Usage


class UsageError(ValueError):
    """The message says what was needed, what came, and what to do."""


class DataError(RuntimeError):
    """The message names the object, what was expected of it, what was found, and what to do."""


class FailureKind(StrEnum):
    """Why an episode could not be played to an end."""

    INFRASTRUCTURE = "infrastructure"  # a connection, a process or a machine broke
    RATE_LIMIT = "rate_limit"  # the endpoint kept refusing for load
    REJECTED = "rejected"  # the endpoint will never accept this request, or the model gives no usable answer to it
    CONTEXT_LENGTH = "context_length"  # the conversation has outgrown a model's window; the episode ends as truncated
    CONTENT_FILTER = "content_filter"  # the provider refused the text
    SIMULATOR = "simulator"  # the simulated user could not answer
    JUDGE = "judge"  # the episode was played to its end, but its return hangs on a ruling that could not be had
    ENVIRONMENT = "environment"  # the environment itself broke (not: a tool refused the arguments)
    TIMEOUT = "timeout"  # the episode outlived its deadline
    BUG = "bug"  # an error of ours; the run goes on without the item and says so


class RolloutError(Exception):
    """A failure that belongs to one episode."""

    def __init__(self, message: str, *, kind: FailureKind, fatal: bool = False, usage: Usage | None = None) -> None:
        """`fatal`: every other episode would fail alike (a wrong key, an unknown model), so the run should stop.

        `usage`: of replies that were paid for and could not be used.
        """
        super().__init__(message)
        self.kind = kind
        self.fatal = fatal
        self.usage = usage

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_rollout_error, (str(self), self.kind, self.fatal, self.usage))


def _rebuild_rollout_error(message: str, kind: FailureKind, fatal: bool, usage: Usage | None) -> RolloutError:
    return RolloutError(message, kind=kind, fatal=fatal, usage=usage)
