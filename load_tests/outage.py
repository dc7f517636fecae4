"""A broker and a ClickHouse server that are not there when everything starts, and go away in between, each for as long as asked.

``tocsin up --kafka`` runs all the while, as an operator would have it. What the tables hold afterwards is held against a count of the
records that is made without any of this code.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from confluent_kafka import Producer
from msgspec import Struct

from load_tests.chaos_town import Cell, Item, count, make, write_town
from load_tests.services.children import Child, Place, until
from load_tests.services.clickhouse import ClickHouse
from load_tests.services.kafka import Kafka
from streams.shells.kafka.clients import producer_settings

PASSWORD = "of-a-benchmark"
DATABASE = "bench_outage"
START_S = 10.0
SETTLE_S_MAX = 900.0
CELLS = f"SELECT area, signal, toUInt32(minute), sum(n) FROM {DATABASE}.cells FINAL GROUP BY area, signal, minute"  # noqa: S608 - a constant
MADE = f"SELECT count() FROM system.tables WHERE database = '{DATABASE}' AND name = 'cells'"  # noqa: S608 - a constant
MESSAGES = ("broker_away", "broker_back", "sink_away", "sink_back")

Say = Callable[[str], None]


class Report(Struct):
    """``ended``: how often a process of which name ended by itself. ``messages``: how often each was said."""

    away_s: float
    records: int
    counted: int
    expected: int
    lost: int
    duplicated: int
    alerts: int
    ended: dict[str, int]
    messages: dict[str, int]
    caught_up_s: dict[str, float]
    seconds: float

    @property
    def ok(self) -> bool:
        """Nothing lost or doubled, both were missed aloud, and no process ended more than twice for each outage."""
        said = all(self.messages.get(name, 0) > 0 for name in MESSAGES)
        return self.lost == self.duplicated == 0 and self.alerts > 0 and said and max(self.ended.values(), default=0) <= 4


class Outage:
    """One city, its records and its services."""

    def __init__(self, folder: Path, records: int, seed: int, say: Say) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._say, self._items = say, make(records, seed)
        self._kafka, self._server = Kafka(folder / "kafka"), ClickHouse(folder / "clickhouse", user="tocsin", password=PASSWORD)
        self._place = Place({"TOCSIN_KAFKA_BOOTSTRAP": self._kafka.bootstrap, **self._server.environ(DATABASE)}, folder)
        flags = ["--city", str(write_town(folder / "town")), "--state", str(folder / "state"), "--port", "0", "--partitions", "2"]
        self._up = Child(self._place, "up", "--kafka", self._kafka.bootstrap, *flags, "--checkpoint-every", "5")
        self._caught_up_s: dict[str, float] = {}

    def run(self, away_s: float) -> Report:
        """Away at the start, and then one after the other in between."""
        began = time.monotonic()
        third = len(self._items) // 3
        parts = [self._items[:third], self._items[third : 2 * third], self._items[2 * third :]]
        try:
            with self._up:
                self._start_late()
                self._give(parts[0])
                self._settled("at_start", parts[:1])
                self._say(f"the broker goes away for {away_s:g} s")
                self._kafka.stop()
                self._wait(away_s)
                self._kafka.start()
                self._give(parts[1])
                self._settled("broker", parts[:2])
                self._say(f"ClickHouse goes away for {away_s:g} s")
                self._server.kill()
                self._give(parts[2])
                self._wait(away_s)
                self._server.start()
                self._settled("clickhouse", parts)
                assert self._up.stop() == 0, f"see {self._up.log}"
            return self._report(away_s, time.monotonic() - began)
        finally:
            self._server.stop()
            self._kafka.stop()

    def _start_late(self) -> None:
        self._say(f"started without a broker and without ClickHouse; they come after {START_S:g} s each")
        self._wait(START_S)
        self._kafka.start()
        until(lambda: self._said("sink_away"), "ClickHouse is missed", 120)
        self._wait(START_S)
        self._server.start()

    def _wait(self, seconds: float) -> None:
        threading.Event().wait(seconds)
        assert self._up.ended() is None, f"it ended; see {self._up.log}"

    def _give(self, items: Sequence[Item]) -> None:
        producer = Producer(producer_settings(self._place.deployment.kafka))
        for item in items:
            producer.produce(f"raw.{item.source}", item.payload, partition=0)
            producer.poll(0)
        assert producer.flush(120) == 0, "records were not acknowledged"

    def _settled(self, name: str, parts: Sequence[Sequence[Item]]) -> None:
        began = time.monotonic()
        expected = count([item for part in parts for item in part])
        until(lambda: self._cells() == expected, f"the tables hold all of it ({name})", SETTLE_S_MAX)
        self._caught_up_s[name] = round(time.monotonic() - began, 1)
        self._say(f"caught up after {self._caught_up_s[name]} s")

    def _cells(self) -> Counter[Cell]:
        if self._server.query(MADE) == [(0,)]:
            return Counter()
        return Counter({(str(area), str(name), int(str(at)) // 60): int(str(n)) for area, name, at, n in self._server.query(CELLS)})

    def _said(self, event: str) -> int:
        return sum(f'"{event}"'.encode() in line for line in self._up.log.read_bytes().splitlines())

    def _report(self, away_s: float, seconds: float) -> Report:
        cells, expected = self._cells(), count(self._items)
        ended = Counter(str(row["child"]) for row in self._up.said("child_ended"))
        return Report(
            away_s=away_s,
            records=len(self._items),
            counted=cells.total(),
            expected=expected.total(),
            lost=(expected - cells).total(),
            duplicated=(cells - expected).total(),
            alerts=int(str(self._server.query(f"SELECT count() FROM {DATABASE}.alerts FINAL")[0][0])),  # noqa: S608 - a constant
            ended=dict(ended),
            messages={name: self._said(name) for name in MESSAGES},
            caught_up_s=self._caught_up_s,
            seconds=round(seconds, 1),
        )


def run(folder: Path, *, away_s: float, records: int, seed: int, say: Say) -> Report:
    """A whole one in a folder."""
    return Outage(folder, records, seed, say).run(away_s)
