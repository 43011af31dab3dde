"""The key of an endpoint: read once from its environment variable, put into the request, and found in no text of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

from actors.chat_endpoint import KeyHeader
from rollouts.errors import UsageError

MAX_QUOTE_CHARS = 300
# of an endpoint's error, in a message of ours
_KEY_LIKE = re.compile(r"\b(?:sk|pk|gsk|xai|rk)[-_][A-Za-z0-9*_.-]{6,}|(?i:bearer)\s+\S+|(?i:api-key)\s*[:=]\s*\S+")
# providers quote a key back in part, so the exact key is not enough
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


class ApiKey:
    """Shows itself as its variable's name only."""

    __slots__ = ("_value", "variable")

    def __init__(self, variable: str, *, environ: Mapping[str, str]) -> None:
        """UsageError when `variable` is set to nothing usable; "" is the key of a server that wants none."""
        value = environ.get(variable, "").strip() if variable else ""
        if variable and not value:
            raise UsageError(
                f"the environment variable {variable} must hold the endpoint's key, but it is not set or empty"
            )
        if not value.isascii() or not value.isprintable():
            raise UsageError(
                f"the key in the environment variable {variable} has characters that no HTTP header can carry"
            )
        self.variable = variable
        self._value = value

    def __repr__(self) -> str:
        return f"ApiKey({self.variable!r})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a key does not travel between processes; send its variable's name and read it there")

    def headers(self, name: KeyHeader) -> dict[str, str]:
        """The header of that name with the key in it, a bearer token in `authorization`; nothing without a key."""
        if not self._value:
            return {}
        return {name: f"Bearer {self._value}" if name == "authorization" else self._value}

    def quote(self, text: str) -> str:
        """`text` on one line without the key or what looks like one, cut to MAX_QUOTE_CHARS."""
        if self._value:
            text = text.replace(self._value, "[key]")
        text = _CONTROL.sub(" ", _KEY_LIKE.sub("[key]", text)).strip()
        return text if len(text) <= MAX_QUOTE_CHARS else text[: MAX_QUOTE_CHARS - 1] + "…"
