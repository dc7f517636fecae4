"""What a batch is in the tables: pure, columns of equal length, blocks of bounded size.

Words that go in are the city's own (areas, signals, reasons, pseudonyms) and are bounded; a command's body never does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sinks.base import Batch, SinkError, refuse_not_finite
from sinks.clickhouse.schema import BY_NAME
from streams.columns import Cells, timeless, unpack
from streams.model import MINUTE_S, Alert, Area, Command, Counts, Rejected, Scores, Signal, Transition

WORD_CHARS_MAX = 200
SENTENCE_CHARS_MAX = 500
_TIME_MAX_S = 2**32 - 1  # of DateTime
_POSITION_MAX = 2**63 - 1

Column = NDArray[Any] | list[Any]


class Block(NamedTuple):
    """Rows for one table, by column, in the table's order. NaN in a nullable column means NULL."""

    table: str
    columns: dict[str, Column]

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values())))


def blocks(batch: Batch, *, rows_max: int) -> Iterator[Block]:
    """The batch as blocks of at most ``rows_max`` rows; tables that get nothing are left out.

    Raises:
        SinkError: not retryable: a number that is not finite, a time that ClickHouse's DateTime does not hold, or a word
            that is too long.
    """
    refuse_not_finite(batch)
    whole = (
        _cells([counts for _, counts in batch.counts if not counts.rollup]),
        _scores(batch.scores),
        _table("alerts", map(_alert, batch.alerts)),
        _table("transitions", (_transition(position, step) for position, step in batch.transitions)),
        _table("commands", map(_command, batch.commands)),
        _table("dead_letters", map(_dead_letter, batch.rejected)),
        _table("quality", (row for _, counts in batch.counts if not counts.rollup for row in _quality(counts))),
    )
    for block in whole:
        yield from split(block, rows_max)


def reference_blocks(areas: Sequence[Area], signals: Sequence[Signal], *, rows_max: int) -> Iterator[Block]:
    """The areas and signals that the views look up."""
    by_code = {area.code: area for area in areas}
    places = ((word(a.code), sentence(a.name), a.level, word(a.parent or ""), word(_district(a, by_code))) for a in areas)
    yield from split(_table("areas", places), rows_max)
    yield from split(_table("signals", ((word(s.name), sentence(s.title), s.kind) for s in signals)), rows_max)


def split(block: Block, rows_max: int) -> Iterator[Block]:
    """Pieces of at most ``rows_max`` rows, none of them empty."""
    for start in range(0, block.rows, rows_max):
        yield Block(block.table, {name: column[start : start + rows_max] for name, column in block.columns.items()})


def word(text: str) -> str:
    """A bounded word. It identifies a row or is compared with others, so a longer one is refused rather than cut."""
    if len(text) > WORD_CHARS_MAX:
        raise SinkError(f"a word of {len(text)} characters is longer than the {WORD_CHARS_MAX} that tables take", retryable=False)
    return text


def sentence(text: str) -> str:
    """A bounded sentence, for people: a longer one is cut and says so."""
    return text if len(text) <= SENTENCE_CHARS_MAX else text[: SENTENCE_CHARS_MAX - 1] + "…"


def time(at_s: int) -> int:
    """Seconds that a DateTime holds: 1970 to 2106."""
    if not 0 <= at_s <= _TIME_MAX_S:
        raise SinkError("a time lies outside the years 1970 to 2106, which is all that tables take", retryable=False)
    return at_s


def _table(name: str, rows: Iterable[tuple[Any, ...]]) -> Block:
    names = [column.name for column in BY_NAME[name].columns]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in names]
    return Block(name, dict(zip(names, columns, strict=True)))


def _cells(records: list[Counts]) -> Block:
    unpacked = [(counts, unpack(counts)) for counts in records]  # a table's key does not know when late events were heard
    parts = [_cell_columns(counts, timeless(cells) if counts.heard else cells) for counts, cells in unpacked]
    names = [column.name for column in BY_NAME["cells"].columns]
    if not parts:
        return Block("cells", {name: [] for name in names})
    return Block("cells", {name: np.concatenate([part[name] for part in parts]) for name in names})


