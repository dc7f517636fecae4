"""The past in a cockpit over Kafka: asked of a real ClickHouse server, which may go away; webhooks from the topic, once over a restart."""

from __future__ import annotations

import pytest

from load_tests.services.clickhouse import ClickHouse
from tests.services.conftest import Place
from tests.services.pipeline import Child, until
from tests.services.sinking import of, say
from tests.services.test_cockpit import Town, step
from tests.sinks.receiver import Receiver

pytestmark = [pytest.mark.needs("kafka"), pytest.mark.needs("clickhouse")]


def test_a_server_that_is_away_takes_the_past_with_it_and_nothing_else(place_with_tables: Place, clickhouse: ClickHouse) -> None:
    # ClickHouse  [----------x      [----)
    # past           200        503   200
    town = Town(place_with_tables).create()
    with Child(place_with_tables, "sink", "clickhouse", name="sink") as sink, town.cockpit("one") as cockpit:
        cockpit.ready()
        for number in range(3):
            say(place_with_tables, ((topic, 0, data) for topic, _, data in of(number)))
        until(lambda: cockpit.get("/api/sources").status_code == 200, "the tables are there")
        until(lambda: len(cockpit.get("/api/areas/D1/past").json().get("risk", [])) >= 0, "the past is told")
        until(lambda: any(row["accepted"] for row in cockpit.get("/api/quality").json()["sources"]), "records were counted")
        clickhouse.kill()
        try:
            for path in ("/api/areas/D1/past", "/api/quality", "/api/index", "/api/bias"):
                answer = cockpit.get(path)
                assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json"), path
                assert answer.headers["retry-after"]
            assert cockpit.get("/api/alerts").status_code == 200
            assert cockpit.get("/ready").status_code == 200
        finally:
            clickhouse.start()
        until(lambda: cockpit.get("/api/areas/D1/past").status_code == 200, "it is told again")
        assert cockpit.stop() == 0
        assert sink.stop() == 0


def test_webhooks_tell_what_is_new_once_over_a_restart(place: Place) -> None:
    receiver, town = Receiver(), Town(place).create()
    (place.folder / "secret").write_text("only-a-test-secret")
    deployment = place.folder / "hooks.yaml"
    deployment.write_text(f"webhooks:\n  desk:\n    url: {receiver.url}\n    secret_file: {place.folder / 'secret'}\n")
    place.environ["TOCSIN_DEPLOYMENT"] = str(deployment)
    try:
        town.say(step("old", 0))
        with town.cockpit("one") as cockpit:
            cockpit.ready()
            town.say(step("news", 0))
            until(lambda: len(receiver.got) == 1, "it is told")
            cockpit.kill()
            town.say(step("later", 0))
            cockpit.start()
            cockpit.ready()
            until(lambda: len(receiver.got) == 2, "what came meanwhile, too")
            assert cockpit.get("/api/deliveries").json()["hooks"] == {"desk": {"done": 2}}
            assert cockpit.stop() == 0
        assert [headers["Idempotency-Key"] for headers, _ in receiver.got] == ["news/0", "later/0"]
    finally:
        receiver.close()
