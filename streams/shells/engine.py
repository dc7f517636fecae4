"""The embedded engine: raw records in, alerts out, with the journals of one state folder between.

``ingest`` may be called from any thread; ``pump``, ``checkpoint``, ``tick`` and ``idle`` belong to one thread, since
score and decide are plain state machines. Whatever is interrupted is done again after ``recover``: journals drop what
they have, sinks drop what they have written.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from sinks.base import Batch, Sink, SinkError
from streams.core.configure import configure_command
from streams.core.decide import Decide
from streams.core.intake import Folded, Intake, Raw
from streams.core.journal import decode
from streams.core.pipeline import Scorer
from streams.core.score import Tally
from streams.model import DAY_S, Alert, Closed, Command, Counts, Finding, Scores, Tick, Transition
from streams.settings import City
from streams.shells.meter import Meter
from streams.shells.store import FilePosition, Snapshot, Store, StoreError

COUNTS_A_STEP = 64
FINDINGS_A_STEP = 10_000
REJECTED_A_STEP = 10_000
BACKOFF_S = (0.1, 30.0)
RECENT_S = DAY_S
HISTORIC_IDLE_S = 900


class Ingested(Struct, frozen=True):
    """What became of a batch of raw records. ``late`` ones are accepted too: they amend longer windows only."""

    accepted: int = 0
    duplicate: int = 0
    late: int = 0
    rejected: dict[str, int] = {}


class Mark(Struct, array_like=True):
    """How far time has come in one raw partition, and when (by the clock) it last moved."""

    watermark_s: int
    newest_s: int
    moved_s: int


class State(Struct, array_like=True):
    """A snapshot's record: mostly numbers that compress well."""

    scorer: bytes
    decide: bytes

    def packed(self) -> bytes:
        """For keeping."""
        return zlib.compress(msgspec.msgpack.encode(self), 1)

    @classmethod
    def unpacked(cls, record: bytes) -> State:
        """Back from what was kept."""
        return msgspec.msgpack.decode(zlib.decompress(record), type=cls)


