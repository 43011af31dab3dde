"""Join the Ray cluster that this process belongs to, or start one for it alone.

Inside a submitted job Ray sets RAY_ADDRESS, and the run uses that cluster. Otherwise a private cluster is started: never a running
one by accident. `RAY_*` settings must be in the environment before `ray` is imported, so it is imported inside functions here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Iterator

_OBJECT_STORE_BYTES = 128 * 2**20
# items and receipts only pass through it; Ray's own floor is 75 MiB


@contextlib.contextmanager
def cluster(*, workers: int) -> Iterator[None]:
    """A connection to Ray for the time of the context. A private cluster gets a CPU slot for each worker."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # a worker without a GPU leaves CUDA_VISIBLE_DEVICES alone, and Ray does not warn of it
    if not os.environ.get("RAY_ADDRESS"):
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        # the private cluster's own; otherwise Ray leaves a token in the home directory
    logging.getLogger("ray._private.authentication.authentication_token_setup").setLevel(logging.ERROR)
    # says on every start that tokens are on, as they should be
    import ray

    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS")
    if address:
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    else:
        ray.init(
            address="local",
            num_cpus=max(workers, os.cpu_count() or 1),
            object_store_memory=_OBJECT_STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.WARNING,
        )
    try:
        yield
    finally:
        ray.shutdown()
