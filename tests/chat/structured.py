"""Personalities that give what a request asks for beside text: a reply in the form of a schema, log-probabilities."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.chat.personalities import Body, Handler, completion

APPROVES = 0.8
# the probability that "logprobs" gives to its first token


async def form(request: web.Request, body: Body, asked: int) -> web.StreamResponse:
    """The shortest reply that follows the schema; words where no form was asked for."""
    if "response_format" not in body:
        return web.json_response(completion("In what form?"))
    return web.json_response(completion(json.dumps(instance(body["response_format"]["json_schema"]["schema"]))))


def instance(schema: Body) -> Any:
    """The least that follows a schema of objects, lists, enumerations and scalars."""
    if "enum" in schema:
        return schema["enum"][0]
    match schema["type"]:
        case "object":
            return {name: instance(inner) for name, inner in schema["properties"].items()}
        case "array":
            return [instance(schema["items"])] * schema.get("minItems", 0)
        case kind:
            return {"string": "", "integer": 0, "number": 0.0, "boolean": True}[kind]


async def logprobs(request: web.Request, body: Body, asked: int) -> web.StreamResponse:
    """Approves, with the alternatives of its first token where they are asked for."""
    answer = completion("approve")
    if body.get("logprobs"):
        likely = [_token("approve", APPROVES), _token("revise", 1 - APPROVES)]
        first = likely[0] | {"top_logprobs": likely[: body["top_logprobs"]]}
        answer["choices"][0]["logprobs"] = {"content": [first]}
    return web.json_response(answer)


async def strange_logprobs(request: web.Request, body: Body, asked: int) -> web.StreamResponse:
    """Alternatives of which only two can be read; the chosen token is not among those listed."""
    listed = [
        {"token": None, "logprob": -1.0},
        {"token": "a", "logprob": "x"},
        {"token": "b"},
        7,
        _token("revise", 0.5),
    ]
    answer = completion("approve")
    answer["choices"][0]["logprobs"] = {"content": [_token("approve", 0.25) | {"top_logprobs": listed}]}
    return web.json_response(answer)


def _token(token: str, probability: float) -> dict[str, Any]:
    return {"token": token, "logprob": math.log(probability), "bytes": list(token.encode())}


STRUCTURED: Mapping[str, Handler] = {"form": form, "logprobs": logprobs, "strange-logprobs": strange_logprobs}
