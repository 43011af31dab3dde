"""Choosing another version of an item, in words that mean exactly one version that is in stock."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actors.environments.blueprints.goals import Record
from actors.environments.blueprints.retail.customer import options_told
from actors.environments.blueprints.wording import listed

BY_PRICE = 0.3
# share of versions asked for by price
FEW_CHANGES = 2
# options that differ, where there is such a version


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What an item is to be changed to."""

    variant: Record
    words: str
    facts: tuple[str, ...]


def another_version(product: Record, item: Record, rng: random.Random) -> Version | None:
    """None where no other version is in stock."""
    others = [variant for variant in in_stock(product) if variant["item_id"] != item["item_id"]]
    if not others:
        return None
    if rng.random() < BY_PRICE:
        chosen = _by_price(product, item, rng)
        if chosen:
            return chosen
    return by_options(item, rng.choice(_alike(item, others)))


def by_options(item: Record, variant: Record) -> Version:
    """No two versions of a product have the same options, so what changes says which one is meant."""
    changed = changes(item, variant)
    same = "" if len(changed) == len(item["options"]) else ", everything else as it is"
    told = options_told(changed)
    return Version(variant=variant, words=f"one with {listed(told)}{same}", facts=tuple(told))


def changes(item: Record, variant: Record) -> Mapping[str, str]:
    return {name: value for name, value in variant["options"].items() if item["options"][name] != value}


def in_stock(product: Record) -> list[Record]:
    return [variant for variant in product["variants"].values() if variant["available"]]


def extreme(variants: Sequence[Record], rng: random.Random) -> tuple[Record, str] | None:
    """The cheapest or the dearest of them; None where two share the price."""
    word, best = rng.choice((("cheapest", min), ("most expensive", max)))
    price = best(variant["price"] for variant in variants)
    at_price = [variant for variant in variants if variant["price"] == price]
    return (at_price[0], word) if len(at_price) == 1 else None


def _by_price(product: Record, item: Record, rng: random.Random) -> Version | None:
    found = extreme(in_stock(product), rng)
    if found is None or found[0]["item_id"] == item["item_id"]:
        return None
    variant, word = found
    return Version(variant=variant, words=f"the {word} version of it that is in stock", facts=(word, "in stock"))


def _alike(item: Record, others: Sequence[Record]) -> Sequence[Record]:
    near = [variant for variant in others if len(changes(item, variant)) <= FEW_CHANGES]
    return near or others
