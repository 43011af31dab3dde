"""The manifest: the object whose existence makes the other files a dataset version, and where each came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from labeling.examples import FEEDBACK_TEMPLATE
from labeling.rubric import RUBRIC_VERSION
from storage.export.content import ExportContent, SplitStatistics
from storage.export.parquet_files import ExportFile
from storage.schema import SCHEMA_VERSION

MANIFEST = "manifest.json"


def manifest_bytes(content: ExportContent, files: Sequence[ExportFile]) -> bytes:
    """`files`: all that belong to the version, the card included."""
    made = content.format
    record = {
        "settings": asdict(content.settings),
        "files": [asdict(file) for file in files],
        "splits": {name: _split(statistics) for name, statistics in content.splits.items()},
        "schema": [
            {
                "name": field.name,
                "type": str(field.type),
                "nullable": field.nullable,
                "meaning": (field.metadata or {})[b"meaning"].decode(),
            }
            for field in made.schema
        ],
        "source": {
            "table": made.table,
            "rows": content.survey.num_rows,
            "usable": content.survey.num_usable,
            "duplicates": content.num_duplicates,
            "counts": _counts(content.survey.counts),
        },
        "lineage": {
            "run_id": content.record.run_id,
            "content_hash": content.content_hash,
            "row_hash": dict(content.row_hash),
            "schema_version": SCHEMA_VERSION,
            "items_settled": content.items_settled,
            "items_planned": content.items_planned,
            "treeroll_version": content.record.treeroll_version,
            "rubric_version": RUBRIC_VERSION,
            "feedback_template": FEEDBACK_TEMPLATE,
            **{name: list(values) for name, values in content.survey.origins.items()},
        },
        "config": content.record.config,
    }
    return json.dumps(record, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"


def differing_keys(first: bytes, second: bytes) -> list[str]:
    """Top-level names under which two manifests differ. ValueError where the first is no manifest."""
    old, new = json.loads(first), json.loads(second)
    if not isinstance(old, dict):
        raise ValueError("a manifest is a JSON object")
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _split(statistics: SplitStatistics) -> dict[str, object]:
    return {
        "tasks": statistics.num_tasks,
        "rows": statistics.num_rows,
        "counts": _counts(statistics.counts),
        "longest": statistics.longest,
    }


def _counts(counts: Mapping[tuple[str, ...], int]) -> dict[str, int]:
    return {" / ".join(key): count for key, count in sorted(counts.items())}
