"""Records bent out of shape, through intake: nothing stops it, and each is accounted for as counted, duplicate or rejected.

The account is kept twice. Intake says of each record what it thinks of it; what it counted is added up from its cells, in which every
source here beats once a record. A record that is in neither, or in both, is unaccounted for. And each batch goes through
intake a second time, in columns: what comes of it must be the same.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from load_tests.generator import START, records
from streams.columns import unpack
from streams.core.bulk.intake import Block, BulkIntake
from streams.core.intake import Folded, Intake, Raw
from streams.loading import find_city, load
from streams.model import DAY_S
from streams.settings import City, derived

BATCH = 500
EXAMPLES = 3
KEY = b"f" * 32
_NUMBER = re.compile(rb"-?\d+(\.\d+)?")
_VALUE = re.compile(rb'(?<=:)\s*("[^"]*"|-?[\d.]+|true|false|null)')
_ODD_NUMBERS = (b"-1", b"0", b"1e999", b"-1e999", b"99999999999999999999", b"9223372036854775808", b"0.1e-400", b"NaN", b"1" * 400)
_ODD_VALUES = (
    b"null",
    b"[]",
    b"{}",
    b"true",
    b'""',
    b'"\\ud800"',
    b'"\\u0000"',
    b"[" * 600 + b"]" * 600,
    b'"' + b"x" * 70_000 + b'"',
    b"1.5",
)
_ODD_BYTES = (b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\", b'"', b"{", b"}", b"\xe2\x80\xae", b"\r\n")

Bend = Callable[[random.Random, bytes], bytes]


class Fuzzed(Struct, frozen=True):
    """What became of the records."""

    records: int
    crashes: int
    unaccounted: int
    different: int  # batches of which intake in columns makes something else
    counted: int
    duplicate: int
    rejected: dict[str, int]  # by reason
    examples: list[str]  # of what crashed it

    @property
    def ok(self) -> bool:
        """Nothing crashed, nothing was lost from view, nothing depends on how it is read."""
        return not self.crashes and not self.unaccounted and not self.different


def run(number: int, seed: int) -> Fuzzed:
    """``number`` records of the simulated Hangzhou, most of them bent, through one intake."""
    city = beating(load(find_city("hangzhou")))
    machine, rng = Intake(city, KEY), random.Random(seed)
    offsets = dict.fromkeys(city.sources, 0)
    waiting: dict[str, list[Raw]] = {source: [] for source in city.sources}
    account = Account(BulkIntake(city, KEY))
    for source, append_s, payload in bent(number, city, rng):
        waiting[source].append(Raw(offsets[source], append_s, payload))
        offsets[source] += 1
        if len(waiting[source]) == BATCH:
            account.take(machine, source, waiting[source])
            waiting[source] = []
    for source, raws in waiting.items():
        account.take(machine, source, raws)
    return account.report(number)


def beating(city: City) -> City:
    """The city, all of whose sources count each record once in a signal of their own."""
    sources = {name: structs.replace(source, heartbeat=True) for name, source in city.sources.items()}
    return derived(structs.replace(city, sources=sources))


class Account:
    """What intake says of records, and what is in its cells."""

    def __init__(self, bulk: BulkIntake) -> None:
        self._bulk, self.different = bulk, 0
        self.verdicts: Counter[str] = Counter()
        self.counted = 0
        self.crashes = 0
        self.examples: list[str] = []

    def take(self, machine: Intake, source: str, raws: list[Raw]) -> None:
        """Records of one source. Where one crashes intake, what its batch did is not known, and the rest of it is unaccounted for."""
        try:
            folded = machine.apply(source, 0, raws)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            self._crashed(machine, source, raws, error)
            return
        self._again(source, raws, folded)
        for counts in folded.counts:
            if not counts.rollup:
                cells = unpack(counts)
                beats = [signal.startswith("feed.") for signal in counts.signals]
                self.counted += int(sum(n for n, signal in zip(cells.n.tolist(), cells.signal.tolist(), strict=True) if beats[signal]))
                self.verdicts["duplicate"] += sum(note.n for note in counts.quality if note.reason == "duplicate")
        self.verdicts.update(rejected.reason for rejected in folded.rejected)

    def report(self, number: int) -> Fuzzed:
        """At the end."""
        duplicate = self.verdicts.pop("duplicate", 0)
        rejected = dict(sorted(self.verdicts.items()))
        unaccounted = abs(number - self.crashes - self.counted - duplicate - sum(rejected.values()))
        return Fuzzed(number, self.crashes, unaccounted, self.different, self.counted, duplicate, rejected, self.examples)

    def _again(self, source: str, raws: list[Raw], folded: Folded) -> None:
        other = self._bulk.apply_block(source, 0, Block.of(raws))
        if other != folded:
            self.different += 1
            if len(self.examples) < EXAMPLES:
                fields = [name for name in Folded.__struct_fields__ if getattr(other, name) != getattr(folded, name)]
                self.examples.append(f"{source} from {raws[0].offset} to {raws[-1].offset}: in columns, {', '.join(fields)} differ")

    def _crashed(self, machine: Intake, source: str, raws: list[Raw], error: Exception) -> None:
        """What a batch did before it crashed is lost with it; only that it crashed, and on what, is kept."""
        at = machine.position(source, 0)
        self.crashes += 1
        if len(self.examples) < EXAMPLES:
            guilty = next((raw.payload for raw in raws if raw.offset >= at), b"")
            self.examples.append(f"{source} {type(error).__name__}: {error} {guilty[:200]!r}")


def bent(number: int, city: City, rng: random.Random) -> Iterator[tuple[str, int, bytes]]:
    """(source, append time, payload): some as they were, some said again, the others bent once or twice."""
    start_s = int(datetime.fromisoformat(START).replace(tzinfo=ZoneInfo(city.timezone)).timestamp())
    made = 0
    for day in range(10_000):
        before: list[tuple[str, int, bytes]] = []
        for source, append_s, payload in records(seed=rng.randrange(1 << 30), days=1.0, start_s=start_s + day * DAY_S, city=city):
            if made == number:
                return
            made += 1
            if before and rng.random() < 0.05:
                yield before[rng.randrange(len(before))]
                continue
            odd = payload
            for _ in range(rng.choice((0, 1, 1, 1, 2))):
                odd = rng.choice(BENDS)(rng, odd)
            shift_s = 0 if rng.random() < 0.9 else rng.choice((-3600, 3600, -90 * DAY_S, 400 * DAY_S, -append_s))
            before.append((source, max(0, append_s + shift_s), odd))
            if len(before) > BATCH:
                before.pop(0)
            yield before[-1]


def _flipped(rng: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if out:
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def _cut(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] if rng.random() < 0.5 else data[:at] + data[at + rng.randint(1, 20) :]


def _filled(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + (rng.choice(_ODD_BYTES) if rng.random() < 0.7 else rng.randbytes(rng.randint(1, 30))) + data[at:]


def _doubled(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[: at + rng.randint(1, 60)] + data[at:]


def _renumbered(rng: random.Random, data: bytes) -> bytes:
    found = list(_NUMBER.finditer(data))
    return _put(data, rng.choice(found), rng.choice(_ODD_NUMBERS)) if found else data


def _revalued(rng: random.Random, data: bytes) -> bytes:
    found = list(_VALUE.finditer(data))
    return _put(data, rng.choice(found), rng.choice(_ODD_VALUES)) if found else data


def _noise(rng: random.Random, data: bytes) -> bytes:
    return rng.randbytes(rng.choice((0, 1, len(data))))


def _recoded(rng: random.Random, data: bytes) -> bytes:
    return data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "gb18030", "utf-32-be")))


def _put(data: bytes, match: re.Match[bytes], value: bytes) -> bytes:
    return data[: match.start()] + value + data[match.end() :]


BENDS: tuple[Bend, ...] = (_flipped, _cut, _filled, _doubled, _renumbered, _revalued, _revalued, _noise, _recoded)