class Engine:
    """One city's pipeline over one state folder."""

    def __init__(
        self,
        city: City,
        store: Store,
        key: bytes,
        sinks: Sequence[Sink] = (),
        meter: Meter | None = None,
        *,
        historic_idle_s: int = HISTORIC_IDLE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.city = city
        self.store = store
        self.meter = meter or Meter()
        self._key = key
        self._sinks = tuple(sinks)
        self._historic_idle_s = historic_idle_s
        self._monotonic = monotonic
        self._intake_mutex = threading.Lock()
        self._intake = Intake(city, key)
        self._marks: dict[str, Mark] = {}
        self._scorer = Scorer(city)
        self._decide = Decide(city, self._scorer.shards)
        self._scored_seq = self._decided_seq = self._rejected_seq = 0
        self._snapshot_seq = (0, 0, 0)
        self._pending: Batch | None = None
        self._unwritten: list[Sink] = []
        self._backoff_s = 0.0
        self._retry_at = 0.0

    # raw records

    def ingest(
        self,
        source: str,
        payloads: Sequence[bytes],
        append_s: int | Sequence[int],
        *,
        position: FilePosition | None = None,
    ) -> Ingested:
        """Take raw records in; when this returns they are committed. ``append_s``: when they arrived, one for all or one each.

        Raises:
            KeyError: no such source.
        """
        if source not in self.city.sources:
            raise KeyError(source)
        if not payloads:
            return Ingested()
        times = [append_s] * len(payloads) if isinstance(append_s, int) else append_s
        with self._intake_mutex:
            first = self._intake.position(source, 0)
            raws = [Raw(first + i, at, data) for i, (data, at) in enumerate(zip(payloads, times, strict=True))]
            now_s = max(times)
            folded = self._committed(lambda: self._intake.apply(source, 0, raws), now_s, position)
        return self._account(source, len(raws), folded)

    def ingest_lines(self, source: str, lines: Sequence[bytes], append_s: int, position: FilePosition) -> Ingested:
        """Lines of a followed file, with the position behind them."""
        if not lines:
            self.store.put_file_position(position)
        return self.ingest(source, lines, append_s, position=position)

    def file_position(self, path: str) -> FilePosition | None:
        """How far a followed file has been read."""
        return self.store.file_position(path)

    def put_file_position(self, position: FilePosition) -> None:
        """Remember a followed file's position that came without records."""
        self.store.put_file_position(position)

    def _committed(self, change: Callable[[], Folded], now_s: int, position: FilePosition | None = None) -> Folded:
        """Change intake and commit it; if the commit fails, intake goes back to what is committed."""
        try:
            folded = change()
            marks = self._moved(folded, now_s)
            self.store.append_folded(folded, msgspec.msgpack.encode(marks), now_s, position)
        except BaseException:
            self._restore_intake()
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

    def _account(self, source: str, total: int, folded: Folded) -> Ingested:
        rejected: dict[str, int] = {}
        for bad in folded.rejected:
            rejected[bad.reason] = rejected.get(bad.reason, 0) + 1
        quality = {"duplicate": 0, "late": 0}
        for counts in folded.counts:
            for row in counts.quality:
                if row.reason in quality and not counts.rollup:
                    quality[row.reason] += row.n
        taken = Ingested(
            total - quality["duplicate"] - sum(rejected.values()), quality["duplicate"], quality["late"], dict(sorted(rejected.items()))
        )
        self.meter.quality(folded.counts)
        self.meter.ingested(source, taken.accepted, taken.duplicate, taken.late, taken.rejected)
        return taken

    # journals

    def pump(self, now_s: int) -> bool:
        """One bounded step: counts → findings → transitions → sinks. True when something was done, False when there is nothing to do
        or a sink is being waited for.

        Raises:
            SinkError: a sink refused a batch for good; nothing is lost, the journals keep it.
        """
        if self._pending is not None:
            return self._offer()
        counts, scores = self._score(now_s)
        transitions, alerts, commands = self._judge(now_s)
        rejected = self.store.rejected_after(self._rejected_seq, REJECTED_A_STEP)
        if not (counts or scores or transitions or alerts or commands or rejected):
            return False
        if rejected:
            self._rejected_seq = rejected[-1][0]
        self._pending = Batch(counts, scores, transitions, alerts, commands, tuple(row for _, row in rejected))
        self._unwritten = list(self._sinks)
        self._offer()
        return True

    def drain(self, now_s: int) -> None:
        """Pump until there is nothing left to do."""
        while self.pump(now_s):
            pass

    @property
    def waiting(self) -> bool:
        """A sink is away: outputs wait in the journals."""
        return self._pending is not None

    def tally(self) -> Tally:
        """What score could not do as usual, summed over the shards."""
        return self._scorer.tally()

    def watermarks(self) -> dict[str, int]:
        """How far time has come in each raw partition, in seconds since the epoch."""
        return {raw: mark.watermark_s for raw, mark in self._marks.items()}

    @property
    def behind(self) -> int:
        """Journal records that wait to be taken up."""
        return self.store.newest("counts") - self._scored_seq + self.store.newest("findings") - self._decided_seq

    def _score(self, now_s: int) -> tuple[tuple[tuple[int, Counts], ...], tuple[Scores, ...]]:
        counts: list[tuple[int, Counts]] = []
        scores: list[Scores] = []
        findings: list[Finding | Closed] = []
        for seq, data in self.store.counts_after(self._scored_seq, COUNTS_A_STEP):
            record = decode(data)
            if isinstance(record, Counts):
                scored = self._scorer.apply(record)
                findings += [*scored.findings, *scored.closed]
                scores += scored.scores
                counts.append((seq, record))
            self._scored_seq = seq
        conflicts = self.store.append_findings(findings, now_s) if findings else 0
        self.meter.scored(len(counts), findings, conflicts)
        return tuple(counts), tuple(scores)

    def _judge(self, now_s: int) -> tuple[tuple[tuple[int, Transition], ...], tuple[Alert, ...], tuple[Command, ...]]:
        transitions: list[Transition] = []
        alerts: dict[str, Alert] = {}
        commands: list[Command] = []
        for seq, data in self.store.findings_after(self._decided_seq, FINDINGS_A_STEP):
            record = decode(data)
            assert isinstance(record, Finding | Closed | Command | Tick), "the findings journal holds nothing else"
            decided = self._decide.apply(record)
            transitions += decided.transitions
            alerts |= {alert.id: alert for alert in decided.alerts}
            commands += decided.commands
            self._decided_seq = seq
        self.meter.decided(transitions)
        ids = self.store.append_decided(transitions, list(alerts.values()), now_s) if transitions or alerts else []
        return tuple(zip(ids, transitions, strict=True)), tuple(alerts.values()), tuple(commands)

    def _offer(self) -> bool:
        """Write the pending batch to the sinks that do not have it yet; a retryable refusal is waited for, longer each time."""
        assert self._pending is not None
        if self._monotonic() < self._retry_at:
            return False
        while self._unwritten:
            sink = self._unwritten[0]
            started = self._monotonic()
            try:
                sink.write(self._pending)
            except SinkError as error:
                self.meter.sink_error(sink.name, retryable=error.retryable)
                if not error.retryable:
                    raise
                self._backoff_s = min(max(self._backoff_s * 2, BACKOFF_S[0]), BACKOFF_S[1])
                self._retry_at = self._monotonic() + self._backoff_s
                return False
            self.meter.sink_write(sink.name, self._monotonic() - started, self._pending)
            self._unwritten.pop(0)
        self._pending = None
        self._backoff_s = self._retry_at = 0.0
        return True

    # time

    def tick(self, now_s: int) -> bool:
        """Journal a ``Tick`` when a person's deadline has come; not while history is being loaded, which the clock has nothing to do with."""
        deadline_s = self._decide.next_deadline_s()
        if deadline_s is None or deadline_s > now_s or not self._recent(now_s) or self.behind:
            return False
        self.store.append_findings([Tick(now_s)], now_s)
        return True

    def idle(self, now_s: int) -> int:
        """Declare raw partitions idle that have stood still; returns how many. Windows then close without them.

        While the city's newest event is recent, an idle partition is taken to have nothing up to now minus its allowed
        lateness. While history is being loaded the clock says nothing: it is then advanced, after a longer wait, up to
        the newest watermark of the others, so a source that pauses does not make its own later records late.
        """
        recent, moved, window_s = self._recent(now_s), 0, self.city.detection.window_s
        with self._intake_mutex:
            for raw in self.city.raws:
                name, partition = raw.removeprefix("raw.").rsplit("/", 1)
                source = self.city.sources[name]
                mark = self._marks.setdefault(raw, Mark(0, 0, now_s))
                if now_s - mark.moved_s < (source.idle_after_s if recent else max(self._historic_idle_s, source.idle_after_s)):
                    continue
                others = [other.watermark_s for key, other in self._marks.items() if key != raw]
                target_s = now_s - source.allowed_lateness_s if recent else max(others, default=0)
                if target_s // window_s <= mark.watermark_s // window_s:  # would close no window
                    continue
                self._committed(lambda name=name, n=int(partition), at=target_s: self._intake.idle(name, n, at), now_s)  # type: ignore[misc]
                moved += 1
        return moved

    def _recent(self, now_s: int) -> bool:
        return max((mark.newest_s for mark in self._marks.values()), default=0) >= now_s - RECENT_S

    # crash and recovery

    def checkpoint(self, now_s: int) -> bool:
        """Keep the state of score and decide, once all their outputs are in the sinks. False when they are not, or nothing is new."""
        at = (self._scored_seq, self._decided_seq, self._rejected_seq)
        if self._pending is not None or at == self._snapshot_seq:
            return False
        state = State(self._scorer.snapshot(), self._decide.snapshot())
        self.store.put_snapshot(Snapshot(*at, state.packed()), now_s)
        self._snapshot_seq = at
        return True

    def recover(self, now_s: int) -> None:
        """Take up where the folder stands: the newest snapshot; what the journals hold behind it, ``pump`` replays. In a new folder,
        journal the configuration first.

        Raises:
            StoreError: the snapshot was written by another release, or is damaged.
        """
        if self.store.newest("counts") == 0:
            command = configure_command(self.city, id="configure-1", time_s=now_s, actor="tocsin")
            with self.store.transaction():
                self.store.append_counts(command, now_s)
                self.store.append_findings([command], now_s)
        self._restore_intake()
        snapshot = self.store.newest_snapshot()
        if snapshot is not None:
            try:
                state = State.unpacked(snapshot.record)
                self._scorer.restore(state.scorer)
                self._decide.restore(state.decide)
            except (ValueError, zlib.error) as error:
                raise StoreError(
                    f"{self.store.folder}: the newest snapshot cannot be used ({error}); start the release that wrote it, or give an empty folder"
                ) from None
            self._scored_seq, self._decided_seq, self._rejected_seq = self._snapshot_seq = snapshot[:3]

    def _restore_intake(self) -> None:
        state, marks, digests = self.store.intake()
        intake = Intake(self.city, self._key)
        if state:
            intake.restore(state, digests)
        self._intake = intake
        self._marks = msgspec.msgpack.decode(marks, type=dict[str, Mark]) if marks else {}
