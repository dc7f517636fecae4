"""Opening a cockpit's doors: with users, without any yet, in a demo; and the commands that write users and check the audit."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.exceptions import HTTPException

from load_tests.chaos_town import write_town
from sinks.checks import AREAS
from sinks.cockpit.audit_check import check
from sinks.cockpit.users import read_users
from sinks.metrics import Metrics
from streams.shells.access import Access, AccessError, demo_access, open_access, users_file
from streams.shells.cli import main
from streams.shells.doors import Doors
from streams.shells.meter import Meter

PASSWORD = "correct horse battery"


@contextmanager
def opened(folder: Path, doors: Doors = Doors(), **options: Any) -> Iterator[Access]:  # noqa: B008 - immutable
    access = open_access(folder, AREAS, doors, **options)
    try:
        yield access
    finally:
        access.close()


@pytest.fixture
def tocsin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[Any, str, str]]:
    """Runs a command in this process; ``typed`` comes from a pipe."""

    def run(*arguments: str, typed: str = "") -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["tocsin", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    return run


def add(tocsin: Any, state: Path, name: str, *more: str, typed: str = PASSWORD + "\n") -> tuple[Any, str, str]:
    return tocsin("users", "add", name, "--state", str(state), *more, typed=typed)


def test_a_user_who_was_added_signs_in(tocsin: Any, tmp_path: Path) -> None:
    status, out, _ = add(tocsin, tmp_path, "anna", "--role", "operator", "--scope", "d1", "--pseudonym", "op-1")
    assert (status, out) == (0, f"{tmp_path}/users.yaml: added anna\n")
    assert users_file(tmp_path).stat().st_mode & 0o777 == 0o600
    with opened(tmp_path) as access:
        signed = access.keeper.sign_in("anna", PASSWORD, "192.0.2.1")
        assert (signed.caller.actor, signed.caller.role, signed.caller.scope) == ("op-1", "operator", ("d1",))
        assert access.link == ""


def test_what_is_not_given_stays_as_it_was(tocsin: Any, tmp_path: Path) -> None:
    add(tocsin, tmp_path, "anna", "--role", "operator", "--scope", "d1")
    path = users_file(tmp_path)
    path.write_text(path.read_text().replace("  anna:", "  # on the night shift\n  anna:"))
    before = read_users(path).users["anna"]
    status, out, _ = add(tocsin, tmp_path, "anna", "--scope", "d2", typed="")
    assert (status, out) == (0, f"{path}: changed anna\n")
    after = read_users(path).users["anna"]
    assert (after.role, after.scope, after.password) == ("operator", ("d2",), before.password)
    assert "# on the night shift" in path.read_text()


@pytest.mark.parametrize(
    "more, typed, said",
    [
        ((), "short\n", "the password has 5 characters; at least 12, such as four words"),
        (("--role", "chief"), PASSWORD, "users.bo.role: 'chief' is not one of viewer, operator"),
        (("--pseudonym", "o p"), PASSWORD, "the pseudonym 'o p' is not 1 to 64 letters"),
        (("--scope", "A9", "--city", "boston"), PASSWORD, "'A9' is not an area"),
    ],
)
def test_what_could_not_be_used_is_not_written(tocsin: Any, tmp_path: Path, more: tuple[str, ...], typed: str, said: str) -> None:
    add(tocsin, tmp_path, "anna")
    before = users_file(tmp_path).read_bytes()
    status, _, err = add(tocsin, tmp_path, "bo", *more, typed=typed)
    assert status == 2
    assert said in err
    assert PASSWORD not in err
    assert users_file(tmp_path).read_bytes() == before


def test_users_are_listed_without_hashes_and_removed(tocsin: Any, tmp_path: Path) -> None:
    add(tocsin, tmp_path, "anna", "--scope", "*")
    tocsin("users", "token", "anna", "--state", str(tmp_path), "--label", "night", "--days", "3")
    _, out, _ = tocsin("users", "list", "--state", str(tmp_path))
    assert re.fullmatch(r"anna  anna  viewer  \*; token night until \d{4}-\d\d-\d\d\n", out)
    _, out, _ = tocsin("users", "list", "--state", str(tmp_path), "--json")
    assert (json.loads(out)[0]["name"], json.loads(out)[0]["password"]) == ("anna", True)
    assert "argon2" not in out
    assert tocsin("users", "remove", "anna", "--state", str(tmp_path))[0] == 0
    status, _, err = tocsin("users", "remove", "anna", "--state", str(tmp_path))
    assert (status, "there is no user 'anna'" in err) == (2, True)


def test_a_token_is_printed_once_and_only_its_hash_is_kept(tocsin: Any, tmp_path: Path) -> None:
    add(tocsin, tmp_path, "gateway", "--role", "operator", "--scope", "*", "--no-password", typed="")
    status, out, _ = tocsin("users", "token", "gateway", "--state", str(tmp_path), "--speaks-for-others")
    token = out.strip()
    assert status == 0
    assert token not in users_file(tmp_path).read_text()
    with opened(tmp_path) as access:
        who = access.keeper.enter("POST", {"authorization": f"Bearer {token}"})
        assert (who.actor, who.speaks_for_others) == ("gateway", True)
        assert tocsin("users", "token", "gateway", "--state", str(tmp_path), "--remove")[0] == 0
        access.keeper._directory._looked_s -= 1  # type: ignore[union-attr]
        with pytest.raises(HTTPException):
            access.keeper.enter("GET", {"authorization": f"Bearer {token}"})
        assert not access.keeper.holds(who)
    assert "has no token 'default'" in tocsin("users", "token", "gateway", "--state", str(tmp_path), "--remove")[2]


def test_without_users_a_link_makes_the_first_admin_until_there_is_one(tocsin: Any, tmp_path: Path) -> None:
    with opened(tmp_path) as access:
        first = access.keeper.follow(access.link).caller
        assert (first.actor, first.role, first.sight.whole) == ("first-admin", "admin", True)
        cookie = {"cookie": f"tocsin_session={first.session}"}
        assert access.keeper.enter("GET", cookie).actor == "first-admin"
        add(tocsin, tmp_path, "anna", "--role", "admin", "--scope", "*")
        access.keeper._directory._looked_s -= 1  # type: ignore[union-attr]
        with pytest.raises(HTTPException):
            access.keeper.enter("GET", cookie)
        assert access.keeper.sign_in("anna", PASSWORD, "192.0.2.1").caller.role == "admin"


def test_a_restart_signs_nobody_out(tocsin: Any, tmp_path: Path) -> None:
    add(tocsin, tmp_path, "anna", "--scope", "d1")
    with opened(tmp_path) as access:
        session = access.keeper.sign_in("anna", PASSWORD, "192.0.2.1").caller.session
    with opened(tmp_path) as access:
        assert access.keeper.enter("GET", {"cookie": f"tocsin_session={session}"}).actor == "anna"
    with opened(tmp_path, Doors(instance="2")) as access, pytest.raises(HTTPException):
        access.keeper.enter("GET", {"cookie": f"tocsin_session={session}"})


@pytest.mark.parametrize(
    "doors, secure, names",
    [
        (Doors(), False, ("127.0.0.1",)),
        (Doors(host="0.0.0.0"), True, ()),
        (Doors(public_name="tocsin.example"), True, ("tocsin.example", "127.0.0.1")),
        (Doors(host="192.0.2.7", public_name="tocsin.example"), True, ("tocsin.example", "192.0.2.7")),
    ],
)
def test_whoever_comes_from_elsewhere_comes_by_tls(tmp_path: Path, doors: Doors, secure: bool, names: tuple[str, ...]) -> None:
    with opened(tmp_path, doors) as access:
        assert (access.keeper.secure, access.names) == (secure, names)


def test_what_cannot_be_used_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="there is no such file; tocsin users add makes it"):
        open_access(tmp_path, AREAS, Doors(users=tmp_path / "other.yaml"))
    for name in ("", "../other", "a b", "a" * 65):
        with pytest.raises(AccessError, match="names files; write 1 to 64 letters"):
            open_access(tmp_path, AREAS, Doors(instance=name))
    users_file(tmp_path).write_text("users: {anna: {role: viewer, scope: [d9]}}")
    users_file(tmp_path).chmod(0o600)
    with pytest.raises(AccessError, match=r"users.yaml:1: users.anna.scope\[0\]: 'd9' is not an area"):
        open_access(tmp_path, AREAS, Doors())
    users_file(tmp_path).unlink()
    with opened(tmp_path), pytest.raises(AccessError, match="give this one another --instance"):
        open_access(tmp_path, AREAS, Doors())


def test_what_happens_at_the_doors_is_measured(tocsin: Any, tmp_path: Path) -> None:
    add(tocsin, tmp_path, "anna")
    metrics, now_s = Metrics(process=False), 1000.0
    with opened(tmp_path, now_s=lambda: now_s) as access:
        users_file(tmp_path).write_text("users: [")
        now_s += 1
        for _ in range(7):
            with pytest.raises(HTTPException):
                access.keeper.sign_in("anna", "wrong", "192.0.2.1")
        access.measure(metrics, Meter(metrics))
    text = metrics.text().decode()
    assert "tocsin_sign_ins_throttled_total 2.0" in text
    assert "tocsin_users_file_failures_total 1.0" in text
    assert 'tocsin_audit_failures_total{of="action"} 0.0' in text


def test_a_demo_has_one_viewer(tmp_path: Path) -> None:
    access = demo_access(tmp_path, AREAS)
    who = access.keeper.follow(access.link).caller
    assert (who.actor, who.role, who.sight.whole) == ("demo", "viewer", True)
    access.close()


def test_the_audit_is_verified_from_the_command_line(tocsin: Any, tmp_path: Path) -> None:
    with opened(tmp_path) as access:
        for n in range(5):
            access.audit.did("op-1", "operator", "command", f"resolve a{n}")
        number, digest = access.audit.head()
    where = ("audit", "verify", "--state", str(tmp_path))
    assert tocsin(*where) == (0, f"1: 6 lines whole; head 6:{digest}\n", "")
    assert tocsin(*where, "--instance", "1", "--noted", f"{number}:{digest}")[0] == 0
    path = tmp_path / "audit" / "1-00000001.ndjson"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    status, out, err = tocsin(*where)
    assert status == 1
    assert err == f"{tmp_path}/audit/1-00000001.ndjson:3: entry 3 before it was removed\n"
    assert "whole" not in out
    _, out, _ = tocsin(*where, "--json")
    assert json.loads(out)["problems"] == [err.strip()]
    assert tocsin(*where, "--noted", "7")[0] == 2
    assert tocsin("audit", "verify", "--state", str(tmp_path / "nothing"))[0] == 2


def test_the_link_is_on_the_terminal_and_in_no_log(tmp_path: Path) -> None:
    settings = write_town(tmp_path / "town")
    command = [sys.executable, "-m", "streams.shells.cli", "up", "--embedded", "--no-clickhouse", "--port", "0"]
    command += ["--city", str(settings), "--state", str(tmp_path / "state")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"}
    log = (tmp_path / "log").open("wb")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        link = told.split()[-1]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/link/[\w-]{40,}", link), told
        with httpx.Client(timeout=10) as browser:
            assert browser.get(link).status_code == 303
            url = link.partition("/link/")[0]
            assert browser.get(f"{url}/api/session").json()["actor"] == "first-admin"
            assert browser.get(f"{url}/api/alerts").status_code == 200
            assert browser.get(f"{url}/api/alerts", headers={"Host": "evil.example"}).status_code == 400
        process.terminate()
        assert process.wait(30) == 0
    log.close()
    secret = link.rpartition("/")[2]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if secret.encode() in path.read_bytes()] == []
    assert b"audit_head" in (tmp_path / "log").read_bytes()
    assert check(tmp_path / "state" / "audit", "1").problems == ()
