from __future__ import annotations

from collections import defaultdict
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from intervaltree import IntervalTree

from streams.shells.kafka.committed import CommittedConsumer

AT = TP("counts", 0)


def consumer(committed: int, acked: list[int]) -> Any:
    """One whose commit failed after it had taken what stood behind ``committed`` off its list."""
    made: Any = CommittedConsumer.__new__(CommittedConsumer)
    made._acked, made._acked_index = defaultdict(list, {AT: list(acked)}), defaultdict(set, {AT: set(acked)})
    made._committed_offset, made._gap = defaultdict(lambda: None, {AT: committed}), defaultdict(IntervalTree)
    return made


def test_a_commit_that_failed_does_not_hold_up_those_that_follow():
    assert driver.Consumer._new_offset(consumer(894, [897, 899]), AT) is None  # and never again
    assert consumer(894, [897, 899])._new_offset(AT) == 900


def test_nothing_is_kept_of_what_is_committed():
    one = consumer(894, [895, 896])
    assert one._new_offset(AT) == 897
    assert (one._acked[AT], one._acked_index[AT], dict(one._gap)) == ([], set(), {})
    assert one._new_offset(AT) is None
