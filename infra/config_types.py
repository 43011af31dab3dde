"""The types of a configuration's settings: ranges of numbers, and texts that are checked as they are read.

An error never shows a value that may be a secret.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Limit = Annotated[int, Field(ge=0, le=2**53 - 1)]
# 0 means none; 53 bits survive every JSON parser
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(gt=0.0, le=604_800.0)]
Price = Annotated[float, Field(ge=0.0)]
OptionalPrice = Annotated[float | None, Field(ge=0.0)]
OptionalSeconds = Annotated[float | None, Field(gt=0.0, le=604_800.0)]
Multiplier = Annotated[float, Field(ge=0.0, le=1000.0)]
Rate = Annotated[float, Field(ge=0.0, le=1e12)]
Level = Annotated[float, Field(gt=0.0, lt=1.0)]

RUN_ID = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,64}")
_VARIABLE_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")
_LOOKS_LIKE_A_KEY = re.compile(r"(?=.*\d)[A-Z0-9]{16,}")
# long, with digits and without an underscore, as access keys are


def _run_id(value: str) -> str:
    if value and not RUN_ID.fullmatch(value):
        raise ValueError("needs 1 to 64 letters, digits, dots, dashes or underscores, and no leading dot")
    return value


def _variable_name(value: str) -> str:
    if value and (not _VARIABLE_NAME.fullmatch(value) or _LOOKS_LIKE_A_KEY.fullmatch(value)):
        raise ValueError(
            "needs the NAME of an environment variable (capitals, digits, underscores), such as OPENAI_API_KEY; the value "
            "given is not shown because it may be a key: if it is one, put it into a variable and name that variable here"
        )
    return value


def _url(value: str) -> str:
    if not value:
        return value
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port or an address that is none
        usable = False
        parts = urlsplit("")
    if parts.username or parts.password or parts.query or parts.fragment or "@" in value:
        raise ValueError(
            "needs a plain address without user, password, '?' or '#' (it is stored with the run, so it must hold no "
            "secret); name the variable that holds the key in api_key_env, or use the AWS variables for a store"
        )
    if not usable or any(character.isspace() for character in value):
        raise ValueError(f"needs an address such as http://127.0.0.1:8000/v1, with http:// or https://; got {value!r}")
    return value


def _root(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    if "\0" in value or not value.strip():
        raise ValueError("needs a directory or s3://bucket/prefix")
    if not separator:
        return value
    if "@" in rest:
        raise ValueError("needs a root without user or password; credentials come from the usual AWS variables")
    if scheme != "s3" or not rest.split("/")[0]:
        raise ValueError(
            f"needs a directory or s3://bucket/prefix; no other kind of store is implemented; got {value!r}"
        )
    return value


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if repeated := sorted({value for value in values if values.count(value) > 1}):
        raise ValueError(f"needs each task id once; given twice: {', '.join(repeated[:10])}")
    return values


Url = Annotated[str, AfterValidator(_url)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
DistinctNames = Annotated[tuple[Name, ...], Field(strict=False), AfterValidator(_distinct)]
RunName = Annotated[str, AfterValidator(_run_id)]
StoreRoot = Annotated[str, AfterValidator(_root)]
VariableName = Annotated[str, AfterValidator(_variable_name)]
