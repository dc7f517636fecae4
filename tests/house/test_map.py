"""The map in docs/architecture.md shows the tree as it is: every path exists, every module is on it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.house import tidy

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"


def mapped() -> dict[str, str]:
    """Path -> its line of words, from the code block under the heading "The map"."""
    block = re.search(r"\n## The map\n.*?```text\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block, "docs/architecture.md has no map"
    rows = [line.split(maxsplit=1) for line in block[1].splitlines() if line.strip()]
    paths = [row[0] for row in rows]
    assert len(paths) == len(set(paths)), "a path stands twice on the map"
    return {row[0]: row[1] if len(row) > 1 else "" for row in rows}


def test_every_path_on_the_map_exists():
    assert [path for path in mapped() if not (ROOT / path).exists()] == []


def test_every_path_on_the_map_says_what_it_is():
    assert [path for path, words in mapped().items() if len(words.split()) < 2] == []


def test_every_module_is_on_the_map():
    files = [path.relative_to(ROOT).as_posix() for path in tidy.python_files(ROOT)]
    modules = [path for path in files if not path.startswith("tests/") and not path.endswith("__init__.py")]
    assert [path for path in modules if path not in mapped()] == []


def test_every_folder_is_on_the_map():
    folders = {path.parent.relative_to(ROOT).as_posix() + "/" for path in tidy.python_files(ROOT)}
    cities = {f"config/{path.parent.name}/" for path in (ROOT / "config").glob("*/tocsin.yaml")}
    assert sorted((folders | cities) - set(mapped())) == []
