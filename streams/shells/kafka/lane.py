"""A lane: the hosts of one journal's partitions that this process has been given, and the one thread that they run in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import structlog

from streams.core.journal import encode
from streams.model import Tick
from streams.shells.kafka.host import Host, Voice
from streams.shells.kafka.machines import Put

log = structlog.get_logger()

TICK_AGAIN_S = 5.0


class Lane:
    """``open_host`` takes up a partition. Methods are called on the event loop; the work is done in the lane's thread."""

    def __init__(self, topic: str, voice: Voice, open_host: Callable[[int], Host]) -> None:
        self.topic = topic
        self.busy_since: float | None = None  # monotonic; None: waiting for work
        self.voice, self._open_host = voice, open_host
        self._hosts: dict[int, Host] = {}
        self._thread = ThreadPoolExecutor(1, f"lane-{topic}")
        self._ticked = -TICK_AGAIN_S

    async def take(self, partition: int, offset: int, data: bytes, generation: int | None = None) -> None:
        """Take a record, read in a generation of the group; the partition is taken up first if it has not been. Raises what ``Host`` raises."""
        await self._run(lambda: self._host(partition).take(offset, data, generation))

    async def hold(self, partitions: Iterable[int]) -> None:
        """These are ours now: others are dropped, new ones taken up to the end of the journal."""
        given = sorted(partitions)
        await self._run(lambda: self._hold(given))

    async def checkpoint(self) -> None:
        """Write snapshots of all hosts."""
        for partition in sorted(self._hosts):
            await self._run(lambda partition=partition: self._checkpoint(partition))  # type: ignore[misc]

    async def tick(self, now_s: int) -> None:
        """Journal a ``Tick`` when a deadline of people has come."""
        await self._run(lambda: self._tick(now_s))

    def positions(self) -> dict[int, int]:
        """Where each host is."""
        return {partition: host.position for partition, host in list(self._hosts.items())}

    def close(self) -> None:
        """End the thread when it has done what it is at."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _run(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._timed, work)

    def _timed(self, work: Callable[[], None]) -> None:
        self.busy_since = time.monotonic()
        try:
            work()
        finally:
            self.busy_since = None

    def _host(self, partition: int) -> Host:
        if partition not in self._hosts:
            self._hosts[partition] = self._open_host(partition)
            self._hosts[partition].unsure = True
        return self._hosts[partition]

    def _hold(self, given: list[int]) -> None:
        for partition in self._hosts.keys() - set(given):
            del self._hosts[partition]
            log.info("handed_over", journal=self.topic, partition=partition)
        for host in self._hosts.values():
            host.unsure = True
        for partition in given:
            if partition not in self._hosts:
                self._host(partition).catch_up()

    def _checkpoint(self, partition: int) -> None:
        host = self._hosts.get(partition)
        if host is not None:
            host.checkpoint()

    def _tick(self, now_s: int) -> None:
        deadlines = [host.next_deadline_s() for host in self._hosts.values()]
        due = any(deadline is not None and deadline <= now_s for deadline in deadlines)
        if due and time.monotonic() - self._ticked >= TICK_AGAIN_S:
            self._ticked = time.monotonic()
            self.voice.say([Put(self.topic, 0, encode(Tick(now_s)))])
