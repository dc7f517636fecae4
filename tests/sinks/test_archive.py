"""The past from the views: the same answers of both engines, districts whole, streets without counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from load_tests.services.clickhouse import ClickHouse
from sinks.archive import Archive, Handled, Yearly
from sinks.base import Batch, SinkError
from sinks.checks import AREAS, SIGNALS, START_S, alert, batch, transition
from sinks.clickhouse.archive import TablesArchive
from sinks.clickhouse.chdb_sink import ChdbSink
from sinks.clickhouse.server_reader import ServerReader
from sinks.clickhouse.server_sink import ServerSink
from streams.model import Transition

replace = msgspec.structs.replace
END_S = START_S + 86_400


def steps() -> Iterator[tuple[int, Transition]]:
    """One alert that two people handled and one that nobody touched."""
    raised = transition(alert("h", 0))
    yield 100, raised
    yield 101, replace(raised, seq=1, at_s=raised.at_s + 120, from_state="open", reason="acknowledged", actor="anna")
    yield 102, replace(raised, seq=2, at_s=raised.at_s + 900, from_state="open", reason="assigned", actor="bo")
    yield 103, replace(raised, seq=3, at_s=raised.at_s + 4000, to_state="cleared", reason="resolved", actor="anna")


def fill(sink: ChdbSink | ServerSink) -> None:
    for number in range(4):
        sink.write(batch(number))
    sink.write(Batch(transitions=tuple(steps()), alerts=(replace(alert("h", 3), state="cleared", label="true"),)))


def asked(archive: Archive) -> dict[str, object]:
    span = (START_S - 3600, END_S)
    return {
        "city": archive.hours("city", 0, *span),
        "district": archive.hours("d1", 1, *span),
        "street": archive.hours("d1b", 2, *span),
        "risks": archive.risks("d1a", *span),
        "alerts": archive.alerts(["d1a", "d1b"], *span, 100),
        "newest": archive.newest(),
        "amounts": archive.amounts(*span),
        "handled": [each._replace(hands=()) for each in archive.handled(*span)],
        "hands": [len(each.hands) for each in archive.handled(*span)],
        "yearly": archive.yearly(),
        "alerts_yearly": archive.alerts_yearly(),
    }


@pytest.fixture
def archive(open_chdb: Callable[..., ChdbSink]) -> Archive:
    sink = open_chdb()
    fill(sink)
    return TablesArchive(sink.query)


def test_hours_of_a_district_hold_all_that_lies_in_it(archive: Archive) -> None:
    hours = archive.hours("d1", 1, START_S, START_S + 3600)
    assert [(hour.at_s, hour.signal, hour.n) for hour in hours] == [(START_S, "noise", 11), (START_S, "water_level", 2)]
    assert archive.hours("d1", 1, START_S + 3600 * 4, END_S) == []
    assert [hour.n for hour in archive.hours("city", 0, START_S, START_S + 1) if hour.signal == "noise"] == [11]


def test_a_street_has_readings_and_no_counts(archive: Archive) -> None:
    assert {(hour.signal, hour.average) for hour in archive.hours("d1b", 2, START_S, END_S)} == {("water_level", 2.75)}


def test_what_people_did_with_an_alert(archive: Archive) -> None:
    (found,) = (each for each in archive.handled(START_S, END_S) if each.id == "h")
    raised_s = START_S + 3600
    assert found._replace(hands=()) == Handled("h", "d1a", ("noise",), raised_s, raised_s + 120, raised_s + 4000, "true", ())
    assert len(set(found.hands)) == 2
    assert {each.acknowledged_s for each in archive.handled(START_S, END_S) if each.id != "h"} == {None}
    assert archive.handled(raised_s + 1, END_S) == []


def test_an_alert_of_the_past_is_found_by_the_areas_of_its_members(archive: Archive) -> None:
    assert {each.id for each in archive.alerts(["d1a"], START_S, END_S, 100)} == {"a0", "b0", "b1", "b2", "b3", "h"}
    assert archive.alerts(["d2"], START_S, END_S, 100) == []
    assert archive.alerts([], START_S, END_S, 100) == []
    assert len(archive.alerts(["d1a"], START_S, END_S, 2)) == 2


def test_years_of_streets_are_rounded(archive: Archive) -> None:
    assert archive.yearly() == [Yearly(2015, "d1", 44), Yearly(2015, "d1a", 20), Yearly(2015, "d1b", 30)]  # 16 and 28


def test_a_name_with_quotes_in_it_is_a_name(archive: Archive) -> None:
    for area in ("d1' OR '1'='1", "d1\\", "'"):
        assert archive.hours(area, 2, START_S, END_S) == []
        assert archive.alerts([area], START_S, END_S, 10) == []


def test_nobody_who_acted_can_be_named_by_the_views(archive: Archive, open_chdb: Callable[..., ChdbSink]) -> None:
    assert not {"anna", "bo"} & set(repr(asked(archive)).replace("'", " ").split())


def test_a_closed_folder_is_an_error_that_says_so(open_chdb: Callable[..., ChdbSink]) -> None:
    sink = open_chdb()
    sink.close()
    with pytest.raises(SinkError):
        TablesArchive(sink.query).newest()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    with ClickHouse(tmp_path_factory.mktemp("clickhouse"), user="tocsin", password="only-a-test") as running:
        yield running


def connection(server: ClickHouse) -> dict[str, Any]:
    return {"host": server.host, "port": server.port, "user": server.user, "password": server.password}


@pytest.mark.needs("clickhouse")
def test_a_server_gives_the_same_answers(server: ClickHouse, archive: Archive, tmp_path: Path) -> None:
    sink, reader = ServerSink(connection(server), areas=AREAS, signals=SIGNALS), ServerReader(connection(server))
    fill(sink)
    assert asked(TablesArchive(reader.query)) == asked(archive)
    sink.close()
    reader.close()


@pytest.mark.needs("clickhouse")
def test_a_reader_only_reads_and_finds_a_server_again_that_was_away(server: ClickHouse) -> None:
    sink, reader = (
        ServerSink(connection(server), database="away", areas=AREAS, signals=SIGNALS),
        ServerReader(connection(server), database="away"),
    )
    fill(sink)
    with pytest.raises(SinkError):
        reader.query("DROP TABLE cells")
    before = TablesArchive(reader.query).newest()
    server.kill()
    try:
        with pytest.raises(SinkError, match="does not answer") as refused:
            reader.query("SELECT 1")
        assert refused.value.retryable
    finally:
        server.start()
    assert TablesArchive(reader.query).newest() == before
    sink.close()
    reader.close()
