from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sinks.base import SinkError
from streams.model import DAY_S
from streams.shells import embedded
from streams.shells.embedded import Options
from streams.shells.opening import Opened
from streams.shells.serve import ServeError, Server, check_host
from streams.shells.store import StoreError
from tests.shells.small import START_S, days, small_city

SECRET = "Qz7Xk"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    made = Opened(small_city(("hotline",)), tmp_path / "state", durability="off", now_s=START_S)
    yield made
    made.close()


def loop(opened: Opened, stop: threading.Event, folder: Path) -> int:
    return embedded._loop(opened, [], stop, Options(folder, 0, checkpoint_every_s=0))


def test_a_failure_ends_the_process_and_logs_no_content(opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(_: int) -> bool:
        raise ValueError(SECRET)

    monkeypatch.setattr(opened.engine, "pump", fail)
    with capture_logs() as logs:
        assert loop(opened, threading.Event(), tmp_path) == 1
    assert [entry["event"] for entry in logs] == ["engine_failed"]
    assert SECRET not in str(logs)


def test_a_sink_that_refuses_for_good_ends_the_process_with_its_reason(opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(_: object) -> None:
        raise SinkError("no such table", retryable=False)

    monkeypatch.setattr(opened.feed, "write", refuse)
    opened.engine.desk.ingest("hotline", [data for _, data in days(1)], START_S + DAY_S)
    with capture_logs() as logs:
        assert loop(opened, threading.Event(), tmp_path) == 1
    assert logs[0]["event"] == "sink_refused"
    assert logs[0]["reason"] == "no such table"


def test_a_sink_that_is_away_is_logged_once_and_waited_for(opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stop = threading.Event()
    real, tries = opened.feed.write, 0

    def away(batch: object) -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise SinkError("away", retryable=True)
        real(batch)  # type: ignore[arg-type]
        stop.set()

    monkeypatch.setattr(opened.feed, "write", away)
    opened.engine.desk.ingest("hotline", [data for _, data in days(1)], START_S + DAY_S)
    with capture_logs() as logs:
        assert loop(opened, stop, tmp_path) == 0
    assert [entry["event"] for entry in logs] == ["sink_away", "sink_back"]


def test_the_loop_checkpoints_and_a_stop_settles(opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stop = threading.Event()
    kept: list[int] = []
    monkeypatch.setattr(opened.engine, "checkpoint", lambda now_s: (kept.append(now_s), len(kept) > 3 and stop.set()))
    loop(opened, stop, tmp_path)
    monkeypatch.undo()
    assert len(kept) > 3
    opened.engine.desk.ingest("hotline", [data for _, data in days(1)], START_S + DAY_S)
    embedded._settle(opened)
    assert opened.engine.behind == 0
    snapshot = opened.store.newest_snapshot()
    assert snapshot is not None
    assert snapshot.counts_seq == opened.store.newest("counts")


def test_the_feed_takes_up_its_alerts_and_its_history(tmp_path: Path):
    city = small_city(("hotline",))
    first = Opened(city, tmp_path, durability="off", now_s=START_S)
    for at, data in days(4, bursts=(60, 61)):
        first.engine.desk.ingest("hotline", [data], at)
    first.engine.drain(START_S + 4 * DAY_S)
    first.engine.checkpoint(START_S)
    last_id, alerts = first.feed.last_id, {held.alert.id for held in first.feed.open_alerts()}
    assert last_id > 0
    first.close()
    again = Opened(city, tmp_path, durability="off", now_s=START_S)
    assert (again.feed.last_id, {held.alert.id for held in again.feed.open_alerts()}) == (last_id, alerts)
    history = again.history(0, 1000)
    assert history is not None
    assert [at for at, _ in history] == list(range(1, last_id + 1))
    again.store.delete("DELETE FROM alerts WHERE seq <= 1")
    assert again.history(0, 1000) is None, "not kept that far back"
    assert again.history(1, 1000) is not None
    again.close()


def test_another_configuration_is_refused(tmp_path: Path):
    Opened(small_city(("hotline",)), tmp_path, durability="off", now_s=START_S).close()
    with pytest.raises(StoreError, match=r"made with configuration .*start it as before, or give an empty folder to --state"):
        Opened(small_city(), tmp_path, durability="off", now_s=START_S)


def test_without_users_only_the_loopback_address_is_listened_on(tmp_path: Path):
    users = tmp_path / "users.yaml"
    assert check_host("localhost", users) == check_host("127.0.0.1", users) == "127.0.0.1"
    for host in ("0.0.0.0", "::", "192.168.0.1", ""):
        with pytest.raises(ServeError, match="without users this listens on"):
            check_host(host, users)
    users.touch()
    assert check_host("0.0.0.0", users) == "0.0.0.0"
    with pytest.raises(ServeError):
        check_host("", users)


def test_a_server_that_cannot_start_says_so():
    async def app(scope: object, receive: object, send: object) -> None: ...

    first = Server(app, 0)
    port = int(first.url.rsplit(":", 1)[1])
    with pytest.raises(ServeError, match=f"port {port} cannot be used .*; give another one to --port"):
        Server(app, port)
    first.stop()
    assert not first.running
