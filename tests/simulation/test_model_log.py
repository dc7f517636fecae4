"""The model of the log does what the shells rely on: transactions, fencing, groups, compaction."""

from __future__ import annotations

import pytest

from load_tests.simulation.groups import Groups, Membership, Stale, Unstable
from load_tests.simulation.log import TRANSACTION_S, Fenced, Log

TO = ("counts", 0)


def record(value: bytes) -> tuple[None, bytes, None]:
    return None, value, None


def values(log: Log) -> list[bytes | None]:
    return [entry.value for entry in log.kept(*TO)]


def test_a_transaction_is_seen_whole_or_not_at_all() -> None:
    log = Log({"counts": 1})
    one = log.begin("a")
    log.write(0.0, "a", one, TO, record(b"1"))
    log.append(0.0, *TO, b"2")
    assert (values(log), log.at(*TO).stable) == ([], 0), "readers wait at the first open record"
    log.end("a", one, keep=True)
    assert (values(log), log.at(*TO).stable) == ([b"1", b"2"], 3)
    log.write(0.0, "a", one, TO, record(b"3"))
    log.end("a", one, keep=False)
    assert values(log) == [b"1", b"2"]


def test_a_name_that_is_taken_fences_who_had_it() -> None:
    log = Log({"counts": 1})
    old = log.begin("a")
    log.write(0.0, "a", old, TO, record(b"1"))
    log.begin("a")
    assert values(log) == []
    with pytest.raises(Fenced):
        log.write(0.0, "a", old, TO, record(b"2"))
    with pytest.raises(Fenced):
        log.end("a", old, keep=True)


def test_a_transaction_that_stays_open_is_given_up() -> None:
    log = Log({"counts": 1})
    one = log.begin("a")
    log.write(0.0, "a", one, TO, record(b"1"))
    log.time_out(TRANSACTION_S)
    assert log.at(*TO).stable == 0
    log.time_out(TRANSACTION_S + 0.1)
    assert (values(log), log.at(*TO).stable) == ([], log.at(*TO).end)
    with pytest.raises(Fenced):
        log.end("a", one, keep=True)


def test_offsets_come_with_their_transaction_and_are_not_told_while_it_is_open() -> None:
    log = Log({"counts": 1})
    one = log.begin("a")
    log.promise(0.0, "a", one, "g", {TO: (5, "mark")})
    with pytest.raises(Unstable):
        log.groups.committed("g", TO)
    log.end("a", one, keep=True)
    assert log.groups.committed("g", TO) == (5, "mark")
    log.promise(0.0, "a", one, "g", {TO: (9, "")})
    log.end("a", one, keep=False)
    assert log.groups.committed("g", TO) == (5, "mark")


def test_compaction_keeps_the_newest_of_each_key() -> None:
    log = Log({"counts": 1})
    for key, value in ((b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"b", b"4")):
        log.append(0.0, *TO, value, key)
    assert log.at(*TO).compact(3) == 2
    assert values(log) == [b"3", b"4"]
    assert [entry.offset for entry in log.at(*TO).since(1)] == [2, 3]


def joined(groups: Groups, name: str) -> int:
    """Joins, comes back for the newest generation and takes its part, as a client's poll does."""
    number = groups.join("g", name, ["counts"])
    groups.beat("g", name, number).joined = groups.of("g").generation
    return number


def test_partitions_are_handed_over_when_everyone_has_come_back() -> None:
    groups = Groups()
    groups.places = [("counts", 0), ("counts", 1)]
    one = joined(groups, "one")
    assert groups.part("g", "one") == [("counts", 0), ("counts", 1)]
    joined(groups, "two")
    assert groups.part("g", "two") is None, "one has not given up its part"
    groups.beat("g", "one", one).joined = groups.of("g").generation
    assert (groups.part("g", "one"), groups.part("g", "two")) == ([("counts", 0)], [("counts", 1)])


def test_who_was_expelled_or_replaced_commits_nothing() -> None:
    groups = Groups()
    groups.places = [("counts", 0)]
    number = joined(groups, "one")
    groups.beat("g", "one", number).given = groups.of("g").generation
    held = Membership("g", "one", number, groups.of("g").generation)
    groups.check(held)
    joined(groups, "one")
    with pytest.raises(Stale) as replaced:
        groups.check(held)
    groups.expel("g", "one")
    with pytest.raises(Stale) as expelled:
        groups.check(held)
    assert (replaced.value.fenced, expelled.value.fenced) == (True, False)
