"""Every page drawn, light and dark; into the folder that TOCSIN_SCREENS names (`make screenshots`), and looked at there by people."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.pages import PAGES, show
from tests.browser.stage import Stage

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.needs("page")]
BYTES_MAX = 150_000
BYTES_MIN = 6_000  # an empty page has less


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_page_is_drawn(enter: Callable[..., Any], stage: Stage, scheme: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("TOCSIN_SCREENS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    stage.town.happen(4)
    stage.town.obey(
        "s1", "silence", "cleo", {"area": "back-bay", "until_s": stage.town.now_s + 9000, "signals": ["noise"], "reason": "known_event"}
    )
    desk = enter("cleo", color_scheme=scheme, viewport={"width": 1440, "height": 900})
    session = desk.context.new_cdp_session(desk)
    sizes = {}
    for name in PAGES:
        show(desk, stage, name)
        sizes[name] = save(session, folder / f"{name}-{scheme}.webp")
    phone = enter("anna", color_scheme=scheme, viewport={"width": 360, "height": 780}, locale="zh-CN" if scheme == "light" else "en-GB")
    session = phone.context.new_cdp_session(phone)
    for name in ("watch", "alert"):
        show(phone, stage, name)
        sizes[f"{name} on a phone"] = save(session, folder / f"{name}-phone-{scheme}.webp")
    phone.locator(".tools button").last.click()
    phone.wait_for_selector("form")
    sizes["door"] = save(session, folder / f"sign-in-{scheme}.webp")
    assert {name: size for name, size in sizes.items() if not BYTES_MIN < size < BYTES_MAX} == {}


def save(session: Any, path: Path) -> int:
    data = base64.b64decode(session.send("Page.captureScreenshot", {"format": "webp", "quality": 70})["data"])
    path.write_bytes(data)
    return len(data)
