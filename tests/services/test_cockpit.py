"""The cockpit over a real broker: every cockpit tells the same events, whoever is restarted and whatever is said again."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import orjson
import pytest
from confluent_kafka import Producer

from load_tests.chaos_town import write_town
from load_tests.credentials import program
from load_tests.services.kafka import Kafka
from load_tests.services.process import free_ports
from sinks.checks import alert, transition
from streams.core.journal import Record, decode, encode
from streams.loading import load
from streams.model import Alert, Command, Outcome, State
from streams.settings import City
from streams.shells.kafka.clients import producer_settings
from streams.shells.kafka.topics import create
from tests.services.conftest import Place
from tests.services.pipeline import Child, records, until

pytestmark = pytest.mark.needs("kafka")

replace = msgspec.structs.replace


class Town:
    """A city with its topics; cockpits that show it; and who writes the alerts topic."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.settings = write_town(place.folder / "town")
        self.state = place.folder / "state"
        self.headers = program(self.state)
        self._producer: Producer | None = None

    @property
    def city(self) -> City:
        return load(self.settings)

    def create(self) -> Town:
        create(self.city, self.place.deployment, state=self.state, partitions=1)
        return self

    def say(self, said: Sequence[Record]) -> None:
        """Records of the alerts topic, acknowledged."""
        kafka = self.place.deployment.kafka
        self._producer = self._producer or Producer(producer_settings(kafka))
        for record in said:
            self._producer.produce(kafka.topic("alerts"), encode(record), partition=0)
        assert self._producer.flush(30) == 0

    def cockpit(self, name: str) -> Cockpit:
        return Cockpit(self, name)


class Cockpit(Child):
    """One cockpit on a port of its own, the same after a restart."""

    def __init__(self, town: Town, name: str) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.headers = town.headers
        super().__init__(
            town.place,
            "cockpit",
            "--city",
            str(town.settings),
            "--state",
            str(town.state),
            "--port",
            str(port),
            "--instance",
            name,
            name=name,
        )

    def get(self, path: str) -> httpx.Response:
        try:
            return httpx.get(f"{self.url}{path}", headers=self.headers, timeout=10)
        except httpx.TransportError:
            return httpx.Response(599)

    def command(self, **asked: Any) -> httpx.Response:
        return httpx.post(f"{self.url}/api/commands", json=asked, headers=self.headers, timeout=20)

    def ready(self) -> Cockpit:
        until(lambda: self.get("/ready").status_code == 200, "the cockpit is ready")
        return self

    def ids(self) -> list[str]:
        return [each["id"] for each in self.get("/api/alerts").json()["alerts"]]


class Reader:
    """Somebody who reads the stream as a browser does: comes back with the id of the last event."""

    def __init__(self) -> None:
        self.last: str | None = None
        self.events: list[tuple[int, str, Any]] = []  # those with an id, but for snapshots
        self.kinds: list[str] = []

    def read(self, cockpit: Cockpit, upto: int, seconds: float = 30) -> None:
        """Connect and read until the event of this id has come."""
        headers = {**cockpit.headers, **({"Last-Event-ID": self.last} if self.last is not None else {})}
        with httpx.stream("GET", f"{cockpit.url}/api/stream", headers=headers, timeout=seconds) as response:
            assert response.status_code == 200
            for event_id, kind, data in events(response):
                self._take(event_id, kind, data)
                if self.last is not None and int(self.last) >= upto:
                    return

    def _take(self, event_id: str | None, kind: str, data: Any) -> None:
        self.kinds.append(kind)
        if event_id is not None:
            self.last = event_id
            if kind != "snapshot":
                self.events.append((int(event_id), kind, data))


def events(response: httpx.Response) -> Iterator[tuple[str | None, str, Any]]:
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if line and name:
            fields[name] = value
        elif not line:
            if "event" in fields:
                yield fields.get("id"), fields["event"], orjson.loads(fields["data"])
            fields = {}


