"""The ring: bounded in frames and bytes, and it knows what it no longer has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sinks.cockpit.ring import Frame, Ring


def filled(*keys: tuple[int, int], frames_max: int = 100, bytes_max: int = 10_000) -> Ring:
    ring = Ring(frames_max=frames_max, bytes_max=bytes_max)
    for key in keys:
        ring.add(Frame(key, b"%d.%d " % key))
    return ring


def after(ring: Ring, position: int) -> bytes | None:
    number = ring.number_after(position)
    return None if number is None else ring.take(number, ring.end)


def test_a_reader_gets_what_came_after() -> None:
    # transitions 1, 2 and 5; an update after 2
    ring = filled((1, 0), (2, 0), (2, 1), (5, 0))
    assert after(ring, 0) == b"1.0 2.0 2.1 5.0 "
    assert after(ring, 1) == b"2.0 2.1 5.0 "
    assert after(ring, 2) == b"2.1 5.0 "
    assert after(ring, 3) == b"5.0 "
    assert after(ring, 5) == b""


def test_what_has_left_is_known_to_have_left() -> None:
    ring = filled((1, 0), (2, 0), (2, 1), (5, 0), frames_max=2)
    assert after(ring, 1) is None
    assert after(ring, 2) == b"2.1 5.0 "
    ring.add(Frame((6, 0), b"6.0 "))
    assert after(ring, 2) is None, "an update after 2 has left"
    assert after(ring, 4) == b"5.0 6.0 "


def test_bytes_are_bounded_too() -> None:
    ring = filled((1, 0), (2, 0), (3, 0), bytes_max=8)
    assert (len(ring), ring.bytes, ring.first, ring.end) == (2, 8, 1, 3)


def test_starting_again_forgets_what_was() -> None:
    ring = filled((1, 0), (2, 0))
    ring.start_after(9)
    assert (len(ring), ring.bytes) == (0, 0)
    assert after(ring, 8) is None
    assert after(ring, 9) == b""


@given(st.lists(st.tuples(st.integers(1, 3), st.booleans()), max_size=60), st.integers(1, 10), st.integers(4, 60), st.integers(0, 100))
def test_a_reader_gets_all_or_is_told(steps: list[tuple[int, bool]], frames_max: int, bytes_max: int, position: int) -> None:
    keys = []
    at = 0
    for step, update in steps:
        at += 0 if update else step
        keys.append((at, int(update)))
    ring = filled(*keys, frames_max=frames_max, bytes_max=bytes_max)
    assert len(ring) <= frames_max
    assert ring.bytes <= bytes_max
    missed = after(ring, position)
    if missed is not None:
        assert missed == b"".join(b"%d.%d " % key for key in keys if key > (position, 0))
