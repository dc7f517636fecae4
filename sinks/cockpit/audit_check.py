"""Checks the audit's files against what was done to them: a line removed, changed or moved, a file removed, a tail cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from sinks.cockpit.audit import FILES_MAX, START, Entry, files_of, head_file, read_head, unsealed

PROBLEMS_MAX = 100


class Checked(NamedTuple):
    """What was found. ``head``: number and hash of the last line, to be noted elsewhere."""

    lines: int
    head: tuple[int, str]
    problems: tuple[str, ...]


class _Line(NamedTuple):
    place: str  # file:line
    entry: Entry | None
    number: int | None  # also of a line that was changed, where it can be read


def check(folder: Path, instance: str, noted: tuple[int, str] | None = None) -> Checked:
    """Go through the chain of one process. ``noted``: a head that somebody wrote down, which must be part of it."""
    head = read_head(head_file(folder, instance))  # first: meanwhile the chain may go on
    lines = [line for path in files_of(folder, instance).values() for line in _lines(path)]
    problems = [*_of_files(folder, instance), *_of_chain(lines)]
    known = {line.entry.n: line.entry.hash for line in lines if line.entry is not None}
    last = max(known, default=0)
    name = head_file(folder, instance).name
    if head is None and lines:
        problems.append(f"{name}: is missing or damaged, so a tail that was cut off could not be seen")
    elif head is not None and head[0] > last:
        problems.append(f"{name}: names entry {head[0]}, the last one is {last}: {head[0] - last} at the end are missing")
    elif head is not None and known.get(head[0], head[1]) != head[1]:
        problems.append(f"{name}: does not fit entry {head[0]}: the chain was written anew from there or before")
    if noted is not None and known.get(noted[0]) != noted[1]:
        problems.append(f"the noted head: entry {noted[0]} is not there with that hash")
    return Checked(len(lines), (last, known.get(last, START)), tuple(problems[:PROBLEMS_MAX]))


def instances(folder: Path) -> list[str]:
    """The processes that have written into a folder."""
    files = {path.name.rpartition("-")[0] for path in folder.glob("*-*.ndjson")}
    return sorted(files | {path.name.removesuffix(".head") for path in folder.glob("*.head")})


def _lines(path: Path) -> Iterator[_Line]:
    data = path.read_bytes()
    for number, line in enumerate(data.splitlines(), 1):
        entry = unsealed(line)
        yield _Line(f"{path.name}:{number}", entry, entry.n if entry else _number(line))


def _number(line: bytes) -> int | None:
    try:
        return msgspec.json.decode(line, type=Entry).n
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _of_files(folder: Path, instance: str) -> Iterator[str]:
    numbers = list(files_of(folder, instance))
    for number in range(min(numbers, default=1), max(numbers, default=0)):
        if number not in numbers:
            yield f"{instance}-{number:08d}.ndjson: is missing"
    if numbers and min(numbers) > max(1, max(numbers) - FILES_MAX + 1):
        yield f"{instance}-{min(numbers) - 1:08d}.ndjson: is missing, though there were not so many files that the oldest had to go"


def _of_chain(lines: list[_Line]) -> Iterator[str]:
    """Each line against the one before it."""
    everywhere = {line.number for line in lines}
    expected = lines[0].entry.n if lines and lines[0].entry and lines[0].place.rpartition(":")[0][-15:] != "00000001.ndjson" else 1
    before: str | None = START if expected == 1 else None  # what was before has left by rotation
    for line in lines:
        entry = line.entry
        if entry is None:
            which = "" if line.number is None else f" (entry {line.number})"
            yield f"{line.place}{which}: was changed: its hash does not fit"
            expected, before = (line.number or expected) + 1, None
            continue
        if entry.n > expected:
            gone = [n for n in range(expected, entry.n) if n not in everywhere][:3]
            if gone:
                yield f"{line.place}: entry {', '.join(map(str, gone))} before it was removed"
            else:
                yield f"{line.place}: entry {entry.n} stands too early: the order was changed"
        elif entry.n < expected:
            yield f"{line.place}: entry {entry.n} stands too late, or twice: the order was changed"
        elif before is not None and entry.before != before:
            yield f"{line.place}: entry {entry.n} does not follow from the one before it, which was changed together with its hash"
        expected, before = (entry.n + 1, entry.hash) if entry.n >= expected else (expected, None)
