"""What a critic served by our own engine is: plain picklable values, refused where no engine could work with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from labeling.rubric import RUBRIC_VERSION, SCORE_VERSION
from rollouts.episode import JsonValue
from rollouts.errors import UsageError

CriticMode: TypeAlias = Literal["score", "critique"]

OWN_ARGUMENTS = frozenset(
    ("model", "enable_prefix_caching", "max_model_len", "max_num_seqs", "scheduling_policy", "tensor_parallel_size")
)
# of the engine, and set from the fields below or needed as they are


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticSettings:
    """One replica. UsageError for values that no replica could work with."""

    model: str
    # a folder, or a name on the model hub
    mode: CriticMode = "score"
    # "score": one token, and the probability of approval from its log-probabilities; "critique": a verdict with feedback
    threshold: float = 0.5
    # score mode: approved at this probability and above
    temperature: float = 0.0
    # critique mode
    max_tokens: int = 512
    # critique mode: of one verdict; one that is cut short cannot be read
    max_model_len: int = 0
    # tokens of prompt and answer; 0: as many as the model takes
    on_too_long: Literal["truncate", "refuse"] = "truncate"
    # a question that does not fit: leave out the oldest tool outputs (actors.critic_fitting), or end the episode as truncated
    num_gpus: float = 1.0
    # 0: the CPU build of vLLM; a fraction shares one GPU between replicas
    tensor_parallel: int = 1
    # GPUs that the model is split over
    max_running: int = 256
    # questions in the engine at once
    max_waiting: int = 4096
    # questions before it, of each priority; one more is told to come again
    engine_args: Mapping[str, JsonValue] = field(default_factory=dict)
    # further arguments of vLLM's engine, by its own names, such as {"quantization": "fp8"}

    def __post_init__(self) -> None:
        if not self.model:
            raise UsageError("critic.model must be a model's folder, or its name on the hub; got an empty string")
        if not 0 <= self.threshold <= 1:
            raise UsageError(f"critic.threshold is a probability, 0 to 1; got {self.threshold}")
        if not 0 <= self.temperature <= 2:
            raise UsageError(f"critic.temperature must be between 0 and 2, got {self.temperature}")
        for name, least in (
            ("max_tokens", 1),
            ("max_model_len", 0),
            ("tensor_parallel", 1),
            ("max_running", 1),
            ("max_waiting", 1),
        ):
            if getattr(self, name) < least:
                raise UsageError(f"critic.{name} must be at least {least}, got {getattr(self, name)}")
        self._check_gpus()
        if taken := sorted(OWN_ARGUMENTS & self.engine_args.keys()):
            raise UsageError(f"critic.engine_args: {', '.join(taken)} cannot be set here; use the critic's own keys")

    def _check_gpus(self) -> None:
        gpus, split = self.num_gpus, self.tensor_parallel
        if not 0 <= gpus < float("inf") or (gpus > 1 and gpus != int(gpus)):
            raise UsageError(f"critic.num_gpus must be 0, a fraction below 1, or a whole number; got {gpus:g}")
        if split != max(1, int(gpus)):
            raise UsageError(
                f"critic.tensor_parallel = {split} needs critic.num_gpus = {split}, got {gpus:g}: a replica holds exactly the "
                "GPUs that its model is split over"
            )

    @property
    def reply_tokens(self) -> int:
        return 1 if self.mode == "score" else self.max_tokens

    @property
    def identity(self) -> str:
        """What decides the verdicts: the rows name a critic by it."""
        if self.mode == "score":
            return f"vllm:{self.model}/score/threshold={self.threshold:g}/prompt={SCORE_VERSION}"
        return (
            f"vllm:{self.model}/critique/temperature={self.temperature:g}/max_tokens={self.max_tokens}"
            f"/prompt={RUBRIC_VERSION}"
        )
