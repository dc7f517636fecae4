"""What intake knows of one raw partition: how far it has come, and what it must remember to judge the next record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from streams.core.counters import Counters
from streams.core.damage import SnapshotRefused, refused
from streams.core.dedupe import DIGEST, Recent
from streams.core.entries import Entries
from streams.model import Span

STATE_VERSION = 1
REMEDY = "put a copy of it back, or begin anew with an empty folder or other topics"
GAP_MAX = 1024
"""A wider gap between offsets begins a new run of digests; a narrower one is filled with zeros."""


class Saved(Struct, frozen=True, array_like=True):
    """A raw partition's state without its digests, for keeping."""

    source: str
    partition: int
    position: int
    watermark_s: int
    newest_s: int
    idle: bool
    counters: list[tuple[int, int, int]]  # digest, time_s, count
    entries: list[tuple[str, int, int]]  # signal, entry_s, number
    since_s: int = 0


class Delta(NamedTuple):
    """What has changed in a raw partition's state since the last delta: all of ``Saved`` but the counters, and those that changed."""

    saved: Saved
    counters: list[tuple[int, int, int] | int]  # rows in the order of the map, or the digest of a forgotten one


_rows = msgspec.msgpack.Decoder(list[Saved])


class Partition:
    """The state of ``raw.<source>/<partition>``; moved record by record."""

    def __init__(self, source: str, partition: int, allowed_lateness_s: int, recent: Recent) -> None:
        self.source, self.partition = source, partition
        self.raw = raw_name(source, partition)
        self.allowed_lateness_s = allowed_lateness_s
        self.position = 0
        self.watermark_s = self.newest_s = self.since_s = 0
        self.idle = False
        self.recent = recent
        self.counters, self.entries = Counters(), Entries()

    def advance(self, time_s: int, append_s: int) -> None:
        """Time has come as far as the newest event, but no further than the log's own clock; never back."""
        self.newest_s = max(self.newest_s, time_s)
        mark_s = min(self.newest_s, append_s) - self.allowed_lateness_s
        self.watermark_s = max(self.watermark_s, mark_s)
        self.since_s = self.since_s or mark_s

    def span(self, first: int) -> Span:
        """The stretch from offset ``first`` to the position."""
        return Span(self.raw, self.source, first, self.position, self.watermark_s, self.newest_s, self.idle, self.since_s)

    def save(self) -> bytes:
        """The state in bytes; equal states give equal bytes."""
        rows = self.counters.rows(), self.entries.rows()
        return msgspec.msgpack.encode(
            Saved(self.source, self.partition, self.position, self.watermark_s, self.newest_s, self.idle, *rows, self.since_s)
        )

    def delta(self) -> Delta:
        """What has changed since the last time."""
        at = self.position, self.watermark_s, self.newest_s, self.idle
        return Delta(Saved(self.source, self.partition, *at, [], self.entries.rows(), self.since_s), self.counters.delta())

    def go_on(self, saved: Saved) -> None:
        """Take up a saved state."""
        self.position, self.watermark_s, self.newest_s, self.idle = saved.position, saved.watermark_s, saved.newest_s, saved.idle
        self.since_s = saved.since_s
        self.counters.load(saved.counters)
        self.entries.load(saved.entries)


def raw_name(source: str, partition: int) -> str:
    """How a raw partition is called in journals: ``raw.hotline/0``."""
    return f"raw.{source}/{partition}"


def encode_state(saved: Mapping[str, bytes]) -> bytes:
    """One state of all raw partitions, by name: a version byte, then msgpack."""
    return bytes((STATE_VERSION,)) + msgspec.msgpack.encode([msgspec.Raw(saved[raw]) for raw in sorted(saved)])


def decode_state(state: bytes) -> list[Saved]:
    """The partitions in a state.

    Raises:
        SnapshotRefused: of a version this code does not know, or damaged.
    """
    if not state or state[0] != STATE_VERSION:
        what = f"version {state[0]}" if state else "no version: it is empty"
        raise SnapshotRefused(
            f"intake state of {what}; this release reads version {STATE_VERSION}: run the release that wrote it, or newer, or begin anew"
        )
    with refused("intake state", REMEDY):
        return _rows.decode(memoryview(state)[1:])


def digest_runs(offset: NDArray[np.int64], digest: NDArray[np.uint64]) -> Iterator[tuple[int, bytes]]:
    """(first offset, 8 bytes for each offset from there) of digests at offsets ascending."""
    ends = np.flatnonzero(np.diff(offset) > GAP_MAX) + 1
    for start, end in zip([0, *ends.tolist()], [*ends.tolist(), len(offset)], strict=True):
        if start == end:
            continue
        first = int(offset[start])
        column = np.zeros(int(offset[end - 1]) - first + 1, DIGEST)
        column[offset[start:end] - first] = digest[start:end]
        yield first, column.tobytes()


def by_partition(digests: Iterable[tuple[str, int, bytes]]) -> dict[str, list[tuple[int, bytes]]]:
    """Runs of digests by raw partition, ascending."""
    runs: dict[str, list[tuple[int, bytes]]] = {}
    for raw, first, column in digests:
        runs.setdefault(raw, []).append((first, column))
    return {raw: sorted(columns) for raw, columns in runs.items()}
