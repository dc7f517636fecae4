"""The audit: nothing leaves it unseen, nothing happens that could not be written down, and it goes on over files and restarts."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sinks.cockpit import audit as audit_module
from sinks.cockpit.access import NotAudited
from sinks.cockpit.audit import AuditError, AuditLog, Entry, files_of, head_file, seal
from sinks.cockpit.audit_check import check, instances


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        self.now_s += 0.01
        return self.now_s


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def log(folder: Path) -> Iterator[AuditLog]:
    made = AuditLog(folder, "1", Clock())
    yield made
    made.close()


def act(log: AuditLog, n: int, first: int = 1) -> None:
    for number in range(first, first + n):
        log.did(f"op-{number}", "operator", "command", f"resolve a{number}", "d1")


def found(folder: Path) -> list[str]:
    return list(check(folder, "1").problems)


def newest(log: AuditLog, before: int | None = None, limit: int = 100) -> list[int]:
    return [entry.n for entry in log.read(before, limit, lambda _: True)[0]]


def test_what_was_done_is_read_the_newest_first(log: AuditLog) -> None:
    act(log, 3)
    log.saw("op-9", "viewer", "alert", "a1", "d1")
    entries, more = log.read(None, 2, lambda _: True)
    assert [(entry.n, entry.actor, entry.action, entry.subject) for entry in entries] == [
        (4, "op-9", "alert", "a1"),
        (3, "op-3", "command", "resolve a3"),
    ]
    assert more == 3
    assert newest(log, before=3) == [2, 1]
    assert [entry.n for entry in log.read(None, 9, lambda entry: entry.actor == "op-1")[0]] == [1]


def test_a_line_holds_the_hash_of_the_one_before(log: AuditLog, folder: Path) -> None:
    act(log, 3)
    entries = list(reversed(log.read(None, 9, lambda _: True)[0]))
    assert entries[0].before == audit_module.START
    assert [entry.before for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]
    assert found(folder) == []
    assert check(folder, "1").head == (3, entries[-1].hash) == log.head()
    path = files_of(folder, "1")[1]
    assert path.stat().st_mode & 0o777 == 0o600


def lines_of(folder: Path, number: int = 1) -> tuple[Path, list[bytes]]:
    path = files_of(folder, "1")[number]
    return path, path.read_bytes().splitlines(keepends=True)


FAULTS: list[tuple[str, Any, str]] = [
    ("removed", lambda lines: lines[:4] + lines[5:], "1-00000001.ndjson:5: entry 5 before it was removed"),
    ("first removed", lambda lines: lines[1:], "1-00000001.ndjson:1: entry 1 before it was removed"),
    ("changed", lambda lines: [*lines[:4], lines[4].replace(b"op-5", b"op-6"), *lines[5:]], "5 (entry 5): was changed"),
    ("swapped", lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], "5: entry 6 stands too early: the order was changed"),
    ("doubled", lambda lines: [*lines[:5], lines[4], *lines[5:]], "6: entry 5 stands too late, or twice"),
    ("no entry", lambda lines: [*lines[:4], b"{}\n", *lines[5:]], "5: was changed"),
    ("added", lambda lines: [*lines[:4], b"\n", *lines[4:]], "5: was changed"),
    ("tail cut off", lambda lines: lines[:7], "1.head: names entry 10, the last one is 7: 3 at the end are missing"),
    ("half a line", lambda lines: [*lines[:9], lines[9][:50]], "was changed"),
]


@pytest.mark.parametrize("what, fault, said", FAULTS, ids=[fault[0] for fault in FAULTS])
def test_what_is_done_to_a_file_is_seen_and_the_line_named(log: AuditLog, folder: Path, what: str, fault: Any, said: str) -> None:
    act(log, 10)
    path, lines = lines_of(folder)
    assert found(folder) == []
    path.write_bytes(b"".join(fault(lines)))
    problems = found(folder)
    assert [problem for problem in problems if said in problem], problems
    assert len(problems) <= 3, problems


def test_a_line_that_was_changed_together_with_its_hash_is_seen_by_the_next(log: AuditLog, folder: Path) -> None:
    act(log, 10)
    path, lines = lines_of(folder)
    body = lines[4].rpartition(b',"hash":"')[0].replace(b"op-5", b"op-6") + b"}"
    lines[4] = seal(body)[0]
    path.write_bytes(b"".join(lines))
    assert found(folder) == [
        "1-00000001.ndjson:6: entry 6 does not follow from the one before it, which was changed together with its hash"
    ]


def test_a_chain_that_was_written_anew_is_seen_by_its_head(log: AuditLog, folder: Path) -> None:
    act(log, 3)
    noted = log.head()
    log.close()
    for path in folder.glob("*.ndjson"):
        path.unlink()
    head = head_file(folder, "1").read_text()
    head_file(folder, "1").unlink()
    again = AuditLog(folder, "1", Clock())
    act(again, 5, 2)
    assert found(folder) == [], "nothing in the folder can tell"
    assert check(folder, "1", noted).problems == ("the noted head: entry 3 is not there with that hash",)
    head_file(folder, "1").write_text(head)
    assert "does not fit entry 3" in found(folder)[0]
    again.close()


def test_without_a_head_it_is_said_what_cannot_be_seen(log: AuditLog, folder: Path) -> None:
    act(log, 3)
    head_file(folder, "1").unlink()
    assert found(folder) == ["1.head: is missing or damaged, so a tail that was cut off could not be seen"]


def test_the_chain_goes_on_over_files_and_the_oldest_leave(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "FILES_MAX", 3)
    monkeypatch.setattr("sinks.cockpit.audit_check.FILES_MAX", 3)
    log = AuditLog(folder, "1", Clock(), file_bytes_max=1000)
    act(log, 5)
    assert len(files_of(folder, "1")) == 2
    first = files_of(folder, "1")[2].read_bytes().splitlines()[0]
    assert lines_of(folder, 1)[1][-1].rpartition(b'"hash":"')[2][:64] in first, "the first line holds the last hash of the file before"
    act(log, 15, 6)
    assert len(files_of(folder, "1")) == 3
    assert found(folder) == []
    assert newest(log) == list(range(20, 20 - len(newest(log)), -1))
    assert log.read(None, 1, lambda _: False) == ([], None)
    numbers = list(files_of(folder, "1"))
    middle = files_of(folder, "1")[numbers[1]].read_bytes()
    files_of(folder, "1")[numbers[1]].unlink()
    assert f"1-{numbers[1]:08d}.ndjson: is missing" in found(folder)
    (folder / f"1-{numbers[1]:08d}.ndjson").write_bytes(middle)
    assert found(folder) == []
    files_of(folder, "1")[numbers[0]].unlink()
    assert "there were not so many files that the oldest had to go" in found(folder)[0]
    log.close()


def test_a_restart_goes_on_with_the_chain(folder: Path) -> None:
    for start in (1, 4, 7):
        log = AuditLog(folder, "1", Clock())
        act(log, 3, start)
        log.close()
        log.close()
    assert found(folder) == []
    assert check(folder, "1").lines == 9


def test_a_line_that_was_never_confirmed_is_cut_off_at_the_start(folder: Path) -> None:
    log = AuditLog(folder, "1", Clock())
    act(log, 3)
    log.close()
    with files_of(folder, "1")[1].open("ab") as file:
        file.write(b'{"n":4,"at_s":')
    assert "was changed" in found(folder)[0]
    log = AuditLog(folder, "1", Clock())
    act(log, 1, 4)
    log.close()
    assert found(folder) == []


def test_a_tail_that_was_cut_off_stays_to_be_seen_after_a_restart(folder: Path) -> None:
    log = AuditLog(folder, "1", Clock())
    act(log, 6)
    log.close()
    path, lines = lines_of(folder)
    path.write_bytes(b"".join(lines[:4]))
    log = AuditLog(folder, "1", Clock())
    act(log, 2)
    assert [entry.action for entry in log.read(None, 9, lambda _: True)[0]][2] == "audit_damaged"
    log.close()
    assert found(folder) == ["1-00000001.ndjson:5: entry 5, 6 before it was removed"]


def test_two_processes_do_not_write_one_chain(log: AuditLog, folder: Path) -> None:
    with pytest.raises(AuditError, match="another process writes the audit of '1'; give this one another --instance"):
        AuditLog(folder, "1", Clock())
    other = AuditLog(folder, "2", Clock())
    act(other, 2)
    act(log, 1)
    assert instances(folder) == ["1", "2"]
    assert [check(folder, name).lines for name in instances(folder)] == [1, 2]
    other.close()


class Disk:
    """``os.write`` and ``os.fsync`` of a disk that is full after so many bytes more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self.sync_fails = False
        self._write, self._fsync = os.write, os.fsync
        monkeypatch.setattr(audit_module.os, "write", self.write)
        monkeypatch.setattr(audit_module.os, "fsync", self.fsync)

    def write(self, descriptor: int, data: Any) -> int:
        if self.room is None:
            return self._write(descriptor, data)
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = self._write(descriptor, bytes(data)[: self.room])
        self.room -= done
        return done

    def fsync(self, descriptor: int) -> None:
        if self.sync_fails:
            raise OSError(errno.EIO, "Input/output error")
        self._fsync(descriptor)


