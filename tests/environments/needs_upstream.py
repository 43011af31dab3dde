"""Whether upstream's own package, `tau2`, can be imported here."""

from __future__ import annotations

import pytest

from actors.environments.tau2_upstream.checkout import find_source
from rollouts.errors import UsageError


def _missing() -> str:
    try:
        find_source("retail")
    except UsageError as error:
        return str(error)
    return ""


needs_upstream = pytest.mark.skipif(bool(_missing()), reason=_missing())
