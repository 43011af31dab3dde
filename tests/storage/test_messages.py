from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from rollouts.episode import (
    Approve,
    AssistantMessage,
    Conversation,
    Draft,
    Review,
    Revise,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from storage.messages import (
    clean_text,
    draft_from_json,
    draft_to_json,
    messages_from_json,
    messages_to_json,
    reviews_from_json,
    reviews_to_json,
)

# whatever UTF-8 can hold: control characters, private use, every plane; surrogates have their own tests
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
CALLS = st.lists(
    st.builds(ToolCall, call_id=TEXT, name=TEXT, arguments=st.dictionaries(TEXT, JSON, max_size=3)), max_size=2
).map(tuple)
USAGE = st.builds(
    Usage,
    prompt_tokens=st.integers(0, 10**9),
    completion_tokens=st.integers(0, 99),
    cost_usd=st.none() | st.floats(0, 9),
)
DRAFTS = st.builds(Draft, text=TEXT, tool_calls=CALLS, reasoning=TEXT, usage=USAGE)
MESSAGES = st.one_of(
    st.builds(UserMessage, text=TEXT, tool_calls=CALLS),
    st.builds(AssistantMessage, text=TEXT, tool_calls=CALLS),
    st.builds(
        ToolMessage,
        call_id=TEXT,
        name=TEXT,
        content=TEXT,
        is_error=st.booleans(),
        side=st.sampled_from(["actor", "user"]),
    ),
)
REVIEWS = st.builds(
    Review,
    draft=DRAFTS,
    verdict=st.one_of(st.none(), st.just(Approve()), st.builds(Revise, feedback=TEXT)),
    score=st.none() | st.floats(0, 1),
    usage=USAGE,
)


@given(st.lists(MESSAGES, max_size=4).map(tuple))
def test_a_conversation_comes_back_as_it_went(conversation: Conversation) -> None:
    text = messages_to_json(conversation)
    assert messages_from_json(text) == conversation
    assert messages_from_json(text.encode().decode()) == conversation


@given(DRAFTS)
def test_a_draft_comes_back_as_it_went(draft: Draft) -> None:
    assert draft_from_json(draft_to_json(draft)) == draft


@given(st.lists(REVIEWS, max_size=3).map(tuple))
def test_reviews_come_back_as_they_went(reviews: tuple[Review, ...]) -> None:
    assert reviews_from_json(reviews_to_json(reviews)) == reviews


def test_a_review_without_a_score_is_stored_as_it_was_before_there_were_scores() -> None:
    (stored,) = json.loads(reviews_to_json([Review(draft=Draft(text="a"), verdict=None)]))
    assert list(stored) == ["draft", "verdict", "usage"]
    (scored,) = json.loads(reviews_to_json([Review(draft=Draft(text="a"), verdict=None, score=0.0)]))
    assert scored["score"] == 0.0


@given(st.text(max_size=20))
def test_any_text_a_model_can_produce_is_stored_as_valid_utf8(text: str) -> None:
    cleaned = clean_text(text)
    assert cleaned.encode().decode() == cleaned
    assert clean_text(cleaned) == cleaned
    (message,) = messages_from_json(messages_to_json((UserMessage(text=text),)))
    assert message == UserMessage(text=cleaned)


def test_a_lone_surrogate_is_replaced_and_a_pair_is_joined() -> None:
    assert clean_text("a\ud83d!") == "a\ufffd!"
    assert clean_text("\ud83d\udc4d") == "👍"
    assert clean_text("plain") == "plain"


def test_arguments_are_objects_in_the_order_the_model_gave_them() -> None:
    call = ToolCall(call_id="c", name="f", arguments={"z": 1, "a": {"y": [1.0, None], "b": True}})
    (message,) = json.loads(messages_to_json((AssistantMessage(text="", tool_calls=(call,)),)))
    assert list(message["tool_calls"][0]["arguments"]) == ["z", "a"]


def test_a_number_that_is_not_finite_becomes_null() -> None:
    call = ToolCall(call_id="c", name="f", arguments={"x": math.nan, "y": [math.inf, 1.5]})
    read = draft_from_json(draft_to_json(Draft(text="", tool_calls=(call,))))
    assert read.tool_calls[0].arguments == {"x": None, "y": [None, 1.5]}
