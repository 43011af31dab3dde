"""The reference of all settings, written from the settings themselves, so that it cannot disagree with them."""

from __future__ import annotations

from typing import Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from infra.config_errors import shown
from infra.config_rules import known_fields

_TYPES = {bool: "`true`, `false`", int: "whole number", float: "number", str: "text", dict: "table"}
_LARGEST_TOLD = 1_000_000
# a bound above it is there to keep numbers representable and tells a reader nothing


def config_reference() -> str:
    """A Markdown table of every setting: name, type or choices, default, meaning."""
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, field in known_fields().items():
        if not isinstance(field.default, BaseModel):
            rows.append(f"| `{key}` | {_type_text(field)} | {_default_text(field)} | {field.description} |")
    return "\n".join(rows) + "\n"


def _default_text(field: FieldInfo) -> str:
    if field.default is None:
        return ""
    return f"`{shown(list(field.default) if isinstance(field.default, tuple) else field.default)}`"


def _type_text(field: FieldInfo) -> str:
    annotation: object = field.annotation
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{shown(choice)}`" for choice in get_args(annotation))
    if get_origin(annotation) is tuple:
        return "list of text"
    offered = (annotation, get_origin(annotation), *get_args(annotation))
    plain = next(kind for kind in offered if isinstance(kind, type) and kind in _TYPES)
    # a union is one with None: a setting that may be left out
    bounds = [text for constraint in field.metadata if (text := _bound_text(constraint))]
    return " ".join([_TYPES[plain], *bounds])


def _bound_text(constraint: object) -> str:
    match constraint:
        case Ge(ge=int() | float() as bound):
            return f"≥ {bound:g}"
        case Gt(gt=int() | float() as bound):
            return f"> {bound:g}"
        case Le(le=int() | float() as bound) if bound < _LARGEST_TOLD:
            return f"≤ {bound:g}"
        case Lt(lt=int() | float() as bound):
            return f"< {bound:g}"
        case _:
            return ""
