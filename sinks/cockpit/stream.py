"""One stream of server-sent events: a response that sends what the feed has for its reader until one of them ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from sinks.cockpit.feed import Feed, Opening

KEEP_ALIVE_S = 15.0
SEND_S_MAX = 60.0
RETRY_MS = 3000
KEEP_ALIVE = b": still here\n\n"
HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(Response):
    """The answer to ``GET /api/stream``. Its reader is unsubscribed whatever way it ends.

    It ends as soon as ``holds`` says that who reads would not be let in any more: asked before anything is sent.
    """

    def __init__(self, feed: Feed, opening: Opening, *, holds: Callable[[], bool], keep_alive_s: float = KEEP_ALIVE_S) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._feed = feed
        self._opening = opening
        self._subscriber = opening.subscriber
        self._holds = holds
        self._keep_alive_s = keep_alive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the signature of ASGI
        """Send until the reader goes, the feed closes, or the reader is dropped."""
        gone = asyncio.create_task(_disconnect(receive))
        sending = self._subscriber.task = asyncio.create_task(self._run(send))
        try:
            await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._feed.unsubscribe(self._subscriber)
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)

    async def _run(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await self._send(send, f"retry: {RETRY_MS}\n\n".encode() + self._opening.frames)
        if self._opening.replay_after is not None:
            await self._send(send, await self._feed.replay(self._opening))
        while not self._feed.closed and self._holds():
            self._subscriber.wake.clear()
            data = self._feed.take(self._subscriber)
            if data:
                await self._send(send, data)
            elif not await self._woken():
                await self._send(send, KEEP_ALIVE)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, data: bytes) -> None:
        message: Message = {"type": "http.response.body", "body": data, "more_body": True}
        self._subscriber.busy_since = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(SEND_S_MAX):
                await send(message)
        except TimeoutError:
            self._feed.drop(self._subscriber)
            raise
        finally:
            self._subscriber.busy_since = None

    async def _woken(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._keep_alive_s):
                await self._subscriber.wake.wait()
                return True
        return False


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
