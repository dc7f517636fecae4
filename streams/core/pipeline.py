"""Shards of a city as one machine: all of them in the embedded shell, those that one partition of the journal hosts in Kafka's."""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from streams.core.areas import AreaTree
from streams.core.damage import REBUILD, SnapshotRefused, refused
from streams.core.score import Scored, Shards, Tally
from streams.core.shard import shards_of
from streams.model import Counts
from streams.settings import City

SNAPSHOT_VERSION = 6


class Scorer:
    """Shards of ``city``: its own level, which reads roll-ups, and the districts. ``shards``: those to host, all when left out.

    ``host`` makes the shards that are hosted together: for those who want to look on.
    """

    def __init__(
        self, city: City, shards: Collection[str] | None = None, *, host: Callable[[City, tuple[str, ...], AreaTree], Shards] = Shards
    ) -> None:
        tree = AreaTree(city.areas)
        self.city = city
        every = shards_of(city)
        self.shards: tuple[str, ...] = tuple(name for name in every if shards is None or name in shards)
        split = tuple(name for name in self.shards if name == every[0]), tuple(name for name in self.shards if name != every[0])
        self._hosts = [host(city, names, tree) for names in split if names]

    def apply(self, counts: Counts) -> Scored:
        """Outputs of all shards, in the order of ``shards``."""
        parts = [host.apply(counts) for host in self._hosts]
        return Scored(
            tuple(f for part in parts for f in part.findings),
            tuple(c for part in parts for c in part.closed),
            tuple(s for part in parts for s in part.scores),
        )

    def tally(self) -> Tally:
        """Sums over the shards."""
        columns = zip(*(msgspec.structs.astuple(host.tally) for host in self._hosts), strict=True)
        return Tally(*(sum(column) for column in columns))

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(
            {"version": SNAPSHOT_VERSION, "config": self.city.config_version, "hosts": [host.snapshot() for host in self._hosts]}
        )

    def restore(self, data: bytes) -> None:
        """Go on from a snapshot.

        Raises:
            SnapshotRefused: it was taken by another version, or under another configuration, or is damaged; then this one is not to be used.
        """
        with refused("snapshot of score"):
            state = msgspec.msgpack.decode(data)
            wrote = state["version"], state["config"]
        if wrote != (SNAPSHOT_VERSION, self.city.config_version):
            raise SnapshotRefused(
                f"snapshot of version {wrote[0]}, configuration {wrote[1]} does not fit version {SNAPSHOT_VERSION}, configuration"
                f" {self.city.config_version}: {REBUILD}"
            )
        with refused("snapshot of score"):
            for host, part in zip(self._hosts, state["hosts"], strict=True):
                host.restore(part)
