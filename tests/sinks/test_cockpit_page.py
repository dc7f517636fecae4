"""The page as it is served: nothing inline, nothing from elsewhere, packed as the reader understands it; its colours and its words."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import httpx
import pytest
from fastapi import FastAPI

from sinks.cockpit.access import ROLES
from sinks.cockpit.api import SECURITY_HEADERS, SecurityHeaders
from sinks.cockpit.page import FOR_GOOD, FRESH, add_page, read_page
from streams.core.lifecycle import TRANSITION_REASONS
from streams.core.people import REFUSALS, Verdict
from streams.model import REASONS

UI = Path(__file__).parents[2] / "sinks/cockpit/ui"
STYLE = (UI / "src/style.css").read_text(encoding="utf-8")
SOURCES = {path: path.read_text(encoding="utf-8") for path in sorted((UI / "src").rglob("*")) if path.suffix in {".svelte", ".ts"}}
WORDS = {name: json.loads((UI / f"src/words/{name}.json").read_text(encoding="utf-8")) for name in ("en", "zh")}
PACKED = gzip.compress(b"console.log('x');\n" * 200, mtime=0)
LABELS = [name for name in get_args(Verdict) if name]
SCRIPT = b"console.log('x');\n" * 200


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A page as a build leaves it."""
    (tmp_path / "index.html").write_text("<!doctype html><title>T</title>")
    (tmp_path / "index-a1B2_c3-.js").write_bytes(SCRIPT)
    (tmp_path / "index-a1B2_c3-.js.gz").write_bytes(PACKED)
    (tmp_path / "index-a1B2_c3-.js.br").write_bytes(b"as brotli would")
    (tmp_path / "icon.svg").write_text("<svg/>")
    (tmp_path / "sources.sha256").write_text("1234")
    return tmp_path


def ask(folder: Path, path: str, accept: str = "") -> httpx.Response:
    app = FastAPI()
    app.add_middleware(SecurityHeaders)
    add_page(app, read_page(folder))

    async def _ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        client = httpx.AsyncClient(transport=transport, base_url="http://test", headers={"Accept-Encoding": accept})
        async with client, client.stream("GET", path) as answer:
            answer._content = b"".join([part async for part in answer.aiter_raw()])  # as it came, not unpacked
            return answer

    return asyncio.run(_ask())


def test_what_has_a_hash_in_its_name_is_kept_for_good_and_the_rest_asked_for_again(folder: Path) -> None:
    assert ask(folder, "/").headers["cache-control"] == FRESH
    assert ask(folder, "/static/icon.svg").headers["cache-control"] == FRESH
    script = ask(folder, "/static/index-a1B2_c3-.js")
    assert script.headers["cache-control"] == FOR_GOOD
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize(
    "accept, coding, content",
    [
        ("", None, SCRIPT),
        ("identity", None, SCRIPT),
        ("gzip, deflate, br", "br", b"as brotli would"),
        ("gzip;q=1.0", "gzip", PACKED),
        ("gzip, br;q=0", "gzip", PACKED),
    ],
    ids=["nothing said", "identity", "all", "gzip alone", "no brotli"],
)
def test_a_file_comes_in_the_smallest_form_that_the_reader_understands(
    folder: Path, accept: str, coding: str | None, content: bytes
) -> None:
    answer = ask(folder, "/static/index-a1B2_c3-.js", accept)
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.content == content


@pytest.mark.parametrize("path", ["/static/nothing.js", "/static/sources.sha256", "/static/index-a1B2_c3-.js.gz", "/static/..%2fapi.py"])
def test_nothing_else_is_served(folder: Path, path: str) -> None:
    assert ask(folder, path).status_code == 404


def test_a_page_that_is_not_built_is_said(tmp_path: Path) -> None:
    answer = ask(tmp_path / "nothing", "/")
    assert answer.status_code == 503
    assert b"make setup" in answer.content


