"""The native protocol against a real server: the contract suite, the same answers as chDB, what happens when it goes away."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from load_tests.services.clickhouse import ClickHouse
from sinks.base import Batch, SinkError
from sinks.checks import AREAS, CHECKS, SIGNALS, Subject, batch, counts, scores, transition
from sinks.clickhouse.chdb_sink import ChdbSink
from sinks.clickhouse.schema import TABLES
from sinks.clickhouse.server_sink import ServerSink
from sinks.clickhouse.views import VIEWS
from streams.columns import pack, unpack

pytestmark = pytest.mark.needs("clickhouse")

Open = Callable[..., ServerSink]
_numbers = itertools.count()
replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    with ClickHouse(tmp_path_factory.mktemp("clickhouse"), user="tocsin", password="only-a-test") as running:
        yield running


@pytest.fixture
def connection(server: ClickHouse) -> dict[str, Any]:
    return {"host": server.host, "port": server.port, "user": server.user, "password": server.password, "client_name": "tocsin"}


@pytest.fixture
def open_server(connection: dict[str, Any]) -> Iterator[Open]:
    opened: list[ServerSink] = []

    def open_sink(database: str = "", **options: Any) -> ServerSink:
        options = {"areas": AREAS, "signals": SIGNALS, **options}
        opened.append(ServerSink(connection, database=database or f"s{next(_numbers)}", **options))
        return opened[-1]

    yield open_sink
    for sink in opened:
        sink.close()


def contents(sink: ServerSink | ChdbSink) -> dict[str, list[dict[str, object]]]:
    return {table.name: sink.query(f"SELECT * FROM {table.name} FINAL ORDER BY {', '.join(table.key)}") for table in TABLES}


def seen(sink: ServerSink | ChdbSink) -> dict[str, list[str]]:
    """What people read, in an order of its own."""
    return {view: sorted(map(repr, map(sorted_row, sink.query(f"SELECT * FROM {view}")))) for view in VIEWS}


def sorted_row(row: dict[str, Any]) -> list[tuple[str, object]]:
    """An engine says 3, the other 3.0."""
    return [(name, float(value) if isinstance(value, int | float) else value) for name, value in sorted(row.items())]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_server_meets_the_spec(check: Callable[[Subject], None], open_server: Open) -> None:
    check(Subject(open_server, contents, lambda _: 0, held_max=0))


def test_chdb_and_the_server_give_the_same_answers(open_server: Open, open_chdb: Callable[..., ChdbSink]) -> None:
    server, chdb = open_server(block_rows_max=3), open_chdb()
    for number in (0, 2, 1, 3, 2):
        server.write(batch(number))
        chdb.write(batch(number))
    assert contents(server) == contents(chdb)
    assert seen(server) == seen(chdb)
    assert all(seen(server).values())


def test_small_counts_of_small_areas_are_hidden_from_people(open_server: Open) -> None:
    sink = open_server(suppress_below=5)
    sink.write(batch(0))
    rows = {(row["area"], row["signal"]): row for row in sink.query("SELECT * FROM v_cells")}
    assert {area for area, signal in rows if signal == "noise"} == set(), "no count of a street, small or not: the district's is told"
    assert sink.query("SELECT district, n FROM v_districts WHERE signal = 'noise'") == [{"district": "d1", "n": 11}]
    rows_of_scores = sink.query("SELECT duration_s, observed, p FROM v_scores ORDER BY duration_s")
    assert [(row["observed"], row["p"]) for row in rows_of_scores] == [(None, None)] * 2


def test_another_configuration_changes_what_is_small(open_server: Open) -> None:
    sink = open_server(suppress_below=50)
    sink.write(Batch(scores=(replace(scores(3600), area=["d1", "d2"]),)))
    assert [row["observed"] for row in sink.query("SELECT observed FROM v_scores ORDER BY area")] == [3, 42]
    sink.describe([replace(area, level=2) for area in AREAS], SIGNALS, suppress_below=10)
    assert [row["observed"] for row in sink.query("SELECT observed FROM v_scores ORDER BY area")] == [None, None]


def test_a_transition_said_again_keeps_the_position_at_which_it_was_said_first(open_server: Open) -> None:
    step = transition(batch(0).alerts[0])
    for order in ((3, 17, 90), (90, 3, 17), (17, 90, 3)):
        sink = open_server()
        for position in order:
            sink.write(Batch(transitions=((position, step),)))
        assert sink.query("SELECT position FROM v_transitions") == [{"position": 3}]


def test_the_newest_state_of_an_alert_stands_whatever_is_written_after_it(open_server: Open) -> None:
    newest = replace(batch(0).alerts[0], seq=2, updated_s=5000, risk=77.0)
    sink = open_server()
    for state in (newest, replace(newest, seq=1, updated_s=9000), replace(newest, updated_s=4000), replace(newest, seq=0)):
        sink.write(Batch(alerts=(state,)))
    assert sink.query("SELECT seq, risk, updated FROM v_alerts") == [{"seq": 2, "risk": 77.0, "updated": "1970-01-01 01:23:20"}]


def test_a_block_may_touch_more_months_than_a_server_likes(open_server: Open) -> None:
    sink, one = open_server(), counts(0)
    cells = unpack(one)
    row = cells._make([np.repeat(column[:1], 150) for column in cells])._replace(minute=np.arange(150, dtype=np.int32) * (60 * 24 * 31))
    sink.write(Batch(counts=((1, pack(rollup=False, config_hash="", spans=one.spans, areas=one.areas, signals=one.signals, cells=row)),)))
    assert sink.query("SELECT count() AS n FROM cells") == [{"n": 150}]


def test_a_refused_user_is_told_clearly_and_nothing_of_the_password(connection: dict[str, Any]) -> None:
    for wrong in ({"password": "told-to-nobody"}, {"user": "nobody", "password": "told-to-nobody"}):
        with pytest.raises(SinkError, match="correct the user, the password") as refused:
            ServerSink(connection | wrong)
        assert not refused.value.retryable
        assert "told-to-nobody" not in repr(refused.value)


def test_tables_of_another_release_are_refused(open_server: Open, server: ClickHouse) -> None:
    server.query("CREATE DATABASE older")
    server.query("CREATE TABLE older.signals (name String) ENGINE = ReplacingMergeTree ORDER BY name")
    with pytest.raises(SinkError, match="tables of another release in older: signals; rename the database") as refused:
        open_server("older")
    assert not refused.value.retryable


def test_what_the_server_refuses_for_good_is_not_offered_again(open_server: Open, server: ClickHouse) -> None:
    sink = open_server("dropped")
    server.query("DROP TABLE dropped.scores")
    with pytest.raises(SinkError, match=r"did not take dropped.scores: code 60 UNKNOWN_TABLE") as refused:
        sink.write(batch(0))
    assert not refused.value.retryable


def test_a_query_only_reads(open_server: Open) -> None:
    sink = open_server()
    for sql in ("DROP TABLE cells", "INSERT INTO signals VALUES", "SELECT nonsense FROM"):
        with pytest.raises(SinkError) as refused:
            sink.query(sql)
        assert not refused.value.retryable
    assert sink.query("SELECT name FROM signals FINAL ORDER BY name") == [{"name": "noise"}, {"name": "water_level"}]


def test_a_server_that_goes_away_is_waited_for_and_has_each_row_once(open_server: Open, server: ClickHouse) -> None:
    # server  [------) kill   [------------)
    # writes   0  1  2× 2×     2  1
    sink = open_server()
    sink.write(batch(0))
    sink.write(batch(1))
    server.kill()
    try:
        for _ in range(2):
            with pytest.raises(SinkError, match="does not answer") as refused:
                sink.write(batch(2))
            assert refused.value.retryable
        with pytest.raises(SinkError, match="does not answer") as refused:
            open_server()
        assert refused.value.retryable
    finally:
        server.start()
    sink.write(batch(2))
    sink.write(batch(1))
    whole = open_server()
    for number in range(3):
        whole.write(batch(number))
    assert contents(sink) == contents(whole)
