"""The web server beside the engine: uvicorn in a thread of its own, beyond the loopback address only where there are users."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn

from streams.shells.errors import ShellError

HOST = "127.0.0.1"
START_S_MAX = 10.0
STOP_S_MAX = 5.0


class ServeError(ShellError):
    """The server cannot be started as asked; the message says what to do."""


def check_host(host: str, users: Path) -> str:
    """The address to listen on; beyond the loopback only where there is a file of users.

    Raises:
        ServeError: another host was asked for, and there are no users.
    """
    if host in (HOST, "localhost"):
        return HOST
    if not host or not users.exists():
        raise ServeError(
            f"--host {host}: without users this listens on {HOST} only; add the first one (tocsin users add, into {users}), then start again"
        )
    return host


class Server:
    """A running web server."""

    def __init__(self, app: Any, port: int, host: str = HOST) -> None:
        """Bind and start; ``port`` 0 takes a free one.

        Raises:
            ServeError: the port is taken, or the server did not start.
        """
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise ServeError(f"port {port} cannot be used on {host} ({error.strerror}); give another one to --port") from None
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2, lifespan="auto", server_header=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, name="http", daemon=True)
        self._thread.start()
        until = time.monotonic() + START_S_MAX
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                raise ServeError("the web server did not start; the log has the reason")
            time.sleep(0.01)

    @property
    def running(self) -> bool:
        """Whether the server still answers."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Stop answering; open streams are ended."""
        self._server.should_exit = True
        self._thread.join(STOP_S_MAX)
        self._socket.close()
