from __future__ import annotations

import pytest

from load_tests import fuzz
from streams.core import lot
from streams.core.bulk import intake as sweep
from streams.core.reader import Reader


def test_whatever_shape_a_record_has_it_is_accounted_for() -> None:
    found = fuzz.run(6_000, seed=2)
    assert (found.crashes, found.unaccounted, found.different, found.ok) == (0, 0, 0, True), found
    assert found.counted + found.duplicate + sum(found.rejected.values()) == 6_000
    assert found.counted > 1_000
    assert found.duplicate > 10
    assert len(found.rejected) > 8


def test_a_record_that_stops_intake_is_seen_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    time_s = Reader.time_s

    def faulty(self: Reader, fields: object) -> int | str:
        found = time_s(self, fields)  # type: ignore[arg-type]
        if isinstance(found, str) and found == "bad_time":
            raise OverflowError("planted")
        return found

    monkeypatch.setattr(Reader, "time_s", faulty)
    found = fuzz.run(2_000, seed=2)
    assert found.crashes > 0
    assert not found.ok
    assert "OverflowError: planted" in found.examples[0]


def test_a_record_that_vanishes_is_unaccounted_for(monkeypatch: pytest.MonkeyPatch) -> None:
    count = lot.Lot._beat
    calls = iter(range(1_000_000))
    monkeypatch.setattr(lot.Lot, "_beat", lambda self, *place: count(self, *place) if next(calls) % 100 else None)
    assert fuzz.run(2_000, seed=2).unaccounted > 0


def test_columns_that_say_something_else_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "VERDICTS", ("", "duplicate", "too_old", "future_time"))
    found = fuzz.run(2_000, seed=2)
    assert found.different > 0
    assert not found.ok
    assert "rejected" in found.examples[0]
