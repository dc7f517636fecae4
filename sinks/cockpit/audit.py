"""Who looked and who acted: JSON lines in files of the state folder, chained by hashes, and only ever added to.

Each line ends with the SHA-256 of itself, which holds that of the line before. The hash has no key: who can write the files could
read a key beside them, so a key would protect nothing, and without one an auditor checks a copy with no secret at hand. Against
somebody who writes the whole chain anew helps what was noted elsewhere: ``tocsin audit verify`` tells the head, and takes one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import orjson
from msgspec import Struct

from sinks.cockpit.access import NotAudited

FILE_BYTES_MAX = 4 << 20
FILES_MAX = 128
FILES_A_READ = 4
TEXT_CHARS_MAX = 256
SYNC_S = 1.0
START = "0" * 64
"""What the first line of all has as the hash of the one before it."""
_HASH = b',"hash":"'


class Entry(Struct, frozen=True):
    """One line. ``area``: where what it is about lies, as far as it lies anywhere."""

    n: int
    at_s: int
    actor: str
    role: str
    action: str
    subject: str
    area: str
    before: str
    hash: str


class AuditError(Exception):
    """The audit cannot be kept in its folder; the message says why and what to do."""


def seal(body: bytes) -> tuple[bytes, str]:
    """A line from its JSON object without a hash, and the hash."""
    digest = hashlib.sha256(body).hexdigest()
    return body[:-1] + _HASH + digest.encode() + b'"}\n', digest


def unsealed(line: bytes) -> Entry | None:
    """The entry of a line without its newline; None when it is none, or its hash does not fit."""
    body, found, _ = line.rpartition(_HASH)
    try:
        entry = msgspec.json.decode(line, type=Entry)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return entry if found and hashlib.sha256(body + b"}").hexdigest() == entry.hash else None


def files_of(folder: Path, instance: str) -> dict[int, Path]:
    """The files of one process by their numbers, the oldest first."""
    found = {}
    for path in folder.glob(f"{instance}-*.ndjson"):
        if match := re.fullmatch(rf"{re.escape(instance)}-([0-9]{{8}})\.ndjson", path.name):
            found[int(match[1])] = path
    return dict(sorted(found.items()))


def head_file(folder: Path, instance: str) -> Path:
    """Where the number and the hash of the last line stand that is known to be on disk: a tail that is cut off is missed by it."""
    return folder / f"{instance}.head"


def read_head(path: Path) -> tuple[int, str] | None:
    """The head; None: there is no file, or it is damaged."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if match := re.fullmatch(r"([0-9]{20}) ([0-9a-f]{64})\n", path.read_text()):
            return int(match[1]), match[2]
    return None


