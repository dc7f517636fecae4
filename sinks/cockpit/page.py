"""The page as it is served: what the build of ``ui/`` left in ``static/``, each file in the smallest form that the reader understands."""

from __future__ import annotations

import re
from http import HTTPStatus
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

INDEX = "index.html"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""By content coding the suffix of the file beside, the smaller one first."""
FRESH = "no-cache"
FOR_GOOD = "public, max-age=31536000, immutable"  # a name with a hash never means another content
NOT_BUILT = "the page is not built; `make setup` builds it"

_hashed = re.compile(r"-[\w-]{8}\.\w+$")


class File(NamedTuple):
    """One file of the page in its forms, by content coding; "" is the plain one."""

    media_type: str
    forms: dict[str, bytes]
    cache_control: str


def read_page(folder: Traversable | None = None) -> dict[str, File]:
    """Every file of the built page by its name; empty when it has not been built."""
    folder = folder or files("sinks.cockpit") / "static"
    held = {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()} if folder.is_dir() else {}
    found = {}
    for name, plain in held.items():
        media_type = TYPES.get(f".{name.rpartition('.')[2]}")
        if media_type is None:
            continue
        forms = {coding: held[name + suffix] for coding, suffix in ENCODINGS.items() if name + suffix in held}
        cache_control = FOR_GOOD if _hashed.search(name) else FRESH
        found[name] = File(f"{media_type}; charset=utf-8", {**forms, "": plain}, cache_control)
    return found


def add_page(app: FastAPI, page: dict[str, File] | None = None) -> None:
    """The page at ``/`` and what it needs below ``/static/``."""
    held = read_page() if page is None else page

    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        if INDEX not in held:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, NOT_BUILT)
        return _answer(held[INDEX], request)

    @app.get("/static/{name}", include_in_schema=False)
    async def static(request: Request, name: str) -> Response:
        if name not in held:
            raise HTTPException(HTTPStatus.NOT_FOUND, "there is no such file")
        return _answer(held[name], request)


def _answer(file: File, request: Request) -> Response:
    accepted = {
        each.partition(";")[0].strip().lower() for each in request.headers.get("accept-encoding", "").split(",") if "q=0" not in each
    }
    coding = next((each for each in file.forms if each in accepted), "")
    headers = {"Cache-Control": file.cache_control, "Vary": "Accept-Encoding"}
    if coding:
        headers["Content-Encoding"] = coding
    return Response(file.forms[coding], media_type=file.media_type, headers=headers)
