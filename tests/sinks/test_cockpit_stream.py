"""Server-sent events over a real server and real sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import orjson
import pytest

from sinks.base import Batch
from sinks.checks import AREAS, SIGNALS, Open, alert, batch, transition
from sinks.cockpit import feed as feed_module
from sinks.cockpit.api import create_app
from sinks.cockpit.feed import Feed
from sinks.cockpit.views import View
from streams.model import Command, Outcome, Transition

Serve = Callable[[Any], str]
VIEW = View(AREAS, SIGNALS)


def ready() -> dict[str, bool]:
    return {"recovered": True}


def loaded(**options: Any) -> Feed:
    feed = Feed(VIEW, **options)
    feed.load([], 0)
    return feed


class Reader:
    """Reads events of one response."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def lines(self, count: int) -> list[str]:
        return [next(self._lines) for _ in range(count)]

    def event(self) -> tuple[str | None, str, Any]:
        """The next (id, event, data)."""
        fields: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if line and name:
                fields[name] = value
            elif not line and "event" in fields:
                return fields.get("id"), fields["event"], orjson.loads(fields["data"])
        raise AssertionError("the stream ended")

    def until(self, event_id: str) -> list[str]:
        """Kinds of events up to the one with this id."""
        kinds = []
        while True:
            found, kind, _ = self.event()
            kinds.append(kind)
            if found == event_id:
                return kinds


@contextmanager
def reading(url: str, last_event_id: str | None = None, query: str = "") -> Iterator[Reader]:
    headers = {"Last-Event-ID": last_event_id} if last_event_id is not None else {}
    with httpx.stream("GET", f"{url}/api/stream{query}", headers=headers, timeout=10) as response:
        assert response.status_code == 200
        yield Reader(response)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "did not come about in 10 s"
        time.sleep(0.01)


def test_a_stream_begins_with_a_snapshot_and_goes_on_live(serve: Serve) -> None:
    feed = Feed(VIEW)
    feed.load([alert("a9", 0)], 0)
    url = serve(create_app(feed, AREAS, ready, gate=Open()))
    with reading(url) as reader:
        headers = reader.response.headers
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert headers["cache-control"] == "no-store"
        assert headers["x-accel-buffering"] == "no"
        assert "content-length" not in headers
        assert reader.lines(2) == ["retry: 3000", ""]
        assert reader.event()[:2] == ("0", "snapshot")
        feed.write(batch(0))
        assert [reader.event()[0] for _ in range(2)] == ["1", "2"]
        assert feed.stats().subscribers == 1
    wait_for(lambda: feed.stats().subscribers == 0)


def test_a_reader_who_comes_back_misses_nothing(serve: Serve) -> None:
    # events   1 2 | 3 4 | 5 6
    # reader   1 2        [3 4 5 6 ...
    feed = Feed(VIEW)
    feed.load([], 0)
    url = serve(create_app(feed, AREAS, ready, gate=Open()))
    feed.write(batch(0))
    with reading(url) as reader:
        last = reader.event()[0]
    assert last == "2"
    feed.write(batch(1))
    with reading(url, last) as reader:
        feed.write(batch(2))
        assert [reader.event()[0] for _ in range(4)] == ["3", "4", "5", "6"]
    with reading(url, query="?last_event_id=5") as reader:
        assert reader.event()[0] == "6"
    with reading(url, "6", query="?last_event_id=1") as reader:
        feed.write(batch(3))
        assert reader.event()[0] == "7", "the header counts: the browser has read on since it asked"


def test_ids_go_on_after_a_restart(serve: Serve) -> None:
    journal: list[tuple[int, Transition]] = []
    first = Feed(VIEW)
    first.load([], 0)
    url = serve(create_app(first, AREAS, ready, gate=Open()))
    with reading(url) as reader:
        reader.event()
        for n in range(2):
            first.write(batch(n))
            journal += batch(n).transitions
        assert reader.until("3")[-1] == "transition"
    first.close()

    second = Feed(VIEW, history=lambda after, limit: [row for row in journal if row[0] > after][:limit])
    second.load([held.alert for held in first.open_alerts()], 4)
    url = serve(create_app(second, AREAS, ready, gate=Open()))
    with reading(url, "3") as reader:
        second.write(batch(1))  # replayed: nobody hears it twice
        second.write(batch(2))
        assert [reader.event()[:2] for _ in range(4)] == [
            ("4", "transition"),
            ("4", "snapshot"),
            ("5", "transition"),
            ("6", "transition"),
        ]


@pytest.mark.parametrize("last_event_id, reason", [("99", "unknown"), ("not-a-number", "unknown"), ("1", "too_old")])
def test_a_reader_who_cannot_be_brought_up_to_date_begins_again(serve: Serve, last_event_id: str, reason: str) -> None:
    feed = Feed(VIEW, history=lambda _after, _limit: None)
    feed.load([alert("a9", 0)], 8)
    url = serve(create_app(feed, AREAS, ready, gate=Open()))
    with reading(url, last_event_id) as reader:
        assert reader.event() == (None, "reset", {"reason": reason})
        event_id, kind, data = reader.event()
        assert (event_id, kind) == ("8", "snapshot")
        assert [each["id"] for each in data["alerts"]] == ["a9"]


def test_a_quiet_stream_is_kept_alive(serve: Serve) -> None:
    url = serve(create_app(loaded(), AREAS, ready, gate=Open(), keep_alive_s=0.05))
    with reading(url) as reader:
        reader.event()
        assert reader.lines(4) == [": still here", "", ": still here", ""]


