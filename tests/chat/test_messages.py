"""What each side's model reads of one conversation."""

from __future__ import annotations

import json
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from actors.chat_messages import STARTER, actor_messages, cache_key, user_messages, wire_tools, with_correction
from rollouts.episode import AssistantMessage, Conversation, Message, ToolCall, ToolMessage, UserMessage
from rollouts.supervision import OF_AN_EARLIER_TURN
from tests.chat.samples import BRIEFING, GET_ORDER, LOOKED_UP

SECRET = st.text(alphabet="0123456789", min_size=12, max_size=12)


def test_the_actor_reads_policy_messages_calls_and_results() -> None:
    system, asked, called, result, answered, asked_again = actor_messages(LOOKED_UP, BRIEFING)
    assert system == {"role": "system", "content": "POLICY: be kind."}
    assert asked == {"role": "user", "content": "Where is #W1?"}
    assert called == {
        "role": "assistant",
        "content": "THOUGHT beside a call",
        "tool_calls": [
            {
                "id": "call_0",
                "type": "function",
                "function": {"name": "get_order", "arguments": '{"order_id":"#W1","full":true}'},
            }
        ],
    }
    assert result == {"role": "tool", "tool_call_id": "call_0", "content": "RESULT shipped"}
    assert answered == {"role": "assistant", "content": "It was shipped."}
    assert asked_again == {"role": "user", "content": "When?"}


def test_a_call_without_text_has_null_content() -> None:
    call = AssistantMessage(text="", tool_calls=(ToolCall(call_id="c", name="n", arguments=MappingProxyType({})),))
    assert actor_messages((call,), BRIEFING)[1]["content"] is None


def test_the_user_reads_the_dialogue_from_the_other_side_and_no_tools() -> None:
    assert user_messages(LOOKED_UP, BRIEFING) == [
        {"role": "system", "content": "SCENARIO: your order is late."},
        {"role": "user", "content": STARTER},
        {"role": "assistant", "content": "Where is #W1?"},
        {"role": "user", "content": "It was shipped."},
        {"role": "assistant", "content": "When?"},
    ]


def test_before_the_first_message_the_user_is_asked_to_begin() -> None:
    assert [message["role"] for message in user_messages((), BRIEFING)] == ["system", "user"]


def test_feedback_comes_last_in_order_and_changes_nothing_else() -> None:
    plain = actor_messages(LOOKED_UP, BRIEFING)
    *same, note = actor_messages(LOOKED_UP, BRIEFING, feedback=["FIRST {odd} braces", "SECOND"])
    assert same == plain
    assert note["role"] == "user"
    text = str(note["content"])
    assert text.index("- FIRST {odd} braces") < text.index("- SECOND")


def test_an_objection_that_lasts_is_told_apart_from_those_to_this_turns_drafts() -> None:
    note = str(actor_messages(LOOKED_UP, BRIEFING, feedback=[f"{OF_AN_EARLIER_TURN}FIRST", "SECOND"])[-1]["content"])
    assert "- Of a draft of an earlier turn: FIRST\n- SECOND\n" in note


def test_a_cache_key_is_the_same_for_whatever_follows_the_first_message() -> None:
    key = cache_key(BRIEFING.policy, LOOKED_UP)
    assert key == cache_key(BRIEFING.policy, LOOKED_UP[:1]) == cache_key(BRIEFING.policy, (*LOOKED_UP, *LOOKED_UP))
    others = [cache_key("other", LOOKED_UP), cache_key(BRIEFING.policy, ()), cache_key("\udfff", LOOKED_UP)]
    assert len({key, *others}) == 4
    assert key.isascii()
    assert len(key) <= 64


def test_a_correction_is_appended_to_a_copy() -> None:
    messages = actor_messages(LOOKED_UP, BRIEFING)
    corrected = with_correction(messages, "it was {empty}")
    assert corrected[:-1] == messages == actor_messages(LOOKED_UP, BRIEFING)
    assert "it was {empty}" in str(corrected[-1]["content"])


def test_a_tool_is_described_by_its_schema() -> None:
    assert wire_tools([GET_ORDER]) == [
        {
            "type": "function",
            "function": {
                "name": "get_order",
                "description": "Look an order up.",
                "parameters": dict(GET_ORDER.parameters),
            },
        }
    ]


@st.composite
def _conversations(draw: st.DrawFn) -> tuple[Conversation, list[str], list[str]]:
    """A conversation, the texts of its dialogue, and the texts that belong to the actor and its tools alone."""
    messages: list[Message] = []
    said: list[str] = []
    hidden: list[str] = []
    for number in range(draw(st.integers(0, 12))):
        text, inside = f"said-{number}-{draw(SECRET)}", f"hidden-{number}-{draw(SECRET)}"
        call_id = f"id-{inside}"
        match draw(st.sampled_from(["user", "assistant", "call"])):
            case "user":
                messages.append(UserMessage(text=text))
                said.append(text)
            case "assistant":
                messages.append(AssistantMessage(text=text))
                said.append(text)
            case _:
                call = ToolCall(call_id=call_id, name=f"name-{inside}", arguments={"value": inside})
                messages.append(AssistantMessage(text=f"beside-{inside}", tool_calls=(call,)))
                messages.append(ToolMessage(call_id=call_id, name=f"name-{inside}", content=inside))
                hidden.append(inside)
    return tuple(messages), said, hidden


@given(_conversations())
def test_the_user_reads_all_that_was_said_and_nothing_else(
    made: tuple[Conversation, list[str], list[str]],
) -> None:
    conversation, said, hidden = made
    read = user_messages(conversation, BRIEFING)
    assert [message["content"] for message in read[2:]] == said
    assert not any(text in json.dumps(read) for text in [*hidden, BRIEFING.policy, GET_ORDER.name])


@given(_conversations())
def test_the_actor_reads_everything_but_the_users_briefing(made: tuple[Conversation, list[str], list[str]]) -> None:
    conversation, said, hidden = made
    read = json.dumps(actor_messages(conversation, BRIEFING))
    assert all(text in read for text in [*said, *hidden, BRIEFING.policy])
    assert BRIEFING.user_instructions not in read


DUAL: Conversation = (
    UserMessage(text="My phone has no signal."),
    AssistantMessage(text="Please look at the status bar."),
    UserMessage(text="", tool_calls=(ToolCall(call_id="u1", name="check_status_bar", arguments={}),)),
    ToolMessage(call_id="u1", name="check_status_bar", content="NO SIM", side="user"),
    UserMessage(text="It says that there is no SIM."),
    AssistantMessage(text="", tool_calls=(ToolCall(call_id="a1", name="get_line", arguments={}),)),
    ToolMessage(call_id="a1", name="get_line", content="LINE active"),
    AssistantMessage(text="Please put the SIM back in."),
)


def test_where_both_sides_have_tools_each_reads_its_own_calls_only() -> None:
    actor = actor_messages(DUAL, BRIEFING)[1:]
    assert [message["role"] for message in actor] == ["user", "assistant", "user", "assistant", "tool", "assistant"]
    assert "NO SIM" not in str(actor)
    user = user_messages(DUAL, BRIEFING)[2:]
    assert [message["role"] for message in user] == ["assistant", "user", "assistant", "tool", "assistant", "user"]
    assert "check_status_bar" in str(user[2]["tool_calls"])
    assert "LINE" not in str(user)
