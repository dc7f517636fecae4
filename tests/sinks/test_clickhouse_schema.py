"""The tables: keys that never move, a base that old servers take, names that need no quoting."""

from __future__ import annotations

import re

import pytest

from sinks.clickhouse.schema import PORTABLE, TABLES, Table, check_database, tables_ddl
from sinks.clickhouse.views import VIEWS, views_ddl

# What ClickHouse 18.16 does not take.
UNPORTABLE = re.compile(
    r"LowCardinality|CODEC|\bTTL\b|DateTime64|\bMap\(|\bBool\b|SETTINGS|INDEX|JSONExtract|toStartOfInterval|WITH FILL|OVER \(|OR REPLACE"
)


def test_the_base_is_portable() -> None:
    for statement in (*tables_ddl("tocsin", PORTABLE), *views_ddl("tocsin", 5)):
        assert not UNPORTABLE.search(statement), statement


def test_tuning_comes_with_the_server_version() -> None:
    tuned = "\n".join(tables_ddl("tocsin", (24, 8)))
    assert "LowCardinality(String)" in tuned
    assert "fsync_after_insert = 1" in tuned
    assert "fsync" not in "\n".join(tables_ddl("tocsin", (20, 3)))


def test_people_need_no_rights_on_the_tables_below_the_views() -> None:
    for version, definer in (((24, 3), True), ((23, 8), False), (PORTABLE, False)):
        made = [statement for statement in views_ddl("tocsin", 5, version) if statement.startswith("CREATE")]
        assert [" DEFINER = CURRENT_USER SQL SECURITY DEFINER AS\n" in statement for statement in made] == [definer] * len(VIEWS)


def test_only_words_change_by_version() -> None:
    plain = "\n".join(tables_ddl("tocsin", (24, 8))).replace("LowCardinality(String)", "String")
    assert re.sub(r"\nSETTINGS .*", "", plain) == "\n".join(tables_ddl("tocsin"))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_replaces_by_a_key_of_its_own_columns(table: Table) -> None:
    names = {column.name for column in table.columns}
    assert set(table.key) <= names
    assert len(names) == len(table.columns)
    (ddl,) = (statement for statement in tables_ddl("tocsin") if f"tocsin.{table.name}\n" in statement)
    assert f"ENGINE = ReplacingMergeTree({table.version})" in ddl


def test_rollups_and_bodies_have_no_column() -> None:
    columns = {table.name: {column.name for column in table.columns} for table in TABLES}
    assert "rollup" not in columns["cells"]
    assert "body" not in columns["commands"]
    assert {"raw", "to_offset", "area", "signal", "minute"} == set(next(t for t in TABLES if t.name == "cells").key)


@pytest.mark.parametrize("name", ["", "Tocsin", "1st", "a-b", "a.b", "a b", "a`", "x" * 64, "a;drop"])
def test_a_database_name_that_needs_quoting_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a database name"):
        check_database(name)
    with pytest.raises(ValueError, match="not a database name"):
        views_ddl(name, 5)


def test_every_view_reads_deduplicated_rows() -> None:
    bodies = dict(zip(VIEWS, views_ddl("tocsin", 7)[1::2], strict=True))
    for name, body in bodies.items():
        assert f"VIEW tocsin.{name} " in body
        assert "$" not in body
        tables = re.findall(r"FROM tocsin\.(\w+)( FINAL)?", body)
        assert tables
        assert all(final for _, final in tables) or name == "v_sources", body  # the newest of rows is so however often one stands there
    assert "7 <= 1" in bodies["v_cells"]
    assert "7 > 1" in bodies["v_scores"]
