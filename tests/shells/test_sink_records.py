"""From topics to batches: what is held, when it is due, which state of an alert is the newest, which record no table can hold."""

from __future__ import annotations

import msgspec
import orjson
import pytest

from sinks.checks import START_S, alert, batch, counts, scores, transition
from streams.core.configure import configure_command
from streams.core.journal import Record, encode
from streams.model import Command, Outcome, Rejected, Tick
from streams.shells.kafka.sink_records import Held, Place, Taken, Unreadable, batch_of, first_refused, next_offsets, read, rows_of
from tests.shells.small import small_city

replace = msgspec.structs.replace
ALERTS, COUNTS, SCORES = Place("alerts", 0), Place("counts", 0), Place("scores", 1)


def taken(place: Place, offset: int, record: Record | Rejected) -> Taken:
    return Taken(place, offset, START_S * 1000, record)


def test_each_topic_holds_its_own_records():
    command = batch(0).commands[0]
    rejected = batch(0).rejected[0]
    for topic, record in (("counts", counts(0)), ("scores", scores(START_S)), ("alerts", alert("a", 0)), ("alerts", Outcome(command))):
        assert read(topic, encode(record)) == record
    assert read("dead-letters", orjson.dumps(msgspec.to_builtins(rejected))) == rejected


@pytest.mark.parametrize(
    ("topic", "data", "why"),
    [
        ("counts", b"", "empty"),
        ("counts", b"\x09whatever", "version 9"),
        ("scores", encode(Tick(1)), "is a Tick, which this topic does not hold"),
        ("alerts", encode(counts(0)), "is a Counts"),
        ("dead-letters", b"told in confidence", "is no dead letter"),
    ],
)
def test_what_is_no_record_of_its_topic_is_told_without_its_content(topic: str, data: bytes, why: str):
    with pytest.raises(Unreadable, match=why) as refused:
        read(topic, data)
    assert "confidence" not in str(refused.value)


def test_rows_are_counted_as_tables_have_them():
    assert rows_of(counts(0)) == 4 + 1
    assert rows_of(scores(START_S)) == 2
    assert rows_of(alert("a", 0)) == 1


def test_a_batch_has_the_newest_state_of_each_alert_whatever_was_said_again():
    newest = replace(alert("a", 2), risk=77.0)
    older = [alert("a", 1), replace(newest, updated_s=newest.updated_s - 60, risk=1.0)]
    for order in ([newest, *older], [*older, newest], [older[0], newest, older[1]]):
        given = [taken(ALERTS, offset, state) for offset, state in enumerate([*order, alert("b", 0)])]
        assert set(batch_of(given).alerts) == {newest, alert("b", 0)}
    same = replace(newest, clears="otherwise")  # of the same order: the one said last
    assert batch_of([taken(ALERTS, 0, newest), taken(ALERTS, 1, same)]).alerts == (same,)


def test_positions_are_the_offsets_and_an_outcome_is_a_command():
    step, command = transition(alert("a", 0)), batch(0).commands[0]
    given = [taken(ALERTS, 7, step), taken(ALERTS, 9, Outcome(command, "unknown_alert")), taken(COUNTS, 5, counts(1))]
    made = batch_of(given)
    assert (made.transitions, made.commands, [at for at, _ in made.counts]) == (((7, step),), (command,), [5])
    assert next_offsets(given) == {ALERTS: 10, COUNTS: 6}


def test_records_are_due_when_they_are_many_or_have_waited():
    held = Held(rows_max=10, bytes_max=1000, wait_s=1.0)
    assert not held.due(99.0)
    held.add(taken(SCORES, 1, scores(START_S)), 100, 5.0)
    held.add(taken(SCORES, 2, scores(START_S)), 100, 5.9)
    assert [held.due(now) for now in (5.9, 6.0)] == [False, True]
    for offset in range(3, 6):
        held.add(taken(SCORES, offset, scores(START_S)), 10, 5.9)
    assert held.due(5.9), "ten rows"
    held.clear()
    assert (held.due(99.0), held.rows) == (False, 0)
    held.add(taken(SCORES, 6, scores(START_S)), 1000, 7.0)
    assert held.due(7.0), "a thousand bytes"


def test_a_configuration_is_taken_from_the_first_partition_alone():
    city = small_city()
    command = configure_command(city, id="configure-2", time_s=START_S, actor="tocsin")
    held = Held(rows_max=10, bytes_max=1000, wait_s=1.0)
    held.add(taken(Place("counts", 1), 0, command), 10, 0.0)
    assert held.city is None
    held.add(taken(COUNTS, 0, command), 10, 0.0)
    assert held.city is not None
    assert held.city.config_version == city.config_version
    with pytest.raises(Unreadable, match="holds no configuration"):
        held.add(taken(COUNTS, 1, Command("c", START_S, "tocsin", "configure", "{}")), 10, 0.0)


def test_the_record_that_no_table_can_hold_is_found():
    bad = replace(scores(START_S), p=[0.5, float("inf")])
    given = [taken(SCORES, 0, scores(START_S)), taken(ALERTS, 0, alert("a", 0)), taken(SCORES, 1, bad)]
    found = first_refused(given)
    assert found is not None
    assert found[0] == 2
    assert "not finite" in found[1]
    assert first_refused(given[:2]) is None
