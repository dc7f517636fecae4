"""What reads bytes, to be fuzzed: the journal's codec, snapshots, intake's state, settings; each with bytes to begin with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from load_tests.chaos_town import SOURCES, make, write_town
from streams.core.decide import Decide
from streams.core.intake import Intake, Raw
from streams.core.journal import decode, encode
from streams.core.pipeline import Scorer
from streams.loading import SettingsError, load
from streams.model import Closed, Finding
from streams.shells.engine import State

KEY = b"f" * 32
RECORDS, BATCH = 3_000, 100


class Target(NamedTuple):
    """``read`` takes any bytes; what comes out of it but an answer is a fault. ``seeds``: written ones."""

    read: Callable[[bytes], object]
    seeds: list[bytes]


def targets() -> dict[str, Target]:
    """By name."""
    with TemporaryDirectory() as folder:
        settings = write_town(Path(folder))
        text, areas, city = settings.read_bytes(), (settings.parent / "areas.csv").read_bytes(), load(settings)
    intake, scorer = Intake(city, KEY), Scorer(city)
    decide = Decide(city, scorer.shards)
    payloads = [item.payload for item in make(RECORDS, 1) if item.source == SOURCES[0]]
    journal, state = [], b""
    for at in range(0, len(payloads), BATCH):
        folded = intake.apply(SOURCES[0], 0, [Raw(at + n, 1_600_000_000, payload) for n, payload in enumerate(payloads[at : at + BATCH])])
        state = folded.state
        for counts in folded.counts:
            scored = scorer.apply(counts)
            said: list[Finding | Closed] = [*scored.findings, *scored.closed]
            journal += [encode(counts), *(encode(one) for one in said)]
            for one in said:
                decide.apply(one)
    snapshots = scorer.snapshot(), decide.snapshot()
    return {
        "journal": Target(_refusing(_again), journal[:40]),
        "score": Target(_refusing(lambda data: Scorer(city).restore(data)), [snapshots[0]]),
        "decide": Target(_refusing(lambda data: Decide(city, scorer.shards).restore(data)), [snapshots[1]]),
        "intake": Target(_refusing(lambda data: Intake(city, KEY).restore(data, ())), [state]),
        "kept": Target(_refusing(State.unpacked), [State(*snapshots).packed()]),
        "settings": Target(_refusing(lambda data: _loaded(data, areas)), [text]),
    }


def _refusing(read: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def refused(data: bytes) -> object:
        try:
            return read(data)
        except (ValueError, SettingsError):
            return None

    return refused


def _again(data: bytes) -> bytes:
    """What decodes is written and read as the same."""
    written = encode(decode(data))
    assert encode(decode(written)) == written, "read, written and read again it is another record"
    return written


def _loaded(data: bytes, areas: bytes) -> object:
    with TemporaryDirectory() as folder:
        (Path(folder) / "areas.csv").write_bytes(areas)
        path = Path(folder) / "tocsin.yaml"
        path.write_bytes(data)
        return load(path)
