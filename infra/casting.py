"""Who plays, by the configuration: endpoints and their limits, the cast of a task, what rows call them. Constructors only."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from actors.best_of_n import best_of_n_identity
from actors.chat_casting import ChatClients, Closable, CriticSource, PolicySource, RoleCasting, best_of_n
from actors.chat_critic import critic_identity
from actors.chat_endpoint import Endpoint, Price
from actors.chat_judge import judge_identity
from actors.chat_key import ApiKey
from actors.chat_policy import never, user_identity
from actors.chat_react import react_identity
from actors.critic_settings import CriticSettings
from actors.environments.registry import environment, own_chat_user, own_stand_ins, scripted_task
from actors.leased_gate import Gates, LeaseSource, OwnGovernors
from actors.rate_control import Limits
from actors.scripted import CriticRates, Difficulty, ErrorRates, ScriptedCasting
from infra.config import RunConfig
from infra.config_sections import ChatSection
from rollouts.episode import StopReason
from rollouts.errors import UsageError
from rollouts.protocols import Casting, Critic, NoCritic, NoJudge

Role: TypeAlias = Literal["actor", "user", "critic", "judge"]
ROLES: tuple[Role, ...] = ("actor", "user", "critic", "judge")
ASKED = ("chat", "react")
# kinds of a role that a model behind an endpoint plays


def _section(config: RunConfig, role: Role) -> ChatSection:
    section: ChatSection = getattr(config, role)
    return section


def is_asked(config: RunConfig, role: Role) -> bool:
    """Whether a model behind an endpoint plays the role."""
    return _section(config, role).kind in ASKED


# -- endpoints --------------------------------------------------------------------------------------------------------


def endpoint(config: RunConfig, role: Role) -> Endpoint:
    chat = _section(config, role)
    return Endpoint(
        base_url=chat.base_url,
        model=chat.model,
        api_key_env=chat.api_key_env,
        temperature=chat.temperature,
        max_tokens=chat.max_tokens,
        timeout_s=chat.timeout_s,
        max_retries=chat.max_retries,
        max_connections=chat.max_requests or config.run.max_in_flight,
        price=_price(chat),
        connect_timeout_s=chat.connect_timeout_s,
        first_byte_timeout_s=chat.first_byte_timeout_s,
        max_tokens_field=chat.max_tokens_field,
        protocol=chat.protocol,
        key_header=chat.key_header,
        api_version=chat.api_version,
        offers_prompt_cache_key=chat.prompt_cache_key,
    )


def _price(chat: ChatSection) -> Price | None:
    prompt, completion = chat.price_per_million_prompt, chat.price_per_million_completion
    if prompt is None or completion is None:
        return None
    return Price(
        prompt_usd=prompt,
        completion_usd=completion,
        cached_usd=chat.price_per_million_cached,
        cache_write_usd=chat.price_per_million_cache_write,
    )


def user_endpoint(config: RunConfig) -> Endpoint:
    """Where the simulated user's model answers. UsageError when the user is not a model."""
    if not is_asked(config, "user"):
        raise UsageError('user.kind must be "chat" for this: set user.base_url and user.model, too')
    return endpoint(config, "user")


def gate_name(served: Endpoint) -> str:
    """Providers limit a model at an address, whoever asks it: roles that share both share the gate."""
    return f"{served.model} at {served.base_url}"


def endpoint_limits(config: RunConfig) -> dict[str, Limits]:
    """By gate: what all workers together may send. Where two roles say different things, the stricter holds."""
    limits: dict[str, Limits] = {}
    for role in ROLES:
        if is_asked(config, role):
            chat, name = _section(config, role), gate_name(endpoint(config, role))
            own = Limits(
                in_flight=chat.max_requests or config.run.max_in_flight,
                requests_per_min=chat.requests_per_min,
                tokens_per_min=chat.tokens_per_min,
            )
            limits[name] = _stricter(limits.get(name, own), own)
    return limits


def _stricter(first: Limits, second: Limits) -> Limits:
    return Limits(
        in_flight=min(first.in_flight, second.in_flight),
        requests_per_min=_least(first.requests_per_min, second.requests_per_min),
        tokens_per_min=_least(first.tokens_per_min, second.tokens_per_min),
    )


def _least(*rates: float) -> float:
    return min((rate for rate in rates if rate), default=0.0)


def check_keys(config: RunConfig, *, roles: Sequence[Role] = ROLES) -> None:
    """UsageError when a key that these roles need is not in the environment."""
    for role in roles:
        if is_asked(config, role):
            ApiKey(endpoint(config, role).api_key_env, environ=os.environ)


# -- the cast ---------------------------------------------------------------------------------------------------------


def casting(
    config: RunConfig, *, worker: str = "alone", leases: LeaseSource | None = None, served_critic: Critic | None = None
) -> RoleCasting:
    """Everybody who plays in one worker. UsageError when a key's variable is not set.

    `leases`: the run's governors, where it has more than one worker. `served_critic`: of critic.kind = "vllm".
    """
    parts = _parts(config, worker=worker, leases=leases)
    critic = parts.critic(served_critic)
    actor = parts.actor()
    return RoleCasting(
        actor=best_of_n(actor, critic, n=config.actor.best_of) if config.actor.best_of > 1 else actor,
        user=parts.user(),
        critic=critic,
        judge=NoJudge() if config.judge.kind == "none" else parts.clients.judge(endpoint(config, "judge")),
        closing=parts.closing,
    )


