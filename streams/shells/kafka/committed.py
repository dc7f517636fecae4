"""Faust's consumer, made to read committed records only: its driver has no setting for that outside its own transactions."""

from __future__ import annotations

from typing import Any

import aiokafka
from faust.transport.drivers import aiokafka as driver

FETCH_WAIT_MS = 200


class CommittedThread(driver.AIOKafkaConsumerThread):
    """Reads what a transaction has written once it is committed."""

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        made: Any = consumer
        made._isolation_level = "read_committed"  # noqa: SLF001 - the constructor is called by Faust
        made._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001
        return consumer


class CommittedConsumer(driver.Consumer):
    """Consumer whose thread is ``CommittedThread``."""

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)


class CommittedTransport(driver.Transport):
    """Transport whose consumer is ``CommittedConsumer``."""

    Consumer = CommittedConsumer