class Tags(HTMLParser):
    """All start tags with their attributes, and the text inside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in {"script", "style"}:
            self.inline += data.strip()


@pytest.mark.needs("page")
def test_the_built_page_holds_nothing_inline_and_nothing_from_elsewhere() -> None:
    held = read_page()
    page = Tags(held["index.html"].forms[""].decode())
    assert page.inline == ""
    for _, attributes in page.tags:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
    named = {value for _, attributes in page.tags for name, value in attributes.items() if name in {"src", "href"} and value}
    assert {value.removeprefix("/static/") for value in named if value.startswith("/static/")} <= set(held)
    assert all(value.startswith(("/static/", "/api/")) for value in named)
    assert all(set(file.forms) == {"br", "gzip", ""} for name, file in held.items() if name.endswith((".js", ".css")))


def test_the_policy_allows_no_inline_and_no_other_host() -> None:
    policy = dict(part.strip().split(" ", 1) for part in SECURITY_HEADERS["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in SECURITY_HEADERS["Content-Security-Policy"]


def test_no_source_writes_markup() -> None:
    for path, text in SOURCES.items():
        code = text.replace('innerHTML = ""', "")  # said of the chart library
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|\{@html", code), path
        assert not re.search(r"<[a-z][^>]*\sstyle=", text), path


def test_the_lock_file_names_no_registry() -> None:
    text = (UI / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text
    assert text.count('"integrity"') > 40


# Words


def used(text: str) -> tuple[set[str], set[str]]:
    """Keys that a source names whole, and beginnings of keys that it completes."""
    whole = set(re.findall(r'\bt\(\s*"([\w.]+)"', text)) | set(re.findall(r'[?:]\s*t\("([\w.]+)"', text))
    begun = {f"{name}." for name in re.findall(r'\bword\("([\w.]+)"', text)} | set(re.findall(r"\bt\(`([\w.]+\.)\$\{", text))
    return whole, begun


def test_both_languages_have_the_same_words_with_the_same_places_to_fill() -> None:
    english, chinese = WORDS["en"], WORDS["zh"]
    assert list(english) == list(chinese)
    for key, text in english.items():
        assert text and chinese[key]
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", chinese[key])), key
    same = {key for key, text in english.items() if chinese[key] == text}
    assert same <= {"letter.none"}, "said in one language only"


def test_every_word_is_used_and_every_use_has_a_word() -> None:
    whole: set[str] = set()
    begun: set[str] = set()
    for text in SOURCES.values():
        found = used(text)
        whole |= found[0]
        begun |= found[1]
    keys = set(WORDS["en"])
    assert whole <= keys
    assert {begin for begin in begun if not any(key.startswith(begin) for key in keys)} == set()
    assert {key for key in keys - whole if not key.startswith(tuple(begun))} == set()


def test_the_closed_lists_of_the_server_have_words() -> None:
    keys = set(WORDS["en"])
    wanted = {f"reason.{name}" for name in TRANSITION_REASONS} | {f"rejected.{name}" for name in REASONS}
    wanted |= {f"refusal.{name}" for name in REFUSALS} | {f"role.{name}" for name in ROLES} | {f"label.{name}" for name in LABELS}
    wanted |= {f"state.{name}" for name in ("none", "provisional", "open", "no_data", "cleared", "withdrawn")}
    wanted |= {f"{what}.{band}" for what in ("band", "letter") for band in ("red", "orange", "yellow", "blue", "grey", "none")}
    assert wanted - keys == set()


# Colours


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def schemes() -> list[dict[str, str]]:
    """The colours of light, of the system's dark, and of a chosen dark."""
    blocks = [dict(re.findall(r"--([\w-]+): (#\w{6})", block)) for block in re.findall(r"color-scheme: \w+;\n(.*?)\}", STYLE, re.DOTALL)]
    return [block for block in blocks if len(block) > 20]


def test_dark_is_dark_however_it_came_about() -> None:
    light, system, chosen = schemes()
    assert system == chosen
    assert set(light) == set(system)
    assert luminance(light["ground"]) > 0.5 > luminance(system["ground"])


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_marks_stand_out_in_both_schemes(scheme: int) -> None:
    colours = schemes()[scheme]
    bands = ("red", "orange", "yellow", "blue", "grey")
    texts = [(text, ground) for text in ("ink", "soft", "accent", "bad") for ground in ("ground", "panel")]
    texts += [("ink", "raised"), ("soft", "raised"), ("on-accent", "accent"), *((f"on-{band}", band) for band in bands)]
    for text, ground in texts:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for mark, ground in [("edge", "panel"), *((f"{band}-edge", "panel") for band in bands)]:
        assert contrast(colours[mark], colours[ground]) >= 3, (mark, ground)
