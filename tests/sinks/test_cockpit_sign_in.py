"""Signing in, staying signed in, signing out: over HTTP, with everything that may go wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from sinks.cockpit import keeper as keeper_module
from sinks.cockpit.audit_check import check
from sinks.cockpit.keeper import ADDRESS_FREE, USER_FREE
from sinks.cockpit.sign_in import AT_ONCE_MAX
from sinks.cockpit.users import digest
from tests.sinks.signing import HASH, NOW_S, PASSWORD, USERS, Cockpit, bearer


@pytest.fixture
def cockpit(tmp_path: Path) -> Iterator[Cockpit]:
    made = Cockpit(tmp_path)
    yield made
    made.audit.close()


def test_who_signs_in_is_told_who_they_are(cockpit: Cockpit) -> None:
    answer = cockpit.sign_in("anna")
    told = answer.json()
    assert (told["actor"], told["role"], told["scope"], told["expires_s"]) == ("op-1", "operator", ["d1"], NOW_S + 3600)
    parts = answer.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(parts)
    assert "Secure" not in parts
    headers = cockpit.headers("anna")
    again = cockpit.ask("GET", "/api/session", headers=headers).json()
    assert (again["actor"], again["csrf"]) == ("op-1", headers["X-CSRF-Token"])
    assert cockpit.actions() == [("op-1", "login", "")] * 2


def test_behind_tls_the_cookie_never_goes_without(tmp_path: Path) -> None:
    cockpit = Cockpit(tmp_path, secure=True)
    cookie = cockpit.sign_in("anna").headers["set-cookie"]
    assert cookie.startswith("__Host-tocsin=")
    assert "; Secure" in cookie
    assert cockpit.ask("GET", "/api/session", headers={"Cookie": cookie.partition(";")[0]}).status_code == 200
    cockpit.audit.close()


@pytest.mark.parametrize(
    "asked", [{"user": "anna", "password": "wrong"}, {"user": "nobody", "password": PASSWORD}, {"user": "gateway", "password": ""}]
)
def test_what_is_wrong_is_not_said(cockpit: Cockpit, asked: dict[str, str]) -> None:
    answer = cockpit.ask("POST", "/api/session", json=asked)
    assert answer.status_code == 401
    assert answer.json()["detail"] == "user or password is wrong"
    assert "set-cookie" not in answer.headers
    assert cockpit.actions()[0][1] == "login_failed"
    assert "nobody" not in str(cockpit.actions()), "what somebody types as a name may be a password"


def test_one_who_is_not_there_costs_the_same_work(cockpit: Cockpit, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []

    class Hasher(keeper_module.argon2.PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Any:  # noqa: A002 - as argon2 has it
            verified.append(str(hash))
            return super().verify(hash, password)

    cockpit.keeper._hasher = Hasher()
    for user in ("anna", "nobody", "gateway"):
        assert cockpit.sign_in(user, "wrong").status_code == 401
    costs = {text.rpartition("$")[0].rpartition("$")[0] for text in verified}
    assert len(verified) == 3
    assert costs == {"$argon2id$v=19$m=8,t=1,p=1"}, "with the costs that the users' hashes have"


@pytest.mark.parametrize(
    "content, media, status",
    [
        (b"{", "application/json", 422),
        (b'{"user": "anna"}', "application/json", 422),
        (b'{"user": "anna", "password": "x", "more": 1}', "application/json", 422),
        (b'{"user": 7, "password": "x"}', "application/json", 422),
        (b"user=anna&password=x", "application/x-www-form-urlencoded", 415),
        (b" " * 5000, "application/json", 413),
        (b'{"user": "%s", "password": "x"}' % (b"a" * 65), "application/json", 422),
    ],
)
def test_what_is_no_sign_in_is_refused(cockpit: Cockpit, content: bytes, media: str, status: int) -> None:
    assert cockpit.ask("POST", "/api/session", content=content, headers={"Content-Type": media}).status_code == status


def test_who_guesses_one_password_is_slowed_down_and_the_right_one_too(cockpit: Cockpit) -> None:
    for _ in range(USER_FREE):
        assert cockpit.sign_in("anna", "wrong").status_code == 401
    refused = cockpit.sign_in("anna")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
    assert cockpit.sign_in("bo").status_code == 200, "another user is not"
    cockpit.clock.now_s += 2
    assert cockpit.sign_in("anna").status_code == 200
    assert cockpit.sign_in("anna", "wrong").status_code == 401, "it begins anew"
    assert cockpit.keeper.throttled == 1


def test_who_guesses_many_names_from_one_place_is_slowed_down(cockpit: Cockpit) -> None:
    for n in range(ADDRESS_FREE):
        assert cockpit.sign_in(f"user-{n}", "wrong", address="192.0.2.9").status_code == 401
    assert cockpit.sign_in("anna", address="192.0.2.9").status_code == 429
    assert cockpit.sign_in("anna", address="192.0.2.10").status_code == 200


def test_what_is_right_does_not_slow_down_an_office(cockpit: Cockpit) -> None:
    assert [cockpit.sign_in("anna").status_code for _ in range(ADDRESS_FREE + 5)] == [200] * (ADDRESS_FREE + 5)


def test_a_session_ends_by_itself(cockpit: Cockpit) -> None:
    headers = cockpit.headers("anna")
    cockpit.clock.now_s += 3599
    assert cockpit.ask("GET", "/api/session", headers=headers).status_code == 200
    cockpit.clock.now_s += 3600
    assert cockpit.ask("GET", "/api/session", headers=headers).status_code == 401


def test_signing_out_ends_it(cockpit: Cockpit) -> None:
    headers = cockpit.headers("anna")
    answer = cockpit.ask("DELETE", "/api/session", headers=headers)
    assert answer.status_code == 204
    assert 'tocsin_session=""' in answer.headers["set-cookie"]
    assert cockpit.ask("GET", "/api/session", headers=headers).status_code == 401
    assert cockpit.actions()[-1] == ("op-1", "logout", "")


@pytest.mark.parametrize("token", [None, "", "0" * 64, "x"])
def test_a_page_of_another_site_cannot_change_anything(cockpit: Cockpit, token: str | None) -> None:
    headers = cockpit.headers("anna")
    del headers["X-CSRF-Token"]
    if token is not None:
        headers["X-CSRF-Token"] = token
    for method, path in (("DELETE", "/api/session"), ("POST", "/api/commands"), ("PUT", "/api/anything")):
        assert cockpit.ask(method, path, headers=headers).status_code == 403
    assert cockpit.ask("GET", "/api/session", headers=headers).status_code == 200


def test_another_session_s_token_does_not_do(cockpit: Cockpit) -> None:
    headers = {**cockpit.headers("anna"), "X-CSRF-Token": cockpit.headers("anna")["X-CSRF-Token"]}
    assert cockpit.ask("DELETE", "/api/session", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "text",
    [
        USERS.replace("  anna: {role: operator", "  anna-2: {role: operator"),
        USERS.replace(f'op-1, password: "{HASH}"', 'op-1, password: "$argon2id$v=19$m=8,t=1,p=1$bHBkZGRkZGQ$ntDEuPXbHdjKPNOCEZSIBw"'),
    ],
    ids=["removed", "another password"],
)
def test_what_changes_in_the_users_file_holds_at_once(cockpit: Cockpit, text: str) -> None:
    headers = cockpit.headers("anna")
    cockpit.write_users(text)
    cockpit.clock.now_s += 1
    assert cockpit.ask("GET", "/api/session", headers=headers).status_code == 401
    assert cockpit.directory.failures == 0
    assert cockpit.actions()[-1][1] in {"user_changed", "user_added", "user_removed"}


def test_another_role_and_scope_hold_at_once(cockpit: Cockpit) -> None:
    headers = cockpit.headers("anna")
    cockpit.write_users(USERS.replace("anna: {role: operator, scope: [d1]", "anna: {role: viewer, scope: [d2]"))
    cockpit.clock.now_s += 1
    told = cockpit.ask("GET", "/api/session", headers=headers).json()
    assert (told["role"], told["scope"]) == ("viewer", ["d2"])


def test_a_token_opens_until_its_last_day(cockpit: Cockpit) -> None:
    assert cockpit.ask("GET", "/api/session", headers=bearer("north-on")).json() == {
        "actor": "north",
        "role": "operator",
        "scope": ["d1"],
        "csrf": None,
        "expires_s": None,
    }
    assert cockpit.ask("GET", "/api/session", headers=bearer("gateway-off")).status_code == 401
    cockpit.clock.now_s += 86_400
    assert cockpit.ask("GET", "/api/session", headers=bearer("north-on")).status_code == 401


def test_a_hash_is_no_token(cockpit: Cockpit) -> None:
    assert cockpit.ask("GET", "/api/session", headers=bearer(digest("north-on"))).status_code == 401


def test_a_link_signs_in_once_within_ten_minutes(cockpit: Cockpit) -> None:
    link = f"/link/{cockpit.keeper.link('anna')}"
    answer = cockpit.ask("GET", link)
    assert (answer.status_code, answer.headers["location"], answer.headers["cache-control"]) == (303, "/", "no-store")
    cookie = answer.headers["set-cookie"].partition(";")[0]
    assert cockpit.ask("GET", "/api/session", headers={"Cookie": cookie}).json()["actor"] == "op-1"
    assert cockpit.ask("GET", link).status_code == 404
    late = f"/link/{cockpit.keeper.link('anna')}"
    cockpit.clock.now_s += 600
    assert cockpit.ask("GET", late).status_code == 404
    assert cockpit.ask("GET", f"/link/{cockpit.keeper.link('nobody')}").status_code == 404
    assert cockpit.ask("GET", "/link/guess").status_code == 404


def test_a_full_disk_lets_nobody_in_and_everybody_out(cockpit: Cockpit, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = cockpit.headers("anna")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cockpit.audit, "_write", full)
    answer = cockpit.sign_in("anna")
    assert (answer.status_code, answer.json()["detail"]) == (503, "the audit cannot be written, so nothing was done; try again")
    assert cockpit.ask("GET", "/api/alerts", headers=headers).status_code == 200, "who is in goes on looking"
    command = {"kind": "silence", "body": {"area": "d1", "until_s": 1}}
    assert cockpit.ask("POST", "/api/commands", json=command, headers=headers).status_code == 503
    assert cockpit.taken == []
    assert cockpit.ask("DELETE", "/api/session", headers=headers).status_code == 204
    monkeypatch.undo()
    cockpit.sign_in("bo")
    assert ("", "audit_lost", "1 views") in cockpit.actions()
    assert check(cockpit.audit.folder, "1").problems == ()


def test_the_audit_is_for_commanders_and_reading_it_is_in_it(cockpit: Cockpit) -> None:
    for user in ("anna", "cy"):
        assert cockpit.ask("GET", "/api/audit", headers=cockpit.headers(user)).status_code == 403
    told = cockpit.ask("GET", "/api/audit?limit=2", headers=cockpit.headers("eva")).json()
    assert [(each["actor"], each["action"]) for each in told["entries"]] == [("co-1", "audit"), ("co-1", "login")]
    assert set(told["entries"][0]) == {"n", "at_s", "actor", "role", "action", "subject"}
    rest = cockpit.ask("GET", f"/api/audit?before={told['before']}", headers=cockpit.headers("root")).json()
    assert [each["actor"] for each in rest["entries"]] == ["cy", "op-1"]
    assert rest["before"] is None


def test_a_commander_of_a_district_reads_what_was_done_there(tmp_path: Path) -> None:
    cockpit = Cockpit(tmp_path, users=USERS.replace('eva: {role: commander, scope: ["*"]', "eva: {role: commander, scope: [d1]"))
    cockpit.audit.did("op-1", "operator", "command", "resolve a1", "d1a")
    cockpit.audit.did("op-2", "operator", "command", "resolve a2", "d2")
    told = cockpit.ask("GET", "/api/audit", headers=cockpit.headers("eva")).json()["entries"]
    assert [each["subject"] for each in told if each["action"] == "command"] == ["resolve a1"]
    cockpit.audit.close()


def test_no_secret_is_in_the_state_folder(cockpit: Cockpit, tmp_path: Path) -> None:
    headers = cockpit.headers("anna")
    secret = cockpit.keeper.link("bo")
    cockpit.ask("GET", f"/link/{secret}")
    cockpit.sign_in(PASSWORD, PASSWORD)
    words = [PASSWORD, secret, headers["Cookie"].partition("=")[2], headers["X-CSRF-Token"]]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"users.yaml", "sessions.json"} <= {path.name for path in files}
    assert not [(path, word) for path in files for word in words if word.encode() in path.read_bytes()]


def test_many_who_sign_in_at_once_leave_threads_to_commands(cockpit: Cockpit, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, inside = threading.Event(), threading.Semaphore(0)

    def waits(*_: str) -> Any:
        inside.release()
        gate.wait(10)
        raise HTTPException(401, "no")

    monkeypatch.setattr(cockpit.keeper, "sign_in", waits)
    with ThreadPoolExecutor(AT_ONCE_MAX) as people:
        waiting = [people.submit(cockpit.sign_in, "anna", "x") for _ in range(AT_ONCE_MAX)]
        for _ in waiting:
            assert inside.acquire(timeout=10)
        answer = cockpit.sign_in("anna", "x")
        gate.set()
        assert [each.result().status_code for each in waiting] == [401] * AT_ONCE_MAX
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
