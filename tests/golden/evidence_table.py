"""Reads evidence_table.parquet, which planish wrote, with pyarrow and pandas, and compares it with what was written.

Needs pyarrow and pandas: python3 tests/golden/evidence_table.py
"""

import math
from pathlib import Path

import pandas
import pyarrow.parquet

path = Path(__file__).with_suffix(".parquet")
expected = {
    "id": [i - 3 for i in range(40)],
    "maybe": [i if i % 3 == 0 else None for i in range(40)],
    "margin": [i / 7 for i in range(40)],
    "flag": [i % 5 < 2 if i > 4 else None for i in range(40)],
    "robust": [i % 7 < 3 for i in range(40)],
    "attack": [f"apgd-{i}" if i < 20 else None for i in range(40)],
    "nothing": [None] * 40,
}
table = pyarrow.parquet.read_table(path)
assert table.to_pydict() == expected, table
assert table.schema.metadata[b"planish.schema"] == b"2"
frame = pandas.read_parquet(path)
assert frame["id"].tolist() == expected["id"] and math.isnan(frame["maybe"][1])
print("read as written")
