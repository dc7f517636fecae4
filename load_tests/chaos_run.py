"""One pass of raw records through the processes of the Kafka shell while one trouble after the other comes over them, at an even load."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPConnection, HTTPException
from itertools import chain
from pathlib import Path
from typing import ClassVar, NamedTuple

from msgspec import Struct

from load_tests.credentials import program
from load_tests.followers import Follower, Stuck
from load_tests.harry import Harrier, Role
from load_tests.kafka_run import TOPIC_PARTITIONS, Ran, Run, produce
from load_tests.kept import Keeper, Kept
from load_tests.progress import At
from load_tests.raw_records import PARTITIONS
from load_tests.services.children import Child, Place, until
from load_tests.services.clickhouse import ClickHouse
from load_tests.services.kafka import Kafka
from load_tests.services.process import free_ports
from streams.core.journal import decode
from streams.model import Transition
from streams.shells.kafka.faust_app import GROUP as ASSESS
from streams.shells.kafka.faust_app import SESSION_S
from streams.shells.kafka.intake import GROUP as INTAKE
from streams.shells.kafka.reading import Reading
from streams.shells.kafka.sink import GROUP as SINK
from streams.shells.kafka.sink_records import TOPICS as SUNK

FROZEN_S = SESSION_S + 5.0
"""Longer than any session lasts."""
FULL_S = 10.0
GO_ON_S_MAX = 120.0
BACKLOG_S_MAX = 900.0
FEED_S_MAX = 30.0
READY_S = 5.0
STUCK = 5
CHUNK = 100
PATIENT = 0.8
"""Before so many kills those who were hit before are waited for; the others come while some are still starting."""
ENDS_MAX = 50
HELD = {INTAKE: sum(PARTITIONS.values()), ASSESS: TOPIC_PARTITIONS["counts"] + 1, SINK: sum(TOPIC_PARTITIONS[name] for name in SUNK)}
"""How many partitions one has that has all."""


class Plan(NamedTuple):
    """What is done to them. ``frozen``: roles that are stopped for longer than a session lasts, and go on then."""

    kills: int
    frozen: tuple[str, ...]
    twins: bool
    full: bool
    away_s: float
    rate: float


class Frozen(Struct):
    """``taken_over_s``: until another instance had all of its partitions; None where there is none. ``ended``: how it ended, once it went on."""

    role: str
    seconds: float
    taken_over_s: float | None
    ended: int | None
    said: str


class Away(Struct):
    """ClickHouse was away between two times of the wall clock; ``backlog_s``: until what had come meanwhile was in the tables."""

    seconds: float
    since: float
    until: float
    records: int
    backlog_s: float


class Troubled(Struct):
    """What has come of the troubles. ``loaded``: records came until the last one was over."""

    loaded: bool = False
    hit_again: int = 0
    frozen: list[Frozen] = []
    twin: Frozen | None = None
    full_s: dict[str, float] = {}
    away: Away | None = None
    ended: dict[str, list[int]] = {}


class Ready:
    """A cockpit's position: how often it was asked and was ready."""

    def __init__(self, port: int) -> None:
        self._port, self._times = port, 0

    def __call__(self) -> int:
        """Ask it."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=READY_S)
        with suppress(OSError, HTTPException):
            connection.request("GET", "/ready")
            self._times += connection.getresponse().status == 200
        connection.close()
        return self._times


class ChaosRun(Run):
    """``troubled`` and ``follower`` say afterwards what came of it."""

    kind: ClassVar[type[Child]] = Kept

    def __init__(self, folder: Path, name: str, settings: Path, services: tuple[Kafka, ClickHouse], plan: Plan, *, seed: int) -> None:
        super().__init__(folder, name, settings, services, seed=seed)
        self._kafka, self._plan = services[0], plan
        (self._port,) = free_ports(1)
        self._cockpit = Kept(self.place, "cockpit", *self._city, "--port", str(self._port))
        self._seconds = {
            INTAKE: Kept(self.place, "intake", *self._city, "--instance", "2", name="intake-2"),
            ASSESS: Kept(self.place, "assess", "--snapshot-every", "3", "--instance", "2", name="assess-2"),
            SINK: Kept(self.place, "sink", "clickhouse", "--instance", "2", name="sink-2"),
        }
        self.troubled, self.given = Troubled(), 0
        self._headers = program(self.place.folder / "state")
        self.follower = Follower(self._port, self._headers)
        self._ready = Ready(self._port)
        self.told: dict[tuple[str, int], float] = {}  # (alert, step) -> when it was said first, by the broker's clock

    def _firsts(self) -> dict[str, Kept]:
        firsts = {INTAKE: self.intake, ASSESS: self.assess, SINK: self.sink}
        return {group: child for group, child in firsts.items() if isinstance(child, Kept)}

    def _children(self) -> Sequence[Kept]:
        return (*self._firsts().values(), self._cockpit)

    def _look(self) -> None:
        """A process may end by itself and is started again; one that was started wrongly, or goes on ending, ends the run."""
        for child in chain(self._children(), self._seconds.values()):
            assert 2 not in child.ends and len(child.ends) < ENDS_MAX, f"ended with {child.ends}; see {child.log}"

    def go(self) -> Ran:
        with Keeper([*self._children(), *self._seconds.values()]), self.follower, Stuck(self._port, STUCK, self._headers):
            return super().go()

    def _given(self) -> dict[At, int]:
        until(lambda: self._ready() > 0, "the cockpit is ready", GO_ON_S_MAX)
        with ThreadPoolExecutor(1, "troubles") as pool:
            troubles = pool.submit(self._troubles)
            raw = produce(self.place, self._raw, self._paced(troubles), CHUNK)
            self.given, self.troubled.loaded = sum(raw.values()), troubles.done()
            troubles.result()
        every = (*self._children(), *self._seconds.values())
        self.troubled.ended = {child.log.stem: child.ends for child in every if child.ends}
        return raw

    def _settled(self) -> None:
        """What stands in the alerts topic has a moment to reach the reader."""
        self.told = told(self.place)
        end = time.monotonic() + FEED_S_MAX
        while self.told.keys() - self.follower.got.keys() and time.monotonic() < end:
            threading.Event().wait(0.1)

    def _paced(self, troubles: Future[None]) -> Callable[[float], bool]:
        began, chunks = time.monotonic(), 0

        def before_chunk(_part: float) -> bool:
            nonlocal chunks
            self._look()
            threading.Event().wait(max(0.0, began + chunks * CHUNK / self._plan.rate - time.monotonic()))
            chunks += 1
            return not troubles.done()

        return before_chunk

    def _troubles(self) -> None:
        """One after the other."""
        firsts = self._firsts()
        if self._plan.kills:
            self._kill_all()
        for role in self._plan.frozen:
            if role in firsts:
                self.troubled.frozen.append(self._freeze(role, firsts[role], self._seconds[role]))
            else:
                self.troubled.frozen.append(self._freeze_alone(role))
        if self._plan.twins:
            self.troubled.twin = self._twins(firsts[INTAKE])
        if self._plan.full:
            self._full()
        if self._plan.away_s:
            self.troubled.away = self._away()

    def _roles(self) -> list[Role]:
        sums = {group: partial(self.progress.sum, group) for group in (INTAKE, ASSESS, SINK)}
        return [
            *super()._roles(),
            Role("cockpit", self._cockpit.kill, self._cockpit.start, (self._ready,)),
            Role("broker", self._kafka.kill, self._kafka.start, (*sums.values(), self._ready)),
        ]

    def _kill_all(self) -> None:
        with Harrier(self._roles(), self._plan.kills, self._random, patient=PATIENT) as harrier:
            harrier.finish()
        self.kills += harrier.kills
        self.troubled.hit_again = sum(kill.recover_s is None for kill in harrier.kills)

    @contextmanager
    def _goes_on(self, *groups: str) -> Iterator[None]:
        """What is in the block must not keep these from going on behind it."""
        yield
        before = {group: self.progress.sum(group) for group in groups}
        until(lambda: all(self.progress.sum(group) > before[group] for group in groups), f"{groups} go on", GO_ON_S_MAX)

    def _freeze(self, group: str, first: Kept, second: Kept) -> Frozen:
        """Its partitions go to a second one; when it comes back, it does not know."""
        second.start()
        until(lambda: second.said("assigned"), f"a second {group} has its share", GO_ON_S_MAX)
        first.send(signal.SIGSTOP)
        began = time.monotonic()
        with self._goes_on(group):
            until(lambda: _held(second) == HELD[group], f"the second {group} has all", GO_ON_S_MAX)
            taken_over_s = time.monotonic() - began
        threading.Event().wait(max(0.0, began + FROZEN_S - time.monotonic()))
        ends, shares = len(first.ends), len(first.said("assigned"))
        with self._goes_on(group):
            first.send(signal.SIGCONT)
            frozen_s = time.monotonic() - began
            until(lambda: len(first.said("assigned")) > shares, f"the first {group} has a share again", GO_ON_S_MAX)
        ended = first.ends[ends] if len(first.ends) > ends else None
        said = first.last_error() if ended is not None else ""
        second.retire()
        until(lambda: _held(first) == HELD[group], f"the first {group} has all again", GO_ON_S_MAX)
        return Frozen(group, round(frozen_s, 1), round(taken_over_s, 1), ended, said)

    def _freeze_alone(self, role: str) -> Frozen:
        pid = {"cockpit": self._cockpit.pid, "clickhouse": self._clickhouse.pid, "broker": self._kafka.pid}[role]
        with self._goes_on(INTAKE, ASSESS, SINK):
            os.kill(pid, signal.SIGSTOP)
            threading.Event().wait(FROZEN_S)
            os.kill(pid, signal.SIGCONT)
        ready = self._ready()
        until(lambda: self._ready() > ready, "the cockpit goes on", GO_ON_S_MAX)
        return Frozen(role, FROZEN_S, None, None, "")

    def _twins(self, first: Kept) -> Frozen:
        """Two intakes under one name: the one that had it is stopped, and goes on while the other works."""
        twin = Kept(self.place, *first.arguments, name="intake-twin")
        first.let_go()
        first.send(signal.SIGSTOP)
        began = time.monotonic()
        with self._goes_on(INTAKE), twin:
            with self._goes_on(INTAKE):
                until(lambda: _held(twin) == HELD[INTAKE], "the twin has all", GO_ON_S_MAX)
            taken_over_s = time.monotonic() - began
            first.send(signal.SIGCONT)
            until(lambda: first.ended() is not None, "the one whose name was taken ends", GO_ON_S_MAX)
            ended, said = first.ended(), first.last_error()
            with self._goes_on(INTAKE):
                pass
            twin.retire()
            first.start()
        return Frozen("twin", round(time.monotonic() - began, 1), round(taken_over_s, 1), ended, said)

    def _full(self) -> None:
        """The disk is full for ClickHouse, and then for the broker, which ends over it and is started again when there is room."""
        before = len(self.sink.said("sink_away"))
        began = time.monotonic()
        with self._goes_on(SINK):
            self._clickhouse.disk(full=True)
            until(lambda: len(self.sink.said("sink_away")) > before, "the sink waits", GO_ON_S_MAX)
            threading.Event().wait(FULL_S)
            self._clickhouse.disk(full=False)
        self.troubled.full_s["clickhouse"] = round(time.monotonic() - began, 1)
        began = time.monotonic()
        with self._goes_on(INTAKE, ASSESS, SINK):
            self._kafka.disk(full=True)
            until(lambda: self._kafka.ended() is not None, "the broker ends", GO_ON_S_MAX)
            threading.Event().wait(FULL_S)
            self._kafka.start()
        self.troubled.full_s["broker"] = round(time.monotonic() - began, 1)

    def _away(self) -> Away:
        """ClickHouse is gone for so long, under load."""
        read = self.progress.sum(INTAKE)
        since = time.time()
        self._clickhouse.kill()
        threading.Event().wait(self._plan.away_s)
        self._clickhouse.start()
        back, began = time.time(), time.monotonic()
        ends = {at: end for topic in SUNK for at, end in self.progress.ends(topic).items()}
        until(lambda: self.progress.read(SINK, ends), "the backlog is written", BACKLOG_S_MAX)
        took_s = time.monotonic() - began
        return Away(round(back - since, 1), since, back, self.progress.sum(INTAKE) - read, round(took_s, 1))


def told(place: Place) -> dict[tuple[str, int], float]:
    """Every step of an alert that stands in the topic, with the time it was said first."""
    found: dict[tuple[str, int], float] = {}
    with Reading(place.deployment.kafka) as reading:
        for message in chain.from_iterable(reading.read("alerts", 0)):
            record = decode(message.value() or b"")
            if isinstance(record, Transition):
                found.setdefault((record.alert_id, record.seq), message.timestamp()[1] / 1000)
    return found


def _held(child: Child) -> int:
    """How many partitions it said it has, last."""
    said = child.said("assigned")
    return sum(len(value) for value in said[-1].values() if isinstance(value, list)) if said else 0
