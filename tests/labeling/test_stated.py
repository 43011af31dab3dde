"""The JSON in a model's answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.stated import stated

SCALAR = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
JSON = SCALAR | st.lists(SCALAR, max_size=3) | st.dictionaries(st.text(max_size=5), SCALAR, max_size=3)
PROSE = st.text(st.characters(exclude_characters="{["), max_size=20)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=3), st.lists(JSON, max_size=3), PROSE, PROSE)
def test_what_is_stated_is_read_whatever_stands_around_it(
    record: dict[str, object], listed: list[object], before: str, after: str
) -> None:
    text = f"{before}{json.dumps(record)}{after}"
    assert list(stated(text, "{")) == [record]
    text = f"{before}```json\n{json.dumps(listed)}\n```{after}"
    assert list(stated(text, "[")) == [listed]


def test_several_values_come_in_order_and_inner_ones_not_at_all() -> None:
    assert list(stated('{"a":{"b":1}} and {"c":[{}]}', "{")) == [{"a": {"b": 1}}, {"c": [{}]}]


@pytest.mark.parametrize("text", ['{"a":1', "{a}", '{"a":1,"a":2}', 'see {1}: {"a":1}'])
def test_a_broken_or_ambiguous_value_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        list(stated(text, "{"))
