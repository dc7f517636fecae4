"""When records of a file arrived: a file does not say, so the times of its records do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from streams.model import DAY_S

HELD_MAX = 10_000
Row = TypeVar("Row")


def arrivals(rows: Iterable[tuple[int | None, Row]]) -> Iterator[tuple[int, Row]]:
    """Each row with the newest time so far. A jump ahead of more than a day is believed once the next row with a time bears it out.

    So a single record from the future is one record from the future, not a future for all that follow. Rows without a time
    arrive with those before them, at the very beginning with the first that has one. At most ``HELD_MAX`` rows are held back.

    >>> list(arrivals([(60, "a"), (9_999_999, "stray"), (120, "b"), (None, "c")]))
    [(60, 'a'), (60, 'stray'), (120, 'b'), (120, 'c')]
    """
    clock_s, jump_s = 0, 0
    held: list[Row] = []
    for time_s, row in rows:
        if held and time_s is not None:
            borne_out = not jump_s or time_s >= jump_s - DAY_S
            clock_s = jump_s if jump_s and borne_out else clock_s or time_s
            yield from ((clock_s, before) for before in held)
            held, jump_s = [], 0
        if (held and len(held) < HELD_MAX) or (time_s is None and not clock_s) or (time_s or 0) > clock_s + DAY_S:
            jump_s = jump_s or time_s or 0
            held.append(row)
            if len(held) < HELD_MAX:
                continue
            if not clock_s and not jump_s:
                break  # no time in sight: not such a file
            clock_s = clock_s or jump_s
            yield from ((clock_s, before) for before in held)
            held, jump_s = [], 0
            continue
        clock_s = max(clock_s, time_s or 0)
        yield clock_s, row
    clock_s = max(clock_s, jump_s)
    if clock_s:
        yield from ((clock_s, before) for before in held)
