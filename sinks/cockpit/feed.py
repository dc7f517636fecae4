"""The live list of alerts and its feed. ``write`` is called from the pump's thread, subscribers live in the server's loop.

Events are encoded once, or once a scope. Nobody has a queue of their own: a subscriber is a place in one shared, bounded ring, so a
thousand slow readers hold no more than one. The id of an event is its record's position in the alerts journal.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import ClassVar, NamedTuple

import orjson

from sinks.base import Batch, SinkError, refuse_not_finite
from sinks.cockpit.access import Caller
from sinks.cockpit.board import OPEN_MAX, Board, Held
from sinks.cockpit.chronicle import Chronicle
from sinks.cockpit.frames import Frames, Told, event
from sinks.cockpit.outcomes import Outcomes
from sinks.cockpit.ring import Ring
from sinks.cockpit.silences import Silences
from sinks.cockpit.views import View
from streams.model import Alert, Outcome, Silence, Transition

RING_FRAMES = 2048
RING_BYTES = 4 << 20
QUEUE_FRAMES = 256
HISTORY_EVENTS = 1000
SNAPSHOT_ALERTS = 1000
SUBSCRIBERS_MAX = 1000
COALESCE_S = 0.1
STUCK_S = 1.0

History = Callable[[int, int], Sequence[tuple[int, Told]] | None]
"""(after_id, limit) -> the first ``limit`` events behind ``after_id`` with their positions; None: not kept that far back."""


class Stats(NamedTuple):
    """How the feed is doing; the last five only ever grow."""

    subscribers: int
    open_alerts: int
    ring_frames: int
    ring_bytes: int
    frames: int
    dropped: int  # subscribers who did not read
    refused: int  # subscribers beyond the bound
    resets: int
    left_off: int  # alerts beyond the bound


class Subscriber:
    """One open stream. ``cursor``: number of the next frame to send. ``busy_since``: when the send under way began, by the loop's clock."""

    def __init__(self, cursor: int, caller: Caller) -> None:
        self.cursor = cursor
        self.caller = caller
        self.wake = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.busy_since: float | None = None


class Opening(NamedTuple):
    """How a stream begins: with ``frames``; if ``replay_after`` is a position, with the history from there to ``replay_to`` and ``snapshot``.

    A ``replay_after`` beyond ``replay_to`` is from a reader to whom another process has told more of the journal than this one has read.
    """

    subscriber: Subscriber
    frames: bytes
    replay_after: int | None = None
    replay_to: int = 0
    snapshot: bytes = b""


