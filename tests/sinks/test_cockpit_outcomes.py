"""What became of commands: kept for a while, told once, under the position of its record where it has one."""

from __future__ import annotations

from sinks.base import Batch
from sinks.checks import AREAS, SIGNALS, alert, transition
from sinks.cockpit.feed import Feed
from sinks.cockpit.outcomes import Outcomes
from sinks.cockpit.views import View
from streams.model import Command, Outcome


def outcome(command_id: str, refusal: str = "") -> Outcome:
    return Outcome(Command(command_id, 7, "anna", "resolve", '{"alert":"a0"}'), refusal)


def test_the_first_outcome_of_a_command_stands() -> None:
    outcomes = Outcomes()
    assert outcomes.keep(outcome("c0"))
    assert not outcomes.keep(outcome("c0", "unknown_alert"))
    known = outcomes.get("c0")
    assert known is not None
    assert known.refusal == ""
    assert outcomes.get("c1") is None


def test_the_oldest_outcome_leaves_when_the_bound_is_passed() -> None:
    outcomes = Outcomes(outcomes_max=2)
    for n in range(3):
        outcomes.keep(outcome(f"c{n}"))
    assert len(outcomes) == 2
    assert outcomes.get("c0") is None


def test_an_outcome_with_a_position_is_an_event_in_order() -> None:
    feed = Feed(View(AREAS, SIGNALS))
    feed.follow(-1)
    made = alert("a0", 0)
    feed.write(Batch(alerts=(made,), transitions=((1, transition(made)),), outcomes=((0, outcome("c0")), (2, outcome("c1")))))
    feed.write(Batch(outcomes=((2, outcome("c1")),)))
    feed.caught_up()
    assert (feed.last_id, feed.stats().frames) == (2, 3)
    assert feed.outcome("c0") == outcome("c0")


def test_an_outcome_without_one_is_told_once() -> None:
    feed = Feed(View(AREAS, SIGNALS))
    feed.load([], 4)
    feed.write(Batch(outcomes=((None, outcome("c0")),)))
    feed.write(Batch(outcomes=((None, outcome("c0")),)))
    assert (feed.last_id, feed.stats().frames) == (4, 1)
    assert feed.outcome("c0") is not None
