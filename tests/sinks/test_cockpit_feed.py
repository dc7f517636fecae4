"""The feed without a server: what it holds, what it forgets, which events it makes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import msgspec
import orjson
import pytest

from sinks.base import Batch, SinkError
from sinks.checks import AREAS, SIGNALS, alert, batch, caller, transition
from sinks.cockpit import feed as feed_module
from sinks.cockpit.board import FINISHED_MAX
from sinks.cockpit.feed import HISTORY_EVENTS, Feed, Opening
from sinks.cockpit.views import View
from streams.model import Transition

replace = msgspec.structs.replace
VIEW = View(AREAS, SIGNALS)
CALLER = caller()


def events(data: bytes) -> list[tuple[str | None, str, Any]]:
    """(id, event, data) of each event; comments and retry left out."""
    found = []
    for block in data.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith((":", "retry")))
        if fields:
            found.append((fields.get("id"), fields["event"], orjson.loads(fields["data"])))
    return found


def step(position: int, alert_id: str = "a0", seq: int | None = None) -> tuple[int, Transition]:
    return position, transition(alert(alert_id, position if seq is None else seq))


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


async def opened(feed: Feed, last_event_id: str | None) -> bytes:
    opening = feed.subscribe(last_event_id, CALLER)
    assert opening is not None
    data = opening.frames + (await feed.replay(opening) if opening.replay_after is not None else b"")
    feed.unsubscribe(opening.subscriber)
    return data


def test_the_worst_alert_is_first() -> None:
    feed = Feed(VIEW)
    feed.write(Batch(alerts=(alert("low", 0, risk=10.0), alert("high", 0, risk=90.0), alert("mid", 0, risk=50.0))))
    assert [held.alert.id for held in feed.open_alerts()] == ["high", "mid", "low"]


def test_an_older_state_never_replaces_a_newer_one() -> None:
    feed = Feed(VIEW)
    feed.load([alert("a0", 4, state="cleared")], 9)
    feed.write(Batch(transitions=(step(3),), alerts=(alert("a0", 2),)))
    assert feed.open_alerts() == []
    assert [held.alert.seq for held in feed.finished_alerts()] == [4]
    assert feed.last_id == 9
    assert feed.stats().frames == 0, "nothing that was seen is told again"


def test_finished_alerts_leave_the_list_and_are_kept_for_a_while() -> None:
    feed = Feed(VIEW)
    feed.write(Batch(alerts=(alert("a0", 0),)))
    feed.write(Batch(alerts=(alert("a0", 1, state="cleared"),)))
    assert feed.open_alerts() == []
    assert feed.alert("a0") is not None
    for n in range(FINISHED_MAX):
        feed.write(Batch(alerts=(alert(f"b{n}", 0, state="withdrawn"),)))
    assert feed.alert("a0") is None
    assert len(feed.finished_alerts()) == FINISHED_MAX


def test_beyond_the_bound_the_least_alerts_are_left_off_and_counted() -> None:
    feed = Feed(VIEW, open_max=3)
    feed.write(Batch(alerts=tuple(alert(f"a{n}", 0, risk=float(n)) for n in range(5))))
    assert [held.alert.id for held in feed.open_alerts()] == ["a4", "a3", "a2"]
    assert feed.stats().left_off == 2


def test_a_new_reader_gets_a_snapshot_with_the_last_id() -> None:
    feed = Feed(VIEW)
    feed.load([alert("a0", 0)], 7)
    [(event_id, kind, data)] = events(run(opened(feed, None)))
    assert (event_id, kind, data["left_off"]) == ("7", "snapshot", 0)
    assert [each["id"] for each in data["alerts"]] == ["a0"]


def test_a_reader_who_comes_back_gets_what_was_missed() -> None:
    feed = Feed(VIEW)
    for n in range(4):
        feed.write(batch(n))  # transitions 2n + 1 and 2n + 2
    found = events(run(opened(feed, "5")))
    assert [(event_id, kind) for event_id, kind, _ in found] == [("6", "transition"), ("7", "transition"), ("8", "transition")]
    assert found[1][2]["transition"]["to"] == "cleared"
    assert found[1][2]["alert"]["state"] == "cleared"
    assert events(run(opened(feed, "8"))) == []
    assert feed.stats().resets == 0


def test_an_update_without_a_transition_has_no_id() -> None:
    feed = Feed(VIEW)
    feed.write(Batch(transitions=(step(1, seq=0),), alerts=(alert("a0", 0),)))
    feed.write(Batch(alerts=(replace(alert("a0", 0), risk=61.0, updated_s=alert("a0", 0).updated_s + 60),)))
    [(event_id, kind, data)] = events(run(opened(feed, "1")))
    assert (event_id, kind, data["alert"]["risk"]) == (None, "update", 61.0)


@pytest.mark.parametrize("unknown", ["9", "-1", "x", "1.5", "٣", "9" * 30, " 1"])
def test_an_unknown_id_gets_a_reset_and_a_snapshot(unknown: str) -> None:
    feed = Feed(VIEW)
    feed.load([alert("a0", 0)], 8)
    found = events(run(opened(feed, unknown)))
    assert [(event_id, kind) for event_id, kind, _ in found] == [(None, "reset"), ("8", "snapshot")]
    assert found[0][2] == {"reason": "unknown"}
    assert feed.stats().resets == 1


class History:
    """A store of transitions 1 to ``last``, kept from ``first`` on."""

    def __init__(self, last: int, first: int = 1) -> None:
        self.last = last
        self.first = first
        self.threads: set[str] = set()

    def __call__(self, after_id: int, limit: int) -> list[tuple[int, Transition]] | None:
        self.threads.add(threading.current_thread().name)
        if after_id + 1 < self.first:
            return None
        return [step(n) for n in range(after_id + 1, self.last + 1)][:limit]


def test_older_events_come_from_the_history_and_a_snapshot_follows() -> None:
    history = History(20)
    feed = Feed(VIEW, history=history)
    feed.load([alert("a0", 20)], 20)
    found = events(run(opened(feed, "17")))
    assert [(event_id, kind) for event_id, kind, _ in found] == [
        ("18", "transition"),
        ("19", "transition"),
        ("20", "transition"),
        ("20", "snapshot"),
    ]
    assert threading.main_thread().name not in history.threads, "the store is not read in the loop"


def test_the_history_may_run_ahead_of_the_snapshot() -> None:
    feed = Feed(VIEW, history=History(25))
    feed.load([], 20)
    assert [event_id for event_id, _, _ in events(run(opened(feed, "18")))] == ["19", "20", "20"]


@pytest.mark.parametrize("history", [None, History(20, first=5), History(HISTORY_EVENTS + 20)])
def test_too_old_an_id_gets_a_reset(history: History | None) -> None:
    feed = Feed(VIEW, history=history)
    feed.load([alert("a0", 0)], history.last if history else 20)
    found = events(run(opened(feed, "2")))
    assert [kind for _, kind, _ in found] == ["reset", "snapshot"]
    assert found[0][2] == {"reason": "too_old"}


def test_ids_survive_a_restart() -> None:
    first = Feed(VIEW)
    for n in range(3):
        first.write(batch(n))
    seen = first.last_id
    second = Feed(VIEW, history=History(seen))
    second.load([held.alert for held in first.open_alerts()], seen)
    assert second.open_alerts() == first.open_alerts()
    second.write(batch(2))  # replayed
    second.write(batch(3))
    assert [event_id for event_id, _, _ in events(run(opened(second, str(seen))))] == [str(seen + 1), str(seen + 2)]


def test_readers_are_bounded() -> None:
    feed = Feed(VIEW, subscribers_max=2)

    async def three() -> list[Opening | None]:
        return [feed.subscribe(None, CALLER) for _ in range(3)]

    assert [opening is None for opening in run(three())] == [False, False, True]
    assert feed.stats().refused == 1
    assert feed.stats().subscribers == 2


def test_frames_wait_for_each_other_and_for_the_reader() -> None:
    feed = Feed(VIEW)

    async def read() -> list[int]:
        opening = feed.subscribe(None, CALLER)
        assert opening is not None
        sizes = [len(events(feed.take(opening.subscriber)))]
        for n in range(3):
            feed.write(Batch(transitions=(step(n + 1),)))
            sizes.append(len(feed.take(opening.subscriber)))
        await asyncio.wait_for(opening.subscriber.wake.wait(), 5)
        return [*sizes, len(events(feed.take(opening.subscriber)))]

    assert run(read()) == [0, 0, 0, 0, 3]


def test_a_reader_whom_the_ring_has_passed_begins_again() -> None:
    feed = Feed(VIEW, ring_frames=4)

    async def read() -> bytes:
        opening = feed.subscribe(None, CALLER)
        assert opening is not None
        for n in range(9):
            feed.write(Batch(transitions=(step(n + 1),)))
        return feed.take(opening.subscriber)

    assert [(event_id, kind) for event_id, kind, _ in events(run(read()))] == [(None, "reset"), ("9", "snapshot")]


def test_a_second_server_may_follow_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "COALESCE_S", 30.0)
    feed = Feed(VIEW)

    async def begin() -> None:
        feed.subscribe(None, CALLER)
        feed.write(Batch(transitions=(step(feed.last_id + 1),)))
        await asyncio.sleep(0)

    run(begin())
    feed.write(Batch(transitions=(step(2),)))  # the first loop is closed: nobody is there to hear it
    monkeypatch.setattr(feed_module, "COALESCE_S", 0.01)

    async def again() -> bytes:
        opening = feed.subscribe("2", CALLER)
        assert opening is not None
        feed.write(Batch(transitions=(step(3),)))
        await asyncio.wait_for(opening.subscriber.wake.wait(), 5)
        return feed.take(opening.subscriber)

    assert [event_id for event_id, _, _ in events(run(again()))] == ["3"]


def test_suppression_reaches_every_event() -> None:
    feed = Feed(VIEW)
    feed.load([], 0)
    small = alert("a0", 0)
    small = replace(small, members=(replace(small.members[0], evidence=small.members[0].evidence[:1]),))
    feed.write(Batch(transitions=((1, transition(small)),), alerts=(small,)))
    [(_, _, step_data)] = events(run(opened(feed, "0")))
    [(_, _, snapshot)] = events(run(opened(feed, None)))
    for lead in (step_data["alert"]["lead"], snapshot["alerts"][0]["lead"]):
        assert (lead["observed"], lead["observed_text"]) == (None, "fewer than 5")


def test_a_refused_batch_leaves_nothing_behind() -> None:
    feed = Feed(VIEW)
    feed.write(batch(0))
    bad = batch(1)
    with pytest.raises(SinkError):
        feed.write(replace(bad, transitions=(*bad.transitions, (9, replace(step(9)[1], risk=float("nan"))))))
    assert feed.last_id == 2
