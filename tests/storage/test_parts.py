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
        ({"n": 1.5}, "int32"),
        ({"kind": 3}, "bytes"),
        ({"state_key": b"short"}, "length 16"),
    ],
)
def test_a_row_that_does_not_fit_is_refused(change: Row, error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        encode_rows("values", [{**ROWS["values"][0], **change}])


def test_a_row_without_a_column_is_refused() -> None:
    row = {name: cell for name, cell in ROWS["values"][0].items() if name != "n"}
    with pytest.raises(KeyError, match="n"):
        encode_rows("values", [row])


@pytest.mark.parametrize(("wanted", "told"), [("'pandas' in sys.modules", "False"), ("len(made.to_pandas())", "2")])
def test_pandas_is_left_out_until_somebody_asks_for_it(wanted: str, told: str) -> None:
    pytest.importorskip("pandas")
    script = (
        "import sys; import pyarrow as pa; from storage.parts import leave_pandas_out; "
        "from tests.storage.test_parts import ROWS, encode_rows; leave_pandas_out(); "
        f"[encode_rows(table, rows) for table, rows in ROWS.items()]; made = pa.table({{'a': [1, 2]}}); print({wanted})"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == told
