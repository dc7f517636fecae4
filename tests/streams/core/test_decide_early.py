"""Early findings are shown at once and decide nothing: alerts of closed windows are the same with and without them.

Drawn timelines first, then random stories with early findings put in anywhere. See story.py for the characters.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.core import overlay
from streams.core.alerts import Memory
from streams.core.configure import configure_command
from streams.core.decide import Decide, Decided
from streams.core.early import Early
from streams.core.lifecycle import FINAL, RANK
from streams.model import HOUR_S, Alert, Closed, Command, Finding, Tick, Transition
from tests.streams.core.story import SHARDS, START_S, Story, city, finding, shard_of
from tests.streams.core.test_decide_properties import CITY, PLACES, SIGNALS, Record, _check_life, journal

FIRE, LEAF, DISTRICT, TOP = "d1a/fire", "d1a/noise", "d1/noise", "c/noise"
LOOK_AHEAD = 3

# what becomes of a provisional alert


def test_a_provisional_alert_whose_series_leads_no_more_is_part_of_the_other_which_tells_nobody_again() -> None:
    story = Story()
    (raised,) = story.early(LEAF)
    assert story.hours({LEAF: "0", TOP: "0"}) == ["1 none->open raised", "1 provisional->withdrawn part_of_other"]
    city_wide = story.only()
    assert (story.transitions[-1].alert_id, story.transitions[-1].muted_by) == (raised.alert_id, f"alert:{city_wide.id}")
    assert {m.area for m in city_wide.members} == {"d1a", "c"}
    assert story.alerts[raised.alert_id].state == "withdrawn"


def test_the_other_alert_tells_when_its_band_is_higher() -> None:
    story = Story()
    story.early(LEAF)
    said = story.window({LEAF: "0", TOP: "0"}, band="red")
    assert [(t.reason, t.notify) for t in said] == [("raised", True), ("part_of_other", False)]


def test_what_people_did_goes_to_the_alert_that_takes_its_place() -> None:
    story = Story()
    (raised,) = story.early(LEAF)
    for kind, body in (("acknowledge", {}), ("label", {"label": "true"}), ("comment", {"text": "hm"})):
        story.command(kind, {"alert": raised.alert_id} | body)
    assert (story.only().owner, story.only().label, story.only().state) == ("ann", "true", "provisional")
    assert [t.seq for t in story.transitions] == [1, 2, 3, 4]
    story.hours({LEAF: "0", TOP: "0"})
    assert (story.only().owner, story.only().label, story.only().state) == ("ann", "true", "open")
    assert story.transitions[-1].seq == 5


def test_acknowledged_and_confirmed_goes_on_counting() -> None:
    story = Story()
    story.early(FIRE)
    story.command("assign", {"alert": story.only().id, "owner": "bob"})
    assert story.hours({FIRE: "0"}) == ["1 provisional->open confirmed"]
    assert (story.only().owner, story.only().seq, story.only().reason) == ("bob", 3, "confirmed")
    story.command("resolve", {"alert": story.only().id})
    assert [t.seq for t in story.transitions] == [1, 2, 3, 4]


def test_resolved_while_provisional_it_does_not_come_back_when_its_window_closes() -> None:
    story = Story()
    story.early(LEAF)
    (resolved,) = story.command("resolve", {"alert": story.only().id})
    assert (resolved.from_state, resolved.to_state, resolved.actor) == ("provisional", "cleared", "ann")
    assert story.decide.open_alerts() == ()
    assert story.hours({LEAF: "0"}) == []
    assert story.hours({LEAF: "0-"}) == []
    assert story.hours({LEAF: ".0"}) == ["5 none->open raised!"]


def test_resolved_while_provisional_it_does_not_come_back_under_another_name_but_when_it_is_worse() -> None:
    calm, worse = Story(), Story()
    for story in (calm, worse):
        story.early(LEAF)
        story.command("resolve", {"alert": story.only().id})
    assert calm.hours({LEAF: "0", TOP: "0"}) == []
    assert calm.decide.open_alerts() == ()
    assert worse.hours({LEAF: "0", TOP: "2"}) == ["1 none->open raised!"]


def test_a_resolved_alert_of_closed_windows_is_not_shown_again_by_what_was_early_then() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    assert [t.reason for t in story.early(FIRE, "1")] == ["worse"]
    story.command("resolve", {"alert": story.only().id})
    assert story.early(FIRE, "2") == []
    story.window({})
    assert story.decide.open_alerts() == ()


def test_no_data_that_early_findings_ended_is_said_again_when_nothing_came_of_them() -> None:
    story = Story()
    story.hours({FIRE: "0x"})
    assert [t.reason for t in story.early(FIRE)] == ["data_returned"]
    assert story.only().state == "open"
    assert story.hours({FIRE: "x"}) == ["3 open->no_data no_data"]
    assert (story.only().state, story.only().seq) == ("no_data", 4)
    story.early(FIRE)
    assert story.hours({FIRE: "0"}) == []
    assert (story.only().state, story.only().seq) == ("open", 5)


def test_a_series_that_joined_early_leaves_again_when_its_window_does_not_raise() -> None:
    story = Story()
    story.hours({DISTRICT: "1"})
    assert [t.reason for t in story.early(LEAF)] == ["joined"]
    assert {m.area for m in story.only().members} == {"d1", "d1a"}
    assert story.hours({DISTRICT: "0"}) == []
    assert {m.area for m in story.only().members} == {"d1"}
    assert {m.area for m in story.alerts[story.only().id].members} == {"d1"}, "readers were told"
    story.early(LEAF)
    assert story.hours({DISTRICT: "0", LEAF: "0"}) == [], "joined has been said"
    assert {m.area for m in story.only().members} == {"d1", "d1a"}


def test_early_findings_count_for_no_budget_and_no_memory() -> None:
    story = Story()
    budget = msgspec.structs.replace(story.decide._memory.budget)
    story.early(FIRE, "9", band="red")
    story.window({})
    assert msgspec.structs.replace(story.decide._memory.budget, since_s=-1, day=-1) == budget
    assert story.decide._memory.past == {}


def test_early_findings_of_two_windows_are_shown_side_by_side_with_what_closes() -> None:
    # d1a  [early  )[early  )     d1 raises in the first, and has nothing to do with fire
    story = Story()
    story.early(FIRE)
    story.hour = 1
    story.early("d2a/fire")
    story.hour = 0
    assert story.hours({FIRE: "0", "d2a/fire": "."}) == ["1 provisional->open confirmed"]
    assert {a.area: a.state for a in story.decide.open_alerts()} == {"d1a": "open", "d2a": "provisional"}
    assert story.hours({FIRE: "0", "d2a/fire": "0"}) == ["2 provisional->open confirmed"]


def test_a_silenced_provisional_alert_tells_when_the_silence_ends() -> None:
    story = Story()
    story.command("silence", {"area": "d1", "until_s": START_S + 3 * HOUR_S}, id="s")
    (raised,) = story.early(FIRE)
    assert (raised.reason, raised.notify, raised.muted_by) == ("silenced", False, "silence:s")
    (told,) = story.command("unsilence", {"silence": "s"})
    assert (told.reason, told.notify, told.to_state) == ("silence_ended", True, "provisional")
    assert story.hours({FIRE: "0"}) == ["1 provisional->open confirmed"]


def test_early_findings_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "FINDINGS_MAX", 2)
    story = Story()
    for series in (FIRE, "d2a/flood", TOP):
        story.early(series)
    assert (len(story.decide.open_alerts()), story.decide.tally().unshown) == (2, 1)
    full = Story(city(open_alerts_max=1))
    full.early(FIRE)
    assert full.early("d2a/flood") == []
    assert (full.decide.tally().unshown, full.decide.dropped) == (1, 0)


# any story


def plain(seed: int, hours: int, *, people: bool) -> list[Record]:
    """A random journal without early findings; commands speak of alerts that are there."""
    if people:
        records = journal(seed, hours)
        return _heeded(_numbered([r for r in records if not (isinstance(r, Finding) and r.early)]))
    return _numbered([r for r in journal(seed, hours) if isinstance(r, Closed) or (isinstance(r, Finding) and not r.early)])


def _heeded(records: Sequence[Record]) -> list[Record]:
    """Without the commands that are refused: an early finding may bring the very alert that one of them speaks of before it is there."""
    decide = Decide(CITY, SHARDS)
    outcomes = [(record, decide.apply(record).outcomes) for record in records]
    return [record for record, said in outcomes if not any(outcome.refusal for outcome in said)]


def with_early(records: Sequence[Record], dice: random.Random) -> list[Record]:
    """Early findings put in anywhere: of windows that close as they say, that do not, of one or several windows ahead."""
    coming = [r for r in records if isinstance(r, Finding)]
    closed, out = dict.fromkeys(SHARDS, START_S), list[Record]()
    busy = dice.choice((0.02, 0.1, 0.4))
    for record in records:
        while dice.random() < busy:
            shard = dice.choice(SHARDS)
            end_s = closed[shard] + dice.randint(1, LOOK_AHEAD) * HOUR_S
            true = [f for f in coming if f.shard == shard and f.window_end_s == end_s]
            band, at_s = dice.choice(("blue", "yellow", "orange", "red")), end_s - dice.randrange(HOUR_S)
            if true and dice.random() < 0.7:
                found = dice.choice(true)
                level = "0" if found.recurrence_s >= 1e7 else "1"
                made: Any = finding(found.area, found.signal, level, end_s, early=True, band=found.band, at_s=at_s)
            else:
                place = dice.choice([place for place in PLACES if shard_of(place) == shard])
                made = finding(place, dice.choice(SIGNALS), dice.choice("0012"), end_s, early=True, band=band, at_s=at_s)
            out.append(made)
        if isinstance(record, Closed):
            closed[record.shard] = record.window_end_s
        out.append(record)
    return _numbered(out)


def _numbered(records: Sequence[Record]) -> list[Record]:
    numbers, out = dict.fromkeys(SHARDS, 0), list[Record]()
    for record in records:
        if isinstance(record, Finding):
            out.append(msgspec.structs.replace(record, number=numbers[record.shard]))
            numbers[record.shard] += 1
        elif isinstance(record, Closed):
            out.append(msgspec.structs.replace(record, findings_to=numbers[record.shard]))
        else:
            out.append(record)
    return out


def decided(decide: Decide) -> bytes:
    """All that closed windows, people and the clock have decided: everything but the overlay, and the numbers that it shares."""
    memory = msgspec.msgpack.decode(decide.snapshot(), type=Memory)
    memory.early, memory.next_number, memory.tally.unshown = Early(), {}, 0
    for waiting in memory.waiting.values():
        waiting.findings = [msgspec.structs.replace(f, number=0) for f in waiting.findings]
    return msgspec.msgpack.encode(memory)


def _is_early(record: Record) -> bool:
    return isinstance(record, Finding) and record.early


def play(records: Sequence[Record]) -> tuple[Decide, list[Decided], list[bytes]]:
    decide, said, states = Decide(CITY, SHARDS), [], []
    for record in records:
        said.append(decide.apply(record))
        decide.check()
        if not _is_early(record):
            states.append(decided(decide))
    return decide, said, states


stories = st.tuples(st.integers(0, 2**32), st.integers(1, 25), st.booleans(), st.integers(0, 2**32))


@given(stories)
@example((7, 120, True, 1))
@example((1272, 2, True, 328))
def test_what_closed_windows_decide_does_not_depend_on_early_findings(story: tuple[int, int, bool, int]) -> None:
    seed, hours, people, dice = story
    records = plain(seed, hours, people=people)
    decide, said, states = play(records)
    other, other_said, other_states = play(with_early(records, random.Random(dice)))
    assert other_states == states
    if not other._memory.early.active:
        assert [_unnumbered(a) for a in other.open_alerts()] == [_unnumbered(a) for a in decide.open_alerts()]
    lives, other_lives = _lives(said), _lives(other_said)
    assert lives.keys() <= other_lives.keys()
    for name, life in lives.items():
        _compare_lives(life, other_lives[name])
    for name in other_lives.keys() - lives.keys():
        assert {t.to_state for t in other_lives[name]} <= {"provisional", "withdrawn"}, "only provisional alerts come and go"


def _compare_lives(life: list[Transition], other: list[Transition]) -> None:
    """The same, but for steps that early findings said before, and what they said besides."""
    assert (life[-1].to_state in FINAL) == (other[-1].to_state in FINAL)
    if life[-1].to_state in FINAL:
        names = ("to_state", "reason", "at_s", "onset_s", "area", "signals", "band", "risk", "recurrence_s")
        assert [getattr(life[-1], n) for n in names] == [getattr(other[-1], n) for n in names]
    highest = max((t.band for t in life if t.notify), key=RANK.__getitem__, default="none")
    told = max((t.band for t in other if t.notify), key=RANK.__getitem__, default="none")
    others_may_have_told = any(t.from_state == "none" and not t.notify for t in other)
    assert others_may_have_told or RANK[told] >= RANK[highest], "what people would have been told, they were told"
    steps, left = [t for t in life if t.reason in {"calm", "resolved", "no_data", "flapping_held", "acknowledged", "labelled"}], list(other)
    for step in steps:
        while left and (left[0].reason, left[0].at_s, left[0].actor) != (step.reason, step.at_s, step.actor):
            left.pop(0)
        assert left, f"{step.reason} at {step.at_s} was not said"


def test_a_provisional_alert_is_put_elsewhere_while_what_had_raised_it_raises_again() -> None:
    # the hour after the open one speaks early of d1a, the city and d2a: one alert. The open one closes and raises d2a, which is another
    # alert now. What is left of the first raises again, by the same series in the same window: under the same id.
    #  0      1 h      2 h
    # [ d2a  )[ d1a c d2a )
    story = Story()
    story.hour += 1
    for series in ("d1a/fire", "c/fire", "d2a/fire"):
        story.early(series)
    (provisional,) = story.alerts
    story.hour -= 1
    assert story.hours({"d2a/fire": "0"}) == ["1 none->open raised"]
    assert story.alerts[provisional].state == "provisional"
    story.hours({"c/fire": "0"})
    ends = [t for t in story.transitions if t.alert_id == provisional and t.to_state in FINAL]
    assert [t.reason for t in ends] == ["part_of_other"]


@given(stories)
@example((2_854_091, 9, True, 116))  # two parts of a split had one memory of what was told
@example((7, 120, True, 1))
def test_laws_of_life_hold_with_early_findings_and_over_a_crash(story: tuple[int, int, bool, int]) -> None:
    seed, hours, people, dice = story
    records = with_early(plain(seed, hours, people=people), random.Random(dice))
    _, said, _ = play(records)
    resumed, again = Decide(CITY, SHARDS), []
    for at, record in enumerate(records):
        if at % 17 == dice % 17:  # [0, 1, ABORT, 2, ...]
            snapshot = resumed.snapshot()
            resumed = Decide(CITY, SHARDS)
            resumed.restore(snapshot)
            assert resumed.snapshot() == snapshot
        again.append(resumed.apply(record))
    assert again == said
    for life in _lives(said).values():
        _check_life(life)


@given(st.integers(0, 2**32), st.integers(1, 25), st.integers(0, 2**32))
def test_people_may_do_anything_to_what_is_provisional(seed: int, hours: int, other: int) -> None:
    dice, decide, said = random.Random(other), Decide(CITY, SHARDS), []
    for number, record in enumerate(with_early(plain(seed, hours, people=False), dice)):
        said.append(decide.apply(record))
        if dice.random() < 0.3:
            now_s = max(record.window_end_s, START_S) if isinstance(record, Finding | Closed) else START_S
            said.append(decide.apply(_done(dice, decide.open_alerts(), f"p{number}", now_s)))
        decide.check()
    lives = _lives(said)
    for life in lives.values():
        _check_life(life)
    assert {a.id: a.seq for a in decide.open_alerts()} == {
        name: life[-1].seq for name, life in lives.items() if life[-1].to_state not in FINAL
    }


def _done(dice: random.Random, alerts: Sequence[Alert], name: str, now_s: int) -> Command | Tick:
    target = dice.choice(alerts).id if alerts else "nobody"
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("resolve", {"alert": target}),
        ("resolve", {"alert": target}),
        ("acknowledge", {"alert": target}),
        ("label", {"alert": target, "label": "true"}),
        ("silence", {"area": dice.choice(PLACES), "until_s": now_s + dice.randint(1, 6) * HOUR_S}),
    ]
    kind, body = dice.choice(bodies)
    if dice.random() < 0.1:
        return configure_command(CITY, id=name, time_s=now_s, actor="ann")
    return Tick(now_s) if dice.random() < 0.2 else Command(name, now_s, "ann", kind, msgspec.json.encode(body).decode())


def _lives(said: Sequence[Decided]) -> dict[str, list[Transition]]:
    lives: dict[str, list[Transition]] = defaultdict(list)
    for one in said:
        for transition in one.transitions:
            lives[transition.alert_id].append(transition)
    return lives


def _unnumbered(alert: Alert) -> Alert:
    """Without what early findings leave on an alert: how often readers heard of it, with which word last, and when."""
    return msgspec.structs.replace(alert, seq=0, reason="", updated_s=0)
