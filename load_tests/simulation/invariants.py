"""What must hold of every seed, whatever has happened in it. Each check has a name, and a breach says it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from load_tests.outcomes import Step, settled
from load_tests.simulation.reference import raw_log, undisturbed
from load_tests.simulation.run import Done
from load_tests.simulation.tables import Row, Tables
from load_tests.simulation.town import WINDOW_S, count
from sinks.base import Batch
from streams.columns import unpack
from streams.core.configure import city_of
from streams.core.decide import Decide
from streams.core.journal import decode
from streams.core.lifecycle import FINAL, NEXT, TRANSITION_REASONS
from streams.core.shard import shards_of
from streams.model import Alert, Closed, Command, Counts, Finding, Outcome, Scores, Tick, Transition
from streams.shells.kafka.repeats import Repeats

EXAMPLES = 3


class Breach(Exception):
    """An invariant does not hold. ``name``: which."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name, self.detail = name, detail


def check(done: Done) -> dict[str, int]:
    """All of them; returns numbers of what was looked at.

    Raises:
        Breach: the first that does not hold.
    """
    spans(done)
    findings(done)
    events = said(done)
    lifecycle([record for _, record in events if isinstance(record, Transition)])
    same_journal_same_outputs(done, events)
    cockpits(done, events)
    reference = undisturbed(done.world.log, done.city)
    counted_once(done, reference)
    equal_rows(done, reference)
    tables_hold_the_topics(done, events)
    if not done.people:
        equal_alerts(done.tables, reference)
    return {
        "records": sum(map(len, raw_log(done.world.log, done.city).values())),
        "transitions": sum(isinstance(record, Transition) for _, record in events),
        "scores": len(done.tables.rows["scores"]),
        "late": sum(row[-1] for row in done.tables.named("quality", "reason", "n") if row[0] == "late"),
    }


def spans(done: Done) -> None:
    """In the counts journal each raw partition's spans follow on each other, and its time never goes back."""
    for partition in range(len(done.world.log.topics["counts"])):
        at: dict[tuple[bool, str], tuple[int, int, int]] = {}
        for entry in done.world.log.kept("counts", partition):
            record = decode(entry.value or b"")
            if not isinstance(record, Counts):
                continue
            for span in record.spans:
                to, watermark_s, newest_s = at.get((record.rollup, span.raw), (0, 0, 0))
                where = f"counts/{partition} at {entry.offset}, {span.raw}"
                if span.from_offset != to or span.to_offset < to:
                    raise Breach("spans_follow", f"{where}: from {span.from_offset} to {span.to_offset} after {to}")
                if span.watermark_s < watermark_s or span.newest_s < newest_s:
                    raise Breach("watermark_never_goes_back", f"{where}: {span.watermark_s} after {watermark_s}")
                at[record.rollup, span.raw] = span.to_offset, span.watermark_s, span.newest_s


def findings(done: Done) -> None:
    """Findings of a shard are numbered without a gap, windows close one after the other, and what is said again is the same."""
    numbers: dict[str, list[bytes]] = {}
    closings: dict[str, dict[int, bytes]] = {}
    for entry in done.world.log.kept("findings", 0):
        data = entry.value or b""
        record = decode(data)
        if isinstance(record, Finding):
            known = numbers.setdefault(record.shard, [])
            if record.number < len(known) and known[record.number] != data:
                raise Breach("said_again_the_same", f"shard {record.shard}, finding {record.number} at {entry.offset}")
            if record.number > len(known):
                raise Breach("numbers_without_gap", f"shard {record.shard} says {record.number} after {len(known) - 1} at {entry.offset}")
            known[record.number : record.number + 1] = [data]
        elif isinstance(record, Closed):
            windows = closings.setdefault(record.shard, {})
            if windows.setdefault(record.window_end_s, data) != data:
                raise Breach("said_again_the_same", f"shard {record.shard}, window {record.window_end_s} at {entry.offset}")
            if record.window_end_s > max(windows) or (
                len(windows) > 1 and record.window_end_s - WINDOW_S not in windows and record.window_end_s != min(windows)
            ):
                raise Breach("windows_without_gap", f"shard {record.shard} closes {record.window_end_s} at {entry.offset}")
            if record.findings_to > len(numbers.get(record.shard, [])):
                raise Breach("numbers_without_gap", f"shard {record.shard} closes {record.window_end_s} with findings that are not there")


