"""From a record that crosses an alarm count to its alert at a reader of the cockpit, through every process, under traffic.

Live: ordinary records with times of now, and in between, at random moments, bursts: ``BURST`` records of one signal in one street,
of the last seconds and given to the producer back to back, in a town where that signal comes up once in ten windows. Which of them crosses the alarm
count cannot be seen from outside; measured is from the first one's produce call, before the crossing one by less than the burst
lasts, to the first event of an alert with that signal at a client of ``GET /api/stream``. So what is told is an upper bound.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random

import numpy as np
import orjson
from confluent_kafka import Producer
from msgspec import Struct

from load_tests.credentials import program
from load_tests.latency_town import PARTITIONS, Sent, Traffic, burst_signals, history, streets, write_town
from load_tests.progress import Progress
from load_tests.services.children import Child, Place, until
from load_tests.services.kafka import Kafka, put
from streams.core.journal import encode
from streams.core.partitions import Cut
from streams.loading import load
from streams.shells.kafka.clients import producer_settings
from streams.shells.kafka.faust_app import GROUP as ASSESS
from streams.shells.kafka.intake import GROUP as INTAKE
from streams.shells.kafka.layout import read_layout

COUNT_PARTITIONS = 4
BURST = 60
A_SECOND = 3
"""Records of a burst of one second: more of one raw partition would pass for a pile that somebody types in."""
BURSTS_PER_S = 2.0
STEP_S = 0.01
WARM_S, DRAIN_S = 10.0, 20.0
LOAD_S_MAX = 900.0
ANSWER_S = 30.0
NEWS = ("raised_early", "joined", "worse")
"""What an open window does to an alert."""


class Latency(Struct):
    """What came of it. ``alerts``: bursts whose alert arrived; ``burst_s_max``: the longest time that producing one took."""

    rate_eps: int
    series: int
    bursts: int
    alerts: int
    p50_s: float
    p99_s: float
    p999_s: float
    max_s: float
    burst_s_max: float
    seconds: float


class Listener:
    """A client of the cockpit's stream in a thread of its own: when news of each signal came, by the monotonic clock."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self._headers = headers
        self._connection = HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
        self._news: dict[str, list[float]] = {}
        self._thread = threading.Thread(target=self._listen, name="listener", daemon=True)

    def start(self) -> None:
        """Wait until the cockpit has read the topic, then listen."""
        until(self._open, "the cockpit's stream")
        self._thread.start()

    def close(self) -> None:
        """End it, once the cockpit has ended."""
        self._thread.join(ANSWER_S)
        self._answer.close()
        self._connection.close()

    def wait(self, signal: str, since: float) -> float | None:
        """From ``since`` to the first news after it; None when none has come."""
        return next((at - since for at in self._news.get(signal, ()) if at >= since), None)

    def _open(self) -> bool:
        self._connection.request("GET", "/api/stream", headers=self._headers)
        self._answer = self._connection.getresponse()
        if self._answer.status == 200:
            return True
        self._answer.read()
        return False

    def _listen(self) -> None:
        while line := self._line():
            at = time.monotonic()
            if line.startswith(b"data:"):
                step = orjson.loads(line[5:]).get("transition")
                for signal in step["signals"] if step is not None and step["reason"] in NEWS else ():
                    self._news.setdefault(signal, []).append(at)

    def _line(self) -> bytes:
        try:
            return self._answer.readline()
        except (OSError, HTTPException):
            return b""


