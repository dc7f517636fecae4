from __future__ import annotations

from pathlib import Path

import pytest

from streams.loading import find_city, load
from streams.playbook_files import chosen, read_playbooks
from streams.settings import Playbook, PlaybookStep
from streams.yaml_file import Problems

BOOK = """---
title: Water
title_zh: 积水
signals: [flood]
bands: [red]
---
Aim: dry feet.

- [ ] look: Look at the gauge.
- [x] pump: Send pumps.
## 中文
目标：不涉水。
- [ ] look: 看水位。
"""


def read(tmp_path: Path, text: str, name: str = "water.md") -> tuple[tuple[Playbook, ...], list[str]]:
    (tmp_path / name).write_text(text)
    problems = Problems()
    books = read_playbooks(tmp_path, {"flood", "fire"}, problems)
    return books, [problem.removeprefix(f"{tmp_path}/") for problem in problems.listed()]


def test_a_playbook_has_steps_in_two_languages_and_a_text(tmp_path: Path) -> None:
    steps = (PlaybookStep("look", "Look at the gauge.", "看水位。"), PlaybookStep("pump", "Send pumps.", ""))
    book = Playbook("water", "Water", "积水", ("flood",), ("red",), steps, "Aim: dry feet.", "目标：不涉水。")
    assert read(tmp_path, BOOK) == ((book,), [])


def test_another_citys_signals_are_no_fault_and_its_playbook_is_left_out(tmp_path: Path) -> None:
    assert read(tmp_path, BOOK.replace("[flood]", "[avalanche]")) == ((), [])


@pytest.mark.parametrize(
    "change, problem",
    [
        (("---\ntitle", "title"), "water.md:1: begins without a title"),
        (("title: Water", "titel: Water"), "water.md:2: titel: the key 'titel' is not known here; did you mean 'title'?"),
        (("[red]", "[purple]"), "water.md:5: bands: 'purple' is not a band; known are"),
        (("- [ ] look: Look", "- [ ] Look"), "water.md:9: this step has no name; write '- [ ] name: what to do'"),
        (("pump: Send", "look: Send"), "water.md:10: look: stands twice"),
    ],
)
def test_a_refusal_names_file_line_and_remedy(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    books, problems = read(tmp_path, BOOK.replace(*change))
    assert books == ()
    assert any(each.startswith(problem) for each in problems), problems


def test_a_file_name_that_cannot_be_a_name_is_refused(tmp_path: Path) -> None:
    assert "is not a playbook's name" in read(tmp_path, BOOK, "Water Works.md")[1][0]


def test_the_one_that_names_most_of_its_signals_is_chosen_then_the_one_of_its_band() -> None:
    books = (
        Playbook("any", "Any"),
        Playbook("red", "Red", bands=("red",)),
        Playbook("flood", "Flood", signals=("flood",), bands=("orange", "red")),
        Playbook("both", "Both", signals=("flood", "drains")),
    )

    def name(signals: tuple[str, ...], band: str) -> str | None:
        book = chosen(books, signals, band)
        return book.name if book else None

    assert name(("flood", "drains"), "red") == "both"
    assert name(("flood",), "red") == "flood"
    assert name(("flood",), "blue") == "both"
    assert (name(("noise",), "red"), name(("noise",), "blue")) == ("red", "any")
    assert chosen(books[1:3], ("noise",), "blue") is None


@pytest.mark.parametrize("city", ["boston", "hangzhou"])
def test_every_alert_of_a_city_that_comes_with_tocsin_has_a_playbook_with_steps(city: str) -> None:
    settings = load(find_city(city))
    for signal in settings.signals:
        for band in ("blue", "yellow", "orange", "red"):
            book = chosen(settings.playbooks, (signal.name,), band)
            assert book is not None and book.steps, (signal.name, band)
    assert {"flood": True, "snow": False}.items() <= {
        book.name: all(step.text_zh for step in book.steps) for book in settings.playbooks
    }.items() or city == "hangzhou"
