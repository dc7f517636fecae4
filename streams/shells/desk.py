"""The desk: where raw records are taken in, counted and committed, and where silent sources are declared idle.

All methods may be called from any thread. What a call changes is one transaction; if it fails, intake goes back to what
is committed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence

import msgspec
from msgspec import Struct

from streams.core.intake import Folded, Intake, Raw
from streams.model import DAY_S
from streams.settings import City
from streams.shells.meter import Ingested, Meter, account
from streams.shells.store import FilePosition, Store

RECENT_S = DAY_S
HISTORIC_IDLE_S = 900


class Mark(Struct, array_like=True):
    """How far time has come in one raw partition, and when (by the clock) it last moved."""

    watermark_s: int
    newest_s: int
    moved_s: int


class Desk:
    """Intake of one city over one store."""

    def __init__(self, city: City, store: Store, key: bytes, meter: Meter, historic_idle_s: int = HISTORIC_IDLE_S) -> None:
        self._city = city
        self._store = store
        self._key = key
        self._meter = meter
        self._historic_idle_s = historic_idle_s
        self._mutex = threading.Lock()
        self._intake = Intake(city, key)
        self._marks: dict[str, Mark] = {}

    def restore(self) -> None:
        """Take up what is committed."""
        state, marks, digests = self._store.intake()
        intake = Intake(self._city, self._key)
        if state:
            intake.restore(state, digests)
        self._intake = intake
        self._marks = msgspec.msgpack.decode(marks, type=dict[str, Mark]) if marks else {}

    def begin(self, now_s: int) -> None:
        """Take up what is committed, at a start. Nobody could bring anything before: sources stand still from now on."""
        self.restore()
        known = {raw: Mark(mark.watermark_s, mark.newest_s, now_s) for raw, mark in self._marks.items()}
        self._marks = {raw: Mark(0, 0, now_s) for raw in self._city.raws} | known

    def ingest(
        self, source: str, payloads: Sequence[bytes], append_s: int | Sequence[int], *, position: FilePosition | None = None
    ) -> Ingested:
        """Take raw records in; when this returns they are committed. ``append_s``: when they arrived, one for all or one each.

        Raises:
            KeyError: no such source.
        """
        if source not in self._city.sources:
            raise KeyError(source)
        if not payloads:
            return Ingested()
        times = [append_s] * len(payloads) if isinstance(append_s, int) else append_s
        with self._mutex:
            first = self._intake.position(source, 0)
            raws = [Raw(first + i, at, data) for i, (data, at) in enumerate(zip(payloads, times, strict=True))]
            now_s = max(times)
            folded = self._committed(lambda: self._intake.apply(source, 0, raws), now_s, position)
        return account(self._meter, source, len(raws), folded)

    def _committed(self, change: Callable[[], Folded], now_s: int, position: FilePosition | None = None) -> Folded:
        """Change intake and commit it; if the commit fails, intake goes back to what is committed."""
        try:
            folded = change()
            marks = self._moved(folded, now_s)
            self._store.append_folded(folded, msgspec.msgpack.encode(marks), now_s, position)
        except BaseException:
            self.restore()
            raise
        self._marks = marks
        return folded

    def _moved(self, folded: Folded, now_s: int) -> dict[str, Mark]:
        marks = dict(self._marks)
        for counts in folded.counts:
            for span in counts.spans:
                known = marks.get(span.raw)
                moved_s = known.moved_s if span.idle and known else now_s
                marks[span.raw] = Mark(span.watermark_s, max(span.newest_s, known.newest_s if known else span.newest_s), moved_s)
        return marks

    def watermarks(self) -> dict[str, int]:
        """How far time has come in each raw partition, in seconds since the epoch."""
        return {raw: mark.watermark_s for raw, mark in self._marks.items()}

    def idle(self, now_s: int, unread: Collection[str] = ()) -> int:
        """Declare raw partitions idle that have stood still; returns how many. Windows then close without them.

        ``unread``: sources that are known to have more to bring and are only not being read.

        While the city's newest event is recent, an idle partition is taken to have nothing up to now minus its allowed
        lateness. While history is being loaded the clock says nothing: it is then advanced, after a longer wait, up to
        the newest watermark of the others, so a source that pauses does not make its own later records late.
        """
        recent, moved, window_s = self.recent(now_s), 0, self._city.detection.window_s
        with self._mutex:
            for raw in self._city.raws:
                name, partition = raw.removeprefix("raw.").rsplit("/", 1)
                source = self._city.sources[name]
                mark = self._marks[raw]
                if name in unread or now_s - mark.moved_s < (
                    source.idle_after_s if recent else max(self._historic_idle_s, source.idle_after_s)
                ):
                    continue
                others = [other.watermark_s for key, other in self._marks.items() if key != raw]
                target_s = now_s - source.allowed_lateness_s if recent else max(others, default=0)
                if target_s // window_s <= mark.watermark_s // window_s:  # would close no window
                    continue
                self._committed(lambda name=name, n=int(partition), at=target_s: self._intake.idle(name, n, at), now_s)  # type: ignore[misc]
                moved += 1
        return moved

    def settle(self, at_s: int) -> None:
        """Declare that nothing from before ``at_s`` will come any more: the end of a play."""
        with self._mutex:
            for raw in self._city.raws:
                name, partition = raw.removeprefix("raw.").rsplit("/", 1)
                self._committed(lambda name=name, n=int(partition): self._intake.idle(name, n, at_s), at_s)  # type: ignore[misc]

    def recent(self, now_s: int) -> bool:
        """Whether the city's newest event is of the last day: else history is being loaded, which the clock has nothing to do with."""
        return max((mark.newest_s for mark in self._marks.values()), default=0) >= now_s - RECENT_S
