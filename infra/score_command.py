"""The command `treeroll score`: which run and critic are meant, what it says on the way and at its end.

Exit codes: 0 everything published is scored; 3 the endpoint or the engine is out; 130 interrupted; both go on when typed again.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from infra.runs import resolve_run
from infra.score import Told, prepare, score
from infra.score_config import score_config
from infra.score_report import print_score, score_record
from rollouts.errors import UsageError
from storage.objects import open_store
from storage.root import check_root
from storage.runs import read_run

LINE_EVERY_S = 5.0


def score_run(
    run: str | None,
    *,
    critic: str,
    root: str,
    endpoint_url: str,
    overrides: Sequence[str],
    batch: int,
    as_json: bool,
) -> int:
    """With `as_json` only the result goes to standard output, everything else to standard error."""
    if not critic:
        raise UsageError("needs --critic CONFIG: a TOML file or preset whose [critic] section says who scores")
    store = open_store(root, endpoint_url=endpoint_url)
    check_root(store)
    record = read_run(store, resolve_run(store, run, root=root))
    config = score_config(critic, record=record, overrides=overrides, root=root, endpoint_url=endpoint_url)
    scoring = prepare(config, record)
    stream = sys.stderr if as_json else sys.stdout
    scored = None
    if scoring.num_left:
        print(
            f"run {record.run_id}: {scoring.num_left} of {len(scoring.markers)} tasks to score, with {scoring.scorer}",
            file=stream,
        )
        scored = score(scoring, batch_drafts=batch, told=_line(scoring.num_left, stream))
    else:
        print(
            f"run {record.run_id} is scored by {scoring.scorer}: {len(scoring.markers)} tasks; nothing to do",
            file=stream,
        )
    result = score_record(scoring, scored)
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        print_score(result, stream)
    if scored is not None and scored.exit_code:
        print("the same command goes on from here", file=stream)
    return scored.exit_code if scored else 0


def _line(items: int, stream: TextIO) -> Told:
    """A line every LINE_EVERY_S, and one at the end."""
    began = shown = time.monotonic()

    def told(items_done: int, drafts: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= LINE_EVERY_S or items_done == items:
            shown = now
            rate = drafts / max(now - began, 1e-9)
            print(
                f"tasks {items_done:,} of {items:,} · drafts {drafts:,} · {rate:,.0f} a second", file=stream, flush=True
            )

    return told
