"""BulkIntake: intake that takes records in columns where they are plain, and one by one where not; what it says is the same.

payloads ─► scan ─► time, id, category, area ─► sweep ─► columns ─► cells
└──────── not plain ─► one by one ──┘
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.core.bulk.entries import BulkEntries, entry_keys
from streams.core.bulk.jit import warmed
from streams.core.bulk.reader import BulkReader, Read
from streams.core.bulk.recent import BulkRecent
from streams.core.bulk.sweep import ACCEPTED, VERDICTS, Asked, Judged, sweep
from streams.core.decode import Headers
from streams.core.fold import Batch
from streams.core.intake import Folded, Intake
from streams.core.lot import FUTURE_S, TIME_S_MAX, Lot, Raw
from streams.core.raw_partition import Partition
from streams.model import MINUTE_S, Rejected

BYTES_MAX = 1 << 30
"""Of the payloads that are looked at together."""


class Block(NamedTuple):
    """Records of one raw partition in columns, offsets ascending. ``headers``: of those records that have any, by their number."""

    offset: NDArray[np.int64]
    append_s: NDArray[np.int64]
    payloads: Sequence[bytes]
    headers: Mapping[int, Headers] = MappingProxyType({})

    @classmethod
    def of(cls, raws: Sequence[Raw]) -> Block:
        """Records that are there one by one."""
        offset, append_s = (np.array([at[i] for at in raws], np.int64) for i in (0, 1))
        return cls(offset, append_s, [raw.payload for raw in raws], {i: raw.headers for i, raw in enumerate(raws) if raw.headers})

    @property
    def size(self) -> int:
        """Bytes of all payloads."""
        return sum(map(len, self.payloads))

    def raw(self, i: int) -> Raw:
        """One of them by itself."""
        return Raw(int(self.offset[i]), int(self.append_s[i]), self.payloads[i], tuple(self.headers.get(i, ())))

    def since(self, offset: int) -> Block:
        """Those from ``offset`` on."""
        at = int(np.searchsorted(self.offset, offset))
        if not at:
            return self
        headers: dict[int, Headers] = {i - at: given for i, given in self.headers.items() if i >= at}
        return Block(self.offset[at:], self.append_s[at:], self.payloads[at:], headers)


class BulkIntake(Intake):
    """``Intake``, which this is in all but speed."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._bulk: dict[str, BulkReader | None] = {}
        warmed(self._warm)

    def _warm(self) -> None:
        """Records of a partition that is forgotten again, so that nothing has to be compiled while others wait."""
        for source, settings in self._city.sources.items():
            reader = self._bulk_reader(source)
            if reader is not None:
                payloads = [
                    msgspec.json.encode(dict.fromkeys(settings.id, word) | {settings.time: "2000-01-01T00:00:00Z"}) for word in ("a", "b")
                ]
                reader.read(payloads, 2**31)
                part = Partition(source, 0, 0, BulkRecent(2))
                part.entries = BulkEntries(self._fold.signals)
                at: NDArray[np.int64] = np.arange(2)
                asked = Asked(np.ones(2, np.bool_), at, at, at, np.ones(2, np.uint64), at)
                sweep(part, part.entries, asked, 0, 2, _unjudged(2))

    @property
    def emptied(self) -> int:
        """How often something that is remembered to save work was full and begun anew."""
        return self._resolver.emptied + sum(reader.emptied for reader in self._bulk.values() if reader is not None)

    def apply_block(self, source: str, partition: int, block: Block) -> Folded:
        """``apply``, of records in columns.

        Raises:
            KeyError: the city has no such source.
        """
        part = self._partition(source, partition)
        fresh = block.since(part.position)
        reader = self._bulk_reader(source)
        if reader is None or not len(fresh.payloads) or fresh.size > BYTES_MAX:
            return self.apply(source, partition, [fresh.raw(i) for i in range(len(fresh.payloads))])
        return self._folded(part, int(fresh.offset[0]), *self._taken(part, fresh, reader))

    def _taken(self, part: Partition, block: Block, reader: BulkReader) -> tuple[Lot, list[Rejected]]:
        read = reader.read(block.payloads, min(int(block.append_s.max()) + FUTURE_S, TIME_S_MAX))
        for i, headers in block.headers.items():
            read.plain[i] &= not any(name.lower().startswith(("ce_", "ce-")) for name, _ in headers)
        n = len(block.payloads)
        entries = part.entries
        assert isinstance(entries, BulkEntries)
        asked = Asked(read.plain, block.offset, block.append_s, read.time_s, read.digest, entry_keys(read.signal, read.entry_s))
        judged = _unjudged(n)
        lot, refused = self._lot(part), list[tuple[int, str]]()
        at = 0
        while at < n:
            if read.plain[at]:
                at = sweep(part, entries, asked, at, self._batch_entry_min, judged)
                continue
            raw = block.raw(at)
            refused.append((at, lot.take(raw)))
            at += 1
        self._add(lot, block, read, judged)
        refused += [(i, VERDICTS[judged.verdict[i]]) for i in np.flatnonzero(read.plain & (judged.verdict > 0)).tolist()]
        rejected = [self._rejected(part, block.raw(i), why) for i, why in sorted(refused) if why and why != "duplicate"]
        return lot, rejected

    def _add(self, lot: Lot, block: Block, read: Read, judged: Judged) -> None:
        """What a sweep has found goes into the fold and the lot's account."""
        counted = read.plain & (judged.verdict == ACCEPTED)
        heard_s = judged.heard_s[counted]
        minute = read.time_s[counted] // MINUTE_S
        heard = np.where(heard_s // MINUTE_S > minute, heard_s // MINUTE_S, 0)
        self._fold.add(Batch(read.area[counted], read.signal[counted], minute, judged.batch[counted], heard))
        lot.add_feed(self._fold, read.area[counted], minute, heard)
        verdicts = np.bincount(judged.verdict[read.plain], minlength=len(VERDICTS))
        notes = dict(zip(VERDICTS[1:], verdicts[1:].tolist(), strict=True))
        notes |= {"late": int((heard_s > 0).sum()), "batch_entry": int(judged.batch[counted].sum())}
        lot.note(notes, block.offset[read.plain], judged.digest[read.plain])

    def _partition(self, source: str, partition: int) -> Partition:
        known = super()._partition(source, partition)
        if not isinstance(known.entries, BulkEntries):
            known.entries = BulkEntries(self._fold.signals)
            known.recent = BulkRecent(self._dedupe_offsets)
        return known

    def _bulk_reader(self, source: str) -> BulkReader | None:
        if source not in self._bulk:
            reader = self._readers[source]
            if reader.has_readings:
                self._bulk[source] = None
            else:
                made = BulkReader(source, reader, self._resolver, self._digester, self._fold.areas, self._fold.signals)
                self._bulk[source] = made if made.readable() else None
        return self._bulk[source]


def _unjudged(n: int) -> Judged:
    return Judged(np.zeros(n, np.int8), np.zeros(n, np.int64), np.zeros(n, np.int8), np.zeros(n, np.uint64))
