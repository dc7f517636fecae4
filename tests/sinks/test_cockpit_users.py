"""The users file: read strictly, without repeating what is secret, and looked at again while running."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sinks.checks import AREAS
from sinks.cockpit.users import Change, Directory, User, Users, UsersError, digest, read_users

CODES = {area.code for area in AREAS}
HASH = "$argon2id$v=19$m=8,t=1,p=1$bHBkZGRkZGQ$ntDEuPXbHdjKPNOCEZSIBw"
SECRET = "hunter2-hunter2"


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(UsersError) as caught:
        read_users(path, CODES)
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


def test_a_file_says_who_there_is(tmp_path: Path) -> None:
    token = digest("a token")
    text = f"""
sessions: {{idle: 30m, absolute: 8h, sessions_max: 50}}
users:
  anna:
    role: operator
    scope: [d1, d2]
    pseudonym: op-17
    password: {HASH}
  gateway:
    role: admin
    scope: "*"
    tokens:
      night: {{sha256: {token}, expires: "2027-01-31", speaks_for_others: true}}
"""
    found = read_users(write(tmp_path / "users.yaml", text), CODES)
    anna = found.users["anna"]
    assert (anna.actor, anna.role, anna.scope, anna.password) == ("op-17", "operator", ("d1", "d2"), HASH)
    assert found.users["gateway"].actor == "gateway"
    assert found.limits.idle_s == 1800
    assert found.keys[token].user.name == "gateway"
    assert found.keys[token].until_s == 1_801_440_000, "the end of the last day, UTC"


def test_without_a_scope_nothing_is_seen(tmp_path: Path) -> None:
    assert read_users(write(tmp_path / "u.yaml", "users: {bo: {role: viewer}}"), CODES).users["bo"].scope == ()


@pytest.mark.parametrize(
    "text, said",
    [
        ("users:\n  bo: {role: chief}\n", "2: users.bo.role: 'chief' is not one of viewer, operator"),
        ("users:\n  bo: {}\n", "2: users.bo.role: is missing"),
        ("users:\n  bo: {role: viewer, scopes: [d1]}\n", "2: users.bo.scopes: the key 'scopes' is not known here; did you mean 'scope'?"),
        ("users:\n  bo:\n    role: viewer\n    scope: [d7]\n", "4: users.bo.scope[0]: 'd7' is not an area; known are city, d1,"),
        ("users:\n  bo l: {role: viewer}\n", "2: users[\"bo l\"]: the name 'bo l' is not 1 to 64 letters"),
        ("users:\n  a: {role: viewer, pseudonym: x}\n  b: {role: viewer, pseudonym: x}\n", "3: users.b.pseudonym: 'x' is that of 'a' too"),
        ("user:\n  bo: {role: viewer}\n", "1: user: the key 'user' is not known here; did you mean 'users'?"),
        ("users: [bo]\n", "1: users: is not a mapping"),
        (f"users:\n  bo: {SECRET}\n", "2: users.bo: is not a mapping"),
        (f"users:\n  bo: {{role: viewer, tokens: [{SECRET}]}}\n", "2: users.bo.tokens: is not a mapping"),
        (f"users:\n  bo: {{role: viewer, tokens: {{night: {SECRET}}}}}\n", "2: users.bo.tokens.night: is not a mapping"),
        ("sessions: {idle: 5}\n", "1: sessions.idle: 5 is not a duration"),
        (f"users:\n  bo:\n    role: viewer\n    password: {SECRET}\n", "4: users.bo.password: is no argon2id hash"),
        ("users:\n  bo: {role: viewer, password: 4711}\n", "2: users.bo.password: is no argon2id hash"),
        (f"users:\n  bo: {{role: viewer, password: '{HASH.replace('2id', '2i')}'}}\n", "users.bo.password: is no argon2id hash"),
        (f"users:\n  bo: {{role: viewer, tokens: {{t: {{sha256: {SECRET}, expires: '2027-01-01'}}}}}}\n", "is no hash of 64 hex digits"),
        (
            f"users:\n  bo: {{role: viewer, tokens: {{t: {{sha256: {digest('t')}, expires: soon}}}}}}\n",
            "users.bo.tokens.t.expires: 'soon' is not a day; write YYYY-MM-DD",
        ),
        (
            f"users:\n  bo: {{role: admin, scope: [d1], tokens: {{t: {{sha256: {digest('t')}, expires: '2027-01-01', "
            "speaks_for_others: true}}}\n",
            'needs the scope ["*"]',
        ),
        (
            f"users:\n  a: &a {{role: viewer, tokens: {{t: {{sha256: {digest('t')}, expires: '2027-01-01'}}}}}}\n  b: *a\n",
            "is that of another token too",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_remedy_and_no_secret(tmp_path: Path, text: str, said: str) -> None:
    told = problems(write(tmp_path / "users.yaml", text))
    assert [line for line in told if said in line], told
    assert not [line for line in told if SECRET in line or "4711" in line or HASH in line]


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "users.yaml", "users: {}", 0o640)
    assert problems(path) == [f"1: mode 640 lets others read it; run chmod 600 {path}"]


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Watched:
    """A directory, its file and what it was heard to say."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.path, self.clock, self.heard = folder / "users.yaml", Clock(), list[Change]()
        if "first" not in options:
            self.write("users: {anna: {role: viewer}, bo: {role: viewer}}")
        self.directory = Directory(self.path, CODES, self.clock, **options)
        self.directory.heard = self.heard.append

    def write(self, text: str) -> None:
        new = self.path.with_name("new")
        write(new, text)
        new.replace(self.path)

    def names(self, after_s: float = 1.0) -> dict[str, str]:
        self.clock.now_s += after_s
        return {name: user.role for name, user in self.directory.current().users.items()}


def test_a_change_holds_within_a_second(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.write("users: {anna: {role: admin}, cy: {role: viewer, pseudonym: op-3}}")
    assert watched.names(0.5) == {"anna": "viewer", "bo": "viewer"}, "looked at once a second"
    assert watched.names(0.5) == {"anna": "admin", "cy": "viewer"}
    assert watched.heard == [Change((), ("op-3",), ("bo",), ("anna",))]


@pytest.mark.parametrize("text", ["users: {anna: {role: chief}}", "users: [", "", None])
def test_a_broken_file_leaves_what_was_and_is_told(tmp_path: Path, text: str | None) -> None:
    watched = Watched(tmp_path)
    if text is None:
        watched.path.unlink()
    else:
        watched.write(text)
    assert watched.names() == {"anna": "viewer", "bo": "viewer"}
    assert watched.directory.failures == 1
    assert len(watched.heard[0].problems) >= 1
    assert watched.names() == {"anna": "viewer", "bo": "viewer"}
    assert watched.directory.failures == 1, "told once, not each second"
    watched.write("users: {anna: {role: expert}}")
    assert watched.names() == {"anna": "expert"}


def test_the_first_user_is_gone_as_soon_as_there_is_a_file(tmp_path: Path) -> None:
    watched = Watched(tmp_path, first=Users({"first": User("first", "admin", ("*",))}))
    assert watched.names() == {"first": "admin"}
    watched.write("users: {anna: {role: admin}}")
    assert watched.names() == {"anna": "admin"}


def test_without_a_file_and_a_first_user_nothing_begins(tmp_path: Path) -> None:
    with pytest.raises(UsersError, match="cannot be read"):
        Directory(tmp_path / "users.yaml", CODES, Clock())
