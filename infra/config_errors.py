"""What is wrong with a configuration, said in the configuration's own words: the key, what it needs, what came, what to do.

A value is never shown where it could be a secret: the settings in `_HIDDEN`, and whatever stands under an unknown key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic_core import ErrorDetails

from rollouts.errors import UsageError

SHOWN_CHARACTERS = 60
ALIKE = 0.7
# of difflib's ratio: one slip in a name of five letters

_HIDDEN = frozenset({"api_key_env", "base_url", "endpoint_url", "root"})
# a key, or an address or root with a password in it

_NEEDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "dict_type": "a table of settings",
    "tuple_type": 'a list, such as ["a", "b"]',
    "model_type": "a table of settings",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "string_too_short": "at least {min_length} character",
    "string_too_long": "at most {max_length} characters",
}
# the kinds of error that the settings' types and ranges can cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    key: str
    # dotted name
    text: str


def usage_error(source: str, problems: Sequence[Problem]) -> UsageError:
    """All of them in one error."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return UsageError("\n".join([f"{source}: {count}", *(f"  {problem.key}: {problem.text}" for problem in problems)]))


def field_problem(error: ErrorDetails, known: Sequence[str]) -> Problem:
    """One setting's own problem. `known`: the dotted names that exist."""
    key = ".".join(str(part) for part in error["loc"] if isinstance(part, str))
    place = "".join(f"[{part}]" for part in error["loc"] if isinstance(part, int))
    if error["type"] == "extra_forbidden":
        return Problem(key=key, text=_unknown(key, known))
    if error["type"] == "value_error":
        came = f"; got {shown(error['input'])}" if isinstance(error["input"], str) and not _hidden(key) else ""
        return Problem(key=key, text=f"{error['ctx']['error']}{came}")
    needed = _choices(error) or _NEEDS.get(error["type"], "another value").format_map(error.get("ctx", {}))
    came = type_name(error["input"]) if _hidden(key) else shown(error["input"])
    if error["type"].endswith("_type") and not _hidden(key):
        came += f" ({type_name(error['input'])})"
    return Problem(key=key + place, text=f"needs {needed}, got {came}{_hint(error)}")


def shown(value: object) -> str:
    """The value as TOML would write it, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > SHOWN_CHARACTERS * 3:
        return f"a number of {value.bit_length()} bits"  # its digits may be more than Python agrees to print
    if isinstance(value, list | tuple):
        text = f"[{', '.join(shown(item) for item in value[:10])}{', …' if len(value) > 10 else ''}]"
    else:
        text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def type_name(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case str():
            return "text"
        case Mapping():
            return "a table"
        case list() | tuple():
            return "a list"
        case _:
            return f"a {type(value).__name__}"


def _hidden(key: str) -> bool:
    return key.rpartition(".")[2] in _HIDDEN


def _choices(error: ErrorDetails) -> str:
    """What a setting of few possible values can be, in the quotes of TOML."""
    return error["ctx"]["expected"].replace("'", '"') if error["type"] == "literal_error" else ""


def _hint(error: ErrorDetails) -> str:
    if error["type"] in ("int_type", "float_type") and isinstance(error["input"], str):
        return "; write it without quotes"
    if error["type"] == "string_type":
        return "; write it in quotes (after --set: 'key=\"value\"')"
    return ""


def _unknown(key: str, known: Sequence[str]) -> str:
    if key == "evaluation":
        return "is played by `treeroll evaluate`; this command takes a configuration without arms"
    if near := _nearest(key, known):
        return f"unknown key; did you mean {near}?"
    section = key.rpartition(".")[0]
    siblings = [name.rpartition(".")[2] for name in known if name.rpartition(".")[0] == section]
    return f"unknown key; {f'[{section}] has' if section else 'the sections are'}: {', '.join(siblings)}"


def _nearest(key: str, known: Sequence[str]) -> str | None:
    """A sibling that is spelled alike; else a setting elsewhere whose own name is the same or spelled alike."""
    section, _, name = key.rpartition(".")
    siblings = [other for other in known if other.rpartition(".")[0] == section]
    for others in (siblings, known):
        by_name = {other.rpartition(".")[2]: other for other in reversed(others)}  # the first of a name stands for it
        if near := get_close_matches(name, by_name, n=1, cutoff=ALIKE):
            return by_name[near[0]]
    return None
