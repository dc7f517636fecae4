"""The cable between a browser and its server: it can be pulled, so that both ends wait for bytes that never come, and mended."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

CHUNK = 65_536
LOOK_S = 0.05


class Cable:
    """Forwards connections to a port of this machine from one of its own."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._whole = threading.Event()
        self._whole.set()
        self._cut = False
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="cable", daemon=True).start()

    def pull(self) -> None:
        """From now on nothing comes through, and nobody is told."""
        self._whole.clear()

    def mend(self) -> None:
        """What was open is reset, as a network does that has forgotten it; what is new comes through."""
        self._drop()
        self._whole.set()

    def cut(self) -> None:
        self._cut = True
        self._whole.set()
        self._listener.close()
        self._drop()

    def _drop(self) -> None:
        for pair in tuple(self._pairs):
            self._close(pair)

    def _close(self, pair: tuple[socket.socket, socket.socket]) -> None:
        self._pairs.discard(pair)
        for end in pair:
            with suppress(OSError):  # it has been closed
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        while not self._cut:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            pair = (near, far)
            self._pairs.add(pair)
            for source, sink in (pair, pair[::-1]):
                threading.Thread(target=self._forward, args=(source, sink, pair), name="cable", daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, pair: tuple[socket.socket, socket.socket]) -> None:
        try:
            while data := source.recv(CHUNK):
                while not self._whole.wait(LOOK_S) and pair in self._pairs:
                    pass
                sink.sendall(data)
        except OSError:
            pass  # one end has gone, so both do
        self._close(pair)
