"""Numbers about the program for Prometheus, as OpenMetrics. One registry, one process, one port.

``CATALOGUE`` is all there is. A label takes few values (sources, reasons, bands; never an area below district level), and
one that would take more than ``LABEL_VALUES_MAX`` says "other" from there on, which is itself counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.openmetrics.exposition import generate_latest

from streams.model import BANDS

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
LABEL_VALUES_MAX = 100
OTHER = "other"
WRITE_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

Kind = Literal["counter", "gauge", "histogram", "info"]


class Metric(NamedTuple):
    """One entry of the catalogue; ``name`` is the full name that Prometheus shows."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str


CATALOGUE: tuple[Metric, ...] = (
    Metric("tocsin_config_info", "info", ("city", "version"), "The configuration in force"),
    Metric("tocsin_intake_records_total", "counter", ("source", "outcome"), "Raw records by outcome: accepted, duplicate, rejected"),
    Metric(
        "tocsin_late_records_total", "counter", ("source",), "Accepted records that came behind the watermark and amend longer windows only"
    ),
    Metric("tocsin_rejected_records_total", "counter", ("source", "reason"), "Raw records that could not be read, by reason"),
    Metric("tocsin_watermark_lag_seconds", "gauge", ("source",), "How far a source's watermark is behind the clock"),
    Metric("tocsin_counts_records_total", "counter", (), "Records of the counts journal that were scored"),
    Metric("tocsin_behind_records", "gauge", (), "Journal records that wait to be scored, decided on or shown"),
    Metric("tocsin_closed_windows_total", "counter", (), "Windows that shards have closed"),
    Metric("tocsin_findings_total", "counter", ("signal",), "Findings by signal"),
    Metric("tocsin_conflicting_findings_total", "counter", (), "Findings that came out differently from what the journal has"),
    Metric("tocsin_transitions_total", "counter", ("reason",), "Steps in the life of alerts by reason"),
    Metric("tocsin_notifications_total", "counter", ("band",), "Transitions that tell a person, by band"),
    Metric("tocsin_open_alerts", "gauge", ("band",), "Alerts that are open now, by band"),
    Metric("tocsin_feed_subscribers", "gauge", (), "Open event streams"),
    Metric("tocsin_feed_dropped_subscribers_total", "counter", (), "Event streams that were ended because nobody read them"),
    Metric("tocsin_feed_resets_total", "counter", (), "Readers who had to begin again with a snapshot"),
    Metric("tocsin_sign_ins_throttled_total", "counter", (), "Attempts to sign in that had to wait"),
    Metric(
        "tocsin_users_file_failures_total", "counter", (), "Times the users file had changed and could not be used, or sessions not kept"
    ),
    Metric("tocsin_audit_failures_total", "counter", ("of",), "Views that were not written down, actions that therefore did not happen"),
    Metric("tocsin_sink_write_seconds", "histogram", ("sink",), "How long a batch takes to write"),
    Metric("tocsin_sink_rows_total", "counter", ("sink",), "Rows and events that a sink has taken"),
    Metric("tocsin_sink_failures_total", "counter", ("sink", "retryable"), "Batches that a sink did not take; retryable: true or false"),
    Metric("tocsin_sink_away", "gauge", ("sink",), "1 while the server of a sink does not answer, 0 otherwise"),
    Metric("tocsin_sink_behind_records", "gauge", ("sink", "topic"), "Records of a topic that a sink has not written yet"),
    Metric(
        "tocsin_sink_behind_seconds", "gauge", ("sink", "topic"), "How far a sink is behind the clock in a topic; 0: it has written all"
    ),
    Metric(
        "tocsin_webhook_deliveries",
        "gauge",
        ("hook", "state"),
        "Deliveries to a webhook by state: waiting, done, dead; old ones are forgotten",
    ),
    Metric("tocsin_bounds_reached_total", "counter", ("bound",), "How often a queue, cache, map or label set was full"),
)


