"""Arguments that would keep a tool busy without end, refused before it starts: each is a ValueError that says the limit.

A search holds the interpreter's lock and cannot be interrupted, so a pattern that may backtrack is tried out in a
process of its own first, once.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence

from rollouts.episode import JsonValue

ARGUMENT_DEPTH = 32
# a record nested deeper than a few hundred levels cannot be serialised any more, neither here nor upstream
EXPRESSION_CHARACTERS = 4_096
# `calculate` bounds each number, but not how many there are
PATTERN_S = 5
# for the whole knowledge base; patterns such as "close.*credit card" take 0.01 to 0.3 s
_MAY_BACKTRACK = "*+?{"
_TRIAL = """
import json, re, sys
pattern, texts = json.load(sys.stdin)
found = re.compile(pattern, re.IGNORECASE)
for text in texts:
    found.findall(text)
"""


def owned(value: JsonValue, room: int = ARGUMENT_DEPTH) -> JsonValue:
    """A copy that a tool may keep: upstream stores arguments by reference. ValueError beyond `room` levels."""
    if not room:
        raise ValueError(f"arguments are nested more than {ARGUMENT_DEPTH} levels deep")
    if isinstance(value, Mapping):
        return {key: owned(item, room - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [owned(item, room - 1) for item in value]
    return value


def check_expression(expression: JsonValue) -> None:
    if isinstance(expression, str) and len(expression) > EXPRESSION_CHARACTERS:
        raise ValueError(
            f"the expression has {len(expression)} characters; at most {EXPRESSION_CHARACTERS} are allowed"
        )


class PatternTrial:
    """Whether patterns can be searched for in `texts`; each answer is kept."""

    def __init__(self, texts: Sequence[str], *, limit_s: float = PATTERN_S) -> None:
        self._texts = texts
        self._limit_s = limit_s
        self._in_time = functools.lru_cache(maxsize=4_096)(self._tried)

    def check(self, pattern: JsonValue) -> None:
        check_expression(pattern)
        if isinstance(pattern, str) and not self._in_time(pattern):
            raise ValueError(f"searching for the pattern takes more than {self._limit_s:g} s; repeat less in it")

    def _tried(self, pattern: str) -> bool:
        if not self._texts or not any(sign in pattern for sign in _MAY_BACKTRACK):
            return True
        command = [sys.executable, "-I", "-S", "-c", _TRIAL]
        question = json.dumps([pattern, self._texts]).encode()
        try:
            # what Python refuses to compile is quickly refused, and is the tool's to answer
            subprocess.run(command, input=question, capture_output=True, timeout=self._limit_s, check=False)
        except subprocess.TimeoutExpired:
            return False
        return True
