"""Webhooks and Alertmanager from the deployment file: what is refused, and a whole way through a running process."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from sinks.base import Batch
from sinks.checks import alert, transition
from sinks.webhooks.courier import signature
from streams.model import Transition
from streams.shells.kafka.settings import load_deployment
from streams.shells.opening import Opened
from streams.shells.receivers import OUTBOX, Receivers, ReceiversError, load_receivers
from tests.shells.small import START_S, days, small_city
from tests.sinks.receiver import Receiver

REASONS, AREAS = frozenset({"raised", "worse"}), frozenset({"A1"})


def written(folder: Path, text: str) -> Path:
    (folder / "secret").write_text("only-a-test-secret\n")
    path = folder / "deployment.yaml"
    path.write_text(text.replace("SECRET", str(folder / "secret")))
    return path


HOOK = """webhooks:
  desk:
    url: http://127.0.0.1:9999/alerts
    secret_file: SECRET
    kinds: [raised]
    bands: [red, orange]
    areas: [A1]
alertmanager:
  url: http://127.0.0.1:9093
  every: 30s
"""


def test_what_a_file_says(tmp_path: Path) -> None:
    given = load_receivers(written(tmp_path, HOOK), {}, reasons=REASONS, areas=AREAS)
    ((hook, tries),) = given.hooks
    assert (hook.name, hook.target.url, hook.target.remote, hook.secret, tries) == (
        "desk", "http://127.0.0.1:9999/alerts", False, b"only-a-test-secret", 12,
    )  # fmt: skip
    assert (hook.kinds, hook.bands, hook.areas) == ({"raised"}, {"red", "orange"}, {"A1"})
    assert (given.alertmanager.url, given.alertmanager.every_s) == ("http://127.0.0.1:9093", 30)


def test_the_kafka_part_of_the_same_file_does_not_mind_them(tmp_path: Path) -> None:
    path = written(tmp_path, HOOK + "kafka:\n  bootstrap: 127.0.0.1:9092\n")
    assert load_deployment(path, environ={}).kafka.bootstrap == "127.0.0.1:9092"


def test_the_environment_may_name_the_file_and_none_is_no_receivers(tmp_path: Path) -> None:
    assert load_receivers(None, {"TOCSIN_DEPLOYMENT": str(written(tmp_path, HOOK))}, reasons=REASONS, areas=AREAS).hooks
    assert load_receivers(None, {}, reasons=REASONS, areas=AREAS).hooks == ()


@pytest.mark.parametrize(
    "was, becomes, refusal",
    [
        ("http://127.0.0.1:9999/alerts", "ftp://desk/", r"deployment.yaml:3: .*is not a URL of http or https"),
        ("http://127.0.0.1:9093", "nowhere", r"deployment.yaml:9: .*is not a URL"),
        ("secret_file: SECRET", "secret_file: /nowhere/secret", r"deployment.yaml:4: .*cannot be read"),
        ("kinds: [raised]", "kinds: [rised]", r"deployment.yaml:5: .*'rised' is none"),
        ("bands: [red, orange]", "bands: [pink]", r"deployment.yaml:6: .*'pink' is none"),
        ("areas: [A1]", "areas: [Z9]", r"deployment.yaml:7: .*'Z9' is none"),
        ("areas: [A1]", "area: A1", r"deployment.yaml:7: .*'area'"),
        ("  desk:", "  Desk Two:", r"a hook's name is at most"),
        ("kinds: [raised]", "tries_max: 0", r"tries_max.* is from 1 to 100"),
        ("http://127.0.0.1:9999/alerts", "http://me:secret@127.0.0.1/", r"secrets have a file"),
    ],
)
def test_a_refusal_names_file_line_and_remedy(was: str, becomes: str, refusal: str, tmp_path: Path) -> None:
    assert was in HOOK
    with pytest.raises(ReceiversError, match=refusal):
        load_receivers(written(tmp_path, HOOK.replace(was, becomes)), {}, reasons=REASONS, areas=AREAS)


def test_a_secret_that_is_too_short_is_refused_and_not_shown(tmp_path: Path) -> None:
    path = written(tmp_path, HOOK)
    (tmp_path / "secret").write_text("hunter2")
    with pytest.raises(ReceiversError, match="has 7 bytes") as refused:
        load_receivers(path, {}, reasons=REASONS, areas=AREAS)
    assert "hunter2" not in str(refused.value)


def test_before_the_start_nothing_is_news(tmp_path: Path) -> None:
    given = load_receivers(written(tmp_path, HOOK), {}, reasons=REASONS, areas=AREAS)
    receivers = Receivers(
        given._replace(hooks=tuple((hook._replace(kinds=frozenset(), bands=frozenset(), areas=frozenset()), 1) for hook, _ in given.hooks)),
        small_city(),
        tmp_path,
        lambda: 1,
    )
    assert receivers.sink is not None
    assert receivers.outbox is not None
    receivers.sink.write(Batch(transitions=((1, transition(alert("old", 0))),)))
    receivers.outbox.begin_after(2, [hook.name for hook, _ in given.hooks])
    receivers.sink.write(Batch(transitions=((2, transition(alert("older", 0))), (3, transition(alert("news", 0))))))
    assert [row["key"] for row in receivers.deliveries.receipts(10)] == ["news/0"]
    receivers.stop()
    assert (tmp_path / OUTBOX).exists()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_alert_of_a_town_reaches_a_receiver_signed_and_once_over_a_restart(tmp_path: Path) -> None:
    # process   [ alert )   [ )
    # receiver      [ 503 204 )
    receiver, city = Receiver(), small_city(("hotline",))
    receiver.answers = [503]
    text = f"webhooks:\n  desk:\n    url: {receiver.url}\n    secret_file: SECRET\n"
    given = load_receivers(written(tmp_path, text), {}, reasons=REASONS, areas=AREAS)
    try:
        for played in (True, False):
            receivers = Receivers(given, city, tmp_path, lambda: int(time.time()))
            assert receivers.sink is not None
            opened = Opened(city, tmp_path / "state", durability="off", now_s=START_S, sinks=[receivers.sink])
            receivers.start(opened.feed, opened.store.newest("alerts"))
            if played:
                for at, data in days(2.6, bursts=(60, 61)):
                    opened.engine.desk.ingest("hotline", [data], at)
                opened.engine.drain(START_S)
                until(lambda: len(receiver.got) >= 1)
            else:
                until(partial(all_done, receivers))
            receivers.stop()
            opened.close()
        keys = [headers["Idempotency-Key"] for headers, body in receiver.got]
        told = [step for _, step in opened_steps(tmp_path / "state") if step.notify]
        assert set(keys) == {f"{step.alert_id}/{step.seq}" for step in told}
        assert len(keys) == len(set(keys)) + 1, "the one that failed, again"
        headers, body = receiver.got[-1]
        assert headers["Tocsin-Signature"] == f"v1={signature(b'only-a-test-secret', int(headers['Tocsin-Timestamp']), body)}"
    finally:
        receiver.close()


def all_done(receivers: Receivers) -> bool:
    return {state for _, state in receivers.deliveries.counts()} == {"done"}


def opened_steps(folder: Path) -> list[tuple[int, Transition]]:
    opened = Opened(small_city(("hotline",)), folder, durability="off", now_s=START_S)
    try:
        return opened.history(0, 1000) or []
    finally:
        opened.close()
