"""Containers that cannot be written to, so that one database image can be lent to any number of episodes.

A frozen value is made of FrozenDict, FrozenList and immutable leaves. Both are what they replace to a reading tool
(`isinstance`, JSON, iteration, equality, the type's name in an error); copies that a tool makes of them are plain. A write
raises `FrozenWrite`.
"""

from __future__ import annotations

from operator import is_
from typing import Any, Final, NoReturn


class FrozenWrite(BaseException):
    """A tool wrote to a frozen container. Not an Exception: a tool's own `except Exception` must not hide it."""


class CopiedPlain:
    """What `copy` makes of a container of ours."""

    __slots__ = ()

    def __copy__(self) -> Any:
        return dict(self) if isinstance(self, dict) else list(self)  # type: ignore[call-overload]

    def __deepcopy__(self, memo: object) -> Any:
        return thaw(self)


class FrozenDict(CopiedPlain, dict[str, Any]):
    __slots__ = ()


class FrozenList(CopiedPlain, list[Any]):
    __slots__ = ()


def _refuse(self: object, *args: object, **kwargs: object) -> NoReturn:
    raise FrozenWrite("a tool wrote to a database record that it was lent")


_BOTH = ("__setitem__", "__delitem__", "clear", "pop")
for _name in (*_BOTH, "__ior__", "popitem", "setdefault", "update"):
    setattr(FrozenDict, _name, _refuse)
for _name in (*_BOTH, "__iadd__", "__imul__", "append", "extend", "insert", "remove", "reverse", "sort"):
    setattr(FrozenList, _name, _refuse)
FrozenDict.__name__, FrozenList.__name__ = "dict", "list"

LEAVES: Final = frozenset({str, int, float, bool, type(None)})
ABSENT: Final = object()
# stands for no value at all, where None is one
_EMPTY_DICT: Final = FrozenDict()
_EMPTY_LIST: Final = FrozenList()


def thaw(value: Any) -> Any:
    """A plain copy of `value`, containers all the way down; leaves are shared."""
    if isinstance(value, dict):
        return {key: item if type(item) in LEAVES else thaw(item) for key, item in value.items()}
    if isinstance(value, list):
        return [item if type(item) in LEAVES else thaw(item) for item in value]
    return value


def freeze(value: Any, like: Any = ABSENT) -> Any:
    """`value` frozen; parts that are the same in the frozen `like` are taken from there, all of it where nothing differs.

    The same: equal in value, type and order of keys, so that no tool could tell them apart.
    """
    if value is like:
        return like
    if isinstance(value, dict):
        return _frozen_dict(value, like if isinstance(like, FrozenDict) else _EMPTY_DICT)
    if isinstance(value, list):
        return _frozen_list(value, like if isinstance(like, FrozenList) else _EMPTY_LIST)
    return like if type(value) is type(like) and repr(value) == repr(like) else value


def _frozen_dict(value: dict[str, Any], like: FrozenDict) -> FrozenDict:
    if _same_items(value, like):  # nothing of it was reached
        return like
    items = dict(value)
    for key, item in value.items():
        before = like.get(key, ABSENT)
        if item is not before:
            items[key] = freeze(item, before)
    return like if _same_items(items, like) else FrozenDict(items)


def _same_items(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether both hold the very same objects in the same order."""
    return len(a) == len(b) and all(map(is_, a.values(), b.values())) and (all(map(is_, a, b)) or list(a) == list(b))


def _frozen_list(value: list[Any], like: FrozenList) -> FrozenList:
    items = [
        item if item is before else freeze(item, before)  # a call saved for most
        for item, before in zip(value, like, strict=False)
    ]
    if len(value) == len(like) and all(map(is_, items, like)):
        return like
    return FrozenList([*items, *map(freeze, value[len(items) :])])
