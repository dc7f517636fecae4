"""``GET /api/deliveries``: what became of what was posted to other systems. Bodies and secrets are not told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from sinks.cockpit.access import Who
from sinks.cockpit.past import json_answer


class Deliveries(NamedTuple):
    """What the shell knows of them."""

    receipts: Callable[[int], Sequence[Mapping[str, Any]]]
    counts: Callable[[], Mapping[tuple[str, str], int]]
    pushed: Callable[[], Mapping[str, Any] | None] = lambda: None


def deliveries_router(deliveries: Deliveries) -> APIRouter:
    """The endpoint, to be mounted beside the cockpit's."""
    router = APIRouter(tags=["exports"])

    @router.get("/api/deliveries", summary="What became of webhooks, the newest first; and how pushes to Alertmanager go")
    async def receipts(who: Who, limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> Response:
        who.require("commander", whole=True)
        rows = await run_in_threadpool(deliveries.receipts, limit)
        counts: dict[str, dict[str, int]] = {}
        for (hook, state), n in (await run_in_threadpool(deliveries.counts)).items():
            counts.setdefault(hook, {})[state] = n
        return json_answer({"hooks": counts, "receipts": [dict(row) for row in rows], "alertmanager": deliveries.pushed()})

    return router
