"""Who plays a task of the known-values world."""

from __future__ import annotations

from dataclasses import dataclass, field

from actors.environments.known_values.actor import KnownActor
from actors.environments.known_values.critic import KnownCritic
from actors.environments.known_values.user import KnownUser
from actors.scripted import CriticRates
from rollouts.episode import Task
from rollouts.protocols import Cast, Critic, NoCritic


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownValuesCasting:
    """Implements `rollouts.protocols.Casting`. Picklable, as workers get it. All chances of actor and user are the task's."""

    critic: Critic | CriticRates = field(default_factory=NoCritic)
    # rates: every task gets a critic of its own, who knows the plan

    def cast(self, task: Task) -> Cast:
        rates = self.critic
        critic = KnownCritic(task, rates=rates) if isinstance(rates, CriticRates) else rates
        return Cast(actor=KnownActor(task), user=KnownUser(task), critic=critic)

    async def close(self) -> None:
        """Nothing is held open."""
