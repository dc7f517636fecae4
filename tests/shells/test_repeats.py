"""A stretch that is said again is known, whatever it is cut into, and what is new behind it is new."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from sinks.checks import alert, transition
from streams.core.journal import encode
from streams.model import Command, Outcome, Transition
from streams.shells.kafka.repeats import STATES_MAX, Repeats, Told

replace = msgspec.structs.replace


def step(alert_id: str, seq: int) -> list[Told]:
    made = alert(alert_id, seq)
    return [made, transition(made)]


def outcome(command_id: str) -> Outcome:
    return Outcome(Command(command_id, 1, "anna", "resolve", ""))


def new(repeats: Repeats, said: Sequence[Told], start: int = 0) -> list[Told]:
    return [record for at, record in enumerate(said, start) if repeats.taken(at, record, encode(record))]


def test_a_stretch_that_is_said_again_says_nothing_new():
    stretch = [*step("a", 0), *step("b", 0), outcome("c0"), *step("a", 1)]
    repeats = Repeats()
    assert new(repeats, [*stretch, *stretch[2:], *step("b", 1)]) == [*stretch, *step("b", 1)]
    assert repeats.dropped == 5
    # offsets of transitions and outcomes; states of alerts are no events
    assert [at for at in range(14) if repeats.is_repeat(at)] == [8, 9, 10, 11]


def test_two_writers_at_once_say_everything_once():
    # one that was thought dead goes on for a while beside the one that took over, from a snapshot before what it had said
    story = [record for seq in range(30) for record in (*step("a", seq), *step("b", seq))]
    rng = random.Random(4)
    for _ in range(20):
        taken_over = rng.randrange(1, 60)
        rest, again = story[taken_over : taken_over + rng.randrange(40)], story[rng.randrange(taken_over) :]
        said = story[:taken_over]
        while rest or again:
            said.append((rest if rest and (not again or rng.random() < 0.5) else again).pop(0))
        told = [record for record in new(Repeats(), said) if isinstance(record, Transition)]
        assert {name: [step.seq for step in told if step.alert_id == name] for name in "ab"} == {"a": [*range(30)], "b": [*range(30)]}


def test_a_state_that_changed_without_a_step_is_new_and_an_older_one_is_not():
    first = alert("a", 3)
    later = replace(first, updated_s=first.updated_s + 60)
    muted = replace(later, muted_by="silence:s1")  # of the same order as the one before
    repeats = Repeats()
    said = [first, later, muted, first, later, muted]
    assert new(repeats, said) == [first, later, muted]


def test_states_of_one_order_are_bounded():
    repeats = Repeats()
    states = [replace(alert("a", 3), why=str(n)) for n in range(STATES_MAX + 5)]
    assert new(repeats, states) == states
    assert len(repeats._alerts["a"].states) <= STATES_MAX


def test_memory_is_bounded_and_what_was_told_longest_ago_goes_first():
    repeats = Repeats(alerts_max=2, commands_max=2, stretches_max=2)
    new(repeats, [record for name in ("a", "b", "a", "c") for record in step(name, 0)])
    assert sorted(repeats._alerts) == ["a", "c"]
    new(repeats, [outcome(f"c{n}") for n in range(3)], 10)
    assert sorted(repeats._commands) == ["c1", "c2"]


def test_beyond_the_bound_of_stretches_the_past_is_not_vouched_for():
    repeats = Repeats(stretches_max=2)
    at = 0
    for n in range(3):  # new, again, new, again ...: offsets 0 1 2 3 4 5
        for record in (outcome(f"c{n}"), outcome(f"c{n}")):
            repeats.taken(at, record, b"")
            at += 1
    assert [offset for offset in range(6) if repeats.is_repeat(offset)] == [3, 5]
    assert [repeats.reaches(offset) for offset in (-1, 0, 1, 4)] == [False, False, True, True]
