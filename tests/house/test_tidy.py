"""The tree is tidy, and each rule of ``tidy`` catches what it is there for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house import tidy

ROOT = Path(__file__).parents[2]
BUILTINS = {"eval", "exec", "print", "hash", "id"}


def faults_of(root: Path, path: str, text: str) -> set[str]:
    """Rules that ``text`` breaks when it stands at ``path``."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return {fault.rule for fault in tidy.check(root) if fault.path == path}


def place(ban: tidy.Ban) -> str:
    where = ban.where[0]
    return where if where.endswith(".py") else f"{where or 'streams/'}planted.py"


def test_the_tree_is_tidy():
    faults = tidy.check(ROOT)
    assert not faults, "\n" + "\n".join(map(str, faults))


@pytest.mark.parametrize("ban", tidy.BANS, ids=lambda ban: ban.name)
def test_a_banned_name_is_caught_however_it_is_imported(ban: tidy.Ban, tmp_path: Path):
    if ban.name in BUILTINS:
        forms = [f"{ban.name}('1')\n", f"x = [{ban.name}(y) for y in '12']\n"]
    else:
        module, _, last = ban.name.rpartition(".")
        forms = [f"import {module or last} as m\n\nx = m{'.' + last if module else '.x'}\n"]
        forms += [f"from {module} import {last}\n" if module else f"from {last} import something\n"]
        if ban.name.startswith("datetime."):
            forms = [f"from datetime import {module.partition('.')[2]} as d\n\nx = d.{last}()\n", f"import datetime\n\nx = {ban.name}()\n"]
    for form in forms:
        assert ban.name in faults_of(tmp_path, place(ban), form), form


@pytest.mark.parametrize("ban", [ban for ban in tidy.BANS if ban.where != tidy.EVERYWHERE], ids=lambda ban: ban.name)
def test_a_ban_holds_only_where_it_says(ban: tidy.Ban, tmp_path: Path):
    text = f"{ban.name}(1)\n" if ban.name in BUILTINS else f"import {ban.name.partition('.')[0]}\n\nx = {ban.name}.x\n"
    assert ban.name not in faults_of(tmp_path, "tests/test_planted.py", text)


@pytest.mark.parametrize(
    "rule, path, text",
    [
        ("long-function", "sinks/planted.py", "def f():\n" + "    x = 1\n" * 60),
        ("long-file", "sinks/planted.py", "x = 1\n" * 401),
        ("marker", "tests/test_planted.py", "x = 1  # " + "TO" + "DO: finish\n"),
        ("bare-except", "load_tests/planted.py", "try:\n    x = 1\nexcept:\n    x = 2\n"),
        ("swallowed", "streams/shells/planted.py", "try:\n    x = 1\nexcept Exception:\n    pass\n"),
        ("swallowed", "sinks/planted.py", "for y in '12':\n    try:\n        x = 1\n    except BaseException:\n        continue\n"),
        ("blas-operator", "detectors/planted.py", "def f(a, b):\n    return a @ b\n"),
        ("set-order", "streams/core/planted.py", "for x in {'a', 'b'}:\n    y = x\n"),
        ("set-order", "detectors/planted.py", "y = [x for x in set('ab')]\n"),
        ("set-order", "streams/model.py", "y = tuple({x for x in 'ab'})\n"),
        ("dead-module", "streams/core/planted.py", "x = 1\n"),
    ],
)
def test_a_planted_fault_is_caught(rule: str, path: str, text: str, tmp_path: Path):
    assert rule in faults_of(tmp_path, path, text)


@pytest.mark.parametrize(
    "path, text",
    [
        ("sinks/planted.py", "def f():\n" + "    x = 1\n" * 59),
        ("streams/core/planted.py", "for x in sorted({'a', 'b'}):\n    y = x\n"),
        ("streams/core/planted.py", "def f(journal):\n    return journal.time.sleep(1)\n"),
        ("streams/shells/planted.py", "try:\n    x = 1\nexcept OSError:\n    pass\n"),
        ("sinks/planted.py", "def f(a, b):\n    return a @ b\n"),
        ("streams/core/planted.py", "from datetime import UTC, datetime\n\nx = datetime.fromtimestamp(0, UTC)\n"),
    ],
)
def test_what_is_allowed_stays_allowed(path: str, text: str, tmp_path: Path):
    assert faults_of(tmp_path, path, text) <= {"dead-module"}


def test_two_test_files_of_one_name_are_caught(tmp_path: Path):
    assert faults_of(tmp_path, "tests/sinks/test_planted.py", "x = 1\n") == set()
    assert faults_of(tmp_path, "tests/detectors/test_planted.py", "x = 1\n") == {"twin"}


def test_an_entry_point_or_an_import_keeps_a_module_alive(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text('[project.scripts]\nplanted = "streams.shells.planted:main"\n')
    assert faults_of(tmp_path, "streams/shells/planted.py", "from streams import other\n") == set()
    assert faults_of(tmp_path, "streams/other.py", "x = 1\n") == set()


def test_a_script_lives_in_load_tests_only(tmp_path: Path):
    text = "x = 1\n\nif __name__ == '__main__':\n    x = 2\n"
    assert faults_of(tmp_path, "load_tests/planted.py", text) == set()
    assert faults_of(tmp_path, "sinks/planted.py", text) == {"dead-module"}


def test_an_import_of_itself_or_by_a_test_keeps_no_module_alive(tmp_path: Path):
    faults_of(tmp_path, "tests/test_planted.py", "import streams.planted\n")
    assert faults_of(tmp_path, "streams/planted.py", "import streams.planted\n") == {"dead-module"}


def test_an_exemption_nobody_needs_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ban = tidy.Ban("json.dumps", tidy.LIBRARIES, "orjson.dumps", {"sinks/planted.py": "a reason"})
    monkeypatch.setattr(tidy, "BANS", (ban,))
    monkeypatch.setattr(tidy, "NOT_IMPORTED", {"sinks/planted.py": "a reason"})
    assert faults_of(tmp_path, "sinks/planted.py", "from json import dumps\n") == set()
    assert faults_of(tmp_path, "sinks/planted.py", "x = 1\n") == {"idle-exemption"}


def test_every_exemption_has_a_reason_and_a_file():
    exempt = {path: reason for ban in tidy.BANS for path, reason in ban.exempt.items()} | tidy.NOT_IMPORTED
    assert all(reason.strip() for reason in exempt.values())
    assert [path for path in exempt if not (ROOT / path).is_file()] == []
