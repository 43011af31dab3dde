"""What limits a run's pace by its configuration: live episodes, endpoints' limits, the workers' own CPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.casting import endpoint, endpoint_limits, gate_name, is_asked
from infra.config import RunConfig
from infra.forecast_assumed import CPU_S_PER_CALL, START_S
from rollouts.forecasting.duration import Duration, Lane, duration
from rollouts.forecasting.predict import RoleFigures, RoleForecast
from rollouts.forecasting.profiles import ROLES, Role

MINUTE_S = 60.0


def wall_time(
    config: RunConfig,
    roles: Mapping[Role, RoleForecast],
    figures: Mapping[Role, RoleFigures],
    *,
    chain_calls: float,
    doubt: float,
) -> Duration:
    """`chain_calls`: of the longest tree, one after the other. `doubt`: of a call's latency and of how many there are."""
    calls = {role: forecast.calls.expected for role, forecast in roles.items()}
    seconds = {role: calls[role] * figures[role].latency_s for role in ROLES}
    per_call = sum(seconds.values()) / max(1.0, sum(calls.values()))
    return duration(
        [*_own_lanes(config, sum(calls.values()), sum(seconds.values())), *_endpoint_lanes(config, roles, seconds)],
        chain_s=chain_calls * (per_call + CPU_S_PER_CALL),
        start_s=START_S[config.run.pool],
        doubt=doubt,
    )


def _own_lanes(config: RunConfig, calls: float, seconds: float) -> Iterator[Lane]:
    workers = config.run.workers if config.run.pool == "ray" else 1
    live = workers * max(1, config.run.max_in_flight // workers)
    yield Lane(name=f"run.max_in_flight = {config.run.max_in_flight}", seconds=seconds / live)
    yield Lane(name="the workers' own CPU", seconds=calls * CPU_S_PER_CALL / workers)


def _endpoint_lanes(
    config: RunConfig, roles: Mapping[Role, RoleForecast], seconds: Mapping[Role, float]
) -> Iterator[Lane]:
    for gate, limits in endpoint_limits(config).items():
        through = [role for role in ROLES if _gate(config, role) == gate]
        calls = sum(roles[role].calls.expected for role in through)
        tokens = sum(roles[role].tokens.expected for role in through)
        yield Lane(
            name=f"requests in flight to {gate}", seconds=sum(map(seconds.__getitem__, through)) / limits.in_flight
        )
        if limits.requests_per_min:
            yield Lane(name=f"requests_per_min of {gate}", seconds=calls / limits.requests_per_min * MINUTE_S)
        if limits.tokens_per_min:
            yield Lane(name=f"tokens_per_min of {gate}", seconds=tokens / limits.tokens_per_min * MINUTE_S)


def _gate(config: RunConfig, role: Role) -> str | None:
    """None for a role that no endpoint plays."""
    asked: Role = "actor" if role == "critic" and config.critic.kind == "self" else role
    return gate_name(endpoint(config, asked)) if is_asked(config, asked) else None
