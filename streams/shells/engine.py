"""The embedded engine: raw records in, alerts out, with the journals of one state folder between.

Its ``desk`` takes records in from any thread; ``pump``, ``checkpoint`` and ``tick`` belong to one thread, since score and
decide are plain state machines. Whatever is interrupted is done again after ``recover``: journals drop what
they have, sinks drop what they have written.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from sinks.base import Batch, Sink, SinkError
from streams.core.configure import configure_command
from streams.core.damage import SnapshotRefused, refused
from streams.core.decide import Decide
from streams.core.journal import decode
from streams.core.pipeline import Scorer
from streams.core.score import Tally
from streams.model import Alert, Closed, Command, Counts, Finding, Outcome, Scores, Silence, Tick, Transition
from streams.settings import City
from streams.shells.desk import HISTORIC_IDLE_S, Desk
from streams.shells.meter import Meter
from streams.shells.store import Snapshot, Store, StoreError

COUNTS_A_STEP = 64
FINDINGS_A_STEP = 10_000
REJECTED_A_STEP = 10_000
BACKOFF_S = (0.1, 30.0)


class State(Struct, array_like=True):
    """A snapshot's record: mostly numbers that compress well."""

    scorer: bytes
    decide: bytes

    def packed(self) -> bytes:
        """For keeping."""
        return zlib.compress(msgspec.msgpack.encode(self), 1)

    @classmethod
    def unpacked(cls, record: bytes) -> State:
        """Back from what was kept.

        Raises:
            SnapshotRefused: it is damaged, which its checksum tells.
        """
        with refused("snapshot", of=(zlib.error,)):
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
        self.desk = Desk(city, store, key, self.meter, historic_idle_s)
        self._sinks = tuple(sinks)
        self._monotonic = monotonic
        self._scorer = Scorer(city)
        self._decide = Decide(city, self._scorer.shards)
        self._scored_seq = self._decided_seq = self._rejected_seq = 0
        self._snapshot_seq = (0, 0, 0)
        self._pending: Batch | None = None
        self._unwritten: list[Sink] = []
        self._backoff_s = 0.0
        self._retry_at = 0.0

    def pump(self, now_s: int) -> bool:
        """One bounded step: counts → findings → transitions → sinks. True when something was done, False when there is nothing to do
        or a sink is being waited for.

        Raises:
            SinkError: a sink refused a batch for good; nothing is lost, the journals keep it.
        """
        if self._pending is not None:
            return self._offer()
        counts, scores = self._score(now_s)
        transitions, alerts, outcomes = self._judge(now_s)
        rejected = self.store.rejected_after(self._rejected_seq, REJECTED_A_STEP)
        if not (counts or scores or transitions or alerts or outcomes or rejected):
            return False
        if rejected:
            self._rejected_seq = rejected[-1][0]
        self._pending = Batch(
            counts=counts,
            scores=scores,
            transitions=transitions,
            alerts=alerts,
            commands=tuple(outcome.command for outcome in outcomes),
            rejected=tuple(row for _, row in rejected),
            outcomes=tuple((None, outcome) for outcome in outcomes),  # the alerts journal of a state folder holds transitions only
        )
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

    def bounds(self) -> dict[str, int]:
        """How often each bound of score and decide was reached since the journals began."""
        scored, decided = self._scorer.tally(), self._decide.tally()
        return {
            "open_windows": scored.forced,
            "held_late": scored.unheld,
            "open_alerts": decided.dropped,
            "ended_series": decided.forgotten,
            "early_findings": decided.unshown,
            "finding_gaps": decided.gaps,
        }

    def tally(self) -> Tally:
        """What score could not do as usual, summed over the shards."""
        return self._scorer.tally()

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

    def _judge(self, now_s: int) -> tuple[tuple[tuple[int, Transition], ...], tuple[Alert, ...], tuple[Outcome, ...]]:
        transitions: list[Transition] = []
        alerts: dict[str, Alert] = {}
        outcomes: list[Outcome] = []
        for seq, data in self.store.findings_after(self._decided_seq, FINDINGS_A_STEP):
            record = decode(data)
            assert isinstance(record, Finding | Closed | Command | Tick), "the findings journal holds nothing else"
            decided = self._decide.apply(record)
            transitions += decided.transitions
            alerts |= {alert.id: alert for alert in decided.alerts}
            outcomes += decided.outcomes
            self._decided_seq = seq
        self.meter.decided(transitions)
        ids = self.store.append_decided(transitions, list(alerts.values()), now_s) if transitions or alerts else []
        return tuple(zip(ids, transitions, strict=True)), tuple(alerts.values()), tuple(outcomes)

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
        if deadline_s is None or deadline_s > now_s or not self.desk.recent(now_s) or self.behind:
            return False
        self.store.append_findings([Tick(now_s)], now_s)
        return True

    def silences(self) -> tuple[Silence, ...]:
        """Silences that people have set and that have not ended."""
        return self._decide.silences()

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
        try:
            self.desk.begin(now_s)
            snapshot = self.store.newest_snapshot()
            if snapshot is not None:
                state = State.unpacked(snapshot.record)
                self._scorer.restore(state.scorer)
                self._decide.restore(state.decide)
        except SnapshotRefused as error:
            raise StoreError(
                f"{self.store.folder}: what it was to go on from cannot be used ({error}); start the release that wrote it, or give an empty folder"
            ) from None
        if snapshot is not None:
            self._scored_seq, self._decided_seq, self._rejected_seq = self._snapshot_seq = snapshot[:3]
