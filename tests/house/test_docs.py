"""The pages say what is there: commands, options, routes, files and links that exist, and nothing of this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from sinks.metrics import CATALOGUE
from streams.core.lifecycle import TRANSITION_REASONS
from streams.model import REASONS
from streams.shells import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README_LINES_MAX = 80

# In pieces, so that this file does not name them itself.
FOREIGN = re.compile(
    "|".join(
        [
            r"(?:pypi|pythonhosted|npmjs|yarnpkg)\.(?:org|com)",
            r"(?<!emit-)(?:index|registry)-url",
            r"(?<![\w.])/(?:root|home|Users|work|mnt)/\w",
        ]
    )
)


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def code_of(text: str) -> Iterator[str]:
    """Lines of fenced blocks and inline code."""
    for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def commands() -> dict[str, Any]:
    """Every command by its words: "demo", "areas show", "bench intake"."""
    own = walk(typer.main.get_command(cli.app))
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][cli.COMMANDS]
    own = {words: command for words, command in own.items() if words not in points}  # there once a test has run a command: not loaded
    for name, target in points.items():
        module, _, attribute = target.partition(":")
        own |= walk(typer.main.get_command(getattr(import_module(module), attribute)), f"{name} ")
    return own


def walk(group: Any, before: str = "") -> dict[str, Any]:
    """The commands of a group and of the groups in it."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        found |= walk(command, f"{before}{name} ") if hasattr(command, "commands") else {f"{before}{name}": command}
    return found


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES_MAX


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_make_targets_exist(page: Path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for line in code_of(page.read_text()) for word in re.findall(r"(?:^|\s)make ([a-z-]+)", line)}
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_and_their_options_exist(page: Path):
    known = commands()
    groups = {name.partition(" ")[0] for name in known if " " in name}
    for line in code_of(page.read_text()):
        for words in re.findall(r"(?:^|[\s/])tocsin ([a-z][^\n#|;&]*)", line):
            name = next((name for name in known if f"{words} ".startswith(f"{name} ")), None)
            if name is None and re.match(r"[a-z-]+(?=$|[^ a-z-])", words) and words.partition(":")[0] in groups:
                continue  # a group of commands by its name alone
            assert name, f"{page_id(page)}: {line.strip()}"
            options = {option for parameter in known[name].params for option in parameter.opts} | {"--help"}
            assert set(re.findall(r"(?<!\S)--[a-z-]+", words)) <= options, f"{page_id(page)}: {line.strip()}"


def test_every_command_is_in_the_manual():
    text = (ROOT / "docs" / "operating.md").read_text()
    assert [name for name in commands() if f"`tocsin {name}" not in text] == []


def test_every_route_is_in_the_manual():
    text = (ROOT / "docs" / "api.md").read_text()
    files = [*(ROOT / "sinks" / "cockpit").glob("*.py"), *(ROOT / "streams" / "shells").glob("*.py")]
    routes = [
        found for file in files for found in re.findall(r'@(?:app|router)\.(get|post|put|patch|delete)\(\s*"([^"]+)"', file.read_text())
    ]
    assert len(routes) >= 5
    assert [f"{verb.upper()} {path}" for verb, path in routes if f"`{verb.upper()} {path}`" not in text] == []


def test_every_reason_is_in_the_manual():
    operating, api = (ROOT / "docs" / "operating.md").read_text(), (ROOT / "docs" / "api.md").read_text()
    assert [reason for reason in REASONS if f"`{reason}`" not in operating] == []
    assert [reason for reason in TRANSITION_REASONS if f"`{reason}`" not in api] == []


def test_every_metric_is_in_the_manual():
    text = (ROOT / "docs" / "operating.md").read_text()
    assert [metric.name for metric in CATALOGUE if f"`{metric.name}`" not in text] == []


def test_modules_to_be_run_by_hand_are_named_and_exist():
    named = {name for page in PAGES for line in code_of(page.read_text()) for name in re.findall(r"python -m (load_tests\.\w+)", line)}
    scripts = {f"load_tests.{path.stem}" for path in (ROOT / "load_tests").glob("*.py") if '__name__ == "__main__"' in path.read_text()}
    assert named == scripts


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}, target


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_files_that_a_page_names_exist(page: Path):
    tops = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in {".venv", "dist", "build", "var"}}
    for line in code_of(page.read_text()):
        for word in re.findall(r"(?<![\w./<-])\.?[a-z_]+/[\w./*-]*(?![\w<{])", line):
            if word.partition("/")[0] in tops:
                path = word.rstrip(".,:")
                assert list(ROOT.glob(path)) if "*" in path else (ROOT / path).exists(), f"{page_id(page)}: {word}"


def own_files() -> list[Path]:
    """Every file that is or would be tracked; without git's answer, every file but the built ones."""
    if shutil.which("git"):
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]
    built = {".venv", ".git", "dist", "build", "var", "__pycache__"} | {path.name for path in ROOT.glob(".*_cache")} | {".hypothesis"}
    return [path for path in ROOT.rglob("*") if path.is_file() and not built & set(path.relative_to(ROOT).parts)]


def test_no_file_names_a_registry_or_a_place_on_a_machine():
    found = []
    for path in own_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # recorded data and journals
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in FOREIGN.finditer(text) if path != Path(__file__)]
    assert found == []


def test_the_licence_is_there():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_changelog_has_the_version():
    version = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert re.search(rf"^## \[{re.escape(version[1])}\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


@pytest.mark.needs("make")
def test_make_alone_lists_every_target():
    done = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True, timeout=30)
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert [name for name in phony[1].split() if not re.search(rf"^{name}\s", done.stdout, re.MULTILINE)] == []
