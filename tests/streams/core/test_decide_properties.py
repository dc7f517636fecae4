"""Decide on random journals: crashes, orders, repeats; and the laws every alert's life obeys."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Sequence

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from streams.core.configure import configure_command
from streams.core.decide import Decide, Decided
from streams.core.lifecycle import FINAL, NEXT, TRANSITION_REASONS
from streams.model import BANDS, HOUR_S, Closed, Command, Finding, Tick, Transition
from streams.settings import Department, DutyRules, Playbook, PlaybookStep, Within
from tests.streams.core.story import SHARDS, START_S, city, finding, shard_of

Record = Finding | Closed | Command | Tick
PLACES = ("c", "d1", "d1a", "d1b", "d2", "d2a")
SIGNALS = ("fire", "flood", "noise", "rubbish")
DUTY = DutyRules(departments={"desk": Department("Desk")}, otherwise="desk", within=Within(600, 3 * HOUR_S, 6 * HOUR_S, 0))
BOOK = Playbook("book", "Book", steps=(PlaybookStep("look"),))
CITY = msgspec.structs.replace(city(hold_s=3 * HOUR_S, incident_span_s=8 * HOUR_S, open_alerts_max=4), duty=DUTY, playbooks=(BOOK,))
KINDS = (
    "acknowledge",
    "assign",
    "label",
    "resolve",
    "comment",
    "silence",
    "unsilence",
    "configure",
    "dance",
    "seen",
    "hand",
    "dissent",
    "step",
    "open",
    "merge",
    "split",
)


def journal(seed: int, hours: int) -> list[Record]:
    """A random, valid findings journal: quiet stretches and storms, early findings, darkness, people.

    Alert ids in commands are those the journal itself gives rise to, so decide runs along while it is written.
    """
    dice = random.Random(seed)
    numbers = dict.fromkeys(SHARDS, 0)
    decide, records = Decide(CITY, SHARDS), []

    def say(record: Record) -> None:
        records.append(record)
        decide.apply(record)

    def find(end_s: int, places: Sequence[str], chance: float, *, early: bool) -> None:
        for place, signal in itertools.product(places, SIGNALS):
            if dice.random() < chance:
                shard = shard_of(place)
                say(finding(place, signal, dice.choice("--~s00012"), end_s, numbers[shard], early=early, band=dice.choice(BANDS[1:])))
                numbers[shard] += 1

    for hour in range(1, hours + 1):
        end_s = START_S + hour * HOUR_S
        busy = dice.choice((0.0, 0.0, 0.1, 0.5))
        find(end_s, PLACES, busy / 4, early=True)
        for _ in range(dice.choice((0, 0, 1, 3))):
            say(_command(dice, decide, end_s, f"id-{dice.randrange(40)}"))
        for shard in dice.sample(SHARDS, len(SHARDS)):
            find(end_s, [place for place in PLACES if shard_of(place) == shard], busy, early=False)
            say(Closed(shard, end_s, numbers[shard], tuple(signal for signal in SIGNALS if dice.random() < 0.2)))
        if dice.random() < 0.3:
            say(Tick(end_s))
    return records


def _command(dice: random.Random, decide: Decide, now_s: int, name: str) -> Command:
    alerts = [alert.id for alert in decide.open_alerts()] or ["nobody"]
    kind = dice.choice(KINDS)
    bodies = {
        "assign": {"alert": dice.choice(alerts), "owner": "bob"},
        "label": {"alert": dice.choice(alerts), "label": "true"},
        "comment": {"alert": dice.choice(alerts), "text": "hm"},
        "hand": {"alert": dice.choice(alerts), "area": dice.choice(PLACES)},
        "dissent": {"alert": dice.choice(alerts), "label": "false"},
        "step": {"alert": dice.choice(alerts), "step": "look", "done": dice.random() < 0.7},
        "open": {"area": dice.choice(PLACES), "signal": dice.choice(SIGNALS)},
        "merge": {"alert": dice.choice(alerts), "into": dice.choice(alerts)},
        "split": {"alert": dice.choice(alerts), "area": dice.choice(PLACES)},
        "silence": {"area": dice.choice(PLACES), "until_s": now_s + dice.randrange(6) * HOUR_S, "from_s": dice.choice((0, now_s + HOUR_S))},
        "unsilence": {"silence": f"id-{dice.randrange(40)}"},
    }
    if kind == "configure":
        other = msgspec.structs.replace(CITY, lifecycle=msgspec.structs.replace(CITY.lifecycle, hold_s=dice.choice((2, 5)) * HOUR_S))
        return configure_command(other, id=name, time_s=now_s, actor="ann")
    body = bodies.get(kind, {"alert": dice.choice(alerts)})
    return Command(name, now_s, "ann", kind, msgspec.json.encode(body).decode())


def outputs(records: Sequence[Record]) -> list[Decided]:
    decide = Decide(CITY, SHARDS)
    return [decide.apply(record) for record in records]


journals = st.builds(journal, st.integers(0, 2**32), st.integers(1, 40))


@given(journals, st.floats(0, 1))
def test_a_crash_at_any_record_changes_nothing(records: list[Record], part: float) -> None:
    # [0, 1, 2, ABORT, 3, 4]
    cut = int(part * len(records))
    decide = Decide(CITY, SHARDS)
    before = [decide.apply(record) for record in records[:cut]]
    resumed = Decide(CITY, SHARDS)
    resumed.restore(decide.snapshot())
    assert resumed.snapshot() == decide.snapshot()
    assert before + [resumed.apply(record) for record in records[cut:]] == outputs(records)


@given(journals, st.randoms(use_true_random=False))
def test_the_order_in_which_shards_report_a_window_does_not_matter(records: list[Record], dice: random.Random) -> None:
    plain = [r for r in records if isinstance(r, Closed) or (isinstance(r, Finding) and not r.early)]
    plain = _renumbered(plain)
    said = outputs(plain)
    other = outputs(_reordered(plain, dice))
    assert [t for d in other for t in d.transitions] == [t for d in said for t in d.transitions]
    assert [a for d in other for a in d.alerts] == [a for d in said for a in d.alerts]


@given(journals, st.randoms(use_true_random=False))
def test_what_shards_and_people_say_again_does_not_matter(records: list[Record], dice: random.Random) -> None:
    # after a crash a shard goes back to some place and says everything from there again
    decide, said = Decide(CITY, SHARDS), []
    for at, record in enumerate(records):
        said.append(decide.apply(record))
        if dice.random() < 0.1:
            again = [r for r in records[max(0, at - dice.randrange(50)) : at + 1] if not isinstance(r, Tick)]
            assert [decide.apply(r) for r in again] == [Decided()] * len(again)
    assert said == outputs(records)


@given(journals)
@example(journal(7, 200))
def test_laws_of_an_alerts_life(records: list[Record]) -> None:
    decide = Decide(CITY, SHARDS)
    lives: dict[str, list[Transition]] = defaultdict(list)
    for record in records:
        decided = decide.apply(record)
        decide.check()
        changed = {alert.id: alert for alert in decided.alerts}
        assert len(changed) == len(decided.alerts)
        for transition in decided.transitions:
            lives[transition.alert_id].append(transition)
            assert transition.alert_id in changed
        for alert in decided.alerts:
            assert alert.duty is not None
            last = lives[alert.id][-1]
            assert (alert.state, alert.seq, alert.reason) == (last.to_state, last.seq, last.reason)
        waiting = sum(alert.state == "provisional" for alert in decide.open_alerts())
        assert waiting <= CITY.lifecycle.open_alerts_max
        assert len(decide.open_alerts()) - waiting <= CITY.lifecycle.open_alerts_max
    for life in lives.values():
        _check_life(life)
    alive = {alert.id for alert in decide.open_alerts()}
    assert alive == {name for name, life in lives.items() if life[-1].to_state not in FINAL}


def _check_life(life: list[Transition]) -> None:
    assert [t.seq for t in life] == list(range(1, len(life) + 1))
    state = "none"
    for transition in life:
        assert transition.from_state == state
        assert transition.to_state in NEXT[transition.from_state]
        assert transition.reason in TRANSITION_REASONS
        assert not (
            transition.notify and transition.reason in {"calm", "no_data", "not_confirmed", "part_of_other", "joined", "flapping_held"}
        )
        if transition.reason in {"silenced", "inhibited"}:
            assert transition.muted_by
        state = transition.to_state
    assert all(t.to_state not in FINAL for t in life[:-1]), "what has ended has ended"


def _renumbered(records: list[Record]) -> list[Record]:
    numbers, result = dict.fromkeys(SHARDS, 0), []
    for record in records:
        if isinstance(record, Finding):
            result.append(msgspec.structs.replace(record, number=numbers[record.shard]))
            numbers[record.shard] += 1
        elif isinstance(record, Closed):
            result.append(msgspec.structs.replace(record, findings_to=numbers[record.shard]))
    return result


def _reordered(records: list[Record], dice: random.Random) -> list[Record]:
    """Each shard's records in their order, the shards shuffled into each other in any way."""
    queues = {shard: [r for r in records if r.shard == shard] for shard in SHARDS}
    result = []
    while any(queues.values()):
        shard = dice.choice([shard for shard in SHARDS if queues[shard]])
        result.append(queues[shard].pop(0))
    return result
