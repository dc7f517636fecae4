"""Faust's consumer, made to read committed records only, and to go on committing after a commit that failed.

Its driver has no setting for the first outside its own transactions.
"""

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
    """Consumer whose thread is ``CommittedThread``, and which goes on committing whatever became of a commit before."""

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)

    def _new_offset(self, tp: Any) -> int | None:
        """Behind the newest record that was taken: one agent takes those of a partition in order.

        Faust's own waits until there is no gap, and keeps every offset until then: for ever, once a commit has failed or the mark of a
        transaction stands where it goes on.
        """
        acked = self._acked[tp]
        if not acked:
            return None
        newest = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        self._gap.pop(tp, None)
        return int(newest) + 1


class CommittedTransport(driver.Transport):
    """Transport whose consumer is ``CommittedConsumer``."""

    Consumer = CommittedConsumer
