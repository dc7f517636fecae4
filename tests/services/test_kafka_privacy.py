"""Ten thousand records full of people go into a raw topic; nothing of them may be found anywhere behind intake."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import orjson
import pytest
from clickhouse_driver import Client
from confluent_kafka import Producer

from load_tests.chaos_town import make, write_town
from load_tests.services.children import Child, Place, until
from sinks.clickhouse.schema import BY_NAME
from streams.core.journal import decode
from streams.loading import load
from streams.model import Counts
from streams.settings import City
from streams.shells.kafka.clients import clickhouse_driver, producer_settings
from streams.shells.kafka.snapshots import load_newest
from streams.shells.kafka.topics import create, specs
from tests.people import MARK, leaks, records
from tests.services.pipeline import messages

pytestmark = [pytest.mark.needs("kafka"), pytest.mark.needs("clickhouse")]
PARTITIONS = 2


def test_nothing_of_a_person_is_found_in_any_topic_but_raw_nor_in_tables_logs_snapshots_and_answers(place_with_tables: Place):
    place = place_with_tables
    settings = write_town(place.folder / "town")
    city = load(settings)
    create(city, place.deployment, state=place.folder / "state", partitions=PARTITIONS)
    flags = ["--city", str(settings), "--state", str(place.folder / "state")]
    intake, assess = Child(place, "intake", *flags), Child(place, "assess", "--snapshot-every", "1")
    sink, cockpit = Child(place, "sink", "clickhouse"), Child(place, "cockpit", *flags, "--port", "0")
    lines = records()
    with intake, assess, sink, cockpit:
        give(place, lines)
        until(lambda: counted(place) == len(lines), "all counted", 120)
        until(lambda: asked(place, "SELECT count() FROM dead_letters FINAL")[0][0] > len(lines) // 4, "dead letters in their table", 120)
        until(lambda: asked(place, "SELECT count() FROM scores FINAL")[0][0] > 0, "scores in their table", 120)
        until(lambda: load_newest(place.deployment.kafka, PARTITIONS) is not None, "a snapshot of decide", 120)
        port = int(str(cockpit.said("up")[0]["url"]).rsplit(":", 1)[1])
        answers = [ask(port, *request) for request in requests(lines[0])]
        for child in (intake, assess, sink, cockpit):
            assert child.stop() == 0, child.log.read_text()[-500:]
    assert not [answer[:300] for answer in answers if leaks(answer)]
    found = {name for name, data in everything(place, city) if leaks(data)}
    assert found == {"raw.hotline"}, "and the search would find it"
    for table in BY_NAME:
        assert not leaks(repr(asked(place, f"SELECT * FROM {table}")).encode()), table
    assert not [path for path in files(place.folder) if leaks(path.read_bytes())]


def give(place: Place, lines: list[bytes]) -> None:
    kafka = place.deployment.kafka
    producer = Producer(producer_settings(kafka))
    for line in lines:
        producer.produce(kafka.topic("raw.hotline"), line, key=f"{MARK} key", headers={"caller": MARK}, partition=0)
        producer.poll(0)
    for item in make(2_000, seed=1):  # time goes on only when all sources say something
        if item.source == "app":
            producer.produce(kafka.topic("raw.app"), item.payload, partition=0)
    assert producer.flush(30) == 0


def counted(place: Place) -> int:
    reached = 0
    for partition in range(PARTITIONS):
        for message in messages(place, "counts", partition):
            record = decode(message.value() or b"")
            if isinstance(record, Counts):
                reached = max(reached, *(span.to_offset for span in record.spans if span.raw == "raw.hotline/0"), reached)
    return reached


def asked(place: Place, sql: str) -> list[tuple[object, ...]]:
    settings = place.deployment.clickhouse
    client = Client(**clickhouse_driver(settings), database=settings.file.database)
    try:
        return list(client.execute(sql))
    finally:
        client.disconnect()


def requests(line: bytes) -> list[tuple[str, str, bytes]]:
    paths = ("/api/alerts", "/api/areas", "/metrics", "/ready", f"/api/alerts/{MARK}", f"/api/commands/{MARK}", f"/{MARK}")
    return [*(("GET", path, b"") for path in paths), ("POST", "/api/commands", line), ("POST", f"/{MARK}", line)]


def ask(port: int, method: str, path: str, body: bytes) -> bytes:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, {"Content-Type": "application/json", "Authorization": f"Bearer {MARK}"})
    answer = connection.getresponse()
    told = str(answer.getheaders()).encode() + answer.read()
    connection.close()
    return told


def everything(place: Place, city: City) -> Iterator[tuple[str, bytes]]:
    """Key, value and headers of every record of every topic; what is packed, unpacked."""
    for spec in specs(city, PARTITIONS):
        for partition in range(spec.partitions):
            for message in messages(place, spec.name, partition):
                yield spec.name, orjson.dumps([str(message.headers()), str(message.key())]) + (message.value() or b"")
    for slot in range(PARTITIONS + 1):
        found = load_newest(place.deployment.kafka, slot)
        assert found is not None
        yield "snapshots", found[0].state
        yield "snapshots", zlib.compress(found[0].state)


def files(folder: Path) -> list[Path]:
    """Logs of the processes and what the state folder holds."""
    found = [path for path in folder.rglob("*") if path.is_file() and "town" not in path.parts]
    assert {"intake.log", "assess.log", "sink.log", "cockpit.log"} <= {path.name for path in found}
    return found
