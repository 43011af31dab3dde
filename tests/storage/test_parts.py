from __future__ import annotations

import subprocess
import sys

import pytest

from storage.parts import encode_rows
from storage.rows import Row, tree_tables
from storage.schema import TABLES
from tests.needs import REPOSITORY
from tests.storage.trees import STAMP, labelling, sample_tree

TREE = sample_tree()
ROWS: dict[str, list[Row]] = tree_tables(TREE, *labelling(TREE), STAMP)


@pytest.mark.parametrize("table", TABLES)
def test_equal_rows_give_equal_bytes(table: str) -> None:
    assert encode_rows(table, ROWS[table]) == encode_rows(table, [dict(row) for row in ROWS[table]])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"kind": None}, "non-nullable"),
        ({"n": 1.5}, "Int32"),
        ({"kind": 3}, "String"),
        ({"state_key": b"short"}, "widths must match"),
    ],
)
def test_a_row_that_does_not_fit_is_refused(change: Row, error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        encode_rows("values", [{**ROWS["values"][0], **change}])


def test_a_row_without_a_column_is_refused() -> None:
    row = {name: cell for name, cell in ROWS["values"][0].items() if name != "n"}
    with pytest.raises(KeyError, match="n"):
        encode_rows("values", [row])


def test_a_worker_that_writes_never_imports_pandas() -> None:
    script = (
        "import sys; from tests.storage.test_parts import ROWS, encode_rows; "
        "[encode_rows(table, rows) for table, rows in ROWS.items()]; sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, check=False).returncode == 0
