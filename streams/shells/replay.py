"""Runs the journals of a state folder again: the findings must come out as recorded, and so must everything after them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from sinks.base import Batch
from streams.core.configure import city_of
from streams.core.damage import SnapshotRefused
from streams.core.decide import Decide
from streams.core.journal import CodecError, decode, encode
from streams.core.pipeline import Scorer
from streams.model import Closed, Command, Counts, Finding, Tick, Transition
from streams.settings import City
from streams.shells.engine import State
from streams.shells.errors import ShellError
from streams.shells.outputs import RunWriter
from streams.shells.store import Snapshot, Store

CHUNK = 1_000


class ReplayError(ShellError):
    """The journals cannot be replayed, or came out differently; the message names the first difference."""

    status = 1


class Replayed(Struct, frozen=True):
    """What was replayed and found equal."""

    counts: int
    findings: int
    transitions: int
    from_the_beginning: bool


class _Start(NamedTuple):
    counts_seq: int
    findings_seq: int
    state: State | None


def replay(folder: Path, out: Path) -> Replayed:
    """Replay from the beginning, or from the oldest snapshot when the journals have been pruned; writes both files into ``out``.

    Raises:
        StoreError: no state folder, or one in use.
        ReplayError: damaged journals, or a difference.
    """
    store = Store(folder, identity={}, must_exist=True)
    try:
        city = _city(store)
        writer = RunWriter(out, city)
        try:
            return _replay(store, city, writer)
        except (CodecError, SnapshotRefused) as error:
            raise ReplayError(f"{folder}: {error}") from None
        finally:
            writer.close()
    finally:
        store.close()


def _replay(store: Store, city: City, writer: RunWriter) -> Replayed:
    start = _start(store)
    scorer = Scorer(city)
    decide = Decide(city, scorer.shards)
    if start.state is not None:
        scorer.restore(start.state.scorer)
        decide.restore(start.state.decide)
    counts, findings = _score_again(store, scorer, start, writer)
    transitions = _decide_again(store, decide, start, writer)
    return Replayed(counts, findings, transitions, start.state is None)


def _score_again(store: Store, scorer: Scorer, start: _Start, writer: RunWriter) -> tuple[int, int]:
    """Score the counts journal and hold what comes out against the findings journal; what was never scored is only counted."""
    recorded = _findings(store, start.findings_seq)
    counts = findings = 0
    scored_all = True
    for seq, data in _chunks(store.counts_after, start.counts_seq):
        record = decode(data)
        if not isinstance(record, Counts):
            continue
        counts += 1
        scored = scorer.apply(record)
        records: list[Finding | Closed] = [*scored.findings, *scored.closed]
        for made in records:
            was = next(recorded, None) if scored_all else None
            if was is None:
                scored_all = False
                continue
            findings += 1
            if encode(made) != was[1]:
                raise ReplayError(
                    f"counts {seq}: scored again it gives {words_of(made)}, the findings journal has at {was[0]} {words_of(decode(was[1]))}"
                )
        if scored_all:
            writer.write(Batch(scores=scored.scores))
    left = next(recorded, None)
    if left is not None:
        raise ReplayError(f"the findings journal has at {left[0]} {words_of(decode(left[1]))}, which no record of the counts journal gives")
    return counts, findings


def _decide_again(store: Store, decide: Decide, start: _Start, writer: RunWriter) -> int:
    """Decide over the findings journal as recorded and hold the transitions against the alerts journal, as far as it is kept."""
    number = 0
    kept: dict[tuple[str, int], bytes] = {}
    for _, data in _chunks(store.transitions_after, 0):
        step = _transition(data)
        kept[step.alert_id, step.seq] = data
    for seq, data in _chunks(store.findings_after, start.findings_seq):
        record = decode(data)
        assert isinstance(record, Finding | Closed | Command | Tick), "the findings journal holds nothing else"
        made = decide.apply(record).transitions
        for step in made:
            was = kept.get((step.alert_id, step.seq))
            if was is not None and decode(was) != step:
                raise ReplayError(
                    f"findings {seq}: decided again, step {step.seq} of alert {step.alert_id} is not the one in the alerts journal"
                )
        writer.write(Batch(transitions=tuple(enumerate(made, number + 1))))
        number += len(made)
    return number


def _city(store: Store) -> City:
    first = store.counts_after(0, 1)
    command = decode(first[0][1]) if first else None
    if not isinstance(command, Command):
        raise ReplayError(f"{store.folder}: the counts journal does not begin with its configuration; nothing was ever taken in here")
    return city_of(command)


def _start(store: Store) -> _Start:
    if store.reaches("counts", 0) and store.reaches("findings", 0):
        return _Start(0, 0, None)
    snapshot: Snapshot | None = store.oldest_snapshot()
    if snapshot is None:
        raise ReplayError(f"{store.folder}: the journals were cut and no snapshot is left to begin from")
    return _Start(snapshot.counts_seq, snapshot.findings_seq, State.unpacked(snapshot.record))


def _findings(store: Store, seq: int) -> Iterator[tuple[int, bytes]]:
    """What the shards wrote into the findings journal, in order; commands and ticks came from elsewhere."""
    for at, data in _chunks(store.findings_after, seq):
        if isinstance(decode(data), Finding | Closed):
            yield at, data


def _chunks(read: Callable[[int, int], list[tuple[int, bytes]]], seq: int) -> Iterator[tuple[int, bytes]]:
    while rows := read(seq, CHUNK):
        yield from rows
        seq = rows[-1][0]


def _transition(data: bytes) -> Transition:
    step = decode(data)
    assert isinstance(step, Transition), "the alerts journal holds nothing else"
    return step


def words_of(record: object) -> str:
    """A journal record in words, for messages."""
    match record:
        case Finding():
            return f"finding {record.number} of shard {record.shard} ({record.area}, {record.signal}, window ending {record.window_end_s})"
        case Closed():
            return f"the end of window {record.window_end_s} of shard {record.shard}"
        case _:
            return type(record).__name__.lower()
