"""Where the shells meet the outside: for the time of a simulation their clients, clocks and log lines are the model's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest import mock

import detectors.base
from load_tests.simulation.clients import Consumer, Producer
from load_tests.simulation.readers import KafkaConsumer
from load_tests.simulation.tables import TablesSink
from load_tests.simulation.town import DEDUPE_OFFSETS
from load_tests.simulation.world import Clock, World
from streams.core.bulk.intake import BulkIntake
from streams.shells.kafka import alerts_topic, flush, host, intake, lane, outlet, reading, sink, snapshots

Remembers = partial(BulkIntake, dedupe_offsets=DEDUPE_OFFSETS)
"""So little that some duplicates are out of reach, and what is remembered in the log is dropped again."""


class Quiet:
    """A log that nobody reads."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_words, **_more: None


class Stage:
    """Holds the world that is on; clients made by the shells are made for it."""

    def __init__(self) -> None:
        self.world: Any = None
        self.tables: Any = None

    def producer(self, settings: dict[str, Any]) -> Producer:
        """In place of librdkafka's."""
        return Producer(self.world, settings)

    def consumer(self, settings: dict[str, Any]) -> Consumer:
        """In place of librdkafka's."""
        return Consumer(self.world, settings)

    def kafka_consumer(self, **settings: Any) -> KafkaConsumer:
        """In place of kafka-python's."""
        return KafkaConsumer(self.world, settings)


STAGE = Stage()


def here() -> World:
    """The world that is on."""
    world: World = STAGE.world
    return world


@contextmanager
def staged() -> Iterator[Stage]:
    """Put the model in place of what is outside; everything is as before at the end."""
    stage = STAGE
    clock, quiet = Clock(here), Quiet()

    class Server(TablesSink):
        """In place of the sink of a ClickHouse server."""

        def __init__(self, *_where: object, **_how: object) -> None:
            super().__init__(here(), stage.tables)

    with ExitStack() as stack:
        for module, names in (
            (intake, {"Producer": stage.producer, "Consumer": stage.consumer, "time": clock, "log": quiet, "BulkIntake": Remembers}),
            (flush, {"DEDUPE_OFFSETS": DEDUPE_OFFSETS}),
            (reading, {"Consumer": stage.consumer, "time": clock}),
            (host, {"Producer": stage.producer, "time": clock, "log": quiet}),
            (snapshots, {"Producer": stage.producer}),
            (lane, {"time": clock, "log": quiet}),
            (alerts_topic, {"Consumer": stage.consumer, "time": clock, "log": quiet}),
            (sink, {"KafkaConsumer": stage.kafka_consumer, "time": clock, "log": quiet}),
            (outlet, {"ServerSink": Server, "log": quiet}),
            (detectors.base, {"entry_points": lambda **_which: ()}),  # looked up anew by every bank that is made
        ):
            stack.enter_context(mock.patch.multiple(module, **names))
        yield stage
