"""Numbers of one process over HTTP on this machine, where it has no web server of its own."""

from __future__ import annotations

from prometheus_client import start_http_server

from sinks.metrics import Metrics


def serve_metrics(metrics: Metrics, port: int) -> None:
    """Serve on 127.0.0.1; nothing for port 0. The thread ends with the process."""
    if port:
        start_http_server(port, addr="127.0.0.1", registry=metrics.registry)