class Metrics:
    """Plain methods for the shells. Safe to call from any thread."""

    def __init__(self, *, process: bool = True) -> None:
        """``process`` adds the usual ``process_*`` metrics: memory, CPU, open files."""
        self.registry = CollectorRegistry()
        self._metrics: dict[str, Any] = {metric.name: _make(metric, self.registry) for metric in CATALOGUE}
        self._values: dict[tuple[str, str], set[str]] = {}
        self._totals: dict[str, int] = {}
        if process:
            ProcessCollector(registry=self.registry)

    def text(self) -> bytes:
        """The OpenMetrics exposition, as ``CONTENT_TYPE`` says."""
        text: bytes = generate_latest(self.registry)  # type: ignore[no-untyped-call]
        return text

    def config(self, city: str, version: str) -> None:
        """The configuration in force."""
        self._metrics["tocsin_config_info"].info({"city": city, "version": version})

    def ingested(self, source: str, accepted: int, duplicate: int, late: int, rejected: Mapping[str, int]) -> None:
        """A batch of raw records was committed. ``late`` ones are among the accepted, ``rejected`` is by reason."""
        outcomes = {"accepted": accepted, "duplicate": duplicate, "rejected": sum(rejected.values())}
        for outcome, n in outcomes.items():
            self._of("tocsin_intake_records_total", source, outcome).inc(n)
        self._of("tocsin_late_records_total", source).inc(late)
        for reason, n in rejected.items():
            self._of("tocsin_rejected_records_total", source, reason).inc(n)

    def watermark_lag(self, source: str, lag_s: float) -> None:
        """How far a source's watermark is behind the clock."""
        self._of("tocsin_watermark_lag_seconds", source).set(lag_s)

    def scored(self, counts_records: int, closed_windows: int, findings: Mapping[str, int]) -> None:
        """Counts were scored; ``findings`` by signal."""
        self._of("tocsin_counts_records_total").inc(counts_records)
        self._of("tocsin_closed_windows_total").inc(closed_windows)
        for signal, n in findings.items():
            self._of("tocsin_findings_total", signal).inc(n)

    def behind(self, records: int) -> None:
        """Journal records that wait."""
        self._of("tocsin_behind_records").set(records)

    def conflicts(self, n: int) -> None:
        """Findings came out differently from what the journal has."""
        self._of("tocsin_conflicting_findings_total").inc(n)

    def transition(self, reason: str, band: str, *, notify: bool) -> None:
        """An alert has taken a step."""
        self._of("tocsin_transitions_total", reason).inc()
        if notify:
            self._of("tocsin_notifications_total", band).inc()

    def open_alerts(self, by_band: Mapping[str, int]) -> None:
        """How many alerts are open now; bands that are not named have none."""
        for band in ("grey", *BANDS):
            self._of("tocsin_open_alerts", band).set(by_band.get(band, 0))

    def feed(self, subscribers: int, dropped: int, resets: int) -> None:
        """The feed's numbers as it keeps them: ``dropped`` and ``resets`` since it began."""
        self._of("tocsin_feed_subscribers").set(subscribers)
        self._total("tocsin_feed_dropped_subscribers_total", dropped)
        self._total("tocsin_feed_resets_total", resets)

    def access(self, throttled: int, failures: int, views: int, actions: int) -> None:
        """Numbers of users, sessions and audit since the cockpit began."""
        self._total("tocsin_sign_ins_throttled_total", throttled)
        self._total("tocsin_users_file_failures_total", failures)
        self._total("tocsin_audit_failures_total", views, "view")
        self._total("tocsin_audit_failures_total", actions, "action")

    def sink_write(self, sink: str, seconds: float, rows: int) -> None:
        """A sink has taken a batch."""
        self._of("tocsin_sink_write_seconds", sink).observe(seconds)
        self._of("tocsin_sink_rows_total", sink).inc(rows)

    def sink_error(self, sink: str, retryable: bool) -> None:
        """A sink did not take a batch."""
        self._of("tocsin_sink_failures_total", sink, "true" if retryable else "false").inc()

    def sink_away(self, sink: str, *, away: bool) -> None:
        """The server of a sink does not answer, or answers again."""
        self._of("tocsin_sink_away", sink).set(int(away))

    def sink_behind(self, sink: str, topic: str, records: int, seconds: float) -> None:
        """What a sink has not written yet of a topic, and how long that has been so."""
        self._of("tocsin_sink_behind_records", sink, topic).set(records)
        self._of("tocsin_sink_behind_seconds", sink, topic).set(seconds)

    def deliveries(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Deliveries to webhooks by hook and state."""
        for hook in {hook for hook, _ in counts}:
            for state in ("waiting", "done", "dead"):
                self._of("tocsin_webhook_deliveries", hook, state).set(counts.get((hook, state), 0))

    def bound_reached(self, bound: str, n: int = 1) -> None:
        """Something was full."""
        self._of("tocsin_bounds_reached_total", bound).inc(n)

    def _of(self, name: str, *values: str) -> Any:
        metric = self._metrics[name]
        return metric.labels(*(self._bounded(name, at, value) for at, value in enumerate(values))) if values else metric

    def _bounded(self, name: str, at: int, value: str) -> str:
        known = self._values.setdefault((name, str(at)), set())
        if value in known:
            return value
        if len(known) < LABEL_VALUES_MAX:
            known.add(value)
            return value
        self._metrics["tocsin_bounds_reached_total"].labels("metric_labels").inc()
        return OTHER

    def _total(self, name: str, total: int, *values: str) -> None:
        """Bring a counter up to a total that somebody else keeps."""
        key = "/".join((name, *values))
        self._of(name, *values).inc(max(0, total - self._totals.get(key, 0)))
        self._totals[key] = max(total, self._totals.get(key, 0))


def _make(metric: Metric, registry: CollectorRegistry) -> Any:
    if metric.kind == "info":
        return Info(metric.name.removesuffix("_info"), metric.help, registry=registry)
    if metric.kind == "histogram":
        return Histogram(metric.name, metric.help, metric.labels, registry=registry, buckets=WRITE_SECONDS)
    cls = Counter if metric.kind == "counter" else Gauge
    return cls(metric.name, metric.help, metric.labels, registry=registry)
