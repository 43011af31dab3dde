"""What a scoring tells when it is over: the verdicts there are, and whether they agree with the run's labels.

Everything but the session is read from what is published, so the same scoring says the same every time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, TextIO, TypeAlias

from infra.display import cost_text, count_text, duration_text
from infra.score import Scored, Scoring
from infra.served_critics import served_rows
from labeling.agreement import agreement
from labeling.evaluation.resampling import Resampling
from storage.content_hash import combine
from storage.scorings import read_batches, scoring_id
from storage.verdicts import read_judged_labels, read_verdicts

Record: TypeAlias = dict[str, Any]
_RESAMPLING = Resampling(level=0.95, resamples=1000, seed=0)


def score_record(scoring: Scoring, scored: Scored | None) -> Record:
    """What `treeroll score --json` prints; names stay. `scored`: this session's end; None: there was nothing to do."""
    storage, run_id, scorer = scoring.config.storage, scoring.record.run_id, scoring.scorer
    batches = list(read_batches(scoring.store, run_id, scorer=scorer))
    covered = {part.item_id: part for batch in batches for part in batch.covered}
    judged = read_judged_labels(storage.root, run_id, scorer=scorer, endpoint_url=storage.endpoint_url)
    verdicts = read_verdicts(storage.root, run_id, scorer=scorer, endpoint_url=storage.endpoint_url)
    return {
        "run_id": run_id,
        "scorer": scorer,
        "scoring": scoring_id(scorer),
        "state": scored.how if scored else "complete",
        "why": scored.why if scored else "",
        "items": {
            "planned": len(scoring.record.items),
            "published": len(scoring.markers),
            "scored": sum(part.is_all for part in covered.values()),
        },
        "batches": len(batches),
        "verdicts": asdict(verdicts),
        "content_hash": combine(batch.row_hash for batch in batches),
        "agreement": {labeler: asdict(agreement(some, _RESAMPLING)) for labeler, some in judged.items()},
        "session": {"drafts": scored.drafts if scored else 0, "wall_s": scored.wall_s if scored else 0.0},
        "served": dict(scored.served) if scored else {},
        "root": storage.root,
    }


def print_score(record: Record, stream: TextIO) -> None:
    """One line a row, never wrapped, so that it can be searched and copied; then the agreement with each labeler."""
    rows = list(_rows(record))
    width = max(len(heading) for heading, _ in rows)
    for heading, text in rows:
        print(f"{heading:<{width}}  {text}", file=stream)
    for labeler, found in record["agreement"].items():
        print(f"\nagreement with the labels of {labeler}; 95 % intervals over tasks", file=stream)
        _print_table(list(_agreement_rows(found)), stream)
        if found["calibration"]:
            print(file=stream)
            _print_table(list(_calibration_rows(found)), stream)
    stream.flush()


def _rows(record: Record) -> Iterator[tuple[str, str]]:
    items, verdicts, session = record["items"], record["verdicts"], record["session"]
    yield "run", f"{record['run_id']}: scoring {record['state']}" + (f" ({record['why']})" if record["why"] else "")
    yield "critic", record["scorer"]
    yield (
        "tasks",
        f"{count_text(items['scored'])} of {count_text(items['published'])} published ones scored" + _more(items),
    )
    failed = {f"no answer ({kind})": count for kind, count in verdicts["failed"].items()}
    counts = {
        "approve": verdicts["approve"],
        "revise": verdicts["revise"],
        "unreadable": verdicts["unreadable"],
        **failed,
    }
    told = ", ".join(f"{name} {count_text(count)}" for name, count in counts.items())
    yield "verdicts", f"{count_text(verdicts['drafts'])} ({told}), batches {count_text(record['batches'])}"
    tokens = f"{count_text(verdicts['prompt_tokens'])} prompt ({count_text(verdicts['cached_tokens'])} cached)"
    yield "tokens", f"{tokens}, {count_text(verdicts['completion_tokens'])} completion"
    yield "cost", cost_text(verdicts["cost_usd"])
    yield from served_rows(record["served"])
    yield "this session", f"{count_text(session['drafts'])} drafts in {duration_text(session['wall_s'])}"
    yield "content hash", record["content_hash"]
    if not record["agreement"]:
        yield "agreement", "the run has no labels to compare with"


def _more(items: Mapping[str, int]) -> str:
    left = items["planned"] - items["published"]
    return f"; {count_text(left)} of the run's are not published: score again when they are" if left else ""


# -- agreement --------------------------------------------------------------------------------------------------------


def _agreement_rows(found: Record) -> Iterator[list[str]]:
    confusion, decided = found["confusion"], found["labels"] - found["abstained"]
    yield [
        "labels of scored drafts",
        f"{count_text(found['labels'])}, {count_text(found['abstained'])} of them abstain",
    ]
    compared = sum(sum(verdicts.values()) for verdicts in confusion.values())
    lacking = f"{count_text(found['unreadable'])} unreadable, {count_text(found['unanswered'])} without an answer"
    yield ["decided", f"{count_text(decided)}: {count_text(compared)} with a verdict, {lacking}"]
    for label, verdicts in confusion.items():
        said = ", ".join(f"critic {verdict} {count_text(count)}" for verdict, count in verdicts.items())
        yield [f"label {label}", said]
    yield ["accuracy", _estimate_text(found["accuracy"], percent=True)]
    yield ["AUC", _estimate_text(found["auc"])]
    yield ["Brier score", _estimate_text(found["brier"])]


def _estimate_text(estimate: Mapping[str, float] | None, *, percent: bool = False) -> str:
    if estimate is None:
        return "-"
    mean, lower, upper = estimate["mean"], estimate["lower"], estimate["upper"]
    if percent:
        return f"{mean:.1%} [{100 * lower:.1f}, {100 * upper:.1f}]"
    return f"{mean:.3f} [{lower:.3f}, {upper:.3f}]"


def _calibration_rows(found: Record) -> Iterator[list[str]]:
    yield ["score", "labels", "mean score", "labeled approve"]
    for one in found["calibration"]:
        seen = [f"{one['mean_score']:.3f}", f"{one['approved']:.1%}"] if one["count"] else ["-", "-"]
        yield [f"{one['lower']:.1f} to {one['upper']:.1f}", count_text(one["count"]), *seen]


def _print_table(rows: list[list[str]], stream: TextIO) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(("  " + "  ".join(cells)).rstrip(), file=stream)
