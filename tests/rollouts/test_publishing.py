"""How a worker hands finished trees on: encoded once, published until the store takes them."""

from __future__ import annotations

from rollouts.errors import DataError
from rollouts.protocols import NoJournal, Publish
from rollouts.receipt import Receipt, Settled
from rollouts.tree import Tree
from tests.storage.paid_sessions import ITEM, PaidActor, paid_worker
from tests.toy import CountingSink


class _OutTwice(CountingSink):
    def __init__(self) -> None:
        self.said: list[str] = []

    def prepare(self, tree: Tree) -> Publish:
        self.said.append("prepare")

        def publish() -> Receipt:
            self.said.append("publish")
            if self.said.count("publish") < 3:
                raise DataError("no route to the bucket")
            return self.write(tree)

        return publish


async def test_an_outage_makes_a_worker_publish_again_and_encode_nothing_again() -> None:
    sink, now = _OutTwice(), 0.0
    worker = paid_worker(PaidActor(patience=0), sink=sink, journal=NoJournal(), clock=lambda: now)
    event = await worker.run(ITEM)
    await worker.close()
    assert isinstance(event, Settled)
    assert sink.said == ["prepare", "publish", "publish", "publish"]
