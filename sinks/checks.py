"""What every sink must do, in a form that runs: ``for check in CHECKS: check(subject)``.

A sink

1. MUST take a batch twice and hold what one of them gave (``check_twice_is_once``);
2. MUST come to the same end state in whatever order batches arrive (``check_order_is_irrelevant``);
3. MUST take an empty batch and change nothing (``check_empty_changes_nothing``);
4. MUST refuse a number that is not finite, whole and for good (``check_not_finite_is_refused``);
5. MUST say whether to retry in every refusal, and refuse after ``close``, which may be called twice (``check_closed_refuses``);
6. MUST hold no more in memory however much it is given (``check_memory_is_bounded``);
7. MUST never pass on the body of a command or the content of a raw record (``check_no_free_text``).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from sinks.base import Batch, Sink, SinkError
from sinks.cockpit.access import WHOLE, Caller, Role, Sight
from sinks.cockpit.views import Places
from streams.columns import Cells, pack
from streams.model import Alert, Area, Command, Counts, Evidence, Member, Quality, Rejected, Scores, Signal, Span, State, Transition

MINUTE = 23_700_000  # 2015-01-23
START_S = MINUTE * 60
SECRET = "told in confidence 4711"
AREAS = (
    Area("city", "Testcity", 0, None),
    Area("d1", "North", 1, "city", geometry='{"type":"Point","coordinates":[-71.1,42.3]}'),
    Area("d2", "South", 1, "city"),
    Area("d1a", "North Bank", 2, "d1"),
    Area("d1b", "North Hill", 2, "d1"),
    Area("d1c", "North Gate", 2, "d1"),
    Area("d1a1", "Mill Lane", 3, "d1a"),
)
SIGNALS = (Signal("noise", "Noise", "noise"), Signal("water_level", "Water level", "floods", kind="level"))
"""The city that the sample batches are about."""


class Unaudited:
    """Writes nothing down, but remembers the last entries."""

    def __init__(self) -> None:
        self.entries: deque[tuple[str, str, str, str]] = deque(maxlen=1000)

    def did(self, actor: str, role: str, action: str, subject: str = "", area: str = "") -> None:  # noqa: ARG002 - as Audit says
        self.entries.append((actor, action, subject, area))

    saw = did


def caller(scope: Sequence[str] = (WHOLE,), *, role: Role = "admin", actor: str = "test", areas: Sequence[Area] = AREAS) -> Caller:
    """Somebody who asks; the whole city and everything, unless said otherwise."""
    return Caller(actor, role, Sight(Places(areas), tuple(scope)), Unaudited())


class Open:
    """A gate that lets everybody in as the same caller: for tests and benchmarks of what lies behind it."""

    def __init__(self, known: Caller | None = None) -> None:
        self.known = known or caller()

    def enter(self, method: str, headers: Mapping[str, str]) -> Caller:  # noqa: ARG002 - as Gate says
        return self.known

    def holds(self, caller: Caller) -> bool:  # noqa: ARG002 - as Gate says
        return True


@dataclass(frozen=True)
class Subject:
    """A sink under check. ``fresh`` opens one that holds nothing; ``state`` tells all that it holds for people, comparably."""

    fresh: Callable[[], Sink]
    state: Callable[[Any], object]
    held: Callable[[Any], int]  # rows, frames or the like in memory
    held_max: int


def check_twice_is_once(subject: Subject) -> None:
    """Written again whole, and written again in part, a batch changes nothing."""
    sink = subject.fresh()
    for number in range(3):
        sink.write(batch(number))
    once = subject.state(sink)
    sink.write(batch(2))
    sink.write(batch(1))
    part = batch(2)
    sink.write(Batch(transitions=part.transitions, alerts=part.alerts))
    assert subject.state(sink) == once, "a batch that was written again changed what the sink holds"
    sink.close()


def check_order_is_irrelevant(subject: Subject) -> None:
    """The end state depends on what was written alone."""
    states = []
    for order in ((0, 1, 2, 3), (3, 1, 0, 2)):
        sink = subject.fresh()
        for number in order:
            sink.write(batch(number))
        states.append(subject.state(sink))
        sink.close()
    assert states[0] == states[1], "the end state depends on the order of batches"


def check_empty_changes_nothing(subject: Subject) -> None:
    """A batch may be empty."""
    sink = subject.fresh()
    sink.write(batch(0))
    before = subject.state(sink)
    sink.write(Batch())
    assert subject.state(sink) == before
    sink.close()


def check_not_finite_is_refused(subject: Subject) -> None:
    """One bad number refuses the whole batch, good rows and all."""
    sink = subject.fresh()
    sink.write(batch(0))
    before = subject.state(sink)
    for bad in (math.nan, math.inf, -math.inf):
        for broken in _broken(batch(1), bad):
            error = refusal(sink, broken)
            assert not error.retryable, "a number does not become finite by waiting"
            assert subject.state(sink) == before, "part of a refused batch was taken"
    sink.write(batch(1))
    sink.close()


def check_closed_refuses(subject: Subject) -> None:
    """A closed sink takes nothing, not even an empty batch."""
    sink = subject.fresh()
    sink.close()
    sink.close()
    for each in (batch(0), Batch()):
        assert refusal(sink, each).retryable is False


def check_memory_is_bounded(subject: Subject) -> None:
    """Many batches leave no more in memory than the bound says."""
    sink = subject.fresh()
    for number in range(15):
        sink.write(batch(number))
        assert subject.held(sink) <= subject.held_max, f"the sink holds {subject.held(sink)}, more than {subject.held_max}"
    sink.close()


def check_no_free_text(subject: Subject) -> None:
    """What a person typed stays in the journal."""
    sink = subject.fresh()
    sink.write(batch(0))
    assert SECRET not in repr(subject.state(sink))
    sink.close()


CHECKS: tuple[Callable[[Subject], None], ...] = (
    check_twice_is_once,
    check_order_is_irrelevant,
    check_empty_changes_nothing,
    check_not_finite_is_refused,
    check_closed_refuses,
    check_memory_is_bounded,
    check_no_free_text,
)


def refusal(sink: Sink, refused: Batch) -> SinkError:
    """The error with which ``sink`` refuses; an assertion when it does not."""
    try:
        sink.write(refused)
    except SinkError as error:
        return error
    raise AssertionError(f"sink {sink.name!r} took a batch that it must refuse")


def batch(number: int) -> Batch:
    """The ``number``-th sample batch: every noun in it, and a later state of an alert that the others have, too."""
    end_s = START_S + 3600 * (number + 1)
    state: State = "cleared" if number == 3 else "open"
    shared = alert("a0", number, state=state, risk=50.0 + number)
    own = alert(f"b{number}", 0, risk=30.0)
    return Batch(
        counts=((2 * number, counts(number)), (2 * number + 1, counts(number, rollup=True))),
        scores=(scores(end_s),),
        transitions=((2 * number + 1, transition(shared)), (2 * number + 2, transition(own))),
        alerts=(shared, own),
        commands=(Command(f"c{number}", end_s, "operator-7", "comment", f'{{"text": "{SECRET}"}}'),),
        rejected=(Rejected("hotline", "bad_time", f"{number:016x}", "raw.hotline/0", number, end_s),),
    )


def counts(number: int, *, rollup: bool = False) -> Counts:
    """Three cells of counts and one of a level."""
    minute = np.array([0, 1, 1, 1], dtype=np.int32) + np.int32(MINUTE + 60 * number)
    nothing = np.nan
    cells = Cells(
        span=np.zeros(4, np.uint16),
        area=np.array([0, 0, 1, 1], np.uint32),
        signal=np.array([0, 0, 0, 1], np.uint16),
        minute=minute,
        n=np.array([3, 1, 7, 2], np.int32),
        batch=np.zeros(4, np.int32),
        total=np.array([0.0, 0.0, 0.0, 5.5]),
        least=np.array([nothing, nothing, nothing, 2.5]),
        most=np.array([nothing, nothing, nothing, 3.0]),
        heard=np.zeros(4, np.int32),
    )
    span = Span("raw.hotline/0", "hotline", number * 10, number * 10 + 10, int(minute[0]) * 60, int(minute[1]) * 60)
    quality = (Quality("raw.hotline/0", "hotline", "duplicate", 2),)
    return pack(
        rollup=rollup, config_hash="i1", spans=[span], areas=["d1a", "d1b"], signals=["noise", "water_level"], cells=cells, quality=quality
    )


def scores(end_s: int) -> Scores:
    """Two rows: a small and a large count of one small area."""
    return Scores(
        "d1",
        end_s,
        "v1",
        ["d1a", "d1a"],
        ["noise", "noise"],
        [3600, 86_400],
        [3.0, 42.0],
        [0.5, 12.0],
        [0.01, 0.0001],
        [1e6, 1e6],
        [40.0, 40.0],
    )


def alert(alert_id: str, seq: int, *, state: State = "open", risk: float = 50.0) -> Alert:
    """An alert of one member in the small area ``d1a``."""
    updated_s = START_S + 3600 * (seq + 1)
    evidence = (Evidence(3600, 3.0, 0.5, 0.0, 2.0, 0.01), Evidence(86_400, 42.0, 12.0, 6.0, 20.0, 0.0001))
    why = "Noise, North: 42 in the last day, 12 expected (6 to 20); by chance once in 2 weeks."
    member = Member("d1a", "noise", START_S, updated_s, 1e6, risk, why, evidence)
    return Alert(
        id=alert_id,
        area="d1a",
        signals=("noise",),
        state=state,
        band="yellow",
        risk=risk,
        initial_risk=50.0,
        recurrence_s=1e6,
        onset_s=START_S,
        updated_s=updated_s,
        reason="raised" if seq == 0 else "worse",
        why=why,
        clears="clears when fresh risk stays low for 12 hours",
        members=(member,),
        seq=seq,
        config_version="v1",
    )


def transition(of: Alert) -> Transition:
    """The step that led to the alert's state."""
    return Transition(
        of.id, of.seq, of.updated_s, of.onset_s, of.area, of.signals, "none" if of.seq == 0 else "open", of.state,
        of.reason, of.band, of.risk, of.recurrence_s, notify=True, why=of.why, config_version="v1",
    )  # fmt: skip


def _broken(good: Batch, bad: float) -> list[Batch]:
    """``good`` with one bad number, at each place in turn."""
    replace = msgspec.structs.replace
    first = good.alerts[0]
    member = first.members[0]
    evidence = replace(member.evidence[0], expected=bad)
    position, step = good.transitions[0]
    return [
        replace(good, alerts=(replace(first, risk=bad), *good.alerts[1:])),
        replace(good, alerts=(replace(first, members=(replace(member, evidence=(evidence,)),)), *good.alerts[1:])),
        replace(good, transitions=((position, replace(step, recurrence_s=bad)), *good.transitions[1:])),
        replace(good, scores=(replace(good.scores[0], p=[0.01, bad]),)),
    ]