Event = tuple[int, Transition | Outcome]


def said(done: Done) -> list[Event]:
    """The events of the alerts topic without what was said again, each with its offset."""
    repeats = Repeats()
    found: list[Event] = []
    for entry in done.world.log.kept("alerts", 0):
        record = decode(entry.value or b"")
        assert isinstance(record, Alert | Transition | Outcome), "nothing else stands there"
        if repeats.taken(entry.offset, record, entry.value or b"") and not isinstance(record, Alert):
            found.append((entry.offset, record))
    return found


def lifecycle(steps: Iterable[Transition]) -> None:
    """Every alert goes from state to state as it may, numbered from 1, each with a reason that is known."""
    at: dict[str, Transition] = {}
    for step in steps:
        last = at.get(step.alert_id)
        before, number = (last.to_state, last.seq) if last else ("none", 0)
        if step.seq != number + 1:
            raise Breach("legal_transitions", f"{step.alert_id}: step {step.seq} after {number}")
        if step.from_state != before or step.to_state not in NEXT[step.from_state] or step.reason not in TRANSITION_REASONS:
            raise Breach("legal_transitions", f"{step.alert_id}: {before} to {step.from_state}, {step.to_state} ({step.reason})")
        at[step.alert_id] = step


def same_journal_same_outputs(done: Done, events: list[Event]) -> None:
    """decide run again over its journal, once and in order, says what the alerts topic holds; and its state is sound."""
    decide: Decide | None = None
    expected: list[Transition | Outcome] = []
    states: dict[str, Alert] = {}
    for entry in done.world.log.kept("findings", 0):
        record = decode(entry.value or b"")
        assert isinstance(record, Finding | Closed | Command | Tick), "nothing else stands there"
        if decide is None:
            assert isinstance(record, Command), "a journal begins with its configuration"
            decide = Decide(city_of(record), shards_of(city_of(record)))
        decided = decide.apply(record)
        expected += [*decided.transitions, *decided.outcomes]
        states.update((alert.id, alert) for alert in decided.alerts)
    assert decide is not None, "a journal is not empty"
    decide.check()
    _equal("same_journal_same_outputs", dict(enumerate(expected)), dict(enumerate(record for _, record in events)))
    rows = Tables()
    rows.write(Batch(alerts=tuple(states.values())))
    _equal("newest_state_of_alerts", rows.rows["alerts"], done.tables.rows["alerts"])
    if decide.tally().gaps:
        raise Breach("numbers_without_gap", f"decide missed findings {decide.tally().gaps} times")
    opened = {alert.id: (alert.seq, alert.state) for alert in decide.open_alerts()}
    for cockpit in done.cockpits:
        if cockpit.alive and cockpit.feed is not None:
            _equal(
                "cockpit_shows_open_alerts",
                opened,
                {held.alert.id: (held.alert.seq, held.alert.state) for held in cockpit.feed.open_alerts()},
            )


def cockpits(done: Done, events: list[Event]) -> None:
    """Every cockpit tells the same events under the same ids: a live one all of them, one that has ended the first of them."""
    for cockpit in done.cockpits:
        told = [(each.offset, each.record) for each in cockpit.told]
        if told != events[: len(told)] or (cockpit.alive and len(told) != len(events)):
            raise Breach("cockpits_tell_the_same", f"{cockpit.name} told {len(told)} of {len(events)} events")


