"""Runs a copy of journals again: every finding and transition must come out as it was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from sinks.base import Batch
from streams.core.configure import city_of
from streams.core.damage import SnapshotRefused
from streams.core.decide import Decide
from streams.core.journal import CodecError, decode
from streams.core.pipeline import Scorer
from streams.core.shard import shards_of
from streams.model import Closed, Command, Counts, Finding, Tick, Transition
from streams.settings import City
from streams.shells.kafka.journal_copy import Beginning, JournalCopy
from streams.shells.kafka.layout import Layout, decode_layout
from streams.shells.kafka.snapshots import DECIDE
from streams.shells.outputs import RunWriter
from streams.shells.replay import ReplayError, words_of

LAYOUT = "layout"
Said = tuple[str, str, int]
"""What makes a record of score unique: its kind, its shard, its number or window."""
Step = tuple[str, int]
"""An alert's id and the sequence number of a transition."""


class Replayed(Struct, frozen=True):
    """What was replayed and found equal."""

    counts: int
    findings: int
    transitions: int
    partitions: int


def replay_copy(path: Path, out: Path) -> Replayed:
    """Replay a copy; writes both files of a run into ``out``.

    Raises:
        CopyError: ``path`` is no copy.
        ReplayError: damaged journals, or a difference.
    """
    copy = JournalCopy.open(path)
    try:
        return _replay(copy, out)
    except (CodecError, SnapshotRefused) as error:
        raise ReplayError(f"{path}: {error}") from None
    finally:
        copy.close()


def _replay(copy: JournalCopy, out: Path) -> Replayed:
    decide_from, *score_from = copy.beginnings()
    assert decide_from.partition == DECIDE
    layout = decode_layout(copy.noted(LAYOUT).encode())
    city = _city(decide_from)
    writer = RunWriter(out, city)
    try:
        recorded = _recorded_findings(copy)
        counts = findings = 0
        for beginning in score_from:
            took, equal = _score_again(copy, layout, beginning, recorded, writer)
            counts, findings = counts + took, findings + equal
        transitions = _decide_again(copy, decide_from, city, writer)
    finally:
        writer.close()
    return Replayed(counts, findings, transitions, len(score_from))


def _score_again(
    copy: JournalCopy, layout: Layout, beginning: Beginning, recorded: dict[Said, bytes], writer: RunWriter
) -> tuple[int, int]:
    """Score a partition's counts and hold what comes out against the findings journal; what it does not have yet is not counted."""
    hosted = [shard for shard, partition in layout.table.items() if partition == beginning.partition]
    scorer = Scorer(_city(beginning), hosted)
    if beginning.state is not None:
        scorer.restore(beginning.state)
    counts = equal = 0
    for position, data in copy.records("counts", beginning.partition, beginning.position):
        record = decode(data)
        if not isinstance(record, Counts):
            continue
        counts += 1
        scored = scorer.apply(record)
        writer.write(Batch(scores=scored.scores))
        made: list[Finding | Closed] = [*scored.findings, *scored.closed]
        for one in made:
            was = recorded.get(_said(one))
            if was is not None and decode(was) != one:
                where = f"counts partition {beginning.partition} at {position}"
                raise ReplayError(f"{where}: scored again it gives {words_of(one)}, which is not what the findings journal has")
            equal += was is not None
    return counts, equal


def _decide_again(copy: JournalCopy, beginning: Beginning, city: City, writer: RunWriter) -> int:
    decide = Decide(city, shards_of(city))
    if beginning.state is not None:
        decide.restore(beginning.state)
    recorded = dict(_recorded_steps(copy))
    told: dict[Step, Transition] = {}
    number = 0
    for position, data in copy.records("findings", 0, beginning.position):
        record = decode(data)
        assert isinstance(record, Finding | Closed | Command | Tick), "the findings journal holds nothing else"
        made = decide.apply(record).transitions
        for step in made:
            was = recorded.get((step.alert_id, step.seq))
            if was is not None and decode(was) != step:
                raise ReplayError(
                    f"findings at {position}: decided again, step {step.seq} of alert {step.alert_id} is not the one in the alerts journal"
                )
        writer.write(Batch(transitions=tuple(enumerate(made, number + 1))))
        told |= {(step.alert_id, step.seq): step for step in made}
        number += len(made)
    _refuse_missing(recorded, told)
    return number


def _refuse_missing(recorded: dict[Step, bytes], told: dict[Step, Transition]) -> None:
    """What live has said since the replay began must have been said by it, too: further steps of an alert that it knows, and new alerts."""
    if not told:
        return
    began_s = min(step.at_s for step in told.values())
    first: dict[str, int] = {}
    for alert_id, seq in told:
        first[alert_id] = min(seq, first.get(alert_id, seq))
    for (alert_id, seq), data in recorded.items():
        if (alert_id, seq) in told or seq < first.get(alert_id, seq + (seq > 1)):
            continue
        was = decode(data)
        assert isinstance(was, Transition), "recorded steps are transitions"
        if alert_id in first or was.at_s > began_s:
            raise ReplayError(f"step {seq} of alert {alert_id} stands in the alerts journal, and the replay does not come to it")


def _recorded_findings(copy: JournalCopy) -> dict[Said, bytes]:
    found: dict[Said, bytes] = {}
    for _, data in copy.records("findings", 0):
        record = decode(data)
        if isinstance(record, Finding | Closed):
            found.setdefault(_said(record), data)  # said again after a kill: the first one counts
    return found


def _recorded_steps(copy: JournalCopy) -> Iterator[tuple[Step, bytes]]:
    seen: set[Step] = set()
    for _, data in copy.records("alerts", 0):
        record = decode(data)
        if isinstance(record, Transition) and (record.alert_id, record.seq) not in seen:
            seen.add((record.alert_id, record.seq))
            yield (record.alert_id, record.seq), data


def _said(record: Finding | Closed) -> Said:
    if isinstance(record, Finding):
        return "finding", record.shard, record.number
    return "closed", record.shard, record.window_end_s


def _city(beginning: Beginning) -> City:
    command = decode(beginning.configure)
    assert isinstance(command, Command), "a copy begins with its configuration"
    return city_of(command)
