"""A file of copied journals: made once, refused where it is none. That a refusal closes it, tests/conftest.py sees to."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from streams.shells.kafka.journal_copy import CopyError, JournalCopy


def test_what_was_finished_is_read_again(tmp_path: Path):
    made = JournalCopy.create(tmp_path / "copy")
    made.add("counts", 1, [(7, b"seven"), (5, b"five")])
    made.note("layout", "{}")
    made.finish()
    made.close()
    copy = JournalCopy.open(tmp_path / "copy")
    assert list(copy.records("counts", 1)) == [(5, b"five"), (7, b"seven")]
    assert list(copy.records("counts", 1, 6)) == [(7, b"seven")]
    assert (copy.noted("layout"), copy.noted("nothing")) == ("{}", "")
    copy.close()


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path):
    (tmp_path / "copy").write_text("mine")
    with pytest.raises(CopyError, match="there is something already"):
        JournalCopy.create(tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "mine"


def test_a_folder_that_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(CopyError, match="cannot be written"):
        JournalCopy.create(tmp_path / "nowhere" / "copy")


def test_what_is_no_copy_is_refused(tmp_path: Path):
    with pytest.raises(CopyError, match="not a copy of journals"):
        JournalCopy.open(tmp_path / "nothing")
    (tmp_path / "letter").write_bytes(b"something else" * 100)
    with pytest.raises(CopyError, match=r"not a copy of journals \(file is not a database\)"):
        JournalCopy.open(tmp_path / "letter")
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE records (position INTEGER)")
    other.close()
    with pytest.raises(CopyError, match="not a copy of journals of format 1"):
        JournalCopy.open(tmp_path / "other")