@pytest.mark.parametrize("room", [0, 1, 100])
def test_on_a_full_disk_no_action_happens_and_no_half_line_stays(
    log: AuditLog, folder: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    act(log, 2)
    disk = Disk(monkeypatch)
    disk.room = room
    with pytest.raises(NotAudited):
        act(log, 1, 3)
    for _ in range(3):
        log.saw("op-1", "viewer", "alert", "a1")
    assert (log.refused, log.lost) == (1, 3)
    assert found(folder) == []
    disk.room = None
    log.saw("op-1", "viewer", "alert", "a2")
    act(log, 1, 4)
    assert found(folder) == []
    told = [(entry.action, entry.subject) for entry in reversed(log.read(None, 9, lambda _: True)[0])]
    assert told[2:] == [("audit_lost", "3 views"), ("alert", "a2"), ("command", "resolve a4")]


def test_half_a_line_that_could_not_be_cut_off_at_once_is_cut_off_before_the_next(
    log: AuditLog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(*_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    act(log, 2)
    disk = Disk(monkeypatch)
    disk.room = 100
    truncate = [os.ftruncate, stuck, stuck]  # before the line; after it failed; before the next one
    monkeypatch.setattr(audit_module.os, "ftruncate", lambda *given, real=os.ftruncate: (truncate.pop(0) if truncate else real)(*given))
    with pytest.raises(NotAudited):
        act(log, 1, 3)
    assert found(folder), "half a line stands there"
    disk.room = None
    with pytest.raises(NotAudited):
        act(log, 1, 4)
    act(log, 1, 5)
    assert found(folder) == []
    assert newest(log) == [3, 2, 1]


def test_a_disk_that_does_not_sync_lets_no_action_happen(log: AuditLog, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    disk.sync_fails = True
    with pytest.raises(NotAudited):
        act(log, 1)
    disk.sync_fails = False
    act(log, 1)
    assert newest(log) == [1]
    assert found(folder) == []


def test_what_people_write_makes_no_line_of_its_own(log: AuditLog, folder: Path) -> None:
    log.did("op-1", "operator", "command", 'x\n{"n":2}' + "y" * 1000)
    entry: Entry = log.read(None, 1, lambda _: True)[0][0]
    assert entry.subject.startswith('x\n{"n":2}')
    assert len(entry.subject) == audit_module.TEXT_CHARS_MAX
    assert check(folder, "1").lines == 1


def test_after_the_end_nothing_is_done(log: AuditLog) -> None:
    log.close()
    with pytest.raises(NotAudited):
        act(log, 1)


def test_an_end_before_the_first_line_of_a_new_file_is_no_damage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = AuditLog(folder, "1", lambda: 1000.0, file_bytes_max=300)
    full.did("op-1", "operator", "command", "resolve a0")
    monkeypatch.setattr(full, "_write", lambda _line: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(NotAudited):
        full.did("op-1", "operator", "command", "resolve a1")
    full.close()
    assert len(files_of(folder, "1")) == 2
    again = AuditLog(folder, "1", lambda: 1000.0, file_bytes_max=300)
    again.did("op-1", "operator", "command", "resolve a2")
    assert [entry.subject for entry in again.read(None, 10, lambda _: True)[0]] == ["resolve a2", "resolve a0"]
    again.close()
    assert check(folder, "1").problems == ()
