"""Intake: raw records become per-minute cells. The only place that sees a raw record; nothing of one leaves but counts and digests.

    raw record ─► decode ─► time ─► watermark ─► id ─► seen before? ─► category, area, reading ─► cell
                    └──────────┴───────────────────┴── Rejected ───────────────┘

A deterministic state machine for each raw partition: records are judged one by one in the order of their offsets, so it
does not matter in what batches they come, nor how partitions interleave. A record whose time can be read moves time,
whatever becomes of it after that: a feed of which everything is excluded must not hold back the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from streams.columns import empty, pack
from streams.core import fold
from streams.core.areas import AreaTree, Resolver
from streams.core.damage import refused
from streams.core.dedupe import Recent
from streams.core.digests import Digester
from streams.core.lot import Lot, Raw
from streams.core.raw_partition import REMEDY, Delta, Partition, Saved, by_partition, decode_state, digest_runs, encode_state, raw_name
from streams.core.reader import Reader
from streams.model import Counts, Quality, Rejected, Span
from streams.settings import City

__all__ = ["DEDUPE_OFFSETS", "Folded", "Intake", "Raw"]

DEDUPE_OFFSETS = 2_000_000


class Folded(Struct, frozen=True):
    """What a batch of one raw partition becomes, to be committed as one.

    ``counts``: the districts' record and the city's (a flat city has only the first); none if there was nothing to take.
    ``digests``: (raw partition, first offset, 8 bytes little-endian for each offset from there, 0 for none).
    ``state``: all of intake's state but the digests; where ``delta`` is asked for, that instead: what changed in this partition.
    """

    counts: tuple[Counts, ...]
    rejected: tuple[Rejected, ...]
    digests: tuple[tuple[str, int, bytes], ...]
    state: bytes
    delta: Delta | None = None


class Intake:
    """All raw partitions of a city.

    Args:
        city: its settings; ``intake_hash`` is noted on each ``Counts``.
        key: 16 to 64 secret bytes that digests are keyed with.
        dedupe_offsets: a record is a duplicate if its id stood within so many offsets before it in its partition.
        batch_entry_min: from how many records of a signal with one second of entry on they count as a batch entry.
        deltas: tell what changed in a partition and not the state of all of them: for a journal that keeps the newest of each.

    Raises:
        ValueError: the key's length, or areas, library, outlines or paths of the settings that contradict each other.
    """

    def __init__(
        self, city: City, key: bytes, *, dedupe_offsets: int = DEDUPE_OFFSETS, batch_entry_min: int = 5, deltas: bool = False
    ) -> None:
        self._city = city
        self._deltas = deltas
        self._dedupe_offsets = dedupe_offsets
        self._batch_entry_min = batch_entry_min
        self._tree = AreaTree(city.areas)
        self._digester = Digester(key)
        self._resolver = Resolver(self._tree, city.library)
        self._readers = {name: Reader(name, source, self._resolver, self._digester) for name, source in city.sources.items()}
        self._fold = fold.Fold(self._tree, _signals(city))
        self._partitions: dict[str, Partition] = {}
        self._saved: dict[str, bytes] = {}

    def apply(self, source: str, partition: int, records: Sequence[Raw]) -> Folded:
        """Take records of one raw partition, offsets ascending; those below its position were taken before and are passed over.

        Raises:
            KeyError: the city has no such source.
        """
        part = self._partition(source, partition)
        fresh = [raw for raw in records if raw.offset >= part.position]
        if not fresh:
            return Folded((), (), (), *self._kept(None))
        lot = self._lot(part)
        refused = [(raw, lot.take(raw)) for raw in fresh]
        rejected = [self._rejected(part, raw, verdict) for raw, verdict in refused if verdict and verdict != "duplicate"]
        return self._folded(part, fresh[0].offset, lot, rejected)

    def idle(self, source: str, partition: int, watermark_s: int) -> Folded:
        """Declare a raw partition idle: what comes before ``watermark_s`` is late from now on. A watermark never moves back.

        Raises:
            KeyError: the city has no such source.
        """
        part = self._partition(source, partition)
        part.watermark_s = max(part.watermark_s, watermark_s)
        part.since_s = part.since_s or part.watermark_s  # else time would begin anew with its first event, for shards that have begun
        part.idle = True
        spans = (part.span(part.position),)
        levels = (False,) if self._city.flat else (False, True)
        config_hash = self._city.intake_hash
        counts = tuple(pack(rollup=up, config_hash=config_hash, spans=spans, areas=(), signals=(), cells=empty()) for up in levels)
        return Folded(counts, (), (), *self._kept(part))

    def position(self, source: str, partition: int) -> int:
        """The offset that comes next; 0 for a partition never heard of."""
        part = self._partitions.get(raw_name(source, partition))
        return part.position if part else 0

    def restore(self, state: bytes, digests: Iterable[tuple[str, int, bytes]]) -> None:
        """Go on from what was committed: the newest state, and the digests of the last ``dedupe_offsets`` offsets in any order.

        Raises:
            ValueError: a state of another version, or damaged.
        """
        runs = by_partition(digests)
        self._partitions, self._saved = {}, {}
        partitions = decode_state(state)
        with refused("intake state", REMEDY):
            for saved in partitions:
                if saved.source in self._readers:  # one that is no longer a source has nothing to go on with
                    self.take_up(saved, runs.get(raw_name(saved.source, saved.partition), ()))

    def take_up(self, saved: Saved, digests: Iterable[tuple[int, bytes]]) -> None:
        """Go on with one raw partition; ``digests``: its runs, ascending."""
        self.forget(saved.source, saved.partition)
        part = self._partition(saved.source, saved.partition)
        known = {*self._fold.signals}  # a signal that is no more has nothing to go on with
        part.go_on(replace(saved, entries=[row for row in saved.entries if row[0] in known]))
        part.recent.load(digests)
        self._kept(part)

    def forget(self, source: str, partition: int) -> None:
        """A raw partition that somebody else reads now."""
        raw = raw_name(source, partition)
        self._partitions.pop(raw, None)
        self._saved.pop(raw, None)

    def _partition(self, source: str, partition: int) -> Partition:
        raw = raw_name(source, partition)
        if raw not in self._partitions:
            lateness_s = self._city.sources[source].allowed_lateness_s
            self._partitions[raw] = Partition(source, partition, lateness_s, Recent(self._dedupe_offsets))
            if self._deltas:
                self._partitions[raw].delta()  # changes are kept count of from here on
        return self._partitions[raw]

    def _lot(self, part: Partition) -> Lot:
        """To take the next records of a raw partition; it is not idle any more."""
        part.idle = False
        feed = _feed(part.source) if self._city.sources[part.source].heartbeat else ""
        return Lot(part, self._readers[part.source], self._fold, feed=feed, batch_entry_min=self._batch_entry_min)

    def _rejected(self, part: Partition, raw: Raw, reason: str) -> Rejected:
        return Rejected(part.source, reason, self._digester.payload(raw.payload, raw.append_s), part.raw, raw.offset, raw.append_s)

    def _folded(self, part: Partition, first: int, lot: Lot, rejected: Sequence[Rejected]) -> Folded:
        """What the records from offset ``first`` on have become."""
        fine = self._fold.take()
        counts = self._counts(part.span(first), fine, lot.quality(fine.saturated))
        digests = tuple((part.raw, start, column) for start, column in digest_runs(*lot.digests()))
        return Folded(counts, tuple(rejected), digests, *self._kept(part))

    def _counts(self, span: Span, fine: fold.Folded, quality: tuple[Quality, ...]) -> tuple[Counts, ...]:
        """The districts' record, which alone says what was not as usual, so that it is counted once; and the city's."""
        parts: list[tuple[bool, fold.Folded, tuple[Quality, ...]]] = [(False, fine, quality)]
        if not self._city.flat:
            parts.append((True, self._fold.rolled(fine, self._shard_of), ()))
        return tuple(
            pack(
                rollup=rollup,
                config_hash=self._city.intake_hash,
                spans=(span,),
                areas=folded.areas,
                signals=folded.signals,
                cells=folded.cells,
                quality=notes,
            )
            for rollup, folded, notes in parts
        )

    def _shard_of(self, area: str) -> str:
        return self._tree.shard_of(area, self._city.shard_level)

    def _kept(self, changed: Partition | None) -> tuple[bytes, Delta | None]:
        """What is to be kept after a change: everything, or what changed."""
        if self._deltas:
            return b"", changed.delta() if changed else None
        if changed:
            self._saved[changed.raw] = changed.save()
        return encode_state(self._saved), None


def _feed(source: str) -> str:
    return f"feed.{source}"


def _signals(city: City) -> frozenset[str]:
    """Every signal that a record of this city can count for."""
    mapped = {signal for source in city.sources.values() for signal in source.categories.values()}
    read = {reading.signal for source in city.sources.values() for reading in source.readings}
    feeds = {_feed(name) for name, source in city.sources.items() if source.heartbeat}
    return frozenset({signal.name for signal in city.signals} | mapped | read | feeds)
