"""Commands of people on their way into the findings topic: taken once the broker has acknowledged them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from sinks.cockpit.commands import Given, NotTaken
from streams.core.journal import encode
from streams.shells.commands import command_of
from streams.shells.kafka.clients import producer_settings
from streams.shells.kafka.settings import KafkaSettings

TOPIC = "findings"
DELIVERY_MS = 4_000
ANSWER_S = 5.0
POLL_S = 0.05
"""How often a waiting thread looks; several wait on one producer, and any of them may hear the answer of another."""


class CommandsTopic:
    """Called with a command, from any thread. decide reads partition 0, and applies a command once by its id."""

    def __init__(self, kafka: KafkaSettings, now_s: Callable[[], int], reachable: Callable[[], bool]) -> None:
        """``reachable``: whether it is worth trying."""
        self._topic = kafka.topic(TOPIC)
        self._now_s = now_s
        self._reachable = reachable
        self._producer = Producer(producer_settings(kafka, delivery_timeout_ms=DELIVERY_MS))

    def __call__(self, given: Given) -> None:
        """Journal it.

        Raises:
            NotTaken: the broker did not acknowledge it in time.
        """
        if not self._reachable():
            raise NotTaken
        heard = threading.Event()
        errors: list[KafkaError] = []

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                errors.append(error)
            heard.set()

        try:
            self._producer.produce(self._topic, encode(command_of(given, self._now_s())), partition=0, on_delivery=delivered)
        except (KafkaException, BufferError):
            raise NotTaken from None
        until = time.monotonic() + ANSWER_S
        while not heard.is_set() and time.monotonic() < until:
            self._producer.poll(POLL_S)
        if errors or not heard.is_set():
            raise NotTaken

    def poll(self) -> None:
        """To be called now and then: what librdkafka has to say waits for it."""
        self._producer.poll(0)

    def close(self) -> None:
        """What is on its way may still arrive."""
        self._producer.flush(ANSWER_S)
