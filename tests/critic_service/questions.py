"""Questions as a run asks them: one domain, trees that share their opening, forks whose drafts share a conversation."""

from __future__ import annotations

from rollouts.episode import (
    AssistantMessage,
    Briefing,
    Conversation,
    Draft,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
)
from rollouts.protocols import Question

TOOLS = tuple(
    ToolSpec(
        name=name,
        description=f"{name} of one order, by its id.",
        parameters={"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
        kind="read" if name == "show" else "write",
    )
    for name in ("show", "cancel", "return", "exchange")
)


def briefing(domain: str = "shop") -> Briefing:
    rules = "\n".join(
        f"{number}. An order of the {domain} may be changed once, and only by its owner." for number in range(40)
    )
    return Briefing(policy=f"# Policy of the {domain}\n{rules}", tools=TOOLS, user_instructions="Ask for your money.")


def conversation(tree: int, *, steps: int = 3, output_chars: int = 600) -> Conversation:
    """An episode of a tree after so many calls, each with its answer."""
    messages: Conversation = (UserMessage(text=f"Hello, this is customer {tree}; where is my order #{tree}?"),)
    for step in range(steps):
        call = ToolCall(call_id=str(step), name="show", arguments={"order_id": f"#{tree}-{step}"})
        content = f"order {tree}-{step}: " + "pending, " * (output_chars // 9)
        messages += (
            AssistantMessage(text="", tool_calls=(call,)),
            ToolMessage(call_id=str(step), name="show", content=content),
        )
    return messages


def question(
    tree: int = 0, *, steps: int = 3, draft: int = 0, domain: str = "shop", output_chars: int = 600
) -> Question:
    call = ToolCall(call_id="d", name="cancel", arguments={"order_id": f"#{tree}", "reason": f"reason {draft}"})
    return Question(
        conversation=conversation(tree, steps=steps, output_chars=output_chars),
        briefing=briefing(domain),
        draft=Draft(text="", tool_calls=(call,)),
        seed=draft,
    )


def forked_tree(tree: int, *, states: int, drafts: int, domain: str = "shop") -> list[list[Question]]:
    """The questions about one tree, state after state; those of one state are asked side by side."""
    return [
        [question(tree, steps=steps, draft=draft, domain=domain) for draft in range(drafts)]
        for steps in range(1, states + 1)
    ]
