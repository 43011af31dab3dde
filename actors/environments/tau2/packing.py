"""A state's tables as JSON and back, exactly: also records that hold values their model would not accept.

Tools assign without validation, so a record cannot be rebuilt by validating it. Each model is written with the name of
its class instead; no other class than the database's own is ever made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel

from actors.environments.copy_on_write import Record, TableDelta, Tables
from rollouts.errors import DataError

CLASS = "\x00"
# the key that marks a model, a member of an enumeration or a date, by its class's name; or, with an empty name, a dictionary
# that has such a key of its own or a key that is no text
VALUE = "\x01"
# what of it is no model's field

Classes: TypeAlias = Mapping[str, type[BaseModel] | type[Enum]]
_DATES: Mapping[str, type[date]] = {"date": date, "datetime": datetime}


def model_classes(databases: Iterable[type[BaseModel]]) -> Classes:
    """The models and enumerations that databases are made of, by class name."""
    found: dict[str, type[BaseModel] | type[Enum]] = {}
    waiting: list[Any] = [field.annotation for database in databases for field in database.model_fields.values()]
    while waiting:
        kind = waiting.pop()
        waiting.extend(get_args(kind))
        if isinstance(kind, type) and issubclass(kind, BaseModel | Enum) and found.get(kind.__name__) is not kind:
            assert kind.__name__ not in found, f"two classes of the databases are called {kind.__name__}"
            found[kind.__name__] = kind
            waiting.extend(field.annotation for field in getattr(kind, "model_fields", {}).values())
    return found


def packed_tables(tables: Tables) -> dict[str, Any]:
    """Equal tables, equal JSON, whatever the order in which they came to differ from the base."""
    return {
        name: {
            "records": {
                key: _packed(record.value) if record else None for key, record in sorted(delta.records.items())
            },
            "appended": delta.appended,
        }
        for name, delta in sorted(tables.items())
    }


def unpacked_tables(packed: Mapping[str, Any], classes: Classes) -> Tables:
    return {
        name: TableDelta(
            records={
                key: None if record is None else Record(_unpacked(record, classes))
                for key, record in delta["records"].items()
            },
            appended=tuple(delta["appended"]),
        )
        for name, delta in packed.items()
    }


def _packed(value: Any) -> Any:
    match value:
        case BaseModel():
            return {CLASS: type(value).__name__} | {name: _packed(item) for name, item in value.__dict__.items()}
        case Enum():
            return {CLASS: type(value).__name__, VALUE: value.value}
        case date():
            return {CLASS: type(value).__name__, VALUE: value.isoformat()}
        case dict():
            if CLASS in value or any(type(key) is not str for key in value):
                return {CLASS: "", VALUE: [[_packed(key), _packed(item)] for key, item in value.items()]}
            return {key: _packed(item) for key, item in value.items()}
        case list():
            return [_packed(item) for item in value]
        case _:
            return value


def _unpacked(value: Any, classes: Classes) -> Any:
    match value:
        case {"\x00": "", "\x01": items}:
            return {_unpacked(key, classes): _unpacked(item, classes) for key, item in items}
        case {"\x00": str(name), "\x01": held} if name in _DATES:
            return _DATES[name].fromisoformat(held)
        case {"\x00": name, **fields}:
            if name not in classes:
                raise DataError(f"a stored state holds a {name!r}; this database has {', '.join(sorted(classes))}")
            return _made(classes[name], {str(key): _unpacked(item, classes) for key, item in fields.items()})
        case dict():
            return {key: _unpacked(item, classes) for key, item in value.items()}
        case list():
            return [_unpacked(item, classes) for item in value]
        case _:
            return value


def _made(kind: type[BaseModel] | type[Enum], fields: Mapping[str, Any]) -> BaseModel | Enum:
    return kind.model_construct(**fields) if issubclass(kind, BaseModel) else kind(fields[VALUE])
