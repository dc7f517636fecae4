from __future__ import annotations

import pytest

from streams.core.digests import Digester

KEY = bytes(range(16))
JANUARY, JANUARY_END, FEBRUARY = 1_420_070_400, 1_422_748_799, 1_422_748_800


def test_a_digest_is_the_same_within_a_month_and_another_in_the_next():
    digester = Digester(KEY)
    assert digester.record("hotline", ("1",), JANUARY) == Digester(KEY).record("hotline", ("1",), JANUARY_END)
    assert digester.record("hotline", ("1",), JANUARY) != digester.record("hotline", ("1",), FEBRUARY)


def test_source_values_their_borders_and_the_key_all_tell():
    digester = Digester(KEY)
    seen = [
        digester.record("a", ("bc", "d"), JANUARY),
        digester.record("a", ("b", "cd"), JANUARY),
        digester.record("a", ("bcd",), JANUARY),
        digester.record("ab", ("c", "d"), JANUARY),
        Digester(bytes(16)).record("a", ("bc", "d"), JANUARY),
        digester.device("a", ("bc", "d")),
    ]
    assert len(set(seen)) == len(seen)
    assert all(0 < digest < 2**64 for digest in seen)


def test_a_rejected_payload_leaves_sixteen_hex_digits():
    digester = Digester(KEY)
    trace = digester.payload(b"x", JANUARY)
    assert len(trace) == 16
    assert int(trace, 16) >= 0
    assert trace != digester.payload(b"y", JANUARY)
    assert trace != digester.payload(b"x", FEBRUARY)
    assert digester.payload(b"x", -5) == digester.payload(b"x", 0)
    assert digester.payload(b"x", 10**18)


def test_days_kept_ready_are_bounded_and_forgetting_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streams.core.digests.DAYS_MAX", 3)
    digester = Digester(KEY)
    first = digester.record("a", ("1",), JANUARY)
    for day in range(10):
        digester.record("a", ("1",), JANUARY + day * 86_400)
        assert len(digester._months) <= 3
    assert digester.record("a", ("1",), JANUARY) == first


@pytest.mark.parametrize("key", [b"", b"short", bytes(65)])
def test_a_key_of_the_wrong_length_is_refused(key: bytes):
    with pytest.raises(ValueError, match="16 to 64 random bytes"):
        Digester(key)
