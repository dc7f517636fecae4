"""Numbers about a running engine: kept here for reports and health, and handed on to the metrics when there are any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from sinks.base import Batch
from sinks.metrics import Metrics
from streams.core.intake import Folded
from streams.model import Closed, Counts, Finding, Transition


class Ingested(Struct, frozen=True):
    """What became of a batch of raw records. ``late`` ones are accepted too: they amend longer windows only."""

    accepted: int = 0
    duplicate: int = 0
    late: int = 0
    rejected: dict[str, int] = {}


BOUNDS = ("saturated", "counter_evicted")
"""Words of ``Counts.quality`` that say a bound of intake was reached."""


class Meter:
    """Counters of one engine; label sets are bounded by the city's sources, the reasons and the sinks."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        self.metrics = metrics
        self.accepted: Counter[str] = Counter()
        self.duplicate: Counter[str] = Counter()
        self.late: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.sink_errors: Counter[str] = Counter()
        self.conflicting_findings = 0
        self._bounds: dict[str, int] = {}

    def ingested(self, source: str, accepted: int, duplicate: int, late: int, rejected: Mapping[str, int]) -> None:
        """A batch of raw records was committed; ``rejected`` by reason."""
        self.accepted[source] += accepted
        self.duplicate[source] += duplicate
        self.late[source] += late
        self.refused.update(rejected)
        if self.metrics:
            self.metrics.ingested(source, accepted, duplicate, late, rejected)

    def scored(self, counts: int, findings: Sequence[Finding | Closed], conflicts: int) -> None:
        """Records of the counts journal were scored; ``conflicts``: findings that the journal has otherwise."""
        self.conflicting_findings += conflicts
        if self.metrics:
            closed = sum(isinstance(record, Closed) for record in findings)
            signals = Counter(record.signal for record in findings if isinstance(record, Finding))
            self.metrics.scored(counts, closed, signals)
            self.metrics.conflicts(conflicts)

    def decided(self, transitions: Iterable[Transition]) -> None:
        """Alerts took steps."""
        if self.metrics:
            for step in transitions:
                self.metrics.transition(step.reason, step.band, notify=step.notify)

    def sink_write(self, sink: str, seconds: float, batch: Batch) -> None:
        """A sink took a batch."""
        if self.metrics:
            rows = sum(len(part) for part in (batch.counts, batch.scores, batch.transitions, batch.alerts, batch.commands, batch.rejected))
            self.metrics.sink_write(sink, seconds, rows)

    def sink_error(self, sink: str, *, retryable: bool) -> None:
        """A sink did not take a batch."""
        self.sink_errors[sink] += 1
        if self.metrics:
            self.metrics.sink_error(sink, retryable)

    def quality(self, counts: Sequence[Counts]) -> None:
        """What intake noted of its own bounds."""
        for record in counts:
            for row in record.quality:
                if row.reason in BOUNDS:
                    self.bound(f"intake_{row.reason}", self._bounds.get(f"intake_{row.reason}", 0) + row.n)

    def bound(self, name: str, total: int, *, of: str = "") -> None:
        """A bound has been reached so often since the start; ``of``: which one, where several have a name in common."""
        more = total - self._bounds.get(name + of, 0)
        if more > 0:
            self._bounds[name + of] = total
            if self.metrics:
                self.metrics.bound_reached(name, more)

    def behind(self, records: int) -> None:
        """Journal records that wait."""
        if self.metrics:
            self.metrics.behind(records)

    def watermark_lag(self, source: str, lag_s: float) -> None:
        """How far time is behind the clock in a source."""
        if self.metrics:
            self.metrics.watermark_lag(source, lag_s)

    def rejected(self) -> dict[str, int]:
        """Rejections by reason over all sources."""
        return dict(sorted(self.refused.items()))


def account(meter: Meter, source: str, total: int, folded: Folded) -> Ingested:
    """Count what became of ``total`` raw records of a source."""
    rejected = dict(sorted(Counter(bad.reason for bad in folded.rejected).items()))
    quality = Counter[str]()
    for counts in folded.counts:
        if not counts.rollup:
            quality.update({row.reason: row.n for row in counts.quality})
    taken = Ingested(total - quality["duplicate"] - sum(rejected.values()), quality["duplicate"], quality["late"], rejected)
    meter.quality(folded.counts)
    meter.ingested(source, taken.accepted, taken.duplicate, taken.late, taken.rejected)
    return taken
