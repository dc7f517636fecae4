"""Settings that nobody wrote, and written ones that were changed: a city, or a refusal that names file, line and remedy."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from load_tests.chaos_town import write_town
from streams.loading import SettingsError, load
from tests.mutations import mutated

with TemporaryDirectory() as folder:
    write_town(Path(folder))
    FILES = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}

ODD_TEXT = st.text(st.sampled_from("{}[]:,-#&*!|>'\"%@` \n\tabc0159.eEx~<=é中\x00\x85\u2028\ufeff"), max_size=120)


def refusal(name: str, data: bytes) -> str | None:
    """What a town with this file is refused with; None where it is taken."""
    with TemporaryDirectory() as folder:
        for file, kept in FILES.items():
            (Path(folder) / file).write_bytes(data if file == name else kept)
        try:
            load(Path(folder) / "tocsin.yaml")
        except SettingsError as error:
            return str(error).replace(folder, "")
    return None


def assert_refused_in_place(name: str, data: bytes) -> None:
    said = refusal(name, data)
    assert said is None or re.search(r"(?:tocsin\.yaml|areas\.csv)(?::\d+)?: ", said), said


@given(st.binary(max_size=200) | ODD_TEXT.map(str.encode))
@example(b"a: &a [*a, *a]\nb: *a\n")
@example(b"\xff\xfe\x00")
@example(b"[" * 5_000)
@example(b"{a: " * 2_000)
@example(b"? " * 3_000)
@example(b"a: " + b"9" * 5_000)
@example(b"a: 1e999999999\nb: 0x" + b"f" * 400)
@example(b"city: 2015-99-99T99:99:99\n")
@example(b"city: !!binary x\nareas: !!timestamp y\n<<: [1, 2]\n")
@example(b"".join(b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9) if n else b"x") for n in range(12)))
def test_what_nobody_wrote_is_refused_in_its_place(data: bytes):
    assert_refused_in_place("tocsin.yaml", data)


@given(mutated(FILES["tocsin.yaml"]))
def test_settings_that_were_changed_are_refused_or_taken(data: bytes):
    assert_refused_in_place("tocsin.yaml", data)


@given(mutated(FILES["areas.csv"]) | st.binary(max_size=100))
def test_a_table_of_areas_that_was_changed_is_refused_or_taken(data: bytes):
    assert_refused_in_place("areas.csv", data)


@given(
    st.sampled_from(sorted(set(re.findall(rb"[\w.]+", FILES["tocsin.yaml"])))),
    ODD_TEXT | st.sampled_from(["", "[]", "{}", "-1", "1e400", ".nan", "null", "9" * 30, "10000000d"]),
)
def test_settings_with_an_odd_value_are_refused_or_taken(word: bytes, odd: str):
    assert_refused_in_place("tocsin.yaml", FILES["tocsin.yaml"].replace(word, odd.encode(), 1))


@pytest.mark.parametrize("value", ["2015-99-99T99:99:99", "9" * 5_000, "!!int x", "!!float []", "!!timestamp y"])
def test_a_value_that_is_none_of_its_type_is_refused_at_its_line(value: str):
    said = refusal("tocsin.yaml", f"\ncity: a\ntitle:\n  - {value}\n".encode())
    assert said is not None
    assert "tocsin.yaml:4: " in said