@contextmanager
def connected(cockpit: Cockpit) -> Iterator[Iterator[tuple[str | None, str, Any]]]:
    with httpx.stream("GET", f"{cockpit.url}/api/stream", headers=cockpit.headers, timeout=30) as response:
        yield events(response)


def step(alert_id: str, seq: int, state: State = "open") -> list[Record]:
    """A decision about one alert: its state and its transition."""
    made = placed(alert(alert_id, seq, state=state, risk=50.0 + seq))
    return [made, transition(made)]


def placed(made: Alert) -> Alert:
    return replace(made, area="D1", members=tuple(replace(member, area="D1") for member in made.members))


def outcome(command_id: str) -> Outcome:
    return Outcome(Command(command_id, 1_420_070_400, "anna", "acknowledge", '{"alert":"a0"}'))


def told(reader: Reader) -> list[tuple[str, int]]:
    """(alert, seq) of the transitions a reader was told."""
    return [(data["transition"]["alert_id"], data["transition"]["seq"]) for _, kind, data in reader.events if kind == "transition"]


@pytest.fixture
def town(place: Place) -> Town:
    return Town(place).create()


def test_a_reader_goes_from_one_cockpit_to_another_and_over_a_restart(town: Town):
    #        offsets   0 1 | 2 3 | 4 5 | 6 7 8 | 9 10
    # reader at one        [3                    [10
    #           two              [5   [8
    town.say(step("a0", 0))
    reader = Reader()
    with town.cockpit("one") as one, town.cockpit("two") as two:
        one.ready()
        two.ready()
        town.say(step("a0", 1))
        reader.read(one, 3)
        town.say(step("a1", 0))
        reader.read(two, 5)
        one.kill()
        town.say([*step("a0", 2), outcome("c1")])
        reader.read(two, 8)
        one.start()
        one.ready()
        town.say(step("a1", 1, "cleared"))
        reader.read(one, 10)
        assert [at for at, _, _ in reader.events] == ([3] if reader.events[0][0] == 3 else []) + [5, 7, 8, 10]
        assert "reset" not in reader.kinds
        assert reader.events[-2][1:] == ("outcome", {"id": "c1", "refusal": ""})
        assert one.ids() == two.ids() == ["a0"]
        assert one.stop() == two.stop() == 0


def test_what_is_said_again_is_told_once_and_the_board_never_goes_back(town: Town):
    stretch = [*step("a0", 0), *step("a1", 0), outcome("c1"), *step("a0", 1, "cleared"), *step("a1", 1)]
    with town.cockpit("one") as one:
        one.ready()
        with connected(one) as live:
            next(live)
            town.say(stretch)
            town.say([*stretch, *step("a1", 2)])
            seen = []
            for _, kind, data in live:
                if kind == "transition":
                    seen.append((data["transition"]["alert_id"], data["transition"]["seq"], data["alert"]["seq"]))
                if seen and seen[-1][:2] == ("a1", 2):
                    break
        assert [each[:2] for each in seen] == [("a0", 0), ("a1", 0), ("a0", 1), ("a1", 1), ("a1", 2)]
        assert all(state >= seq for _, seq, state in seen)
        assert one.ids() == ["a1"]
        with town.cockpit("two") as two:
            two.ready()
            # Somebody who was told the first saying, and somebody who was in the middle of the second: neither hears it again.
            for last in (8, 12):
                reader = Reader()
                reader.last = str(last)
                reader.read(two, 19)
                assert told(reader) == [("a1", 2)]
            assert two.ids() == ["a1"]


def test_events_long_past_come_from_the_topic(town: Town):
    for _ in range(3):
        town.say([record for seq in range(900) for record in step("a0", seq)])  # twice of it said again
    town.say(step("a0", 900))
    with town.cockpit("one") as one:
        one.ready()
        reader = Reader()
        reader.last = "1099"  # a0 has come to 549
        reader.read(one, 5401)
        assert told(reader) == [("a0", seq) for seq in range(550, 901)]


