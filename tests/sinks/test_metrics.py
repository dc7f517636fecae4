"""Metrics: the catalogue is all there is, names and labels are bounded, the text is OpenMetrics."""

from __future__ import annotations

import re

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from sinks.metrics import CATALOGUE, LABEL_VALUES_MAX, Metric, Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """Value by (name, label values in the order of the labels' names); ``_created`` is left out."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def all_used() -> Metrics:
    metrics = Metrics(process=False)
    metrics.config("boston", "v1")
    metrics.ingested("hotline", 5, 2, 1, {"bad_time": 3})
    metrics.watermark_lag("hotline", 301.0)
    metrics.scored(4, 2, {"noise": 3})
    metrics.behind(7)
    metrics.conflicts(1)
    metrics.transition("raised", "red", notify=True)
    metrics.transition("calm", "red", notify=False)
    metrics.open_alerts({"red": 2})
    metrics.feed(3, 1, 4)
    metrics.access(3, 1, 2, 1)
    metrics.sink_write("chdb", 0.02, 9)
    metrics.sink_error("chdb", True)
    metrics.sink_away("clickhouse", away=True)
    metrics.sink_behind("clickhouse", "scores", 5, 2.5)
    metrics.deliveries({("desk", "dead"): 2})
    metrics.bound_reached("ring")
    return metrics


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(metric: Metric) -> None:
    assert re.fullmatch(r"tocsin(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.name.endswith("_info") == (metric.kind == "info")
    assert metric.help
    assert not {"area", "alert", "alert_id", "id", "camera"} & set(metric.labels), "unbounded, or finer than a district"


def test_every_metric_of_the_catalogue_is_used_and_no_other() -> None:
    families = {family.name for family in text_string_to_metric_families(all_used().text().decode()) if family.samples}
    assert families == {metric.name.removesuffix("_total").removesuffix("_info") for metric in CATALOGUE}


def test_the_text_ends_as_openmetrics_does() -> None:
    assert all_used().text().endswith(b"# EOF\n")


def test_values_add_up() -> None:
    found = samples(all_used())
    assert found["tocsin_intake_records_total", ("accepted", "hotline")] == 5
    assert found["tocsin_intake_records_total", ("rejected", "hotline")] == 3
    assert found["tocsin_rejected_records_total", ("bad_time", "hotline")] == 3
    assert found["tocsin_late_records_total", ("hotline",)] == 1
    assert found["tocsin_open_alerts", ("red",)] == 2
    assert found["tocsin_open_alerts", ("blue",)] == 0, "a band without alerts is told as well"
    assert found["tocsin_notifications_total", ("red",)] == 1
    assert found["tocsin_sink_write_seconds_count", ("chdb",)] == 1
    assert found["tocsin_sink_failures_total", ("true", "chdb")] == 1
    assert found["tocsin_config_info", ("boston", "v1")] == 1


def test_totals_that_others_keep_only_grow() -> None:
    metrics = Metrics(process=False)
    for dropped in (2, 2, 5, 3):
        metrics.feed(0, dropped, 0)
    assert samples(metrics)["tocsin_feed_dropped_subscribers_total", ()] == 5


def test_labels_are_bounded_and_the_bound_is_counted() -> None:
    metrics = Metrics(process=False)
    for n in range(LABEL_VALUES_MAX + 20):
        metrics.transition(f"reason{n}", "red", notify=False)
    metrics.transition("reason0", "red", notify=False)
    found = {labels[0]: value for (name, labels), value in samples(metrics).items() if name == "tocsin_transitions_total"}
    assert len(found) == LABEL_VALUES_MAX + 1
    assert found["other"] == 20
    assert found["reason0"] == 2
    assert samples(metrics)["tocsin_bounds_reached_total", ("metric_labels",)] == 20


def test_two_registries_do_not_meet() -> None:
    first, second = Metrics(), Metrics()
    first.behind(1)
    assert samples(second)["tocsin_behind_records", ()] == 0
    assert b"process_resident_memory_bytes" in first.text()
