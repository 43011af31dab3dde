"""One environment for every test: no network, no credentials of the machine's, no files left outside the tree.

The order is by cost, so that a broken core is known within seconds: what needs nothing first, a browser last.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator

import hypothesis
import pytest

from tests.needs import NEEDS, need

OBJECT_STORE_BYTES = 100 * 1024 * 1024
# explicit, or Ray takes 30 % of the machine's memory; rows never pass through it
COST = {"tau2": 1, "tau_bench": 2, "userbench": 2, "s3": 3, "ray": 4, "slow": 5, "vllm": 6, "browser": 7}
# rank of a marker; a test ranks by its dearest one
FIXTURES = {"ray_cluster": "ray", "s3_server": "s3"}
# who uses one of these has its marker

pytest_plugins = ["tests.s3_server"]

hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_configure(config: pytest.Config) -> None:
    """Before any test module imports Ray, boto3 or a hub client: each reads its variables once."""
    scratch = tempfile.TemporaryDirectory(prefix="tr-", dir="/tmp", ignore_cleanup_errors=True)
    # a short path: Ray puts Unix sockets below it, and those have room for 107 bytes
    config.add_cleanup(scratch.cleanup)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "HF_HOME": f"{scratch.name}/hub",
        "HF_HUB_OFFLINE": "1",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        # given here, so that Ray writes none into the home directory
        "RAY_TMPDIR": scratch.name,
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    os.environ.pop("RAY_ADDRESS", None)
    # a test never joins the cluster that somebody is working on


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture in FIXTURES.keys() & getattr(item, "fixturenames", ()):
            item.add_marker(FIXTURES[fixture])
    items.sort(key=_cost)


def _cost(item: pytest.Item) -> int:
    return max((COST.get(marker.name, 0) for marker in item.iter_markers()), default=0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers():
        if marker.name in NEEDS:
            need(marker.name)


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """Ray, started once for all tests of this process; the test calls `ray` itself.

    A test that kills nodes or starts a cluster of its own does so in a process of its own.
    """
    need("ray")
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        object_store_memory=OBJECT_STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
    )
    yield
    ray.shutdown()
