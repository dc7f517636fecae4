"""A model of ClickHouse's tables: the rows that the real sink would send, of each key the one that its engine would keep."""

from __future__ import annotations

from typing import Any, ClassVar

from load_tests.simulation.world import World
from sinks.base import Batch, SinkError
from sinks.clickhouse.rows import Block, blocks
from sinks.clickhouse.schema import TABLES

BLOCK_ROWS_MAX = 1000
Row = tuple[Any, ...]

_COLUMNS = {table.name: [column.name for column in table.columns] for table in TABLES}
_KEYS = {table.name: [_COLUMNS[table.name].index(name) for name in table.key] for table in TABLES}
_VERSIONS = {table.name: _COLUMNS[table.name].index(table.version) if table.version else -1 for table in TABLES}


class Tables:
    """Rows by table and key. Of two rows with one key the one of the higher version stays, else the later one."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[Row, Row]] = {name: {} for name in _COLUMNS}

    def insert(self, block: Block) -> None:
        """Take a block."""
        columns = [getattr(column, "tolist", lambda column=column: column)() for column in block.columns.values()]
        rows, key, version = self.rows[block.table], _KEYS[block.table], _VERSIONS[block.table]
        for values in zip(*columns, strict=True):
            row = tuple(tuple(value) if isinstance(value, list) else value for value in values)
            at = tuple(row[i] for i in key)
            known = rows.get(at)
            if known is None or version < 0 or row[version] >= known[version]:
                rows[at] = row

    def write(self, batch: Batch) -> None:
        """Take a batch."""
        for block in blocks(batch, rows_max=BLOCK_ROWS_MAX):
            self.insert(block)

    def named(self, table: str, *names: str) -> list[Row]:
        """Some columns of a table, in the order of its keys."""
        at = [_COLUMNS[table].index(name) for name in names]
        rows = self.rows[table]
        return [tuple(rows[key][i] for i in at) for key in sorted(rows)]


class TablesSink:
    """Stands for the sink of a ClickHouse server: away at times, or gone in the middle of a batch."""

    name: ClassVar[str] = "clickhouse"

    def __init__(self, world: World, tables: Tables) -> None:
        self._world, self._tables = world, tables
        self.address, self.version = "model", (26, 0)
        self._trouble("open")

    def write(self, batch: Batch) -> None:
        """Block by block, as the real one."""
        self._trouble("write")
        for block in blocks(batch, rows_max=BLOCK_ROWS_MAX):
            self._world.effect(f"insert {block.table}")
            self._tables.insert(block)
            self._world.note("rows", block.table, block.rows)
            self._trouble("written")

    def query(self, _sql: str) -> list[dict[str, Any]]:
        """Whether it answers."""
        self._trouble("query")
        return []

    def describe(self, *_described: object) -> None:
        """Areas and signals for the views."""
        self._trouble("describe")

    def close(self) -> None:
        """Nothing is kept."""

    def _trouble(self, what: str) -> None:
        self._world.effect(f"tables {what}")
        if self._world.chance(self._world.weather.tables):
            self._world.fault("tables_away")
            raise SinkError("simulated", retryable=True)
