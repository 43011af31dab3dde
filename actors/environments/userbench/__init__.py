"""UserBench's travel planning by upstream's own rules (Salesforce AI Research, Apache-2.0, released for research purposes only).

A user with hidden preferences, a travel database, one recommendation for each aspect of the trip. Upstream's code runs
unmodified, from the checkout that `USERBENCH_PATH` names or from the importable package `travelgym`; none of it is part of
this repository. What upstream asks of a model or of chance is asked of the user's side instead (`environment`, `user`).

Where this departs from upstream, and why:

- What the actor writes is a message; one that starts with "[search]" goes to the database, as upstream writes it. Only the
  recommendation is a tool call (`answer`): a ruling on a search takes a model, and only the user's side may ask one.
- A model's reply that is no JSON of the wanted form is asked for again, then the episode fails; upstream plays on with a
  stock answer. A provider's failure is a failure of the episode; upstream plays on as if the model had said nothing.
- Chance is asked for: the order of options is a function of the task, the preference that a neglected user volunteers is
  drawn by the user's seed. Upstream uses the process-wide generators of `random` and numpy.
- Rules are those of `TravelEnv.step` with its defaults (one recommendation for each aspect). `step_async`, which upstream's
  eval.py uses, differs from it by slips: it volunteers a turn later and then loses what was said, does not end when all
  aspects have their recommendation, and takes several ids at once.
- The turn limit is the run's (upstream: `max_steps`, 20). There is no `[finish]`: upstream's tool does not offer it either.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from actors.environments.names import named
from actors.environments.userbench.environment import TravelEnvironment
from actors.environments.userbench.scenarios import Scenarios
from actors.environments.userbench.source import locate
from rollouts.episode import Task
from rollouts.errors import UsageError
from rollouts.protocols import Casting, Critic, Policy

if TYPE_CHECKING:
    from actors.chat_asking import Completer
    from actors.scripted import CriticRates

DOMAINS = {"travel": "one recommendation for each aspect of a trip"}


def open_environment(domain: str) -> TravelEnvironment:
    """UsageError when the domain is unknown, or upstream's code or scenarios are missing or not the supported ones."""
    named(domain, DOMAINS, what="userbench domain")
    package = locate(os.environ)
    return TravelEnvironment(domain=domain, package=package, scenarios=Scenarios(package / "data", domain=domain))


def stand_ins(*, critic: Critic | CriticRates) -> Casting:
    """Who plays when no model does. UsageError for a scripted critic: nobody has written one that knows travel plans."""
    from actors.scripted import CriticRates
    from actors.scripted_travel import ScriptedTravelCasting, TravelErrors

    if isinstance(critic, CriticRates):
        raise UsageError(
            "critic.kind = 'scripted' knows τ² tasks only; with environment 'userbench' use critic.kind = 'none'"
        )
    return ScriptedTravelCasting(errors=TravelErrors(), critic=critic)


def chat_user(client: Completer) -> Callable[[Task], Policy]:
    """The user that a chat model plays: upstream's prompts, one call each."""
    from actors.environments.userbench.user import ChatAnswerer, TravelUser

    answerer = ChatAnswerer(client)
    return lambda task: TravelUser(task, answerer, identity=client.endpoint.identity)
