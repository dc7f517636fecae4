"""Chromium of the system, driven by Playwright: nothing is downloaded, and nothing is asked of another host."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
REMEDY = "apt-get install chromium"
PAGE_REMEDY = "make setup, with npm"
ARGUMENTS = ("--no-sandbox", "--enable-precise-memory-info")
"""Without a sandbox it runs as root too; it shows nothing but this project's own page."""


def executable() -> str | None:
    """Where it is; None: nowhere."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def present() -> bool:
    """Whether it and Playwright are there."""
    return executable() is not None and find_spec("playwright") is not None


def page_present() -> bool:
    """Whether the page is built, and what it is checked with is there."""
    return (ROOT / "sinks/cockpit/static/index.html").is_file() and (ROOT / "sinks/cockpit/ui/node_modules/axe-core").is_dir()


@contextmanager
def launched() -> Iterator[Any]:
    """A Playwright browser.

    Raises:
        ModuleNotFoundError: Playwright is not installed.
        FileNotFoundError: Chromium is not.
    """
    api: Any = import_module("playwright.sync_api")
    path = executable()
    if path is None:
        raise FileNotFoundError(REMEDY)
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()
