"""The sink as a child, what stands in its topics, and what its tables should hold."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import orjson
from confluent_kafka import Message, Producer

from load_tests.services.clickhouse import ClickHouse
from sinks.base import Batch
from sinks.checks import batch
from sinks.clickhouse.schema import TABLES
from sinks.clickhouse.server_sink import ServerSink
from streams.core.journal import Record, decode, encode
from streams.model import Alert, Counts, Outcome, Rejected, Scores, Transition
from streams.shells.kafka.clients import clickhouse_driver, producer_settings
from tests.services.conftest import Place
from tests.services.pipeline import Child, messages, until
from tests.shells.small import small_city

PARTITIONS = 2
KEYS = {table.name: ", ".join(table.key) for table in TABLES}


def sink(place: Place, *more: str, name: str = "sink") -> Child:
    return Child(place, "sink", "clickhouse", *more, name=name)


def say(place: Place, told: Iterable[tuple[str, int, bytes]]) -> None:
    """Records (topic, partition, bytes), acknowledged; their order in each partition is kept."""
    producer = Producer(producer_settings(place.deployment.kafka))
    for topic, partition, data in told:
        producer.produce(place.deployment.kafka.topic(topic), data, partition=partition)
        producer.poll(0)
    assert producer.flush(30) == 0


def of(number: int) -> Iterator[tuple[str, int, bytes]]:
    """The ``number``-th sample batch, as intake, score and decide put it into the topics."""
    given = batch(number)
    for _, counts in given.counts:
        yield "counts", number % PARTITIONS, encode(counts)
    for each in given.scores:
        yield "scores", number % PARTITIONS, encode(each)
    said: list[Record] = [
        *given.alerts,
        *(step for _, step in given.transitions),
        *(Outcome(command, "") for command in given.commands),
    ]
    yield from (("alerts", 0, encode(record)) for record in said)
    for rejected in given.rejected:
        yield "dead-letters", 0, orjson.dumps(msgspec.to_builtins(rejected))


def tables(place: Place, server: ClickHouse, database: str = "") -> dict[str, list[tuple[Any, ...]]]:
    database = database or place.deployment.clickhouse.file.database
    return {name: server.query(f"SELECT * FROM {database}.{name} FINAL ORDER BY {key}") for name, key in KEYS.items()}


def rows(place: Place, server: ClickHouse, what: str) -> list[tuple[Any, ...]]:
    """Of a table, with FINAL where it is none of the views; nothing while there is no table."""
    try:
        return server.query(f"SELECT {what.replace(' FROM ', ' FROM ' + place.deployment.clickhouse.file.database + '.')}")
    except Exception as error:
        if getattr(error, "code", None) in {60, 81}:
            return []
        raise


def offset_of(message: Message) -> int:
    offset = message.offset()
    assert offset is not None
    return offset


def expected(place: Place, server: ClickHouse) -> dict[str, list[tuple[Any, ...]]]:
    """What the tables should hold: everything in the topics, each transition where it stands first, each alert's newest state."""
    database = f"{place.deployment.clickhouse.file.database}_expected"
    city = small_city()
    whole = ServerSink(clickhouse_driver(place.deployment.clickhouse), database=database, areas=city.areas, signals=city.signals)
    counts, all_scores, steps, alerts, commands = [], [], {}, {}, []
    for partition in range(PARTITIONS):
        for message in messages(place, "counts", partition):
            record = decode(message.value() or b"")
            if isinstance(record, Counts):
                counts.append((offset_of(message), record))
        found = [decode(message.value() or b"") for message in messages(place, "scores", partition)]
        all_scores += [record for record in found if isinstance(record, Scores)]
    for message in messages(place, "alerts"):
        match decode(message.value() or b""):
            case Transition() as step:
                steps.setdefault((step.alert_id, step.seq), (offset_of(message), step))
            case Alert() as alert if alert.seq >= (alerts[alert.id].seq if alert.id in alerts else -1):
                alerts[alert.id] = alert
            case Outcome(command=command):
                commands.append(command)
    rejected = [msgspec.json.decode(message.value() or b"", type=Rejected) for message in messages(place, "dead-letters")]
    whole.write(Batch(tuple(counts), tuple(all_scores), tuple(steps.values()), tuple(alerts.values()), tuple(commands), tuple(rejected)))
    whole.close()
    return tables(place, server, database)


def until_equal(place: Place, server: ClickHouse, seconds: float = 60) -> None:
    wanted = expected(place, server)
    until(lambda: len(rows(place, server, "id FROM alerts FINAL")) == len(wanted["alerts"]), "alerts", seconds)
    try:
        until(lambda: tables(place, server) == wanted, "the tables are as they should be", seconds)
    except AssertionError:
        assert tables(place, server) == wanted
        raise


def answers(server: ClickHouse) -> bool:
    try:
        socket.create_connection((server.host, server.port), 0.2).close()
    except OSError:
        return False
    return True
