"""τ²-bench's domains, by the toolkits and data of the PyPI package inspect-evals (UK AISI, MIT).

Neither importing this package nor refusing a wrong name or version imports inspect-evals.
"""

from __future__ import annotations

from actors.environments.names import named
from actors.environments.tau2 import package_code, upstream
from actors.environments.tau2.domains import DOMAINS
from actors.environments.tau2.environment import Tau2Environment


def open_environment(domain: str) -> Tau2Environment:
    """UsageError when the domain is unknown, or the package is missing or not the supported version."""
    description = named(domain, DOMAINS, what="tau2 domain")
    source = upstream.installed()
    files = upstream.files(description, source)
    return Tau2Environment(files=files, load=lambda: package_code.machinery(description, source))
