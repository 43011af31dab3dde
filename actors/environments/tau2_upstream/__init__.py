"""τ²-bench by its own package, `tau2`, where that can be imported: the same environment as `tau2`, over upstream's code and data.

Neither importing this package nor refusing a wrong name or package imports `tau2`.
"""

from __future__ import annotations

from actors.environments.names import named
from actors.environments.tau2 import upstream
from actors.environments.tau2.environment import Tau2Environment
from actors.environments.tau2_upstream import upstream_code
from actors.environments.tau2_upstream.checkout import find_source
from actors.environments.tau2_upstream.domains import DOMAINS


def open_environment(domain: str) -> Tau2Environment:
    """UsageError when the domain is unknown, or the package is missing, another one of that name, or not the supported version."""
    description = named(domain, DOMAINS, what="tau2_upstream domain")
    source = find_source(description.name)
    files = upstream.files(description, source)
    return Tau2Environment(files=files, load=lambda: upstream_code.machinery(description, source))
