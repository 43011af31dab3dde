"""What a critic should have answered, and where its feedback comes from."""

from __future__ import annotations

import pytest

from labeling.examples import FEEDBACK_TEMPLATE, CriticExample, critic_example
from labeling.labels import LabelRule, label_actions
from labeling.records import ActionValue
from labeling.rubric import critic_messages, parse_verdict
from rollouts.episode import Approve, Briefing, Draft, JsonValue, Revise, ToolCall, UserMessage
from rollouts.protocols import Question
from tests.labeling.values import value_of

BRIEFING = Briefing(policy="Ask first.", tools=(), user_instructions="")

RULE = LabelRule(delta=0.2, approve_level=0.8, revise_level=0.8)


def _call(name: str, **arguments: JsonValue) -> Draft:
    return Draft(text="", tool_calls=(ToolCall(call_id="1", name=name, arguments=arguments),))


def _question(draft: Draft) -> Question:
    return Question(conversation=(UserMessage(text="Hi"),), briefing=BRIEFING, draft=draft, seed=0)


def _examples(*values: ActionValue) -> list[CriticExample | None]:
    labels = label_actions(values, RULE)
    return [critic_example(_question(v.action), label, values) for v, label in zip(values, labels, strict=True)]


def _feedback(draft: Draft, better: Draft) -> str:
    [example, _] = _examples(value_of(0, draft, 1, 8), value_of(1, better, 7, 8))
    assert example is not None
    assert isinstance(example.verdict, Revise)
    return example.verdict.feedback


def test_an_example_is_the_question_and_the_verdict_of_its_label() -> None:
    bad, good = value_of(0, _call("refund"), 0, 8), value_of(1, Draft(text="May I?"), 8, 8)
    revised, approved = _examples(bad, good)
    assert revised is not None
    assert approved is not None
    for example, value in ((revised, bad), (approved, good)):
        assert list(example.messages[:-1]) == critic_messages(_question(value.action))
        assert example.messages[-1]["role"] == "assistant"
        assert parse_verdict(example.messages[-1]["content"]) == example.verdict
    assert (approved.verdict, approved.feedback_source) == (Approve(), None)
    assert (type(revised.verdict), revised.feedback_source) == (Revise, FEEDBACK_TEMPLATE)


def test_an_abstaining_label_gives_no_example() -> None:
    assert _examples(value_of(0, _call("refund"), 4, 8), value_of(1, _call("ask"), 4, 8)) == [None, None]


@pytest.mark.parametrize(
    ("draft", "better", "advice"),
    [
        (
            _call("refund", order="#W1", amount=3),
            _call("refund", order="#W2", amount=3),
            'Call refund with order="#W2" instead of "#W1".',
        ),
        (
            _call("refund", order="#W1", note="x"),
            _call("refund", order="#W1", items=["a", "b"]),
            'Call refund with items=["a", "b"] added, no note.',
        ),
        (_call("refund", amount=1), _call("refund", amount=True), "Call refund with amount=true instead of 1."),
        (_call("refund"), _call("cancel", order="#W1"), 'Instead of refund, call cancel(order="#W1").'),
        (_call("refund"), Draft(text="May I\nrefund it?"), 'Do not call refund; say: "May I refund it?"'),
        (Draft(text="Bye."), _call("refund", order="#W1"), 'Do not send this message; call refund(order="#W1").'),
        (Draft(text="Bye."), Draft(text='Is it "W1"?'), 'Say this instead: "Is it \\"W1\\"?"'),
        (
            Draft(text="", tool_calls=_call("a").tool_calls + _call("a", x=1).tool_calls),
            Draft(text="", tool_calls=_call("a").tool_calls + _call("b").tool_calls),
            "Instead of a, call a(), then b().",
        ),
    ],
)
def test_feedback_names_the_better_action_and_no_rate_that_a_critic_could_not_know(
    draft: Draft, better: Draft, advice: str
) -> None:
    assert _feedback(draft, better) == advice


def test_a_long_message_is_quoted_in_part() -> None:
    feedback = _feedback(_call("refund"), Draft(text="word " * 1000))
    assert len(feedback) < 600
    assert "…" in feedback


def test_a_revision_without_its_rival_is_refused() -> None:
    values = [value_of(0, _call("refund"), 0, 8), value_of(1, _call("cancel"), 8, 8)]
    [label, _] = label_actions(values, RULE)
    with pytest.raises(
        ValueError, match=r"the revision at t0\.s1\.a0 needs the values of the action and of its rival 1"
    ):
        critic_example(_question(values[0].action), label, values[:1])
