"""The page as it is served: nothing inline, nothing from elsewhere, readable by machines that read aloud."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from sinks.cockpit.api import SECURITY_HEADERS, STATIC

FOLDER = files("sinks.cockpit") / "static"
PAGE = (FOLDER / "page.html").read_text(encoding="utf-8")
SCRIPT = (FOLDER / "page.js").read_text(encoding="utf-8")
STYLE = (FOLDER / "page.css").read_text(encoding="utf-8")


class Tags(HTMLParser):
    """All start tags with their attributes, and the text inside scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self._inside = ""
        self.feed(PAGE)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in {"script", "style"}:
            self.inline += data.strip()


def test_nothing_is_inline() -> None:
    page = Tags()
    assert page.inline == ""
    for _, attributes in page.tags:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]


def test_nothing_comes_from_elsewhere() -> None:
    for text in (PAGE, SCRIPT, STYLE):
        assert not re.search(r"(https?:)?//[a-z]+\.", text, re.IGNORECASE)
    sources = [value for _, attributes in Tags().tags for name, value in attributes.items() if name in {"src", "href"} and value]
    assert {value.removeprefix("/static/") for value in sources if value.startswith("/static/")} == set(STATIC)
    assert all(value.startswith(("/static/", "/api/", "#")) for value in sources)


def test_the_script_never_writes_markup() -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|\.style\b|setAttribute\(.style", SCRIPT
    )


def test_the_policy_allows_no_inline_and_no_other_host() -> None:
    policy = dict(part.strip().split(" ", 1) for part in SECURITY_HEADERS["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in SECURITY_HEADERS["Content-Security-Policy"]


def test_every_place_the_script_fills_is_on_the_page() -> None:
    wanted = set(re.findall(r'\bat\("(\w+)"\)', SCRIPT))
    assert wanted
    assert wanted <= {attributes.get("id") for _, attributes in Tags().tags}


def test_the_page_has_landmarks_a_language_and_live_regions() -> None:
    tags = Tags().tags
    names = [tag for tag, _ in tags]
    assert dict(tags)["html"]["lang"] == "en"
    assert [names.count(tag) for tag in ("header", "main", "footer", "h1", "title")] == [1] * 5
    assert any(attributes.get("aria-live") == "polite" for _, attributes in tags)
    assert any(attributes.get("role") == "status" for _, attributes in tags)
    assert any(tag == "meta" and attributes.get("name") == "viewport" for tag, attributes in tags)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_in_both_schemes(scheme: int) -> None:
    colours = dict(re.findall(r"--(\w+): (#\w{6})", STYLE.split("@media")[scheme]))
    pairs = [(text, ground) for text in ("ink", "soft") for ground in ("ground", "card")]
    pairs += [("on", band) for band in ("red", "orange", "yellow", "blue", "grey")] + [("red", "ground")]
    for text, ground in pairs:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def test_bands_and_states_have_a_look_and_a_word() -> None:
    for band in ("red", "orange", "yellow", "blue", "grey", "none"):
        assert f'data-band="{band}"' in STYLE
    for state in ("provisional", "open", "no_data"):
        assert f"{state}:" in SCRIPT
