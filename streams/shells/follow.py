"""Follows a file of JSON lines that another program is writing: whole lines only, over rotation and truncation.

The position is committed in the same transaction as what the lines were folded into, so a line is counted once
whenever the process is killed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from streams.shells.desk import Desk
from streams.shells.store import FilePosition, Store

CHUNK_BYTES = 1 << 20
HEAD_BYTES = 1024
SIBLINGS_MAX = 1000


class Follower:
    """Reads one file. ``poll`` takes in at most one chunk and says how many bytes that were."""

    def __init__(self, desk: Desk, store: Store, source: str, path: Path, key: bytes) -> None:
        self.source = source
        self.path = path
        self.lost_files = 0  # rotated away before their end was read
        self.at_end = False  # nothing was left to read when it was looked at last
        self._desk = desk
        self._store = store
        self._key = key
        self._name = self._digest(f"{source}={path.resolve()}".encode()).hex()
        self._at = store.file_position(self._name)

    def poll(self, now_s: int) -> int:
        """Take in the next whole lines; 0 when there are none yet, or no file."""
        taken = self._poll(now_s)
        self.at_end = not taken
        return taken

    def _poll(self, now_s: int) -> int:
        try:
            inode = self.path.stat().st_ino
        except FileNotFoundError:
            return 0
        if self._at is None:
            self._at = FilePosition(self._name, inode, b"", 0)
        if inode != self._at.inode:
            rotated = self._sibling(self._at.inode)
            if rotated is not None:
                taken = self._take(rotated, now_s, to_the_end=True)
                if taken:
                    return taken
            elif self._at.position:
                self.lost_files += 1
            self._restart(inode)
        return self._take(self.path, now_s, to_the_end=False)

    def _take(self, path: Path, now_s: int, *, to_the_end: bool) -> int:
        assert self._at is not None
        try:
            with path.open("rb") as file:
                if self._rewritten(file):
                    self._restart(self._at.inode)
                file.seek(self._at.position)
                lines, length = _whole_lines(file, to_the_end=to_the_end)
                at = self._at._replace(position=self._at.position + length, head=self._head(file, self._at))
        except FileNotFoundError:
            return 0
        if length:
            if lines:
                self._desk.ingest(self.source, lines, now_s, position=at)
            else:
                self._store.put_file_position(at)
            self._at = at
        return length

    def _rewritten(self, file: BinaryIO) -> bool:
        """The file is shorter than what was read, or begins differently: it was truncated and written anew."""
        assert self._at is not None
        size = file.seek(0, 2)
        if size < self._at.position:
            return True
        if not self._at.head:
            return False
        file.seek(0)
        length = int.from_bytes(self._at.head[:2], "big")
        return self._digest(file.read(length)) != self._at.head[2:]

    def _head(self, file: BinaryIO, at: FilePosition) -> bytes:
        """Keyed digest of the first bytes, with their number in front; fixed once it covers ``HEAD_BYTES``."""
        length = min(at.position, HEAD_BYTES) or HEAD_BYTES
        file.seek(0)
        head = file.read(length)
        return len(head).to_bytes(2, "big") + self._digest(head)

    def _restart(self, inode: int) -> None:
        self._at = FilePosition(self._name, inode, b"", 0)
        self._store.put_file_position(self._at)

    def _sibling(self, inode: int) -> Path | None:
        """Where the file of this inode went: log rotation renames inside the folder. Another file may have been given its inode."""
        for count, path in enumerate(sorted(self.path.parent.iterdir())):
            if count >= SIBLINGS_MAX:
                return None
            try:
                if path.is_file() and path.stat().st_ino == inode:
                    with path.open("rb") as file:
                        return None if self._rewritten(file) else path
            except FileNotFoundError:
                continue
        return None

    def _digest(self, data: bytes) -> bytes:
        return hashlib.blake2b(data, key=self._key, digest_size=16).digest()


def _whole_lines(file: BinaryIO, *, to_the_end: bool) -> tuple[list[bytes], int]:
    """Whole lines from here and the bytes they take, at least one line and otherwise at most ``CHUNK_BYTES``.

    Of a line longer than that only the first ``CHUNK_BYTES`` are kept: intake refuses it as too large. ``to_the_end``:
    nobody writes this file any more, so a last line without a line feed is whole.
    """
    data = file.read(CHUNK_BYTES)
    end = data.rfind(b"\n") + 1
    if end:
        return [line for line in data[:end].split(b"\n")[:-1] if line.strip()], end
    length = len(data)
    while more := file.read(CHUNK_BYTES):
        found = more.find(b"\n") + 1
        length += found or len(more)
        if found:
            return [data], length
    if to_the_end and length:
        return [data] if data.strip() else [], length
    return [], 0