def run(folder: Path, *, rate: int, seconds: float, seed: int) -> Latency:
    """Load history, start the processes, send, listen."""
    bursts = int(seconds * BURSTS_PER_S)
    settings = write_town(folder / "town", bursts)
    city = load(settings)
    place_folder = folder / "run"
    place_folder.mkdir(parents=True)
    with Kafka(folder / "kafka") as kafka, ExitStack() as stack:
        place = Place({"TOCSIN_KAFKA_BOOTSTRAP": kafka.bootstrap, "TOCSIN_KAFKA_PREFIX": "live."}, place_folder)
        flags = ("--city", str(settings), "--state", str(place_folder / "state"))
        assert Child(place, "topics", "create", *flags, "--partitions", str(COUNT_PARTITIONS), name="topics").start().wait() == 0
        headers = program(place_folder / "state")
        producer = Producer(producer_settings(place.deployment.kafka))
        _load(place, settings, producer, rate, bursts, seed)
        children = [
            stack.enter_context(Child(place, *command))
            for command in (("assess", "--snapshot-every", "60"), ("intake", *flags), ("cockpit", *flags, "--port", "0"))
        ]
        progress = Progress(place.deployment.kafka, {"counts": COUNT_PARTITIONS, "findings": 1})
        progress.settle({ASSESS: ("counts", "findings")}, lambda: _run(children), LOAD_S_MAX)
        until(lambda: children[2].said("up"), "the cockpit is up")
        listener = Listener(int(str(children[2].said("up")[-1]["url"]).rsplit(":", 1)[1]), headers)
        listener.start()
        sender = Sender(place, producer, rate, seed)
        sender.go(WARM_S, [])
        began = time.monotonic()
        sender.go(seconds, burst_signals(bursts))
        took = time.monotonic() - began
        until(lambda: progress.read(INTAKE, sender.ends), "all records are counted", LOAD_S_MAX)
        end = time.monotonic() + DRAIN_S
        while len(waits := _waits(listener, sender)) < bursts and time.monotonic() < end:
            time.sleep(0.1)
        _run(children)
        for child in children:
            assert child.stop() == 0, f"see {child.log}"
        listener.close()
    assert waits, f"no alert arrived; see {place_folder}"
    p50, p99, p999 = np.quantile(waits, (0.5, 0.99, 0.999)).tolist()
    return Latency(
        rate_eps=round(sender.sent / took),
        series=(1 + len({code[:2] for code in streets()}) + len(streets())) * len(city.signals),
        bursts=bursts,
        alerts=len(waits),
        p50_s=round(p50, 3),
        p99_s=round(p99, 3),
        p999_s=round(p999, 3),
        max_s=round(waits[-1], 3),
        burst_s_max=round(sender.burst_s_max, 4),
        seconds=round(took, 1),
    )


def _waits(listener: Listener, sender: Sender) -> list[float]:
    """Of the bursts whose alert has come, the shortest first."""
    found = (listener.wait(signal, at) for signal, at in sender.bursts.items())
    return sorted(wait for wait in found if wait is not None)


class Sender:
    """Sends at an even rate, and bursts in between."""

    def __init__(self, place: Place, producer: Producer, rate: int, seed: int) -> None:
        self._kafka, self._producer, self._rate = place.deployment.kafka, producer, rate
        self._traffic, self._random = Traffic(seed), Random(seed)
        self._topics = {source: (f"raw.{source}", self._kafka.topic(f"raw.{source}")) for source in PARTITIONS}
        self.ends = {(f"raw.{source}", at): 0 for source, number in PARTITIONS.items() for at in range(number)}
        self.bursts: dict[str, float] = {}  # signal -> when its first record was produced
        self.sent, self.burst_s_max = 0, 0.0

    def go(self, seconds: float, signals: Sequence[str]) -> None:
        """For so long, with a burst of each of ``signals`` at a random moment."""
        self.sent = 0
        waiting = sorted(((self._random.uniform(0.0, seconds), signal) for signal in signals), reverse=True)
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < seconds or waiting:
            while waiting and waiting[-1][0] <= elapsed:
                self._burst(waiting.pop()[1])
            for _ in range(int(min(elapsed, seconds) * self._rate) - self.sent):
                self._send(self._traffic.record(time.time()))
                self.sent += 1
            self._producer.poll(0)
            time.sleep(STEP_S)
        assert self._producer.flush(ANSWER_S) == 0, "records were not acknowledged"

    def _burst(self, signal: str) -> None:
        code, now_s = self._random.choice(streets()), time.time()
        records = [self._traffic.call("hotline", code, signal, now_s - (BURST - 1 - at) // A_SECOND) for at in range(BURST)]
        at = self.bursts[signal] = time.monotonic()
        for record in records:
            self._send(record)
        self.burst_s_max = max(self.burst_s_max, time.monotonic() - at)

    def _send(self, record: Sent) -> None:
        raw, topic = self._topics[record.source]
        put(self._producer, topic, record.payload, partition=record.partition)
        self.ends[raw, record.partition] += 1


def _load(place: Place, settings: Path, producer: Producer, rate: int, bursts: int, seed: int) -> None:
    city, kafka = load(settings), place.deployment.kafka
    cut = Cut(city, read_layout(kafka).table)
    for record in history(city, int(time.time()), rate, bursts, seed):
        for partition, part in cut.apart(record):
            producer.produce(kafka.topic("counts"), encode(part), partition=partition)
        producer.poll(0)
    assert producer.flush(ANSWER_S) == 0


def _run(children: Sequence[Child]) -> None:
    for child in children:
        assert child.ended() is None, f"ended with status {child.ended()}; see {child.log}"
