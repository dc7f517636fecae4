"""Parts that several tests of sinks use: sinks that are closed afterwards, a real server."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from sinks.checks import AREAS, SIGNALS
from sinks.clickhouse.chdb_sink import ChdbSink


@pytest.fixture(scope="session")
def chdb_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder a test process: an engine has one folder at a time, and takes a while to make a new one."""
    return tmp_path_factory.mktemp("chdb")


@pytest.fixture
def open_chdb(chdb_folder: Path) -> Iterator[Callable[..., ChdbSink]]:
    """Opens a sink on a fresh database, or on a named one; the one before is closed first."""
    opened: list[ChdbSink] = []

    def open_sink(database: str = "", **options: Any) -> ChdbSink:
        for sink in opened:
            sink.close()
        options = {"areas": AREAS, "signals": SIGNALS, **options}
        sink = ChdbSink(chdb_folder, database=database or f"t{next(_numbers)}", **options)
        opened.append(sink)
        return sink

    yield open_sink
    for sink in opened:
        sink.close()


_numbers = itertools.count()


@pytest.fixture
def serve() -> Iterator[Callable[[Any], str]]:
    """Starts an application on a free port of the loopback address; gives its URL."""
    running: list[tuple[uvicorn.Server, threading.Thread, socket.socket]] = []

    def start(app: Any) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        until = time.monotonic() + 10
        while not server.started and time.monotonic() < until:
            time.sleep(0.005)
        assert server.started
        running.append((server, thread, listener))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for server, thread, listener in running:
        server.should_exit = True
        thread.join(10)
        listener.close()
        assert not thread.is_alive()