def test_closing_the_feed_ends_every_stream(serve: Serve) -> None:
    feed = loaded()
    url = serve(create_app(feed, AREAS, ready, gate=Open()))
    with reading(url) as reader:
        reader.event()
        feed.close()
        assert list(reader._lines) == []
    assert httpx.get(f"{url}/api/stream", timeout=5).status_code == 503


def test_too_many_readers_are_turned_away(serve: Serve) -> None:
    feed = loaded(subscribers_max=1)
    url = serve(create_app(feed, AREAS, ready, gate=Open()))
    with reading(url) as reader:
        reader.event()
        answer = httpx.get(f"{url}/api/stream", timeout=5)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "30"
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_reader_who_does_not_read_is_dropped_and_costs_the_others_nothing(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "STUCK_S", 0.05)
    monkeypatch.setattr(feed_module, "COALESCE_S", 0.01)
    ring_bytes = 2 << 20
    feed = Feed(VIEW, ring_bytes=ring_bytes)
    feed.load([], 0)
    url = serve(create_app(feed, AREAS, ready, gate=Open()))
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.connect(("127.0.0.1", int(url.rsplit(":", 1)[1])))
    stuck.sendall(b"GET /api/stream HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_for(lambda: feed.stats().subscribers == 1)
    long = "a long sentence " * 600
    with reading(url) as reader:
        reader.event()
        position = 0
        while feed.stats().dropped == 0:
            steps = []
            for _ in range(20):
                position += 1
                step = transition(alert("a0", position))
                steps.append((position, Transition(**{f: getattr(step, f) for f in step.__struct_fields__} | {"why": long})))
            feed.write(Batch(transitions=tuple(steps)))
            assert reader.until(str(position)) == ["transition"] * 20, "the healthy reader gets all of it"
            assert feed.stats().ring_bytes <= ring_bytes
            assert position < 20_000, "the stuck reader was never dropped"
        feed.write(batch(position))
        assert reader.event()[1] == "transition"
    wait_for(lambda: feed.stats().subscribers == 0)
    assert feed.stats().dropped == 1
    stuck.close()


def following(behind: int = -1, **options: Any) -> Feed:
    """A feed that reads the journal, whose positions begin at 0."""
    feed = Feed(VIEW, **options)
    feed.follow(behind)
    return feed


def test_while_the_journal_is_being_read_nobody_is_told_half_of_it(serve: Serve) -> None:
    feed = following()
    url = serve(create_app(feed, AREAS, ready, gate=Open()))
    feed.write(batch(0))
    for path in ("alerts", "alerts/a0", "areas", "areas.geojson", "stream"):
        answer = httpx.get(f"{url}/api/{path}", timeout=5)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert httpx.get(f"{url}/ready", timeout=5).json()["waiting_for"] == ["feed_loaded"]
    feed.caught_up()
    with reading(url) as reader:
        assert reader.event()[:2] == ("2", "snapshot")
        feed.write(batch(1))
        assert [reader.event()[0] for _ in range(2)] == ["3", "4"]


def test_a_reader_of_an_empty_journal_gets_its_first_event(serve: Serve) -> None:
    feed = following()
    feed.caught_up()
    url = serve(create_app(feed, AREAS, ready, gate=Open()))
    with reading(url) as reader:
        last, kind, _ = reader.event()
        assert (last, kind) == ("-1", "snapshot")
    feed.write(Batch(outcomes=((0, Outcome(Command("c0", 1, "anna", "resolve", ""))),)))
    with reading(url, last) as reader:
        assert reader.event() == ("0", "outcome", {"id": "c0", "refusal": ""})


def test_a_reader_whom_another_feed_has_told_more_is_waited_for(serve: Serve) -> None:
    # another feed  1 2 3 4 5 6
    # this one      1 2 | 3 4 | 5 6
    # reader                    [5 ...
    feed = following(ahead_s=10.0)
    feed.write(batch(0))
    feed.caught_up()
    url = serve(create_app(feed, AREAS, ready, gate=Open()))
    with reading(url, "5") as reader:
        wait_for(lambda: feed.stats().subscribers == 1)
        feed.write(batch(1))
        feed.write(batch(2))
        assert reader.event()[:2] == ("6", "transition")
        feed.write(batch(3))
        assert [reader.event()[0] for _ in range(2)] == ["7", "8"]
    assert feed.stats().resets == 0


def test_a_reader_with_an_id_from_nowhere_is_not_waited_for_long(serve: Serve) -> None:
    feed = following(ahead_s=0.05)
    feed.write(batch(0))
    feed.caught_up()
    url = serve(create_app(feed, AREAS, ready, gate=Open()))
    with reading(url, "99") as reader:
        assert reader.event() == (None, "reset", {"reason": "unknown"})
        assert reader.event()[:2] == ("2", "snapshot")
        feed.write(batch(1))
        assert [reader.event()[0] for _ in range(2)] == ["3", "4"]


def test_closing_the_feed_ends_the_wait_of_a_reader_who_is_ahead(serve: Serve) -> None:
    feed = following(ahead_s=30.0)
    feed.caught_up()
    url = serve(create_app(feed, AREAS, ready, gate=Open()))
    with reading(url, "5") as reader:
        wait_for(lambda: feed.stats().subscribers == 1)
        feed.close()
        assert [line for line in reader._lines if line.startswith("event")] == ["event: reset", "event: snapshot"]
