"""All shards of a city, as one machine: what the embedded and the replay shells run."""

from __future__ import annotations

import msgspec
import numpy as np

from streams.columns import Cells, unpack
from streams.core.areas import AreaTree
from streams.core.score import Scored, Shard, Tally
from streams.core.shard import shards_of
from streams.model import Counts
from streams.settings import City

SNAPSHOT_VERSION = 1


class Scorer:
    """The shards of ``city``; each record goes to all of them, and each takes what is its own."""

    def __init__(self, city: City) -> None:
        tree = AreaTree(city.areas)
        self.city = city
        self.shards: tuple[str, ...] = shards_of(city)
        self._shards = [Shard(city, name, tree) for name in self.shards]
        self._owner = {code: i for i, shard in enumerate(self._shards) for code in shard.areas}

    def apply(self, counts: Counts) -> Scored:
        """Outputs of all shards, in the order of ``shards``."""
        cells = unpack(counts)
        owner = np.array([self._owner.get(code, -1) for code in counts.areas], np.int64)
        of_cell = np.zeros(len(cells.n), np.int64) if counts.rollup or not len(owner) else owner[cells.area]
        parts = [shard.apply(counts, Cells(*(column[of_cell == i] for column in cells))) for i, shard in enumerate(self._shards)]
        return Scored(
            tuple(f for part in parts for f in part.findings),
            tuple(c for part in parts for c in part.closed),
            tuple(s for part in parts for s in part.scores),
        )

    def tally(self) -> Tally:
        """Sums over the shards."""
        columns = zip(*(msgspec.structs.astuple(shard.tally) for shard in self._shards), strict=True)
        return Tally(*(sum(column) for column in columns))

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode({"version": SNAPSHOT_VERSION, "config": self.city.config_version, "shards": [s.snapshot() for s in self._shards]})

    def restore(self, data: bytes) -> None:
        """Go on from a snapshot.

        Raises:
            ValueError: it was taken by another version, or under another configuration.
        """
        state = msgspec.msgpack.decode(data)
        if state["version"] != SNAPSHOT_VERSION or state["config"] != self.city.config_version:
            wrote = f"version {state['version']}, configuration {state['config']}"
            raise ValueError(f"snapshot of {wrote} does not fit version {SNAPSHOT_VERSION}, configuration {self.city.config_version}: rebuild it from the journal")
        for shard, part in zip(self._shards, state["shards"], strict=True):
            shard.restore(part)