def _cell_columns(counts: Counts, cells: Cells) -> dict[str, NDArray[Any]]:
    minute_s = cells.minute.astype(np.int64) * MINUTE_S
    if minute_s.size:
        time(int(minute_s.min()))
        time(int(minute_s.max()))
    level = ~np.isnan(cells.least)
    numbers = np.stack([cells.total, cells.least, cells.most])
    if not np.isfinite(numbers[:, level]).all() or not np.isfinite(cells.total).all() or not np.isnan(cells.most[~level]).all():
        raise SinkError("a cell holds a number that is not finite; the batch was refused whole", retryable=False)
    return {
        "raw": _words([span.raw for span in counts.spans])[cells.span],
        "to_offset": np.array([span.to_offset for span in counts.spans], dtype=np.uint64)[cells.span],
        "source": _words([span.source for span in counts.spans])[cells.span],
        "area": _words(counts.areas)[cells.area],
        "signal": _words(counts.signals)[cells.signal],
        "minute": minute_s.astype(np.uint32),
        "n": cells.n,
        "batch": cells.batch,
        "total": np.where(level, cells.total, np.nan),
        "least": cells.least,
        "most": cells.most,
    }


def _words(texts: Sequence[str]) -> NDArray[Any]:
    return np.array([word(text) for text in texts], dtype=object)


def _scores(records: Sequence[Scores]) -> Block:
    def along(name: str) -> list[Any]:
        return list(chain.from_iterable(getattr(s, name) for s in records))

    def repeated(values: Iterable[Any]) -> list[Any]:
        return list(chain.from_iterable([value] * len(s.area) for value, s in zip(values, records, strict=True)))

    columns: dict[str, Column] = {
        "shard": repeated(word(s.shard) for s in records),
        "area": along("area"),
        "signal": along("signal"),
        "duration_s": along("duration_s"),
        "window_end": repeated(time(s.window_end_s) for s in records),
        "observed": along("observed"),
        "expected": along("expected"),
        "p": along("p"),
        "recurrence_s": along("recurrence_s"),
        "risk": along("risk"),
        "config_version": repeated(word(s.config_version) for s in records),
    }
    for text in {*columns["area"], *columns["signal"]}:
        word(text)
    assert len({len(column) for column in columns.values()}) == 1, "scores have columns of unequal length"
    return Block("scores", columns)


def _alert(a: Alert) -> tuple[Any, ...]:
    """The version orders an alert's states: by sequence number, and between two transitions by what they were said from."""
    version = (a.seq << 32) | time(max(a.as_of_s, a.updated_s))
    return (
        word(a.id), version, a.seq, word(a.area), [word(s) for s in a.signals], sorted({word(m.area) for m in a.members}),
        a.state, a.band, a.risk, a.initial_risk, a.recurrence_s, time(a.onset_s), time(a.updated_s), word(a.reason),
        sentence(a.why), sentence(a.clears), word(a.owner), word(a.label),
        word(a.duty.department if a.duty else ""), word(a.duty.area if a.duty else ""), word(a.config_version),
    )  # fmt: skip


def _transition(position: int, t: Transition) -> tuple[Any, ...]:
    return (
        word(t.alert_id), t.seq, position, time(t.at_s), time(t.onset_s), word(t.area), [word(s) for s in t.signals],
        t.from_state, t.to_state, word(t.reason), t.band, t.risk, t.recurrence_s, int(t.notify), word(t.actor),
        sentence(t.why), word(t.config_version), word(t.what), _POSITION_MAX - position,
    )  # fmt: skip


def _command(c: Command) -> tuple[Any, ...]:
    return word(c.id), time(c.time_s), word(c.actor), word(c.kind)


def _dead_letter(r: Rejected) -> tuple[Any, ...]:
    return word(r.raw), r.offset, word(r.source), word(r.reason), word(r.digest), time(r.at_s)


def _quality(counts: Counts) -> Iterator[tuple[Any, ...]]:
    spans = {span.raw: span for span in counts.spans}
    for row in counts.quality:
        span = spans[row.raw]
        yield word(row.raw), span.to_offset, word(row.source), word(row.reason), time(max(span.newest_s, 0)), row.n


def _district(area: Area, by_code: dict[str, Area]) -> str:
    """The ancestor at level 1, or the area itself; nothing for the city, or where the tree is cut off."""
    at: Area | None = area
    for _ in range(area.level):
        if at is None or at.level <= 1:
            break
        at = by_code.get(at.parent or "")
    return at.code if at is not None and at.level == 1 else ""
