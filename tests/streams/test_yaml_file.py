from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import Struct

from streams.yaml_file import KNOWN_MAX, PROBLEMS_MAX, Problems, nearest, parse_duration, read_document, read_section, show_path


class Inner(Struct):
    name: str
    wait_s: int = 60


class Outer(Struct):
    n: int
    names: tuple[str, ...] = ()
    steps_s: tuple[int, ...] = ()
    inner: dict[str, Inner] = {}
    limit: float | None = None


def read(tmp_path: Path, text: str) -> tuple[object, list[str]]:
    """The section ``outer`` of a file, and the problems without the file's name."""
    path = tmp_path / "a.yaml"
    path.write_text(text)
    problems = Problems()
    document = read_document(path, problems)
    value = None if document.data is None else read_section(document, Outer, "outer")
    return value, [problem.removeprefix(f"{path}:") for problem in problems.listed()]


@pytest.mark.parametrize(
    "text, seconds",
    [("90s", 90), ("15m", 900), ("1.5h", 5400), ("7d", 604_800), ("4w", 2_419_200), (" 1 h ", 3600), ("0s", 0)]
    + [(bad, None) for bad in ("", "h", "1", "1y", "-1h", "1h30m", "1e3s", "0.5s", "99999999d", 60, None, 1.5, True)],
)
def test_durations(text: object, seconds: int | None) -> None:
    assert parse_duration(text) == seconds


def test_keys_of_seconds_are_written_without_the_suffix_and_names_are_keys(tmp_path: Path) -> None:
    value, problems = read(tmp_path, "outer:\n  n: 3\n  names: one\n  steps: [1m, 1h]\n  inner: {a: {}, b: {wait: 2h}}\n")
    assert problems == []
    assert value == Outer(3, ("one",), (60, 3600), {"a": Inner("a"), "b": Inner("b", 7200)})


def test_each_problem_has_its_own_line(tmp_path: Path) -> None:
    text = "outer:\n  n: x\n  names:\n    - one\n    - 2\n  steps:\n    - 1m\n    - 60\n  inner:\n    a:\n      wait: 5\n      wiat: 5s\n"
    _, problems = read(tmp_path, text)
    assert problems == [
        "2: outer.n: 'x' is not a whole number; write digits only",
        "5: outer.names[1]: 2 is not text; put it in quotes",
        "8: outer.steps[1]: 60 is not a duration; write a number and s, m, h, d or w, such as 15m",
        "11: outer.inner.a.wait: 5 is not a duration; write a number and s, m, h, d or w, such as 15m",
        "12: outer.inner.a.wiat: the key 'wiat' is not known here; did you mean 'wait'?",
    ]


def test_a_value_that_stands_at_an_anchor_is_told_there_for_each_use(tmp_path: Path) -> None:
    text = "outer:\n  n: 1\n  inner:\n    a: &shared\n      wait: soon\n    b: *shared\n"
    _, problems = read(tmp_path, text)
    assert [problem.split(" is ")[0] for problem in problems] == ["5: outer.inner.a.wait: 'soon'", "5: outer.inner.b.wait: 'soon'"]


def test_keys_merged_from_elsewhere_are_told_at_the_mapping_that_takes_them(tmp_path: Path) -> None:
    _, problems = read(tmp_path, "base: &base {wait: soon}\nouter:\n  n: 1\n  inner:\n    a:\n      <<: *base\n")
    assert len(problems) == 1
    assert problems[0].startswith("6: outer.inner.a.wait: 'soon'")


def test_yaml_is_1_2_so_no_and_off_are_text(tmp_path: Path) -> None:
    value, _ = read(tmp_path, "outer: {n: 1, names: [no, off]}\n")
    assert value == Outer(1, ("no", "off"))


@pytest.mark.parametrize(
    "text", ["a: b: c\n", "a:\n\t- b\n", "{a: 1\n", "a: 1\n---\nb: 2\n", "a: *nowhere\n", "\x00", "[" * 1200, "a: " + "x" * 4_000_000]
)
def test_what_is_not_yaml_is_one_problem(tmp_path: Path, text: str) -> None:
    value, problems = read(tmp_path, text)
    assert value is None
    assert len(problems) == 1


def test_aliases_that_multiply_are_bounded(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    value, problems = read(tmp_path, "\n".join(lines) + "\nouter: {n: 1}\n")
    assert value is None
    assert problems == ["1: unfolds to more than 200000 values; use fewer aliases"]


def test_problems_are_told_once_by_line_and_bounded() -> None:
    problems = Problems()
    problems.add("b", 9, "x")
    problems.add("a", 7, "y")
    problems.add("b", 2, "z")
    problems.add("b", 9, "x")
    assert problems.listed() == ["b:2: z", "b:9: x", "a:7: y"]
    for line in range(PROBLEMS_MAX + 5):
        problems.add("c", line, "w")
    assert len(problems) == PROBLEMS_MAX
    assert problems.listed()[-1] == "... and perhaps more: only the first 1000 are told"


def test_paths_and_remedies_read_like_people_write() -> None:
    assert show_path(("sources", "hotline", "categories", "Rat Bite")) == 'sources.hotline.categories["Rat Bite"]'
    assert nearest("nois", ("noise", "floods")) == "did you mean 'noise'?"
    assert nearest("zzz", ("noise", "floods")) == "known are noise, floods"
    assert nearest("zzz", ()) == "known are none"
    assert nearest("zzz", tuple(f"a{n}" for n in range(KNOWN_MAX + 3))).endswith(f"a{KNOWN_MAX - 1} and 3 more")


def test_a_list_with_a_tag_is_told_not_raised(tmp_path: Path) -> None:
    _, problems = read(tmp_path, 'z: !!python/object/apply:os.system ["true"]\nouter: {n: 1}\n')
    assert not any("Traceback" in problem for problem in problems)
