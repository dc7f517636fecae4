"""Guessing gets slower: each attempt beyond the free ones waits twice as long, and what is kept is bounded."""

from __future__ import annotations

from sinks.cockpit.throttle import FORGET_S, Throttle


def waits(throttle: Throttle, key: str, n: int, step_s: float = 0.0) -> list[float]:
    """What ``n`` attempts are told, ``step_s`` apart."""
    return [throttle.begin(key, 1000.0 + i * step_s) for i in range(n)]


def test_so_many_attempts_are_free_and_then_none_gets_through_at_once() -> None:
    assert waits(Throttle(free=3, wait_s_max=60), "anna", 5) == [0, 0, 0, 1, 1]


def test_who_waits_each_time_waits_twice_as_long_up_to_a_bound() -> None:
    throttle = Throttle(free=1, wait_s_max=8)
    now_s, told = 1000.0, []
    for _ in range(6):
        assert throttle.begin("anna", now_s) == 0
        wait_s = throttle.begin("anna", now_s)
        told.append(wait_s)
        now_s += wait_s
    assert told == [1, 2, 4, 8, 8, 8]


def test_one_key_does_not_slow_another_down() -> None:
    throttle = Throttle(free=1, wait_s_max=60)
    waits(throttle, "anna", 5)
    assert throttle.begin("bo", 1000.0) == 0


def test_what_was_right_does_not_count() -> None:
    throttle = Throttle(free=2, wait_s_max=60)
    for _ in range(10):
        assert throttle.begin("anna", 1000.0) == 0
        throttle.undo("anna", 1000.0)
    waits(throttle, "anna", 3)
    throttle.clear("anna")
    assert throttle.begin("anna", 1000.0) == 0


def test_old_attempts_are_forgotten() -> None:
    throttle = Throttle(free=1, wait_s_max=60)
    waits(throttle, "anna", 3)
    assert throttle.begin("anna", 1000.0 + FORGET_S + 100) == 0
    assert throttle.begin("anna", 1000.0 + FORGET_S + 100) == 1, "counted from one again"


def test_the_table_is_bounded_and_the_oldest_key_leaves() -> None:
    throttle = Throttle(free=1, wait_s_max=60, entries_max=3)
    for key in "abcd":
        throttle.begin(key, 1000.0)
    assert (len(throttle), throttle.left) == (3, 1)
    assert throttle.begin("d", 1000.0) == 1
    assert throttle.begin("a", 1000.0) == 0, "it was forgotten"
