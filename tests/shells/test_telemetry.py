from __future__ import annotations

import logging

import orjson
import pytest
import structlog

from streams.shells.telemetry import FIELDS_MAX, set_up

SECRET = "Qz7Xk 13800138000"


@pytest.fixture
def logs(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    return capsys


def lines(logs: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in logs.readouterr().err.splitlines()]


def test_elsewhere_than_on_a_terminal_a_line_is_json(logs: pytest.CaptureFixture[str]):
    set_up()
    structlog.get_logger().info("up", url="http://127.0.0.1:1", behind=3)
    structlog.get_logger().debug("detail")
    [line] = lines(logs)
    assert (line["event"], line["behind"], line["level"]) == ("up", 3, "info")


def test_of_an_exception_only_the_class_is_logged(logs: pytest.CaptureFixture[str]):
    set_up()
    try:
        raise ValueError(SECRET)
    except ValueError:
        structlog.get_logger().error("failed", exc_info=True)
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    text = logs.readouterr().err
    assert SECRET not in text
    assert [orjson.loads(line)["error"] for line in text.splitlines()] == ["ValueError", "ValueError"]


def test_fields_are_bounded_and_request_lines_are_not_logged(logs: pytest.CaptureFixture[str]):
    set_up()
    structlog.get_logger().info("long", text="x" * 10_000)
    logging.getLogger("uvicorn.access").warning(SECRET)
    [line] = lines(logs)
    assert len(str(line["text"])) == FIELDS_MAX
