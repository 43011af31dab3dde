"""Settings drawn at random: valid ones, and anything at all."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

shares = st.floats(min_value=0.0, max_value=1.0)
halves = st.floats(min_value=0.0, max_value=0.5)
losses = st.floats(min_value=0.01, max_value=0.99)
counts = st.integers(min_value=1, max_value=1000)
names = st.text(alphabet="abcXYZ019-_. \"'\\é", min_size=1, max_size=12)


def some(**settings: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Tables in which each setting may be left out."""
    return st.fixed_dictionaries({}, optional=settings)


scripted = some(kind=st.just("scripted"))
scripted_actors = some(
    kind=st.just("scripted"),
    errors=some(wrong_argument=shares, skipped_write=shares, missing_information=shares),
    difficulty=some(always_solved=halves, never_solved=halves),
)
_endpoint: dict[str, st.SearchStrategy[Any]] = {
    "kind": st.just("chat"),
    "base_url": st.sampled_from(["http://127.0.0.1:8000/v1", "https://api.example.com/v1"]),
    "model": names,
}
_prices = {"price_per_million_prompt": shares, "price_per_million_completion": shares}
_sampling = {
    "api_key_env": st.sampled_from(["OPENAI_API_KEY", ""]),
    "temperature": shares,
    "max_tokens": counts,
    "timeout_s": st.floats(min_value=0.5, max_value=600.0),
    "max_retries": st.integers(min_value=0, max_value=9),
}
chats = st.one_of(
    st.fixed_dictionaries(_endpoint, optional=_sampling),
    st.fixed_dictionaries(_endpoint | _prices, optional=_sampling),
)
critics = st.one_of(
    some(kind=st.just("none")),
    st.fixed_dictionaries(
        {"kind": st.just("scripted")},
        optional={
            "hit_rate": shares,
            "false_alarm_rate": shares,
            "review": st.sampled_from(["all", "tool_calls", "writes", "messages"]),
            "max_revisions": st.integers(min_value=0, max_value=5),
            "on_exhausted": st.sampled_from(["last_draft", "first_draft"]),
        },
    ),
)
judges = st.one_of(
    some(kind=st.just("none")),
    st.fixed_dictionaries(_endpoint, optional=_sampling),
)
branchings = st.one_of(
    st.fixed_dictionaries({"policy": st.just("none")}, optional={"trunks": counts}),
    some(policy=st.just("every_step"), trunks=counts, width=counts, rollouts=counts, delta=losses),
    st.fixed_dictionaries(
        {"policy": st.sampled_from(["bisect", "adaptive"])},
        optional={"rollouts": st.integers(10, 1000), "confidence": st.floats(0.51, 0.99), "calls_per_label": losses},
    ),
)
runs = st.one_of(
    some(
        pool=st.just("ray"), workers=counts, seed=st.integers(min_value=0, max_value=2**53 - 1), id=st.just("a.b-c_1")
    ),
    st.fixed_dictionaries({"pool": st.just("local")}, optional={"max_in_flight": counts, "item_attempts": counts}),
)
stores = st.one_of(
    some(root=st.sampled_from(["data/x", "/srv/rows", "s3://bucket/prefix"])),
    st.just({"root": "s3://bucket", "endpoint_url": "http://127.0.0.1:8333"}),
)
tasks = st.one_of(
    some(domain=names, split=names, count=st.integers(min_value=0, max_value=2000)),
    some(environment=names, ids=st.lists(names, unique=True, max_size=4)),
    some(domain=names, source=names, count=st.integers(min_value=0, max_value=2000)),
)
limits = some(turns=counts, calls=st.integers(min_value=0, max_value=10**9), episode_timeout_s=st.floats(1.0, 1000.0))
valid = some(
    run=runs,
    storage=stores,
    tasks=tasks,
    actor=st.one_of(scripted_actors, chats),
    user=st.one_of(scripted, chats),
    critic=critics,
    judge=judges,
    branching=branchings,
    limits=limits,
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["chat", "none", "local", "s3://"]),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def arbitrary(known: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Tables that hold anything, mostly under names that exist."""
    return st.dictionaries(st.sampled_from(known), anything, max_size=8).map(_nested)


def _nested(leaves: dict[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in sorted(leaves.items(), key=lambda leaf: leaf[0].count("."), reverse=True):
        *sections, name = key.split(".")
        level = tree
        for section in sections:
            level = level.setdefault(section, {})
        level.setdefault(name, value)
    return tree
