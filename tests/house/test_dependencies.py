"""What pyproject.toml declares, what the code imports and what requirements.lock pins are one list."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.house import tidy

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()

NOT_IMPORTED = {
    "cramjam": "aiokafka reads LZ4 with it",
    "lz4": "kafka-python reads LZ4 with it",
    "httptools": "uvicorn takes it where it is there: half the CPU per event of the feed",
    "uvloop": "uvicorn takes it where it is there",
    "tzdata": "zoneinfo reads it where the system has no time zones",
}


def canonical(requirement: str) -> str:
    """The normalised project name of ``requirement``."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def test_every_third_party_import_is_declared_and_every_declaration_is_used():
    own = {*tidy.ROOMS, "tests", *sys.stdlib_module_names}
    paths = [path for path in tidy.python_files(ROOT) if path.relative_to(ROOT).parts[0] in tidy.ROOMS]
    tops = {name.partition(".")[0] for path in paths for name in tidy.imported(ast.parse(path.read_text()))} - own
    distributions = packages_distributions()
    used = {canonical(distributions[top][0]) for top in tops if top in distributions}
    tops -= {"quixstreams"}  # a peer, in an environment of its own
    assert tops <= set(distributions), sorted(tops - set(distributions))
    declared = {canonical(line) for line in PROJECT["dependencies"]}
    assert used - declared == {"hatchling"}  # of the page's build hook alone, which the build system brings
    assert declared - used == set(NOT_IMPORTED)


def test_every_declared_dependency_is_pinned_with_hashes():
    pins = {
        canonical(m[1]): m[0]
        for m in re.finditer(r"^([A-Za-z0-9._-]+)==[^\n]*\\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", LOCK, re.MULTILINE)
    }
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    assert [line for line in wanted if canonical(line) not in pins] == []
    assert len(pins) == len(re.findall(r"^[a-z0-9]", LOCK, re.MULTILINE))


def test_the_lock_names_no_index_and_no_place():
    assert re.findall(r"https?:|file://|--(?:index|extra-index|find-links|trusted)|@ |(?:^|\s)/\w", LOCK) == []