def counted_once(done: Done, reference: Tables) -> None:
    """Each accepted record is in the tables once, and each rejected one: against a count without any code under test."""
    raws = raw_log(done.world.log, done.city)
    counted = count((raw, [(r.offset, r.append_s, r.payload) for r in records]) for raw, records in raws.items())
    for name, tables in (("each_record_counted_once", done.tables), ("undisturbed_run_counts_each_record_once", reference)):
        cells: Counter[Row] = Counter()
        for area, signal, minute, n in tables.named("cells", "area", "signal", "minute", "n"):
            cells[area, signal, minute] += n
        _equal(name, dict(counted.cells), dict(cells))
        _equal(f"{name}_rejected", dict.fromkeys(counted.rejected), dict.fromkeys(tables.named("dead_letters", "raw", "raw_offset")))
    _rolled_up(done)


def _rolled_up(done: Done) -> None:
    """The city's own counts are the sums of its districts', in the journal."""
    sums: dict[bool, Counter[Row]] = {False: Counter(), True: Counter()}
    for _, entry in done.world.log.records("counts"):
        record = decode(entry.value or b"")
        if isinstance(record, Counts):
            cells = unpack(record)
            for signal, minute, n in zip(cells.signal.tolist(), cells.minute.tolist(), cells.n.tolist(), strict=True):
                sums[record.rollup][record.signals[signal], minute] += n
    _equal("roll_up_is_the_sum", dict(sums[False]), dict(sums[True]))


def equal_rows(done: Done, reference: Tables) -> None:
    """Scores, dead letters and what was not as usual: as in the undisturbed run, to the last bit."""
    for table in ("scores", "dead_letters"):
        _equal(f"{table}_equal", reference.rows[table], done.tables.rows[table])
    _equal("quality_equal", _quality(reference), _quality(done.tables))


def _quality(tables: Tables) -> dict[Row, int]:
    found: Counter[Row] = Counter()
    for raw, reason, n in tables.named("quality", "raw", "reason", "n"):
        found[raw, reason] += n
    return dict(found)


def tables_hold_the_topics(done: Done, events: list[Event]) -> None:
    """The tables hold what the topics say, each event at the place where it was said first."""
    wanted = Tables()
    steps = tuple((at, record) for at, record in events if isinstance(record, Transition))
    commands = tuple(record.command for _, record in events if isinstance(record, Outcome))
    wanted.write(Batch(transitions=steps, commands=commands))
    for table in ("transitions", "commands"):
        _equal(f"{table}_table", wanted.rows[table], done.tables.rows[table])
    scores = Tables()
    found = [decode(entry.value or b"") for _, entry in done.world.log.records("scores")]
    scores.write(Batch(scores=tuple(record for record in found if isinstance(record, Scores))))
    _equal("scores_table", scores.rows["scores"], done.tables.rows["scores"])


_STEP = ("alert_id", "seq", "at", "onset", "area", "signals", "from_state", "to_state", "reason", "band", "risk", "recurrence_s", "notify")
_ALERT = ("id", "onset", "area", "signals", "state", "band", "risk", "reason")


def equal_alerts(tables: Tables, reference: Tables) -> None:
    """What closed windows have made of alerts, as ``load_tests.outcomes.settled`` says; how early an open window fired may differ."""
    ours, theirs = (settled((Step(*row) for row in each.named("transitions", *_STEP)), WINDOW_S) for each in (tables, reference))
    _equal("transitions_equal", theirs, ours)
    _equal("alerts_equal", _alerts(reference, theirs), _alerts(tables, ours))


def _alerts(tables: Tables, steps: Iterable[Row]) -> dict[Row, Row]:
    confirmed = {alert_id for alert_id, _ in steps}
    rows = {row[:1]: row[1:] for row in tables.named("alerts", *_ALERT) if row[0] in confirmed}
    return {key: row if row[3] in FINAL else (row[0], row[3]) for key, row in rows.items()}


def _equal(name: str, wanted: dict[Any, Any], found: dict[Any, Any]) -> None:
    if wanted == found:
        return
    keys = [key for key in {**wanted, **found} if (key in wanted) != (key in found) or wanted.get(key) != found.get(key)]
    shown = "; ".join(f"{key}: wanted {wanted.get(key, 'nothing')}, found {found.get(key, 'nothing')}" for key in keys[:EXAMPLES])
    raise Breach(name, f"{len(keys)} of {len({**wanted, **found})} differ: {shown}"[:1500])
