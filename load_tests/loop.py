"""``tocsin bench loop``: commands of a person while every process, the broker and ClickHouse die by kill -9: each applied once, in order, and shown to who gave it.

One person gives an alert to one name after the other, and sends each command again under its id until it is taken. Then the steps of the alert
must be those names in that order, in the tables and on the stream, and each command's outcome must have come to the stream once.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from itertools import pairwise
from pathlib import Path

import orjson
from msgspec import Struct

from load_tests.chaos_run import ChaosRun, Plan
from load_tests.end_to_end import by_role, recoveries
from load_tests.harry import Harrier
from load_tests.kafka_run import PASSWORD, Ran
from load_tests.raw_records import prepare
from load_tests.services.children import until
from load_tests.services.clickhouse import ClickHouse
from load_tests.services.kafka import Kafka
from streams.core.by_hand import hand_id

ACTOR = "anna"
FIRST = "loop-open"
ALERT = hand_id(FIRST)
AGAIN_S = 0.2
ANSWER_S = 10.0
TAKEN_S_MAX = 120.0
SHOWN_S_MAX = 120.0
RECORDS_A_S = 100.0
SECONDS_A_KILL = 12.0
PATIENT = 0.5


class Report(Struct):
    """What came of the commands. ``again``: requests that had to be repeated; ``repeated``: commands whose outcome came to the stream more than once."""

    commands: int
    kills: int
    lost: int
    twice: int
    disordered: int
    unseen: int
    repeated: int
    refused: list[str]
    again: int
    shown_s: list[float]
    killed: dict[str, int]
    recover_s: dict[str, list[float]]
    seconds: float

    @property
    def ok(self) -> bool:
        """Each was applied once, in order, and shown once."""
        return self.lost == self.twice == self.disordered == self.unseen == self.repeated == 0 and not self.refused


def run(folder: Path, *, commands: int, kills: int, seed: int) -> Report:
    """Processes, kills, commands, counts."""
    began = time.monotonic()
    settings, _ = prepare(folder, int(RECORDS_A_S * (kills * SECONDS_A_KILL + 300)), seed, 3)
    with Kafka(folder / "kafka") as kafka, ClickHouse(folder / "clickhouse", user="tocsin", password=PASSWORD) as clickhouse:
        said = LoopRun(folder, settings, (kafka, clickhouse), commands, kills, seed=seed)
        ran = said.go()
        return _report(clickhouse, said, ran, time.monotonic() - began)


class LoopRun(ChaosRun):
    """A person at work beside the kills."""

    def __init__(self, folder: Path, settings: Path, services: tuple[Kafka, ClickHouse], commands: int, kills: int, *, seed: int) -> None:
        super().__init__(folder, "loop", settings, services, Plan(kills, (), False, False, 0.0, RECORDS_A_S), seed=seed)
        self.commands, self.again = commands, 0
        self.taken: dict[str, float] = {}  # command -> when the journal had it
        self.names = [f"p{number:05}" for number in range(commands)]

    def _troubles(self) -> None:
        with ThreadPoolExecutor(1, "person") as pool:
            person: Future[None] = pool.submit(self._person)
            until(lambda: ALERT in {alert for alert, _ in self.follower.got} or person.done(), "the alert is open", TAKEN_S_MAX)
            with Harrier(self._roles(), self._plan.kills, self._random, patient=PATIENT) as harrier:
                harrier.finish()
            self.kills += harrier.kills
            person.result()
        last = self.names[-1]
        until(lambda: last in self.follower.outcomes, "the last command is shown", SHOWN_S_MAX)

    def _person(self) -> None:
        """So that commands fall into all of the kills, they are spread over the time that these take."""
        area, signal = "330102000000", "noise"
        self._give(FIRST, "open", {"area": area, "signal": signal})
        pause_s = self._plan.kills * SECONDS_A_KILL / 2 / self.commands
        for name in self.names:
            self._give(name, "assign", {"alert": ALERT, "owner": name})
            threading.Event().wait(pause_s)

    def _give(self, name: str, kind: str, body: object) -> None:
        asked = orjson.dumps({"id": name, "actor": ACTOR, "kind": kind, "body": body})
        end = time.monotonic() + TAKEN_S_MAX
        while time.monotonic() < end:
            status = self._post(asked)
            if status == 202:
                self.taken[name] = time.time()
                return
            assert status in {None, 503}, f"command {name} was answered with {status}"
            self.again += 1
            threading.Event().wait(AGAIN_S)
        raise AssertionError(f"command {name} was not taken in {TAKEN_S_MAX:g} s")

    def _post(self, asked: bytes) -> int | None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_S)
        with suppress(OSError, HTTPException):
            connection.request("POST", "/api/commands", asked, {**self._headers, "Content-Type": "application/json"})
            status = connection.getresponse().status
            connection.close()
            return status
        connection.close()
        return None


def _report(server: ClickHouse, said: LoopRun, ran: Ran, seconds: float) -> Report:
    steps = list(_steps(server, ran.database))
    times = Counter(name for name in steps if name in set(said.names))
    shown = said.follower.outcomes
    order = {name: number for number, name in enumerate(said.names)}
    numbers = [order[name] for name in steps if name in order]
    waits = sorted(said.follower.outcome_at[name] - said.taken[name] for name in said.names if name in shown)
    return Report(
        commands=said.commands,
        kills=len(ran.kills),
        lost=sum(name not in times for name in said.names),
        twice=sum(n > 1 for n in times.values()),
        disordered=sum(a >= b for a, b in pairwise(numbers)),
        unseen=sum(name not in shown for name in said.names),
        repeated=sum(shown[name] > 1 for name in said.names),
        refused=sorted(said.follower.refused),
        again=said.again,
        shown_s=[round(waits[len(waits) // 2], 3), round(waits[-1], 3)] if waits else [],
        killed=by_role(ran.kills),
        recover_s=recoveries(ran.kills),
        seconds=round(seconds, 1),
    )


def _steps(server: ClickHouse, database: str) -> Iterator[str]:
    """To whom the alert was given, in the order of its steps."""
    query = f"SELECT seq, what FROM {database}.transitions FINAL WHERE alert_id = '{ALERT}' AND reason = 'assigned' ORDER BY seq"  # noqa: S608
    for _, what in server.query(query):
        yield str(what)
