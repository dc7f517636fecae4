"""The raw records of an end-to-end run: made by a seed, each put into the partition its key says, and kept in a file as the topics will hold them."""

from __future__ import annotations

import re
import shutil
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import orjson

from load_tests.generator import START, records
from load_tests.habits import Scale
from streams.loading import find_city, load
from streams.model import DAY_S
from streams.settings import City

PARTITIONS = {"hotline": 3, "complaint": 2, "camera": 4}
"""Raw topics of unequal width, so that nothing can rest on equal ones."""
RAW, TOWN = "raw.ndjson", "city"
CALLS_PER_DAY = 3_830
"""Records of the hotline and the complaint system in an ordinary day of the generator, repeats and corrections included."""
DEVICES = 32
CAMERA_SHARE = 0.4
SPARE = 1.04
LONG_FROM = 200_000
_EVERY_S = (75, 90, 100, 150, 180, 225, 300, 450, 900)  # divide a window
_KEY = re.compile(rb'"(?:order_no|service_request_id|VideoSource)":"([^"]+)"')
_TALKATIVE = (
    ("finding_floor: 10d", "finding_floor: 1d"),
    ("false_alerts_per_day: 2 ", "false_alerts_per_day: 1000 "),
)
"""A city that says much, so that there is much to compare."""
_LONG = (
    ("history: 14d", "history: 7d"),
    ("    counts: #", "    counts:\n      blocks_min: 7\n      #"),
)
_SHORT = (
    ("durations: [15m, 1h, 6h, 1d, 7d]", "durations: [15m, 1h, 6h]"),
    ("history: 14d", "history: 1d"),
    ("    counts: #", "    levels: {blocks_min: 1}\n    silence: {blocks_min: 1}\n    counts:\n      blocks_min: 1\n      #"),
)
"""Of a run that is over after a few simulated days."""


class Record(NamedTuple):
    """One raw record where it will stand. ``source``: its topic is ``raw.<source>``."""

    source: str
    partition: int
    offset: int
    payload: bytes


class Plan(NamedTuple):
    """How many days of the simulation give so many records."""

    days: int
    scale: Scale
    short: bool


def planned(number: int, days: int = 0) -> Plan:
    """Three weeks for a large run; four days, or as many as are given, and settings that say something by then, for a small one."""
    short = days > 0 or number < LONG_FROM
    days = days or (4 if short else 21)
    per_day = number * SPARE / days
    every_s = min(_EVERY_S, key=lambda each: abs(DEVICES * DAY_S / each - CAMERA_SHARE * per_day))
    calls = max(0.05, (per_day - DEVICES * DAY_S / every_s) / CALLS_PER_DAY)
    flood, silence = (2, 3) if short else (16, 18)
    return Plan(days, Scale(calls, every_s, flood, silence), short)


def write_settings(folder: Path, *, short: bool = False) -> Path:
    """A copy of Hangzhou's settings with several partitions a source; returns the path of the YAML file."""
    town = folder / TOWN
    home = find_city("hangzhou").parent
    shutil.copytree(home, town)
    shutil.copytree(home.parent / "playbooks", town.parent / "playbooks", dirs_exist_ok=True)
    path = town / "tocsin.yaml"
    text = path.read_text()
    changes = [(f"    stream: {name}\n", f"    stream: {name}\n    partitions: {number}\n") for name, number in PARTITIONS.items()]
    for was, becomes in (*changes, *_TALKATIVE, *(_SHORT if short else _LONG)):
        assert text.count(was) == 1, f"Hangzhou's settings say {was!r} no longer"
        text = text.replace(was, becomes)
    path.write_text(text)
    return path


def write_records(folder: Path, number: int, seed: int, city: City, days: int = 0) -> Counter[str]:
    """Make the first ``number`` records of the simulation into ``raw.ndjson``, in the order they are produced in; how many by source."""
    plan = planned(number, days)
    start_s = int(datetime.fromisoformat(START).replace(tzinfo=ZoneInfo(city.timezone)).timestamp())
    made = records(seed=seed, days=plan.days, start_s=start_s, city=city, scale=plan.scale)
    ends: Counter[tuple[str, int]] = Counter()
    sources: Counter[str] = Counter()
    with (folder / RAW).open("wb") as file:
        for source, _, payload in islice(made, number):
            partition = partition_of(source, payload)
            line = {"topic": f"raw.{source}", "partition": partition, "offset": ends[source, partition], "payload": payload.decode()}
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            ends[source, partition] += 1
            sources[source] += 1
    assert sources.total() == number, f"the simulation gives {sources.total()} records, {number} were asked for"
    return sources


def read_records(folder: Path) -> Iterator[Record]:
    """They, in the same order."""
    with (folder / RAW).open("rb") as file:
        for line in file:
            row = orjson.loads(line)
            yield Record(row["topic"].removeprefix("raw."), row["partition"], row["offset"], row["payload"].encode())


def partition_of(source: str, payload: bytes) -> int:
    """By a call's number or a camera's token: duplicates, corrections and counts of one device meet in one partition."""
    found = _KEY.search(payload)
    return zlib.crc32(found[1] if found else payload) % PARTITIONS[source]


def prepare(folder: Path, number: int, seed: int, days: int = 0) -> tuple[Path, Counter[str]]:
    """Settings and records in ``folder``: the settings' path, and how many records of each source."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = write_settings(folder, short=planned(number, days).short)
    return settings, write_records(folder, number, seed, load(settings), days)
