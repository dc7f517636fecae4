"""The browser that the tests drive: the system's Chromium, which nothing has to download."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
REMEDY = "apt-get install chromium"


def executable() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def present() -> bool:
    return executable() is not None and find_spec("playwright") is not None


def page_parts() -> bool:
    """Whether the page is built, and what it is built and checked with is there."""
    return (ROOT / "sinks/cockpit/static/index.html").is_file() and (ROOT / "sinks/cockpit/ui/node_modules/axe-core").is_dir()
