"""docs/configuration.md lists every key a city's YAML may have, with the default the code has."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from sinks.cockpit import users
from streams import loading, settings
from streams.model import Signal
from streams.yaml_file import parse_duration

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()

# heading on the page -> what the YAML section is read into
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "areas": loading.AreaFiles,
    "detection": settings.Detection,
    "lifecycle": settings.Lifecycle,
    "bands": settings.Bands,
    "privacy": loading.Privacy,
    "signals": Signal,
    "sources": settings.Source,
    "sources: area": settings.AreaPaths,
    "sources: corrections": settings.Correction,
    "sources: readings": settings.Reading,
    "duty": settings.DutyRules,
    "duty: departments": settings.Department,
    "duty: within": settings.Within,
    "rosters": settings.Roster,
    "demo": loading.DemoFiles,
    "demo: route": settings.Route,
    "users": users.User,
    "users: tokens": users.Token,
    "users: sessions": users.SessionLimits,
}


def table(heading: str) -> dict[str, str]:
    """Key -> default of the first table under ``heading``."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/configuration.md has no heading {heading!r}"
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in found[1].splitlines() if line.startswith("|")]
    assert rows[0] == ["key", "meaning", "unit", "default"]
    assert all(row[1] for row in rows)
    return {row[0].strip("`"): row[3].strip("`") for row in rows[2:]}


def is_duration(field: msgspec.structs.FieldInfo) -> bool:
    return field.name.endswith("_s") and field.type in {int, tuple[int, ...]}


def written(field: msgspec.structs.FieldInfo) -> str:
    """A field's default as a person would write it in YAML."""
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if isinstance(value, msgspec.Struct) or value is None or value in ("", (), {}):
        return "none"
    if is_duration(field):
        return f"[{', '.join(map(duration, value))}]" if isinstance(value, tuple) else duration(value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def duration(seconds: int) -> str:
    unit, size = next((unit, size) for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)) if seconds % size == 0)
    text = f"{seconds // size}{unit}"
    assert parse_duration(text) == seconds
    return text


@pytest.mark.parametrize("heading", SECTIONS)
def test_a_section_lists_its_keys_with_their_defaults(heading: str):
    fields = msgspec.structs.fields(SECTIONS[heading])
    keys = {field.name.removesuffix("_s") if is_duration(field) else field.name: written(field) for field in fields}
    if heading in {"signals", "users", "users: tokens"}:
        del keys["name"]  # the mapping's key is the name
    assert table(heading) == keys


def test_the_file_lists_its_sections():
    assert tuple(table("The file")) == loading.KEYS


def test_every_struct_of_the_settings_is_on_the_page():
    read = {
        cls
        for cls in vars(settings).values()
        if isinstance(cls, type) and issubclass(cls, msgspec.Struct) and cls.__module__ == settings.__name__
    }
    results = {
        settings.City,
        settings.Demo,
        settings.KnownEvent,
        settings.Planned,
        settings.Playbook,
        settings.PlaybookStep,
    }  # what the sections become
    assert read - results <= set(SECTIONS.values())


def test_every_purpose_is_on_the_page():
    assert [purpose for purpose in settings.PURPOSES if f"`{purpose}`" not in PAGE] == []
