"""Requests made up from the API's own description, by the thousand: none makes it fail. The stream has no end and is tested by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis.checks import not_a_server_error

from sinks.base import Batch
from sinks.checks import alert, batch
from tests.sinks.signing import Cockpit, bearer

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "25"))
PUBLIC = ("GET /live", "GET /ready", "POST /api/session")
USERS = [bearer("gateway-on"), bearer("north-on"), bearer("nothing"), {}]


class Door:
    """The cockpit that is asked."""

    cockpit: Cockpit


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("schema")
    made = Cockpit(folder)
    made.feed.write(Batch(alerts=(alert("a0", 0), alert("a1", 1, state="cleared"))))
    made.feed.write(batch(3))
    Door.cockpit = made
    loaded = schemathesis.openapi.from_asgi("/api/openapi.json", made.app, headers=bearer("gateway-on"))
    yield loaded.exclude(path="/api/stream")
    made.audit.close()


@pytest.mark.parametrize(
    "operation",
    [
        "DELETE /api/session",
        "GET /api/alerts",
        "GET /api/alerts.geojson",
        "GET /api/alerts/{alert_id}",
        "GET /api/alerts/{alert_id}/transitions",
        "GET /api/areas",
        "GET /api/areas.geojson",
        "GET /api/audit",
        "GET /api/cap/{alert_id}.xml",
        "GET /api/commands/{command_id}",
        "GET /api/events",
        "GET /api/session",
        "GET /api/silences",
        "GET /api/transitions",
        "GET /api/v2/alerts",
        "GET /live",
        "GET /metrics",
        "GET /ready",
        "POST /api/commands",
        "POST /api/session",
        "POST /api/silences/preview",
    ],
)
def test_nothing_that_is_asked_makes_it_fail(api: Any, operation: str) -> None:
    @settings(max_examples=EXAMPLES)
    @given(operations(api)[operation].as_strategy())
    def ask(case: Any) -> None:
        for headers in USERS:
            answer = case.call(headers=headers)
            case.validate_response(answer, checks=[not_a_server_error])
            if headers in USERS[2:] and operation not in PUBLIC:
                assert answer.status_code == 401

    ask()


def operations(api: Any) -> dict[str, Any]:
    return {found.ok().label: found.ok() for found in api.get_all_operations()}


def test_no_operation_is_left_out(api: Any) -> None:
    tested = test_nothing_that_is_asked_makes_it_fail.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert sorted(operations(api)) == sorted(tested), "name the new one above"


def test_a_failure_would_be_seen(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Door.cockpit.feed, "open_alerts", broken)
    case = api["/api/areas"]["GET"].Case()
    with pytest.raises(RuntimeError):
        case.call_and_validate(headers=bearer("gateway-on"), checks=[not_a_server_error])
