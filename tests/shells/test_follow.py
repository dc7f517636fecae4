from __future__ import annotations

from pathlib import Path

import pytest

from streams.shells import follow
from streams.shells.engine import Engine
from streams.shells.follow import Follower
from streams.shells.store import Store
from tests.shells.small import START_S, payload, small_city

KEY = bytes(32)


class Town:
    """A file that somebody writes, and an engine that follows it and may be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "hotline.ndjson"
        self.number = 0
        self.open()

    def open(self) -> None:
        self.store = Store(self.folder / "state", identity={}, durability="off")
        self.engine = Engine(small_city(), self.store, KEY)
        self.engine.recover(START_S)
        self.follower = Follower(self.engine.desk, self.store, "hotline", self.path, KEY)

    def kill(self) -> None:
        self.store.close()
        self.open()

    def lines(self, n: int) -> bytes:
        made = b""
        for _ in range(n):
            self.number += 1
            made += payload(self.number, START_S) + b"\n"
        return made

    def write(self, data: bytes, mode: str = "ab") -> None:
        with self.path.open(mode) as file:
            file.write(data)

    def drain(self) -> int:
        while self.follower.poll(START_S):
            pass
        return self.taken

    @property
    def taken(self) -> int:
        return self.engine.desk._intake.position("hotline", 0)


@pytest.fixture
def town(tmp_path: Path):
    made = Town(tmp_path)
    yield made
    made.store.close()


def test_only_whole_lines_are_taken(town: Town):
    assert town.drain() == 0, "there is no file yet"
    line = town.lines(1)
    town.write(town.lines(2) + line[:10])
    assert town.drain() == 2
    assert town.drain() == 2
    town.write(line[10:])
    assert town.drain() == 3
    assert town.engine.meter.rejected() == {}


def test_after_a_kill_it_goes_on_at_the_committed_place(town: Town):
    town.write(town.lines(5))
    town.drain()
    town.write(town.lines(3))
    town.kill()
    assert town.drain() == 8
    assert town.engine.meter.duplicate.total() == 0


def test_a_renamed_file_is_read_to_its_end_before_the_new_one(town: Town):
    town.write(town.lines(2))
    town.drain()
    town.write(town.lines(2) + payload(900, START_S))  # its last line has no line feed, and nobody writes it any more
    town.path.rename(town.path.with_suffix(".ndjson.1"))
    town.write(town.lines(1))
    assert town.drain() == 6
    assert town.follower.lost_files == 0


def test_a_rotation_while_the_process_was_down(town: Town):
    town.write(town.lines(2))
    town.drain()
    town.write(town.lines(2))
    town.path.rename(town.path.with_suffix(".1"))
    town.write(town.lines(1))
    town.kill()
    assert town.drain() == 5
    assert town.engine.meter.duplicate.total() == 0


def test_a_file_that_went_away_unread_is_counted(town: Town):
    town.write(town.lines(2))
    town.drain()
    town.path.rename(town.folder.parent / "elsewhere")
    (town.folder.parent / "elsewhere").unlink()
    town.folder.joinpath("other").write_bytes(b"keeps the inode from being used again at once")
    town.write(town.lines(4))
    assert town.drain() == 6
    assert town.follower.lost_files == 1


def test_a_truncated_file_is_read_from_its_start(town: Town):
    town.write(town.lines(5))
    town.drain()
    town.write(town.lines(2), "wb")
    assert town.drain() == 7


def test_a_file_copied_away_and_grown_past_the_old_place_is_noticed(town: Town):
    town.write(town.lines(2))
    town.drain()
    town.write(town.lines(6), "wb")  # the same inode, longer than before: only its beginning tells
    assert town.drain() == 8


def test_a_chunk_is_bounded_and_a_longer_line_refused(town: Town, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(follow, "CHUNK_BYTES", 1000)
    town.write(town.lines(50))
    assert 0 < town.follower.poll(START_S) <= 1000
    assert town.drain() == 50
    town.write(b"x" * 5000 + b"\n" + town.lines(1))
    assert town.drain() == 52
    assert town.engine.meter.rejected() == {"not_json": 1}


def test_blank_lines_are_passed_over(town: Town):
    town.write(b"\n\n  \n" + town.lines(1) + b"\r\n")
    assert town.drain() == 1
    town.kill()
    assert town.drain() == 1


def test_neither_path_nor_content_is_kept(town: Town):
    town.write(b"A very private line\n" + town.lines(1))
    town.drain()
    town.store.close()
    kept = b"".join(path.read_bytes() for path in (town.folder / "state").iterdir())
    town.open()
    assert b"private" not in kept
    assert b"hotline.ndjson" not in kept


def test_one_file_followed_for_two_sources_is_read_whole_for_each(town: Town):
    town.write(town.lines(5))
    assert town.drain() == 5
    town.follower = Follower(town.engine.desk, town.store, "app", town.path, KEY)
    assert town.follower.poll(START_S) > 0