@pytest.mark.alone
def test_a_record_is_on_the_stream_soon(town: Town):
    with town.cockpit("one") as one:
        one.ready()
        with connected(one) as live:
            next(live)
            waits = []
            for seq in range(15):
                town.say(step("a0", seq))
                said_s = time.monotonic()
                while next(live)[1] != "transition":
                    pass
                waits.append(time.monotonic() - said_s)
    assert sorted(waits)[7] < 0.2, waits


def test_commands_land_in_the_findings_topic(town: Town):
    with town.cockpit("one") as one:
        one.ready()
        answer = one.command(id="c-1", actor="anna", kind="acknowledge", body={"alert": "a0"})
        assert (answer.status_code, answer.json()) == (202, {"id": "c-1"})
        command = decode(records(town.place, "findings")[-1])
        assert isinstance(command, Command)
        assert (command.id, command.actor, command.kind, orjson.loads(command.body)) == ("c-1", "anna", "acknowledge", {"alert": "a0"})
        assert abs(command.time_s - time.time()) < 60
        assert one.get("/api/commands/c-1").status_code == 404
        town.say([Outcome(command, "unknown_alert")])
        until(lambda: one.get("/api/commands/c-1").status_code == 200, "the outcome is known")
        assert one.get("/api/commands/c-1").json()["refusal"] == "unknown_alert"
        refused = httpx.post(f"{one.url}/api/commands", json={"actor": "anna", "kind": "acknowledge", "body": {"alert": "a0"}}, timeout=10)
        assert refused.status_code == 401
        assert one.command(actor="anna", kind="acknowledge", body={}).status_code == 422
        assert "tocsin_feed_subscribers 0.0" in one.get("/metrics").text


@pytest.mark.timeout(240)
def test_a_broker_that_is_away_is_waited_for_and_told_once(tmp_path: Path):
    broker = Kafka(tmp_path / "kafka")
    place = Place({"TOCSIN_KAFKA_BOOTSTRAP": broker.bootstrap}, tmp_path)
    with broker:
        town = Town(place).create()
        town.say(step("a0", 0))
    with town.cockpit("one") as one:
        until(lambda: one.said("broker_away"), "it says that nobody answers")
        broker.start()
        try:
            one.ready()
            assert one.ids() == ["a0"]
            broker.kill()
            until(lambda: one.get("/ready").status_code == 503, "it is not ready")
            assert one.get("/ready").json()["waiting_for"] == ["log"]
            assert one.ids() == ["a0"], "it shows what it has"
            refused = one.command(id="c-1", actor="anna", kind="acknowledge", body={"alert": "a0"})
            assert refused.status_code == 503
            broker.start()
            one.ready()
            town.say(step("a1", 0))
            until(lambda: sorted(one.ids()) == ["a0", "a1"], "it goes on")
            assert one.command(id="c-1", actor="anna", kind="acknowledge", body={"alert": "a0"}).status_code == 202
            assert len(one.said("broker_away")) == 2
            assert len(one.said("broker_back")) == 2
            assert one.ended() is None
        finally:
            broker.kill()


def test_another_city_is_refused(town: Town):
    settings = town.settings
    settings.write_text(settings.read_text().replace("hold: 3h", "hold: 4h"))
    with town.cockpit("one") as one:
        assert one.wait() == 2
    assert "begun with configuration" in one.log.read_text()


def test_another_host_is_not_listened_on(tmp_path: Path):
    command = [sys.executable, "-m", "streams.shells.cli", "cockpit", "--city", "hangzhou", "--state", str(tmp_path)]
    done = subprocess.run(
        [*command, "--kafka", "127.0.0.1:1", "--host", "0.0.0.0"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "listens on 127.0.0.1 only" in done.stderr
