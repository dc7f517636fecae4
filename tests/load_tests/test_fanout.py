from __future__ import annotations

from load_tests import fanout


def test_readers_that_read_have_all_beside_some_that_do_not() -> None:
    found = fanout.run(readers=12, stuck=2, events=8)
    assert (found.delivered, found.missed) == (80, 0)
    assert 0 < found.p50_s <= found.p99_s <= found.max_s
    assert found.rss_mb >= found.rss_before_mb


def test_one_who_missed_something_is_not_well() -> None:
    good = fanout.Fanout(10, 1, 5, 45, 0, 0.1, 0.2, 0.3, 50.0, 50.0, 1)
    assert good.ok
    assert not fanout.Fanout(10, 1, 5, 44, 1, 0.1, 0.2, 0.3, 50.0, 50.0, 1).ok
    assert not fanout.Fanout(10, 1, 5, 45, 0, 0.1, 1.2, 1.3, 50.0, 50.0, 1).ok