class Feed:
    """Holds open alerts, the last finished ones, and the recent events."""

    name: ClassVar[str] = "feed"

    def __init__(
        self,
        view: View,
        *,
        history: History | None = None,
        ring_frames: int = RING_FRAMES,
        ring_bytes: int = RING_BYTES,
        queue_frames: int = QUEUE_FRAMES,
        subscribers_max: int = SUBSCRIBERS_MAX,
        open_max: int = OPEN_MAX,
        ahead_s: float = 0.0,
    ) -> None:
        """``history`` is called in a worker thread for events that the ring no longer has. ``ahead_s``: how long a reader is waited
        for who has seen more than this feed, which then lags behind another one of the same journal.
        """
        self.view = view
        self.closed = False
        self.loaded = False
        self.last_id = 0
        self._least = 0  # a position before every event
        self._history = history
        self._mutex = threading.Lock()
        self._ahead_s = ahead_s
        self._board = Board(open_max=open_max)
        self._outcomes = Outcomes()
        self._chronicle, self._silences = Chronicle(), Silences()
        self._ring = Ring(frames_max=ring_frames, bytes_max=ring_bytes)
        self._queue_frames = queue_frames
        self._subscribers_max = subscribers_max
        self._subscribers: list[Subscriber] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._armed = False
        self._flushed_s = 0.0  # when that was done last, by the loop's clock
        self._released = 0  # frames below this number may be sent
        self._frames = Frames(view)
        self._dropped = self._refused = self._resets = 0

    # the pump's side

    def load(self, alerts: Iterable[Alert], last_id: int, *, steps: Iterable[Transition] = (), silences: Iterable[Silence] = ()) -> None:
        """Take up after a start: the newest state of the alerts, the position of the newest transition in the journal, the last steps before it."""
        held = [self._hold(alert) for alert in alerts]
        with self._mutex:
            for step in steps:
                self._chronicle.keep(step)
            self._silences.load(silences)
            self._board.load(held)
            self._ring.start_after(last_id)
            self._released = self._ring.end
            self._frames.changed()
            self.last_id = last_id
            self.loaded = True

    def follow(self, after_id: int) -> None:
        """Take up by reading the journal behind ``after_id``: what was before is not known, and ``loaded`` waits for ``caught_up``.

        In a journal whose positions begin at 0, -1 is before all of them.
        """
        with self._mutex:
            self._ring.start_after(after_id)
            self.last_id, self._least = after_id, min(0, after_id)

    def caught_up(self) -> None:
        """What is written from now on is news."""
        with self._mutex:
            self._released = self._ring.end
            self.loaded = True

    def write(self, batch: Batch) -> None:
        """Show the batch; transitions whose position has been seen are left out.

        Raises:
            SinkError: not retryable: closed, or a number that is not finite.
        """
        if self.closed:
            raise SinkError("this sink is closed", retryable=False)
        refuse_not_finite(batch)
        incoming = [self._hold(alert) for alert in batch.alerts]
        steps: list[tuple[int, Told]] = [
            *batch.transitions,
            *((position, outcome) for position, outcome in batch.outcomes if position is not None),
        ]
        steps = sorted((pair for pair in steps if pair[0] > self.last_id), key=lambda pair: pair[0])
        told = {step.alert_id for _, step in steps if isinstance(step, Transition)}
        with self._mutex:
            before = {held.alert.id: known.alert for held in incoming if (known := self._board.get(held.alert.id)) is not None}
            changed = [held for held in incoming if self._board.keep(held)]
            for position, step in steps:
                if isinstance(step, Outcome):
                    self._outcome(step)
                    self._ring.add(self._frames.told((position, 0), step, position, None, None))
                else:
                    self._chronicle.keep(step)
                    known = self._board.get(step.alert_id)
                    self._ring.add(self._frames.told((position, 0), step, position, known, before.get(step.alert_id)))
                self.last_id = position
            for held in changed:
                if held.alert.id not in told:
                    self._ring.add(self._frames.update((self.last_id, 1), held, before.get(held.alert.id)))
            unplaced = [outcome for position, outcome in batch.outcomes if position is None and self._outcome(outcome)]
            for outcome in unplaced:
                self._ring.add(self._frames.told((self.last_id, 1), outcome, None, None, None))
            if steps or changed or unplaced:
                self._frames.changed()
                self._call(self._arm)

    def close(self) -> None:
        """End every stream; closing twice is harmless."""
        with self._mutex:
            self.closed = True
            self._call(self._flush)

    def _outcome(self, outcome: Outcome) -> bool:
        new = self._outcomes.keep(outcome)
        if new:
            self._silences.keep(outcome)
        return new

    def _hold(self, alert: Alert) -> Held:
        return Held(alert, orjson.dumps(self.view.summary(alert)))

    # reading

    def open_alerts(self) -> list[Held]:
        """Open alerts, the worst first."""
        with self._mutex:
            return self._board.open()

    def finished_alerts(self) -> list[Held]:
        """The last alerts that were cleared or withdrawn, the newest first."""
        with self._mutex:
            return self._board.finished()

    def alert(self, alert_id: str) -> Alert | None:
        """An open alert, or one of the last finished ones."""
        with self._mutex:
            held = self._board.get(alert_id)
        return held.alert if held else None

    def steps_of(self, alert_id: str) -> tuple[list[Transition], int]:
        """Steps of an alert, oldest first, and how many came before them that are not remembered."""
        with self._mutex:
            return self._chronicle.of(alert_id)

    def steps_since(self, at_s: int, limit: int) -> list[Transition]:
        """Steps of all alerts since a time, newest first."""
        with self._mutex:
            return self._chronicle.since(at_s, limit)

    def silences(self, now_s: int) -> list[Silence]:
        """Silences that are set."""
        with self._mutex:
            return self._silences.standing(now_s)

    def outcome(self, command_id: str) -> Outcome | None:
        """What became of a command; None: not decided on yet, or too long ago."""
        with self._mutex:
            return self._outcomes.get(command_id)

    def stats(self) -> Stats:
        """Numbers for the metrics."""
        with self._mutex:
            return Stats(
                subscribers=len(self._subscribers),
                open_alerts=len(self._board),
                ring_frames=len(self._ring),
                ring_bytes=self._ring.bytes,
                frames=self._ring.end,
                dropped=self._dropped,
                refused=self._refused,
                resets=self._resets,
                left_off=self._board.left_off,
            )

    # the server's side: everything below runs in its loop

    def subscribe(self, last_event_id: str | None, caller: Caller) -> Opening | None:
        """Begin a stream of what a caller may hear behind the event that they saw last; None when there are too many already.

        Without one the stream begins with a ``snapshot``; with one that is not known, or too long ago, with ``reset`` and
        a ``snapshot``; otherwise with what was missed.
        """
        with self._mutex:
            loop = asyncio.get_running_loop()
            if self._loop is not loop:
                self._loop, self._armed, self._flushed_s = loop, False, loop.time()
            if len(self._subscribers) >= self._subscribers_max:
                self._refused += 1
                return None
            opening = self._opening(last_event_id, caller)
            self._subscribers.append(opening.subscriber)
            return opening

    def _opening(self, last_event_id: str | None, caller: Caller) -> Opening:
        subscriber = Subscriber(self._ring.end, caller)
        if last_event_id is None:
            return Opening(subscriber, self._snapshot(caller))
        position = _position(last_event_id)
        if position is None or position < self._least or (position > self.last_id and not self._ahead_s):
            return Opening(subscriber, self._reset("unknown", caller))
        if position > self.last_id:
            return Opening(subscriber, b"", position, self.last_id)
        number = self._ring.number_after(position)
        if number is None:
            return Opening(subscriber, b"", position, self.last_id, self._snapshot(caller))
        return Opening(subscriber, self._heard(number, self._ring.end, caller))

    async def replay(self, opening: Opening) -> bytes:
        """What an opening owes from the history: its events and the snapshot, or a reset when that is too much."""
        after, to = opening.replay_after, opening.replay_to
        assert after is not None
        if after > to:
            return await self._abreast(opening.subscriber, after)
        pairs = await asyncio.to_thread(self._history, after, HISTORY_EVENTS + 1) if self._history else None
        missed = [(position, step) for position, step in pairs or () if after < position <= to]
        if pairs is None or len(missed) > HISTORY_EVENTS:
            with self._mutex:
                self._resets += 1
            return event("reset", {"reason": "too_old"}) + opening.snapshot
        return b"".join(self._missed(position, step, opening.subscriber.caller) for position, step in missed) + opening.snapshot

    def _missed(self, position: int, step: Told, caller: Caller) -> bytes:
        """One event of the history. Without its alert, which may have been another by then; whether it shows is told by what the alert is now."""
        if isinstance(step, Outcome):
            return self._frames.text(step, position, None) if caller.hears(step.command.actor) else b""
        if caller.sight.whole:
            return self._frames.text(step, position, None)
        limited = caller.sight.step(step, self.alert(step.alert_id))
        return self._frames.text(limited, position, None) if limited else b""

    async def _abreast(self, subscriber: Subscriber, position: int) -> bytes:
        """Wait until this feed has come to where the reader is, and go on behind that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._ahead_s):
                while self.last_id < position and not self.closed:
                    subscriber.wake.clear()
                    await subscriber.wake.wait()
        with self._mutex:
            subscriber.cursor = self._ring.end
            number = self._ring.number_after(position) if self.last_id >= position else None
            return self._reset("unknown", subscriber.caller) if number is None else self._heard(number, self._ring.end, subscriber.caller)

    def take(self, subscriber: Subscriber) -> bytes:
        """What may be sent to a subscriber now; empty when there is nothing."""
        with self._mutex:
            if subscriber.cursor < self._ring.first:  # the ring has gone past it
                subscriber.cursor = self._ring.end
                return self._reset("too_slow", subscriber.caller)
            data = b""
            while not data and subscriber.cursor < self._released:  # what is not for their eyes is passed by
                end = min(self._released, subscriber.cursor + self._queue_frames)
                data = self._heard(subscriber.cursor, end, subscriber.caller)
                subscriber.cursor = end
            return data

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """The stream has ended."""
        with self._mutex:
            if subscriber in self._subscribers:
                self._subscribers.remove(subscriber)

    def _call(self, callback: Callable[[], None]) -> None:
        if self._loop is not None and self._subscribers and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback)

    def _arm(self) -> None:
        if not self._armed and self._loop is not None:
            self._armed = True
            self._loop.call_later(max(0.0, self._flushed_s + COALESCE_S - self._loop.time()), self._flush)

    def _flush(self) -> None:
        """Let out what has gathered, wake the readers, drop those who do not read."""
        assert self._loop is not None
        now = self._flushed_s = self._loop.time()
        with self._mutex:
            self._armed = False
            self._released = self._ring.end
            for subscriber in tuple(self._subscribers):
                subscriber.wake.set()
                stuck = subscriber.busy_since is not None and now - subscriber.busy_since > STUCK_S
                if stuck and self._released - subscriber.cursor > self._queue_frames:
                    self._drop(subscriber)

    def drop(self, subscriber: Subscriber) -> None:
        """End the stream of a reader who does not read."""
        with self._mutex:
            self._drop(subscriber)

    def _drop(self, subscriber: Subscriber) -> None:
        if subscriber in self._subscribers:
            self._subscribers.remove(subscriber)
            self._dropped += 1
            if subscriber.task is not None:
                subscriber.task.cancel()

    def _reset(self, reason: str, caller: Caller) -> bytes:
        self._resets += 1
        return event("reset", {"reason": reason}) + self._snapshot(caller)

    def _snapshot(self, caller: Caller) -> bytes:
        return self._frames.snapshot(self._board.open, self.last_id, caller.sight, SNAPSHOT_ALERTS)

    def _heard(self, start: int, end: int, caller: Caller) -> bytes:
        if caller.hears_all:
            return self._ring.take(start, end)
        return b"".join(self._frames.heard(number, frame, caller) for number, frame in self._ring.frames(start, end))


def _position(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?[0-9]{1,19}", text) else None
