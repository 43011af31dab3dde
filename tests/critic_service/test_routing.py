"""Which replica a question goes to."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from actors.critic_routing import Route, Router, prefix_key
from labeling.rubric import critic_messages, score_messages
from rollouts.episode import UserMessage
from rollouts.protocols import Question
from tests.critic_service.questions import briefing, forked_tree, question

KEYS = [number.to_bytes(2, "big") for number in range(600)]


def _key(asked: Question) -> bytes:
    return prefix_key(score_messages(asked))


def test_the_questions_of_a_tree_have_one_key() -> None:
    keys = {_key(asked) for state in forked_tree(3, states=5, drafts=4) for asked in state}
    assert len(keys) == 1


def test_another_opening_domain_or_kind_of_question_has_another_key() -> None:
    asked = question(1)
    others = [_key(question(2)), _key(question(1, domain="airline")), prefix_key(critic_messages(asked))]
    assert len({_key(asked), *others}) == 4


def test_a_question_before_anything_was_said_has_a_key() -> None:
    nothing = Question(conversation=(), briefing=briefing(), draft=question().draft, seed=0)
    greeting = Question(conversation=(UserMessage(text="Hi"),), briefing=briefing(), draft=question().draft, seed=0)
    assert len(_key(nothing)) == 16
    assert _key(nothing) != _key(greeting)


def _home(router: Router, key: bytes) -> int:
    route = router.route(key)
    assert route is not None
    router.done(route)
    return route.replica


def test_homes_are_spread_and_every_worker_names_the_same_ones() -> None:
    first, second = (Router(replicas=4, max_imbalance=9) for _ in range(2))
    homes = [_home(first, key) for key in KEYS]
    assert homes == [_home(second, key) for key in reversed(KEYS)][::-1]
    assert min(Counter(homes).values()) > len(KEYS) / 4 * 0.7
    assert first.reasons == {"prefix": len(KEYS)}


def test_only_the_keys_of_a_lost_replica_move_and_they_come_home_again() -> None:
    router = Router(replicas=4, max_imbalance=9)
    before = {key: _home(router, key) for key in KEYS}
    router.lost(2)
    during = {key: _home(router, key) for key in KEYS}
    assert all((during[key] == before[key]) == (before[key] != 2) for key in KEYS)
    assert router.reasons["moved"] == sum(home == 2 for home in before.values())
    router.back(2)
    assert {key: _home(router, key) for key in KEYS} == before


@given(
    st.integers(1, 5),
    st.integers(0, 6),
    st.lists(st.one_of(st.sampled_from(KEYS[:6]), st.just("done"), st.integers(0, 4)), max_size=60),
)
def test_no_replica_gets_further_ahead_than_the_bound(
    replicas: int, max_imbalance: int, events: list[bytes | str | int]
) -> None:
    router = Router(replicas=replicas, max_imbalance=max_imbalance)
    lost: set[int] = set()
    routes: list[Route] = []
    for event in events:
        match event:
            case int():
                replica = event % replicas
                (lost.discard if replica in lost else lost.add)(replica)
                (router.lost if replica in lost else router.back)(replica)
            case str():
                if routes:
                    router.done(routes.pop(0))
            case _:
                route = router.route(event)
                assert (route is None) == (len(lost) == replicas)
                if route is not None:
                    routes.append(route)
                    assert route.replica not in lost
                    least = min(router.out(replica) for replica in range(replicas) if replica not in lost)
                    assert router.out(route.replica) - 1 <= least + max_imbalance
    assert sum(router.out(replica) for replica in range(replicas)) == len(routes)
    assert sum(router.reasons.values()) >= len(routes)


def test_a_question_that_killed_a_replica_goes_elsewhere_if_there_is_an_elsewhere() -> None:
    router = Router(replicas=2, max_imbalance=9)
    home = _home(router, KEYS[0])
    elsewhere = router.route(KEYS[0], avoid=[home])
    assert elsewhere is not None
    assert elsewhere.replica != home
    router.lost(1 - home)
    again = router.route(KEYS[0], avoid=[home])
    assert again is not None
    assert again.replica == home
