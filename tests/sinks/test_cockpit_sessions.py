"""Sessions: bounded in number and time, kept over a restart, and nothing in their file opens a door."""

from __future__ import annotations

from pathlib import Path

import pytest

from sinks.cockpit.sessions import PER_USER_MAX, Sessions, csrf, expires_s
from sinks.cockpit.users import SessionLimits, User

LIMITS = SessionLimits(idle_s=100, absolute_s=250, sessions_max=20)
ANNA, BO = User("anna", "operator", ("d1",)), User("bo", "viewer")


def test_a_session_ends_when_it_is_not_used() -> None:
    sessions = Sessions(None)
    cookie = sessions.open(ANNA, LIMITS, 1000.0)
    assert sessions.find(cookie, LIMITS, 1099.0, touch=False) is not None
    assert sessions.find(cookie, LIMITS, 1100.0) is None


def test_a_session_that_is_used_ends_all_the_same() -> None:
    # made at 1000  [----90----90----60]  1250
    sessions = Sessions(None)
    cookie = sessions.open(ANNA, LIMITS, 1000.0)
    for at_s in (1090.0, 1180.0, 1249.0):
        session = sessions.find(cookie, LIMITS, at_s)
        assert session is not None
        assert expires_s(session, LIMITS) == min(at_s + 100, 1250)
    assert sessions.find(cookie, LIMITS, 1250.0) is None


def test_looking_without_using_does_not_lengthen_it() -> None:
    sessions = Sessions(None)
    cookie = sessions.open(ANNA, LIMITS, 1000.0)
    assert sessions.find(cookie, LIMITS, 1090.0, touch=False)
    assert sessions.find(cookie, LIMITS, 1150.0) is None


def test_a_restart_signs_nobody_out_and_the_file_opens_no_door(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    cookie = Sessions(path).open(ANNA, LIMITS, 1000.0)
    again = Sessions(path)
    found = again.find(cookie, LIMITS, 1050.0)
    assert found is not None
    assert found.user == "anna"
    text = path.read_text()
    assert cookie not in text
    assert csrf(cookie) not in text
    assert path.stat().st_mode & 0o777 == 0o600
    for key in text.replace('"', " ").split():
        assert again.find(key, LIMITS, 1050.0) is None, "what is in the file is no cookie"


def test_one_that_was_ended_stays_ended_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    sessions = Sessions(path)
    cookie = sessions.open(ANNA, LIMITS, 1000.0)
    sessions.end(cookie, 1001.0)
    assert sessions.find(cookie, LIMITS, 1001.0) is None
    assert Sessions(path).find(cookie, LIMITS, 1001.0) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', "\x00"])
def test_a_file_that_cannot_be_read_is_begun_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sessions.json"
    path.write_text(text)
    assert len(Sessions(path)) == 0


def test_they_are_bounded_for_one_and_for_all() -> None:
    sessions = Sessions(None)
    first = sessions.open(ANNA, LIMITS, 1000.0)
    for n in range(PER_USER_MAX):
        sessions.open(ANNA, LIMITS, 1001.0 + n)
    assert (len(sessions), sessions.left) == (PER_USER_MAX, 1)
    assert sessions.find(first, LIMITS, 1050.0) is None, "the one not used for longest"
    for n in range(30):
        sessions.open(User(f"u{n}", "viewer"), LIMITS, 1020.0 + n)
    assert len(sessions) == LIMITS.sessions_max


def test_a_full_disk_leaves_them_in_memory(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path / "no-such-folder" / "sessions.json")
    cookie = sessions.open(BO, LIMITS, 1000.0)
    assert sessions.find(cookie, LIMITS, 1001.0) is not None
    assert sessions.failures == 1


def test_whoever_has_all_the_sessions_there_may_be_can_sign_in_again() -> None:
    sessions, few = Sessions(None), SessionLimits(idle_s=100, absolute_s=250, sessions_max=PER_USER_MAX)
    cookies = [sessions.open(ANNA, few, 1000.0 + n) for n in range(PER_USER_MAX + 1)]
    assert (len(sessions), sessions.left) == (PER_USER_MAX, 1)
    assert [sessions.find(cookie, few, 1020.0) is None for cookie in cookies] == [True] + [False] * PER_USER_MAX