class AuditLog:
    """The chain of one process; another process of the same name is kept out. Every method may be called from any thread."""

    def __init__(self, folder: Path, instance: str, now_s: Callable[[], float], *, file_bytes_max: int = FILE_BYTES_MAX) -> None:
        """Take up where the files end.

        Raises:
            AuditError: another process writes it, or the folder cannot be used.
        """
        self.folder, self.instance = folder, instance
        self.lost = 0  # views that could not be written down
        self.refused = 0  # actions that did not happen since they could not be written down
        self._now_s, self._file_bytes_max = now_s, file_bytes_max
        self._mutex = threading.Lock()
        self._untold = 0  # of ``lost``, those that the chain does not say yet
        self._synced_s = 0.0
        self._file = self._head = -1
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(folder / f"{instance}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._take_up()
        except BlockingIOError:
            os.close(self._lock)
            raise AuditError(f"{folder}: another process writes the audit of {instance!r}; give this one another --instance") from None
        except OSError as error:
            raise AuditError(f"{folder}: the audit cannot be kept there ({error.strerror}); make room, or mend its permissions") from None

    def did(self, actor: str, role: str, action: str, subject: str = "", area: str = "") -> None:
        """An action, on disk when this returns.

        Raises:
            NotAudited: it is not.
        """
        with self._mutex:
            try:
                self._tell_lost()
                self._append(actor, role, action, subject, area, sync=True)
            except OSError:
                self.refused += 1
                raise NotAudited from None

    def saw(self, actor: str, role: str, action: str, subject: str = "", area: str = "") -> None:
        """A view. Handed to the system at once, on disk within a second or with the next action."""
        with self._mutex:
            try:
                self._tell_lost()
                self._append(actor, role, action, subject, area, sync=self._now_s() - self._synced_s >= SYNC_S)
            except OSError:
                self.lost += 1
                self._untold += 1

    def head(self) -> tuple[int, str]:
        """Number and hash of the newest line."""
        with self._mutex:
            return self._n, self._before

    def close(self) -> None:
        """What was written is on disk afterwards; closing twice is harmless."""
        with self._mutex:
            if self._file >= 0:
                with contextlib.suppress(OSError):
                    self._sync()
                for descriptor in (self._file, self._head, self._lock):
                    os.close(descriptor)
                self._file = self._head = -1

    def read(self, before: int | None, limit: int, shown: Callable[[Entry], bool]) -> tuple[list[Entry], int | None]:
        """The newest entries below number ``before`` that are ``shown``; where to go on, None: there are no more."""
        found: list[Entry] = []
        looked = 0
        for _, path in sorted(files_of(self.folder, self.instance).items(), reverse=True):
            if before is not None and _first_number(path) >= before:
                continue
            looked += 1
            for entry in reversed(list(_entries(path))):
                if (before is None or entry.n < before) and shown(entry):
                    if len(found) == limit:
                        return found, found[-1].n
                    found.append(entry)
            if looked == FILES_A_READ:
                return found, _first_number(path)
        return found, None

    # below, the caller holds the lock

    def _take_up(self) -> None:
        self._n, self._before = 0, START
        files = files_of(self.folder, self.instance)
        self._number = max(files, default=1)
        path = files.get(self._number) or self.folder / f"{self.instance}-{self._number:08d}.ndjson"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        head_path = head_file(self.folder, self.instance)
        head, had_head = read_head(head_path), head_path.exists()
        self._head = os.open(head_path, os.O_RDWR | os.O_CREAT, 0o600)
        data = path.read_bytes()
        self._size = data.rfind(b"\n") + 1  # what follows was never confirmed: the process ended while it was written
        os.ftruncate(self._file, self._size)
        lines = data[: self._size].splitlines()
        if not lines and (full := files.get(self._number - 1)) is not None:  # the process ended before the first line of a new file
            lines = full.read_bytes().splitlines()
        for line in reversed(lines):
            if (entry := unsealed(line)) is not None:
                self._n, self._before = entry.n, entry.hash
                break
        if head is not None and head[0] > self._n:
            found, (self._n, self._before) = self._n, head  # the gap stays to be seen
            self._append("", "", "audit_damaged", f"the head says {head[0]}, the last line is {found}", "", sync=True)
        elif head is None and (had_head or self._n):
            self._append("", "", "audit_damaged", "there was no head that could be read", "", sync=True)

    def _tell_lost(self) -> None:
        if self._untold:
            untold = self._untold
            self._append("", "", "audit_lost", f"{untold} views", "", sync=False)
            self._untold -= untold

    def _append(self, actor: str, role: str, action: str, subject: str, area: str, *, sync: bool) -> None:
        if self._file < 0:
            raise OSError("closed")
        entry = {"n": self._n + 1, "at_s": int(self._now_s()), "actor": actor, "role": role, "action": action}
        entry |= {"subject": subject[:TEXT_CHARS_MAX], "area": area[:TEXT_CHARS_MAX], "before": self._before}
        line, digest = seal(orjson.dumps(entry))
        os.ftruncate(self._file, self._size)  # of a line that failed, nothing stays
        if self._size and self._size + len(line) > self._file_bytes_max:
            self._rotate()
        try:
            self._write(line)
            if sync:
                os.fsync(self._file)
        except OSError:
            with contextlib.suppress(OSError):  # else before the next line
                os.ftruncate(self._file, self._size)
            raise
        self._size += len(line)
        self._n, self._before = self._n + 1, digest
        if sync:
            self._say_head()

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._file, rest) :]

    def _rotate(self) -> None:
        path = self.folder / f"{self.instance}-{self._number + 1:08d}.ndjson"
        self._sync()
        new = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.close(self._file)
        self._file, self._size, self._number = new, 0, self._number + 1
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        for number, old in files_of(self.folder, self.instance).items():
            if number <= self._number - FILES_MAX:
                old.unlink()

    def _sync(self) -> None:
        os.fsync(self._file)
        self._say_head()

    def _say_head(self) -> None:
        self._synced_s = self._now_s()
        if self._n:
            with contextlib.suppress(OSError):  # one that is behind does no harm
                os.pwrite(self._head, f"{self._n:020d} {self._before}\n".encode(), 0)


def _entries(path: Path) -> Iterator[Entry]:
    with contextlib.suppress(OSError):  # removed meanwhile: the oldest one
        for line in path.read_bytes().splitlines():
            with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
                yield msgspec.json.decode(line, type=Entry)


def _first_number(path: Path) -> int:
    with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError), path.open("rb") as file:
        return msgspec.json.decode(file.readline(), type=Entry).n
    return 0