def lone_critic(config: RunConfig, *, served_critic: Critic | None = None) -> tuple[CriticSource, Sequence[Closable]]:
    """The critic without those who play, and what to close after it. UsageError when its key's variable is not set."""
    parts = _parts(config, worker="alone", leases=None)
    return parts.critic(served_critic), parts.closing


def _parts(config: RunConfig, *, worker: str, leases: LeaseSource | None) -> _Parts:
    limits = endpoint_limits(config)
    gates = Gates(
        limits, source=leases or OwnGovernors(limits, clock=time.monotonic), worker=worker, clock=time.monotonic
    )
    clients = ChatClients(jitter=random.Random(), gate=lambda served: gates.gate(gate_name(served)))
    # the jitter is for back-off only: it must differ between workers, and no row depends on it
    return _Parts(config=config, gates=gates, clients=clients, stand_ins=_stand_ins(config))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    config: RunConfig
    gates: Gates
    clients: ChatClients
    stand_ins: Casting

    @property
    def closing(self) -> Sequence[Closable]:
        """In this order."""
        return [self.gates, self.clients, self.stand_ins]

    def actor(self) -> PolicySource:
        match self.config.actor.kind:
            case "scripted":
                known = scripted_task(self.config.tasks.environment)
                return lambda task: self.stand_ins.cast(known(task)).actor
            case "chat":
                return self.clients.actor(endpoint(self.config, "actor"))
            case "react":
                return self.clients.actor(endpoint(self.config, "actor"), style="react")

    def user(self) -> PolicySource:
        config = self.config
        if config.user.kind == "scripted":
            known = scripted_task(config.tasks.environment)
            return lambda task: self.stand_ins.cast(known(task)).user
        served = endpoint(config, "user")
        if own := own_chat_user(config.tasks.environment):
            return own(self.clients.client(served))
        if not config.user.reflect:
            return self.clients.user(served, reflect_before=never)
        world = environment(config.tasks.environment, config.tasks.domain)
        return self.clients.user(served, reflect_before=lambda text: world.user_stop(text) is StopReason.USER_STOP)

    def critic(self, served: Critic | None) -> CriticSource:
        config = self.config
        match config.critic.kind:
            case "none":
                return lambda task: NoCritic()
            case "scripted":
                known = scripted_task(config.tasks.environment)
                return lambda task: self.stand_ins.cast(known(task)).critic
            case "self":
                return self.clients.critic(endpoint(config, "actor"), reviewer="reflection")
            case "chat":
                critic = config.critic
                return self.clients.critic(endpoint(config, "critic"), mode=critic.mode, threshold=critic.threshold)
            case "vllm":
                assert served is not None, "a run with vLLM critics starts them before its workers"
                return lambda task: served


def _stand_ins(config: RunConfig) -> Casting:
    actor, critic = config.actor, config.critic
    rates: Critic | CriticRates = (
        CriticRates(hit_rate=critic.hit_rate, false_alarm_rate=critic.false_alarm_rate)
        if critic.kind == "scripted"
        else NoCritic()
    )
    if own := own_stand_ins(config.tasks.environment):
        return own(critic=rates)
    return ScriptedCasting(
        errors=ErrorRates(**actor.errors.model_dump()),
        difficulty=Difficulty(**actor.difficulty.model_dump()),
        seed=config.run.seed,
        critic=rates,
    )


# -- what rows call them ----------------------------------------------------------------------------------------------


def identities(config: RunConfig) -> dict[Role, str]:
    """Kind, model, and the settings that matter, of everybody."""
    critic = _critic_identity(config)
    return {
        "actor": _actor_identity(config, critic),
        "user": _user_identity(config),
        "critic": critic,
        "judge": "none" if config.judge.kind == "none" else judge_identity(endpoint(config, "judge")),
    }


def _actor_identity(config: RunConfig, critic: str) -> str:
    alone = _one_actor_identity(config)
    return best_of_n_identity(alone, critic, n=config.actor.best_of) if config.actor.best_of > 1 else alone


def _one_actor_identity(config: RunConfig) -> str:
    match config.actor.kind:
        case "scripted":
            return "scripted:actor"
        case "chat":
            return endpoint(config, "actor").identity
        case "react":
            return react_identity(endpoint(config, "actor"))


def _user_identity(config: RunConfig) -> str:
    if config.user.kind == "scripted":
        return "scripted:user"
    return user_identity(endpoint(config, "user"), reflects=config.user.reflect)


def _critic_identity(config: RunConfig) -> str:
    critic = config.critic
    match critic.kind:
        case "none":
            return "none"
        case "scripted":
            return f"scripted:critic/hit={critic.hit_rate}/false_alarm={critic.false_alarm_rate}"
        case "self":
            served = endpoint(config, "actor")
            return critic_identity(served, mode="critique", reviewer="reflection", threshold=critic.threshold)
        case "chat":
            served = endpoint(config, "critic")
            return critic_identity(served, mode=critic.mode, reviewer="critic", threshold=critic.threshold)
        case "vllm":
            return critic_settings(config).identity


def critic_settings(config: RunConfig) -> CriticSettings:
    """One replica of critic.kind = "vllm"."""
    critic = config.critic
    return CriticSettings(
        model=critic.model,
        mode=critic.mode,
        threshold=critic.threshold,
        temperature=critic.temperature,
        max_tokens=critic.max_tokens,
        max_model_len=critic.max_model_len,
        on_too_long=critic.on_too_long,
        num_gpus=critic.num_gpus,
        tensor_parallel=critic.tensor_parallel,
        max_running=critic.max_running,
        max_waiting=critic.max_waiting,
        engine_args=critic.engine_args,
    )
