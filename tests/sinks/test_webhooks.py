"""Webhooks against a real server: signed, once by their key, again while it fails, nothing lost by a restart."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from sinks.base import Batch, SinkError
from sinks.checks import AREAS, CHECKS, SIGNALS, Subject, alert, batch, transition
from sinks.cockpit.views import View
from sinks.post import PostError, Target, check_target, post
from sinks.webhooks.courier import FIRST_S, LONGEST_S, Courier, pause_s, signature
from sinks.webhooks.outbox import Delivery, Outbox
from sinks.webhooks.sink import Hook, WebhookSink
from tests.sinks.receiver import Receiver

replace = msgspec.structs.replace
SECRET = b"only-a-test"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


class Clock:
    def __init__(self) -> None:
        self.at_s = 1_000_000

    def __call__(self) -> int:
        return self.at_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., WebhookSink]]:
    opened: list[WebhookSink] = []

    def sink(path: str = "outbox.db", hooks: tuple[Hook, ...] | None = None, **options: Any) -> WebhookSink:
        view = View(AREAS, SIGNALS)
        hooks = hooks or (Hook("desk", Target("http://127.0.0.1:1/"), SECRET),)
        made = WebhookSink(
            Outbox(tmp_path / path, **options), hooks, shown=view.transition, lineage=view.places.lineage, source="/tocsin/t", now_s=clock
        )
        opened.append(made)
        return made

    yield sink
    for each in opened:
        each.close()


def state(sink: WebhookSink) -> object:
    return sink._outbox.content()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_sink_meets_the_spec(check: Callable[[Subject], None], make: Callable[..., WebhookSink]) -> None:
    numbers = iter(range(100))
    check(Subject(lambda: make(f"{next(numbers)}.db"), state, lambda _: 0, held_max=0))


def courier(sink: WebhookSink, receiver: Receiver, clock: Clock, **options: Any) -> Courier:
    return Courier(sink._outbox, Hook("desk", Target(receiver.url), SECRET), clock, **options)


def test_a_delivery_is_signed_and_bears_the_key_it_is_known_by(make: Any, receiver: Receiver, clock: Clock) -> None:
    sink = make()
    sink.write(batch(0))
    assert courier(sink, receiver, clock).step() == 2
    headers, body = receiver.got[0]
    expected = hmac.new(SECRET, headers["Tocsin-Timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["Tocsin-Signature"] == f"v1={expected}"
    assert headers["Tocsin-Signature"] != f"v1={signature(SECRET, clock.at_s, body + b' ')}"
    assert headers["Idempotency-Key"] == "a0/0"
    told = orjson.loads(body)
    assert (told["id"], told["source"], told["specversion"], told["data"]["reason"]) == ("a0/0", "/tocsin/t", "1.0", "raised")
    assert "42" not in told["data"]["why"], "what people may see, and no more"
    assert courier(sink, receiver, clock).step() == 0
    assert sink._outbox.counts() == {("desk", "done"): 2}


def test_what_fails_is_sent_again_later_and_later_and_then_given_up(make: Any, receiver: Receiver, clock: Clock) -> None:
    sink = make()
    sink.write(Batch(transitions=((1, transition(alert("a", 0))),)))
    receiver.answers = [500, 429, 503, 408]
    sender = courier(sink, receiver, clock, tries_max=4)
    waits = []
    while sink._outbox.counts().get(("desk", "waiting")):
        before = clock.at_s
        while not sender.step():
            clock.at_s += 1
        waits.append(clock.at_s - before)
    assert waits[0] == 0
    assert len(waits) == len(receiver.got) == 4
    assert {headers["Idempotency-Key"] for headers, _ in receiver.got} == {"a/0"}
    (receipt,) = sink._outbox.receipts(10)
    assert (receipt["state"], receipt["tries"], receipt["outcome"]) == ("dead", 4, "408")


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 410])
def test_a_refusal_is_for_good_and_a_redirect_is_one(status: int, make: Any, receiver: Receiver, clock: Clock) -> None:
    sink = make()
    sink.write(Batch(transitions=((1, transition(alert("a", 0))),)))
    receiver.answers = [status]
    courier(sink, receiver, clock).step()
    assert len(receiver.got) == 1, "it is not followed"
    assert sink._outbox.counts() == {("desk", "dead"): 1}


def test_a_restart_loses_nothing_and_tells_nothing_twice(make: Any, receiver: Receiver, clock: Clock) -> None:
    # sink     [0 1)        [1 2 3)
    # courier      [0)               [1 2 3)
    first = make()
    for number in (0, 1):
        first.write(Batch(transitions=((number, transition(alert(f"a{number}", 0))),)))
    receiver.answers = [204, 503]
    courier(first, receiver, clock).step()
    first.close()
    clock.at_s += 100
    again = make()
    for number in (0, 1, 2, 3):
        again.write(Batch(transitions=((number, transition(alert(f"a{number}", 0))),)))
    courier(again, receiver, clock).step()
    assert [headers["Idempotency-Key"] for headers, _ in receiver.got] == ["a0/0", "a1/0", "a1/0", "a2/0", "a3/0"]
    assert again._outbox.counts() == {("desk", "done"): 4}


def test_a_first_start_tells_no_old_news(make: Any) -> None:
    sink = make()
    sink._outbox.begin_after(5, ["desk"])
    sink._outbox.begin_after(9, ["desk"])
    sink.write(Batch(transitions=tuple((n, transition(alert(f"a{n}", 0))) for n in (4, 5, 6))))
    assert [key for _, key, _ in sink._outbox.content()] == ["a6/0"]


def test_a_hook_hears_what_it_has_asked_for(make: Any) -> None:
    target = Target("http://127.0.0.1:1/")
    hooks = (
        Hook("all", target, SECRET),
        Hook("worse", target, SECRET, kinds=frozenset({"worse"})),
        Hook("red", target, SECRET, bands=frozenset({"red"})),
        Hook("south", target, SECRET, areas=frozenset({"d2"})),
        Hook("north", target, SECRET, areas=frozenset({"d1"})),
    )
    sink = make(hooks=hooks)
    raised, worse = transition(alert("r", 0)), transition(alert("w", 1))
    quiet = replace(transition(alert("q", 0)), notify=False, band="red")
    sink.write(Batch(transitions=((1, raised), (2, worse), (3, quiet))))
    assert [(hook, key) for hook, key, _ in sink._outbox.content()] == [
        ("all", "r/0"), ("all", "w/1"), ("north", "r/0"), ("north", "w/1"), ("worse", "w/1"),
    ]  # fmt: skip


def test_the_outbox_is_bounded_and_says_what_it_gave_up(make: Any) -> None:
    sink = make(waiting_max=3)
    sink.write(Batch(transitions=tuple((n, transition(alert(f"a{n}", 0))) for n in range(5))))
    assert sink.given_up == 2
    assert sink._outbox.counts() == {("desk", "waiting"): 3, ("desk", "dead"): 2}
    assert [row["key"] for row in sink._outbox.receipts(10) if row["state"] == "dead"] == ["a1/0", "a0/0"]


def test_receipts_are_bounded_and_what_is_forgotten_is_not_told_again(make: Any, receiver: Receiver, clock: Clock) -> None:
    sink = make(kept_max=2)
    for n in range(6):
        sink.write(Batch(transitions=((n, transition(alert(f"a{n}", 0))),)))
        courier(sink, receiver, clock).step()
    sink.write(Batch(transitions=tuple((n, transition(alert(f"a{n}", 0))) for n in range(6))))
    courier(sink, receiver, clock).step()
    assert len(receiver.got) == 6
    assert len(sink._outbox.content()) <= 4


def test_pauses_grow_up_to_a_bound_and_differ() -> None:
    for tries in (0, 3, 40):
        drawn = {pause_s(tries) for _ in range(50)}
        longest = min(LONGEST_S, FIRST_S * 2**tries)
        assert all(longest / 2 <= pause <= longest for pause in drawn)
        assert len(drawn) > 40


@pytest.mark.parametrize(
    "url, remote, fault",
    [
        ("ftp://127.0.0.1/", False, "http or https"),
        ("file:///etc/passwd", False, "http or https"),
        ("http://", False, "host"),
        ("http://a:b@127.0.0.1/", False, "secrets have a file"),
        ("http://desk.example/", True, "use https"),
        ("http://127.0.0.1:99999/", False, "port"),
        ("http://127.0.0.1/löschzug", False, "%XX"),
        ("http://127.0.0.1/a b", False, "%XX"),
    ],
)
def test_a_url_that_may_not_be_posted_to_is_refused(url: str, remote: bool, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        check_target(Target(url, remote))


@pytest.mark.parametrize("host", ["192.0.2.1", "169.254.169.254", "0.0.0.0", "10.0.0.1"])
def test_without_leave_nothing_goes_beyond_this_machine(host: str) -> None:
    with pytest.raises(PostError, match="not_allowed"):
        post(Target(f"http://{host}/"), b"{}", {})


def test_nobody_there_is_no_answer(clock: Clock, make: Any) -> None:
    with pytest.raises(PostError, match="no_answer"):
        post(Target("http://127.0.0.1:1/"), b"{}", {}, timeout_s=1)


def test_a_closed_outbox_refuses(make: Any) -> None:
    sink = make()
    sink.close()
    with pytest.raises(SinkError):
        sink._outbox.put([Delivery("desk", "a/0", 1, b"")], 0)
    assert sink._outbox.due("desk", 0, 1) == sink._outbox.receipts(1) == []


def test_a_name_that_no_host_can_have_is_no_answer() -> None:
    with pytest.raises(PostError, match="unknown_host"):
        post(Target(f"https://{'a' * 70}.example/", remote=True), b"{}", {})


def test_a_courier_goes_on_after_its_outbox_could_not_be_written(
    make: Any, receiver: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sinks.webhooks.courier.AFTER_FAILURE_S", 0.0)
    sink = make()
    sink.write(batch(0))
    sink._outbox._db.execute("CREATE TRIGGER full BEFORE UPDATE ON deliveries BEGIN SELECT raise(ABORT, 'full'); END")
    running = courier(sink, receiver, clock)
    running.start()
    while not running.failures:
        time.sleep(0.001)
    sink._outbox._db.execute("DROP TRIGGER full")
    while sink._outbox.counts() != {("desk", "done"): 2}:
        time.sleep(0.001)
    running.stop()
    assert {headers["Idempotency-Key"] for headers, _ in receiver.got} == {"a0/0", "b0/0"}


def test_a_hook_that_is_new_is_told_no_old_news_when_the_journal_is_read_again(make: Any) -> None:
    # journal   [4 5 6) restart, with a new hook [4 5 6 7)
    target = Target("http://127.0.0.1:1/")
    first = make(waits=True)
    first._outbox.begin_after(3, ["desk"])
    first.write(Batch(transitions=tuple((n, transition(alert(f"a{n}", 0))) for n in (4, 5, 6))))
    first.close()
    again = make(waits=True, hooks=(Hook("desk", target, SECRET), Hook("new", target, SECRET)))
    again.write(Batch(transitions=tuple((n, transition(alert(f"a{n}", 0))) for n in (4, 5, 6))))
    again._outbox.begin_after(6, ["desk", "new"])
    again.write(Batch(transitions=((7, transition(alert("a7", 0))),)))
    assert [(hook, key) for hook, key, _ in again._outbox.content()] == [
        ("desk", "a4/0"), ("desk", "a5/0"), ("desk", "a6/0"), ("desk", "a7/0"), ("new", "a7/0"),
    ]  # fmt: skip


def test_a_journal_that_was_begun_anew_is_told_from_where_it_is(make: Any) -> None:
    sink = make(waits=True)
    sink._outbox.begin_after(50_000, ["desk"])
    sink._outbox.begin_after(2, ["desk"])
    sink.write(Batch(transitions=tuple((n, transition(alert(f"a{n}", 0))) for n in (2, 3))))
    assert [key for _, key, _ in sink._outbox.content()] == ["a3/0"]
