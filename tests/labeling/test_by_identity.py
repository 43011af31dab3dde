"""The cache of what was made of frozen objects."""

from __future__ import annotations

from labeling.by_identity import MAX_KEPT, ByIdentity


class Maker:
    """Makes a list of a list, and counts how often."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, thing: list[int]) -> list[int]:
        self.made += 1
        return [number * 2 for number in thing]


def test_a_thing_is_made_into_something_once() -> None:
    maker, thing = Maker(), [1]
    doubled = ByIdentity(maker)
    assert doubled(thing) is doubled(thing)
    assert (doubled(thing), maker.made) == ([2], 1)


def test_equal_things_are_not_one_thing() -> None:
    doubled = ByIdentity(Maker())
    one, other = [1], [1]
    assert doubled(one) is not doubled(other)


def test_however_many_come_and_go_each_gets_its_own_and_the_oldest_is_forgotten() -> None:
    maker, first = Maker(), [7]
    doubled = ByIdentity(maker)
    doubled(first)
    for number in range(3 * MAX_KEPT):
        assert doubled([number]) == [number * 2]  # its identity may be one that a forgotten list had
    before = maker.made
    assert (doubled(first), maker.made) == ([14], before + 1)
