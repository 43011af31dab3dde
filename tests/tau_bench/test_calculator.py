"""The calculator answers at once, and says what upstream's says."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.environments.tau_bench.calculator import EXPRESSION_CHARACTERS, too_big

ENDLESS = [
    "9**9**9",
    " \t 9**9**9",
    "(9**9**9)",
    "-9**9**9",
    "1+9**9**9",
    "9**(9**9)",
    "9**-(-9**9)",
    "(2**9999)**9999",
    "9**9**9-9**9**9",
    "(9**9**9)()",
    "1()*9**9**9 if" + " " * EXPRESSION_CHARACTERS,
    "(1)(*9**9**9)",
    "*".join(["9**4000"] * 100),
    "1" * (EXPRESSION_CHARACTERS + 1),
    "+1" * 1_500 + "**2",
    "-" * 3_000 + "9**9**9",
]
HARMLESS = [
    "2**10",
    "1**99999999999",
    "0**9**9",
    "2**-9**9",
    "(-8)**0.5",
    "2.0**9**9",
    "9.0**9**9",
    "10**300*10**300",
    "10**2000/10**1999",
    "0**-1",
    "2**",
    "**",
    "1(2)**3",
    "1" * 4_000,
]


@pytest.mark.parametrize("expression", ENDLESS)
def test_an_expression_without_end_is_too_big(expression: str) -> None:
    assert too_big(expression)


@pytest.mark.parametrize("expression", HARMLESS)
def test_an_expression_that_ends_at_once_is_upstreams_to_answer(expression: str) -> None:
    assert not too_big(expression)
    _evaluated(expression)


@given(st.lists(st.sampled_from([*"0123456789+-*/(). ", "**", "99", "2**"]), max_size=24).map("".join))
@example("9**9*9**9")
def test_what_is_let_through_comes_to_an_end(expression: str) -> None:
    """By the test's own time limit: one expression that slips through holds it for ever."""
    if not too_big(expression):
        _evaluated(expression)


def _evaluated(expression: str) -> Any:
    """As upstream's tool does it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return eval(expression, {"__builtins__": None}, {})  # noqa: S307 - arithmetic only, and that is the subject
        except (SyntaxError, TypeError, ValueError, ArithmeticError, RecursionError, MemoryError) as error:
            return error
