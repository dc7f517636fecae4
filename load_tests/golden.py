"""The golden journal: a made-up town's journals and snapshots as this release writes them, for later releases to read.

    python -m load_tests.golden tests/golden 0.1.0

Two copies of journals in the form that ``tocsin replay`` takes, compressed: one from the head on, one from snapshots on. Their records are the
same each time. A file is never written again: when what is written changes, new ones are put beside it under another name.
"""

from __future__ import annotations

import lzma
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from load_tests.chaos_town import SOURCES, Item, make, write_town
from streams.core.configure import city_of, configure_command
from streams.core.decide import Decide
from streams.core.intake import Intake, Raw
from streams.core.journal import encode
from streams.core.partitions import Cut, merged, spread
from streams.core.pipeline import Scorer
from streams.core.shard import shards_of
from streams.loading import load
from streams.model import Alert, Closed, Command, Counts, Finding, Outcome, Transition
from streams.settings import City
from streams.shells.kafka.journal_copy import Beginning, JournalCopy
from streams.shells.kafka.layout import Layout, encode_layout
from streams.shells.kafka.replay import LAYOUT
from streams.shells.kafka.snapshots import DECIDE

RECORDS, SEED, PARTITIONS, FLUSHES = 2_500, 4, 2, 40
KEY = b"golden" * 6
APPENDED_S = 1_600_000_000
"""Long after all of it happened."""
SAVED_AT = 0.75
"""So much of the journals stands before the snapshots."""
CHANGES = (
    (
        "window: 1h, durations: [1h, 3h, 1d], history: 7d, finding_floor: 1d",
        "window: 12h, durations: [12h, 2d], history: 5d, finding_floor: 6d",
    ),
    ("hold: 3h", "hold: 1d"),
)
"""Longer windows, so that the file is small."""


def settings(folder: Path) -> Path:
    """The town's."""
    path = write_town(folder)
    text = path.read_text()
    for was, becomes in CHANGES:
        assert text.count(was) == 1, f"the town's settings say {was!r} no longer"
        text = text.replace(was, becomes)
    path.write_text(text)
    return path


def flushes(city: City) -> Iterator[Counts]:
    """What intake makes of the town's records, a few at a time."""
    intake, items = Intake(city, KEY), make(RECORDS, SEED)
    offsets = dict.fromkeys(SOURCES, 0)
    size = len(items) // FLUSHES
    for start in range(0, len(items), size):
        folded = [intake.apply(source, 0, _raws(items[start : start + size], source, offsets)) for source in SOURCES]
        counts = [record for each in folded for record in each.counts]
        for rollup in (False, True):
            yield merged([record for record in counts if record.rollup == rollup])


def _raws(items: Sequence[Item], source: str, offsets: dict[str, int]) -> list[Raw]:
    own = [item.payload for item in items if item.source == source]
    first, offsets[source] = offsets[source], offsets[source] + len(own)
    return [Raw(first + at, APPENDED_S, payload) for at, payload in enumerate(own)]


class Town:
    """Journals of one city in memory, and the machines over them."""

    def __init__(self, configure: Command) -> None:
        self._configure, city = configure, city_of(configure)
        self.table = spread(shards_of(city), PARTITIONS)
        self.scorers = [Scorer(city, [shard for shard, at in self.table.items() if at == partition]) for partition in range(PARTITIONS)]
        self.decide = Decide(city, shards_of(city))
        self.counts: list[list[bytes]] = [[encode(configure)] for _ in range(PARTITIONS)]
        self.findings: list[bytes] = []
        self.alerts: list[bytes] = []
        self._judge([configure])

    def take(self, partition: int, counts: Counts) -> None:
        """A record of the counts journal, and what follows from it."""
        self.counts[partition].append(encode(counts))
        scored = self.scorers[partition].apply(counts)
        self._judge([*scored.findings, *scored.closed])

    def _judge(self, said: Sequence[Command | Finding | Closed]) -> None:
        for record in said:
            self.findings.append(encode(record))
            decided = self.decide.apply(record)
            told: list[Alert | Transition | Outcome] = [*decided.alerts, *decided.transitions, *decided.outcomes]
            self.alerts += [encode(one) for one in told]

    def beginnings(self, *, saved: bool) -> list[Beginning]:
        """Where a replay begins: here, with snapshots, or at the head."""
        configure = encode(self._configure)
        ends = [(DECIDE, len(self.findings), self.decide.snapshot)]
        ends += [(at, len(self.counts[at]), scorer.snapshot) for at, scorer in enumerate(self.scorers)]
        return [Beginning(at, end if saved else 0, configure, snapshot() if saved else None) for at, end, snapshot in ends]


def write(path: Path, *, saved: bool) -> None:
    """One copy. ``saved``: it begins at the snapshots."""
    with TemporaryDirectory() as folder:
        city = load(settings(Path(folder)))
    town = Town(configure_command(city, id="configure-1", time_s=APPENDED_S, actor="tocsin"))
    cut, records = Cut(city, town.table), list(flushes(city))
    beginnings, told = town.beginnings(saved=False), 0
    for number, record in enumerate(records):
        if saved and number == int(len(records) * SAVED_AT):
            beginnings, told = town.beginnings(saved=True), len(town.alerts)
        for partition, part in cut.apart(record):
            town.take(partition, part)
    copy = JournalCopy.create(path)
    layout = Layout(city.name, city.config_version, city.intake_hash, "golden", town.table, {})
    copy.note(LAYOUT, encode_layout(layout).decode())
    for beginning in beginnings:
        copy.begin(beginning)
    decide, *scores = beginnings
    for beginning in scores:
        at, first = beginning.partition, beginning.position
        copy.add("counts", at, enumerate(town.counts[at][first:], first))
    copy.add("findings", 0, enumerate(town.findings[decide.position :], decide.position))
    copy.add("alerts", 0, enumerate(town.alerts[told:], told))
    copy.finish()
    copy.close()


def main(arguments: Sequence[str]) -> None:
    """Write both files of a release into a folder."""
    folder, release = Path(arguments[0]), arguments[1]
    for name, saved in ((f"journal-{release}", False), (f"snapshots-{release}", True)):
        with TemporaryDirectory() as scratch:
            write(Path(scratch) / name, saved=saved)
            data = (Path(scratch) / name).read_bytes()
        path = folder / f"{name}.tocsin.xz"
        if path.exists():
            sys.exit(f"{path}: it is there; a golden file is not written again")
        path.write_bytes(lzma.compress(data, preset=9))


if __name__ == "__main__":
    main(sys.argv[1:])
