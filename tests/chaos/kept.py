"""What of the calls that were paid for is still there: in published trees, and in the journal for those that are not."""

from __future__ import annotations

from infra.runs import read_status
from storage.journal_sweep import sweep_journal
from tests.chaos.runs import RUN_ID, Place


def kept_calls(place: Place) -> int:
    """Nobody plays; so it is what the next session will not ask for again."""
    status = read_status(place.store, RUN_ID)
    unsettled = [item.item_id for item in status.record.items if item.item_id not in status.receipts]
    journal = sweep_journal(place.store, RUN_ID, unsettled=unsettled)
    return status.progress.spend.calls + journal.spend.calls
