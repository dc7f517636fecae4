"""Seeds by the thousand: each run and checked, each failure with the command that replays it, and how soon planted bugs are found."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from msgspec import Struct

from load_tests.simulation.invariants import Breach, check
from load_tests.simulation.planted import plant
from load_tests.simulation.run import Run, Unrest
from load_tests.simulation.seams import staged

PLANTED_SEEDS_MAX = 500
CHUNK = 20
FAILURES_SHOWN_MAX = 20


class Verdict(Struct, frozen=True):
    """What came of one seed. ``invariant``: the one that does not hold, or empty; ``trace``: a digest of all that happened."""

    seed: int
    invariant: str
    detail: str
    trace: str
    effects: int
    faults: dict[str, int]
    counted: dict[str, int]
    replay: str

    @property
    def ok(self) -> bool:
        """Whether all invariants hold."""
        return not self.invariant


class Found(Struct, frozen=True):
    """After how many seeds a planted bug was found, and by which invariant; 0 seeds: it was not."""

    seeds: int
    invariant: str


class Report(Struct, frozen=True):
    """What came of many seeds."""

    seeds: int
    failures: int
    planted_found: dict[str, Found]
    faults: dict[str, int]
    counted: dict[str, int]
    effects: int
    seeds_per_minute: int
    examples: list[Verdict]

    @property
    def ok(self) -> bool:
        """Whether every seed passed and every planted bug that was looked for was found."""
        return self.failures == 0 and all(found.seeds for found in self.planted_found.values())


def one(seed: int, planted: str = "") -> Verdict:
    """Run one seed and check it; with ``planted``, a bug of that name is in it."""
    with prepared(planted):
        return verdict(seed, planted)


def many(first: int, seeds: int, *, planted: Iterable[str] = (), jobs: int = 1, say: Callable[[str], None] = lambda _: None) -> Report:
    """Seeds from ``first`` on, then how soon each of the planted bugs is found."""
    began = time.monotonic()
    faults: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    effects = failures = done = 0
    examples: list[Verdict] = []
    for each in _verdicts(range(first, first + seeds), jobs):
        done, effects, failures = done + 1, effects + each.effects, failures + (not each.ok)
        faults.update(each.faults)
        counted.update(each.counted)
        if not each.ok and len(examples) < FAILURES_SHOWN_MAX:
            examples.append(each)
        if done % 100 == 0:
            say(f"{done} of {seeds} seeds, {failures} failures")
    seconds = time.monotonic() - began
    found = {}
    for name in planted:
        say(f"planted: {name}")
        found[name] = find(name, first)
    per_minute = round(60 * seeds / seconds) if seconds else 0
    return Report(seeds, failures, found, dict(sorted(faults.items())), dict(counted), effects, per_minute, examples)


def find(planted: str, first: int = 0) -> Found:
    """How many seeds it takes until a planted bug is seen."""
    with prepared(planted):
        for number in range(PLANTED_SEEDS_MAX):
            each = verdict(first + number, planted)
            if not each.ok:
                return Found(number + 1, each.invariant)
    return Found(0, "")


@contextmanager
def prepared(planted: str) -> Iterator[None]:
    """The model in place of what is outside; with ``planted``, a bug of that name."""
    with staged(), plant(planted):
        yield


def verdict(seed: int, planted: str) -> Verdict:
    """Run one seed and check it. Within ``prepared``."""
    run = Run(seed)
    invariant = detail = ""
    counted: dict[str, int] = {}
    try:
        counted = check(run.run())
    except Breach as breach:
        invariant, detail = breach.name, breach.detail
    except Unrest as unrest:
        invariant, detail = "comes_to_rest", str(unrest)
    except Exception as error:  # noqa: BLE001 - whatever a process falls over is a finding
        invariant, detail = f"no_{type(error).__name__}", str(error)
    world = run.world
    replay = f"tocsin bench simulate --seed {seed}{f' --plant {planted}' if planted else ''} --json"
    return Verdict(seed, invariant, detail, world.digest(), world.effects, dict(sorted(world.faults.items())), counted, replay)


def _chunk(seeds: range) -> list[Verdict]:
    with prepared(""):
        return [verdict(seed, "") for seed in seeds]


def _verdicts(seeds: range, jobs: int) -> Iterator[Verdict]:
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    if jobs == 1:
        for chunk in chunks:
            yield from _chunk(chunk)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for verdicts in pool.map(_chunk, chunks):
            yield from verdicts
