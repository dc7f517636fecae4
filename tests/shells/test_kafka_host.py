"""A host of a partition that somebody else has had meanwhile, on the simulation's model of the log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from load_tests.simulation.log import Log
from load_tests.simulation.processes import KAFKA
from load_tests.simulation.seams import STAGE, staged
from load_tests.simulation.world import CALM, World
from streams.core.journal import encode
from streams.model import Command
from streams.shells.kafka.host import Host, Voice
from streams.shells.kafka.machines import Put

RECORDS = [b"one", b"two", b"three", b"four"]


class Notes:
    """A machine that says nothing and remembers what it took."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def take(self, data: bytes) -> list[Put]:
        self.taken.append(data)
        return []

    def snapshot(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None: ...

    def next_deadline_s(self) -> int | None:
        return None


@pytest.fixture
def log() -> Iterator[Log]:
    with staged():
        made = Log({"counts": 1, "snapshots": 1})
        made.append(0.0, "counts", 0, encode(Command("configure-1", 0, "tocsin", "configure", "{}")))
        STAGE.world = World(0, made, CALM, 0.0)
        yield made


def host_of(machine: Notes) -> Host:
    host = Host(KAFKA, "counts", 0, 0, lambda _: machine, Voice(KAFKA), keep_every_s=86_400)
    host.catch_up()
    machine.taken.clear()
    return host


def test_records_that_somebody_else_has_taken_meanwhile_are_read_from_the_journal(log: Log) -> None:
    # generation 3 is here; 4 passes by unseen, and its owner takes "two" and "three"; 5 is here again, from what it has committed
    machine = Notes()
    host = host_of(machine)
    for data in RECORDS:
        log.append(0.0, "counts", 0, data)
    host.take(1, RECORDS[0], 3)
    host.take(4, RECORDS[3], 5)
    assert machine.taken == RECORDS


def test_within_a_generation_a_gap_is_what_a_transaction_leaves_behind(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Notes()
    host = host_of(machine)
    host.take(1, RECORDS[0], 3)
    monkeypatch.setattr(host, "catch_up", lambda *_: pytest.fail("it reads the journal for nothing"))
    host.take(3, RECORDS[1], 3)
    host.take(2, b"again", 3)
    assert machine.taken == RECORDS[:2]
