"""Cells as tables of (area, signal, minute, n, total, least, most), from where they may stand, and how two such tables differ."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from msgspec import Struct

from load_tests.services.clickhouse import ClickHouse
from sinks.clickhouse.schema import check_database
from streams.columns import unpack
from streams.model import Counts

KEY = ["area", "signal", "minute"]
VALUES = ["n", "total", "least", "most"]
_SUMS = [("n", "sum"), ("total", "sum"), ("least", "min"), ("most", "max")]
EXAMPLES = 10


class CellDiff(Struct, frozen=True):
    """Sums of n, and what was counted too few and too often. ``equal``: every cell, its readings' sum and ends included."""

    expected: int
    counted: int
    lost: int
    duplicated: int
    cells: int
    equal: bool
    examples: list[str]


def of_journal(records: Iterable[Counts]) -> pa.Table:
    """What records of the counts journal come to, roll-ups left out."""
    parts = []
    for record in records:
        if record.rollup:
            continue
        cells = unpack(record)
        words = (np.array(record.areas, object)[cells.area], np.array(record.signals, object)[cells.signal])
        columns: list[Any] = [pa.array(word, pa.string()) for word in words]
        columns += [pa.array(cells.minute, pa.int64()), pa.array(cells.n, pa.int64()), pa.array(cells.total)]
        columns += [pa.array(ends, from_pandas=True) for ends in (cells.least, cells.most)]  # no reading: null
        parts.append(pa.table(columns, names=KEY + VALUES))
    return _summed(pa.concat_tables(parts))


def of_clickhouse(server: ClickHouse, database: str) -> pa.Table:
    """What stands in the table of cells; a row written twice is one."""
    check_database(database)
    sql = f"SELECT area, signal, intDiv(toUInt32(minute), 60), n, total, least, most FROM {database}.cells FINAL"  # noqa: S608 - a checked name
    columns: list[Any] = server.columns(sql) or [[] for _ in KEY + VALUES]
    types = [pa.string(), pa.string(), pa.int64(), pa.int64(), pa.float64(), pa.float64(), pa.float64()]
    table = pa.table([pa.array(column, type=kind) for column, kind in zip(columns, types, strict=True)], names=KEY + VALUES)
    return _summed(table.set_column(4, "total", pc.fill_null(table["total"], 0.0)))


def diff(expected: pa.Table, found: pa.Table) -> CellDiff:
    """How what was found differs from what must be."""
    both = expected.append_column("here", pa.array(np.ones(expected.num_rows, bool))).join(
        found.append_column("there", pa.array(np.ones(found.num_rows, bool))), keys=KEY, join_type="full outer", right_suffix=" found"
    )
    wanted, counted = (np.asarray(pc.fill_null(both[name], 0)) for name in ("n", "n found"))
    same = np.asarray(pc.fill_null(pc.and_(both["here"], both["there"]), fill_value=False))
    for name in VALUES:
        here, there = both[name], both[f"{name} found"]
        nulls = pc.and_(pc.is_null(here), pc.is_null(there))
        same = same & np.asarray(pc.or_(pc.fill_null(pc.equal(here, there), fill_value=False), nulls))
    too_few = wanted - counted
    return CellDiff(
        expected=int(wanted.sum()),
        counted=int(counted.sum()),
        lost=int(too_few[too_few > 0].sum()),
        duplicated=int(-too_few[too_few < 0].sum()),
        cells=expected.num_rows,
        equal=bool(same.all()),
        examples=[_said(row) for row in both.take(np.flatnonzero(~same)[:EXAMPLES]).to_pylist()],
    )


def _summed(table: pa.Table) -> pa.Table:
    made = table.group_by(KEY).aggregate(_SUMS)
    return made.rename_columns([name.removesuffix("_sum").removesuffix("_min").removesuffix("_max") for name in made.column_names])


def _said(row: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(row["minute"] * 60, UTC).isoformat(timespec="minutes")
    sides = [", ".join(f"{name} {row[name + suffix]}" for name in VALUES if row[name + suffix] is not None) for suffix in ("", " found")]
    return f"{row['area']} {row['signal']} {at}: expected {sides[0] or 'nothing'}; found {sides[1] or 'nothing'}"
