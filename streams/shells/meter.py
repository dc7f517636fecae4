"""Numbers about a running engine: kept here for reports and health, and handed on to the metrics."""

from __future__ import annotations

from collections import Counter
from typing import Protocol


class Gauges(Protocol):
    """What the metrics sink offers to the shells."""

    def ingested(self, source: str, accepted: int, duplicate: int, late: int, rejected: dict[str, int]) -> None: ...

    def sink_error(self, sink: str, retryable: bool) -> None: ...  # noqa: FBT001


class Meter:
    """Counters of one engine; label sets are bounded by the city's sources, the reasons and the sinks."""

    def __init__(self) -> None:
        self.accepted: Counter[str] = Counter()
        self.duplicate: Counter[str] = Counter()
        self.late: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()
        self.sink_errors: Counter[tuple[str, bool]] = Counter()
        self.conflicting_findings = 0

    def ingested(self, source: str, accepted: int, duplicate: int, late: int, rejected: dict[str, int]) -> None:
        """A batch of raw records was committed."""
        self.accepted[source] += accepted
        self.duplicate[source] += duplicate
        self.late[source] += late
        for reason, n in rejected.items():
            self.refused[source, reason] += n

    def sink_error(self, sink: str, *, retryable: bool) -> None:
        """A sink refused a batch."""
        self.sink_errors[sink, retryable] += 1

    def conflicts(self, n: int) -> None:
        """Findings came out differently than the journal has them: two releases have scored one window."""
        self.conflicting_findings += n

    def rejected(self) -> dict[str, int]:
        """Rejections by reason over all sources."""
        total: Counter[str] = Counter()
        for (_, reason), n in sorted(self.refused.items()):
            total[reason] += n
        return dict(sorted(total.items()))
