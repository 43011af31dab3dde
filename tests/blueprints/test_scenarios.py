"""What the simulated user is told: enough to get the gold done, and no more."""

from __future__ import annotations

import re
from typing import Any

import pytest

from actors.environments.blueprints.airline.rules import free_bags
from actors.environments.blueprints.paraphrase import reason_of
from actors.environments.blueprints.wording import amount, listed
from actors.environments.registry import environment
from tests.blueprints.samples import DOMAINS, drawn, goals_of_kind, shop

pytestmark = pytest.mark.tau2
each_domain = pytest.mark.parametrize("domain", DOMAINS)


def instructions(blueprint: Any) -> dict[str, Any]:
    found: dict[str, Any] = blueprint.task.data["user_scenario"]["instructions"]
    return found


@each_domain
def test_every_fact_of_every_goal_stands_in_what_the_customer_came_for(domain: str) -> None:
    for blueprint in drawn(domain, 1000):
        for goal in blueprint.goals:
            assert [fact for fact in goal.facts if fact not in reason_of(blueprint)] == [], reason_of(blueprint)


@each_domain
def test_a_forgotten_number_stands_nowhere_in_the_scenario(domain: str) -> None:
    forgotten = 0
    for blueprint in drawn(domain, 1000):
        told = " ".join(str(text) for text in instructions(blueprint).values())
        for goal in blueprint.goals:
            if goal.unknown and "You do not remember" in goal.unknown[0]:
                forgotten += 1
                assert not any(key in told for key in goal.subjects & shop(domain).owners.keys())
    assert forgotten > 50


def test_a_forgotten_email_stands_nowhere_and_the_gold_finds_the_customer_by_name() -> None:
    found = {"email": 0, "name": 0}
    for blueprint in drawn("retail"):
        email = shop("retail").profiles[blueprint.customer]["email"]
        forgotten = "You do not remember your email address." in (instructions(blueprint)["unknown_info"] or "")
        assert (email in str(instructions(blueprint))) is not forgotten
        assert blueprint.gold[0].name == ("find_user_id_by_name_zip" if forgotten else "find_user_id_by_email")
        found["name" if forgotten else "email"] += 1
    assert min(found.values()) > 10


@each_domain
def test_the_simulated_user_reads_the_scenario_and_the_actor_does_not(domain: str) -> None:
    world = environment("tau2", domain)
    blueprint = drawn(domain)[0]
    briefing = world.briefing(blueprint.task)
    assert reason_of(blueprint) in briefing.user_instructions
    assert reason_of(blueprint) not in briefing.policy


@each_domain
def test_wordings_differ_between_tasks(domain: str) -> None:
    openings = {re.sub(r"\S*\d\S*", "", reason_of(blueprint))[:24] for blueprint in drawn(domain)}
    assert len(openings) > 20


# -- goals, one kind at a time ----------------------------------------------------------------------------------------


def test_a_return_goes_back_to_the_original_payment_method_or_to_a_gift_card() -> None:
    for number, (customer, goal) in enumerate(goals_of_kind("retail", "return")):
        call = goal.writes[0].arguments
        order = shop("retail").customers[customer].store.orders[call["order_id"]]
        method = shop("retail").profiles[customer]["payment_methods"][call["payment_method_id"]]
        original = order["payment_history"][0]["payment_method_id"]
        assert method["source"] == "gift_card" or call["payment_method_id"] == original
        assert order["status"] == "delivered"
        if number == 100:
            break


def test_a_described_version_is_the_only_one_in_stock_that_fits() -> None:
    for number, (_, goal) in enumerate(goals_of_kind("retail", "change item")):
        match = re.search(r"one with ([^.]*?)(?:, everything else as it is)? instead", goal.request)
        if match is None:
            continue
        products = shop("retail").customers["noah_brown_6181"].store.products.values()
        arguments: Any = goal.writes[0].arguments
        [product] = [product for product in products if arguments["item_ids"][0] in product["variants"]]
        wanted = dict(part.split(": ", 1) for part in re.split(r", | and (?=[\w /]+: )", match[1]))
        old = product["variants"][arguments["item_ids"][0]]["options"]
        fitting = [key for key, variant in product["variants"].items() if variant["options"] == old | wanted]
        assert fitting == arguments["new_item_ids"]
        if number == 200:
            break


def test_the_paid_bags_of_the_official_bookings_are_those_of_our_rule() -> None:
    checked = 0
    for task in environment("tau2", "airline").tasks("base"):
        record: Any = task.data
        for action in record["evaluation_criteria"]["actions"]:
            if action["name"] == "book_reservation":
                booked = action["arguments"]
                user = shop("airline").profiles[booked["user_id"]]
                free = free_bags(user, cabin=booked["cabin"], num_passengers=len(booked["passengers"]))
                assert booked["nonfree_baggages"] == max(0, booked["total_baggages"] - free)
                checked += 1
    assert checked >= 8


@pytest.mark.parametrize(
    ("kind", "may"),
    [("cancel", True), ("cancel refused", False)],
)
def test_a_cancellation_is_gold_exactly_where_the_policy_has_a_ground_for_it(kind: str, may: bool) -> None:
    for number, (customer, goal) in enumerate(goals_of_kind("airline", kind)):
        traveller = shop("airline").customers[customer]
        [key] = goal.subjects
        reservation = traveller.airline.reservations[key]
        covered = reservation["insurance"] == "yes" and ("ill" in goal.request or "weather" in goal.request)
        fresh = reservation["created_at"] >= "2024-05-14T15:00:00"
        by_airline = "cancelled" in traveller.airline.statuses(reservation)
        assert (reservation["cabin"] == "business" or fresh or covered or by_airline) is may, goal.request
        assert not traveller.airline.statuses(reservation) & {"landed", "flying"}
        assert bool(goal.writes) is may
        if number == 100:
            break


def test_a_booking_names_every_companion_and_pays_to_the_dollar() -> None:
    for number, (_, goal) in enumerate(goals_of_kind("airline", "book")):
        booked: Any = goal.writes[0].arguments
        companions = [f"{p['first_name']} {p['last_name']} (born on {p['dob']})" for p in booked["passengers"][1:]]
        assert all(companion in goal.request for companion in companions)
        assert sum(payment["amount"] for payment in booked["payment_methods"]) > 0
        if number == 100:
            break


# -- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "text"), [(481.5, "481.5"), (54.04, "54.04"), (500.0, "500"), (0.1 + 0.2, "0.3")])
def test_a_sum_is_written_so_that_it_stands_in_every_way_to_say_it(value: float, text: str) -> None:
    assert amount(value) == text
    assert text in f"${value:.2f}"


def test_lists_are_told_in_words() -> None:
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
