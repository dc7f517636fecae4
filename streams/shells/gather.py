"""Gathers small batches into large ones for a sink whose writes are dear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from sinks.base import Batch, Sink

ROWS_MAX = 200_000
BATCHES_MAX = 2_000


class Gathered:
    """A sink that holds batches back until there are many, or until it is flushed. What it holds is gone when the process dies:
    for plays, which begin anew; a city's own records go to the sink at once.
    """

    name: ClassVar[str] = "gathered"

    def __init__(self, sink: Sink, *, rows_max: int = ROWS_MAX, batches_max: int = BATCHES_MAX) -> None:
        self._sink = sink
        self._rows_max, self._batches_max = rows_max, batches_max
        self._held: list[Batch] = []
        self._rows = 0

    def write(self, batch: Batch) -> None:
        """Hold ``batch``; write what is held once it is enough.

        Raises:
            SinkError: the sink refused; the batches stay.
        """
        self._held.append(batch)
        self._rows += sum(len(scores.p) for scores in batch.scores) + sum(len(counts.n) // 4 for _, counts in batch.counts)
        if self._rows >= self._rows_max or len(self._held) >= self._batches_max:
            self.flush()

    def flush(self) -> None:
        """Write all that is held, as one batch.

        Raises:
            SinkError: the sink refused; the batches stay.
        """
        if not self._held:
            return
        fields = {name: tuple(row for batch in self._held for row in getattr(batch, name)) for name in Batch.__struct_fields__}
        self._sink.write(Batch(**fields))
        self._held, self._rows = [], 0

    def query(self, sql: str) -> list[dict[str, Any]]:
        """What is written by now, if the sink is one that can be asked."""
        ask: Callable[[str], list[dict[str, Any]]] = self._sink.query  # type: ignore[attr-defined]
        return ask(sql)

    def close(self) -> None:
        """Flush and close the sink."""
        self.flush()
        self._sink.close()
