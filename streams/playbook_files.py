"""Playbooks from Markdown files: what to do about some signals in some bands, in steps that can be ticked off, in English and in Chinese.

---
title: Water on roads and in houses
title_zh: 道路和房屋积水
signals: [flooding, drains]
bands: [orange, red]
---
## English
- [ ] look: Look at the pumps' readings.
## 中文
- [ ] look: 查看泵站读数。
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from streams.model import BANDS
from streams.settings import Playbook, PlaybookStep
from streams.yaml_file import Document, Problems, nearest, parse_document, read_section

PLAYBOOKS_MAX = 200
BYTES_MAX = 64 << 10
STEPS_MAX = 40
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_STEP = re.compile(r"[-*] \[[ x]\] ([a-z][a-z0-9_]{0,31}): (\S.*)")
_KEYS = ("title", "title_zh", "signals", "bands")
_LANGUAGES = {"## English": "en", "## 中文": "zh"}


def read_playbooks(folder: Path, signals: Collection[str], problems: Problems) -> tuple[Playbook, ...]:
    """The Markdown files of a folder, by name; faults go to ``problems``. Signals that this city does not have are another city's."""
    paths = sorted(folder.glob("*.md"))
    if len(paths) > PLAYBOOKS_MAX:
        problems.add(str(folder), 1, f"{len(paths)} playbooks; keep at most {PLAYBOOKS_MAX}")
        return ()
    read = [_playbook(path, problems) for path in paths]
    return tuple(each for each in read if each is not None and (not each.signals or set(each.signals) & set(signals)))


def chosen(playbooks: Collection[Playbook], signals: Collection[str], band: str) -> Playbook | None:
    """The playbook for an alert: the one that names the most of its signals, then its band, then by name.

    >>> books = (Playbook("any", "Any"), Playbook("water", "Water", signals=("flooding",)))
    >>> chosen(books, ("flooding", "drains"), "red").name, chosen(books, ("noise",), "red").name, chosen(books[1:], ("noise",), "red")
    ('water', 'any', None)
    """
    fits = [
        (-len(set(book.signals) & set(signals)), not book.bands, book.name, book)
        for book in playbooks
        if (not book.signals or set(book.signals) & set(signals)) and (not book.bands or band in book.bands)
    ]
    return min(fits, key=lambda fit: fit[:3])[3] if fits else None


def _playbook(path: Path, problems: Problems) -> Playbook | None:
    file, before = str(path), len(problems)
    if not _NAME.fullmatch(path.stem):
        problems.add(file, 1, f"{path.stem!r} is not a playbook's name; use a-z, 0-9, _ and -, at most 40")
    text = _text(path, problems)
    if text is None:
        return None
    head, lines, first = _parted(text)
    if not head:
        problems.add(file, 1, "begins without a title; write ---, title: ..., --- before the text")
        return None
    document = parse_document(f"\n{head}", Document(file, problems))
    if document.data is None:
        return None
    for key in document.data:
        if key not in _KEYS:
            document.refuse((key,), f"the key {key!r} is not known here; {nearest(key, _KEYS)}")
    title = read_section(document, str, "title")
    title_zh = read_section(document, str, "title_zh", absent="")
    signals = read_section(document, tuple[str, ...], "signals", absent=())
    bands = read_section(document, tuple[str, ...], "bands", absent=()) or ()
    for band in bands:
        if band not in BANDS:
            document.refuse(("bands",), f"{band!r} is not a band; {nearest(band, BANDS)}")
    texts, steps = _body(lines, first, file, problems)
    if len(problems) > before:
        return None
    return Playbook(
        name=path.stem,
        title=title,
        title_zh=title_zh,
        signals=signals,
        bands=bands,
        steps=tuple(PlaybookStep(name, words.get("en", words.get("zh", "")), words.get("zh", "")) for name, words in steps.items()),
        text="\n".join(texts["en"]).strip(),
        text_zh="\n".join(texts["zh"]).strip(),
    )


def _text(path: Path, problems: Problems) -> str | None:
    try:
        data = path.read_bytes()
        if len(data) > BYTES_MAX:
            problems.add(str(path), 1, f"has more than {BYTES_MAX} bytes; nobody reads that at night")
            return None
        return data.decode()
    except OSError as error:
        problems.add(str(path), 1, f"cannot be read ({error.strerror}); check its permissions")
    except UnicodeDecodeError as error:
        problems.add(str(path), 1, f"byte {error.start} is not UTF-8; save the file as UTF-8")
    return None


def _parted(text: str) -> tuple[str, list[str], int]:
    """The head, the lines behind it, and the number of the first of these."""
    lines = text.splitlines()
    if lines[:1] == ["---"] and "---" in lines[1:]:
        end = lines.index("---", 1)
        return "\n".join(lines[1:end]), lines[end + 1 :], end + 2
    return "", lines, 1


def _body(lines: list[str], first: int, file: str, problems: Problems) -> tuple[dict[str, list[str]], dict[str, dict[str, str]]]:
    """Texts and steps by language. Without a heading for a language, what stands there is English."""
    language = "en"
    texts: dict[str, list[str]] = {"en": [], "zh": []}
    steps: dict[str, dict[str, str]] = {}
    for number, line in enumerate(lines, first):
        if line.strip() in _LANGUAGES:
            language = _LANGUAGES[line.strip()]
        elif step := _STEP.fullmatch(line.strip()):
            words = steps.setdefault(step[1], {})
            if language in words:
                problems.add(file, number, f"{step[1]}: stands twice; give each step a name of its own")
            words[language] = step[2]
        elif line.strip().startswith(("- [", "* [")):
            problems.add(file, number, "this step has no name; write '- [ ] name: what to do'")
        else:
            texts[language].append(line)
    if len(steps) > STEPS_MAX:
        problems.add(file, first, f"{len(steps)} steps; write at most {STEPS_MAX}")
    return texts, steps
