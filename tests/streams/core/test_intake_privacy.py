"""Nothing personal gets past intake: made-up persons are put into every field, and looked for in all that comes out."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from streams.core.intake import Folded, Raw
from streams.core.journal import encode
from tests.streams.core.intake_city import T0, call, count, intake, with_source

PERSONS = (
    "Zhang Weiming",
    "张伟明",
    "13800138000",
    "+86 571 8888 1234",
    "浙A12345",
    "330106199001011234",
    "weiming@example.org",
    "caller is ill",
)


def everything(*folded: Folded) -> bytes:
    out = []
    for one in folded:
        out += [encode(counts) for counts in one.counts]
        out += [msgspec.msgpack.encode(bad) + msgspec.json.encode(bad) for bad in one.rejected]
        out += [column for _, _, column in one.digests]
        out += [one.state, repr(one).encode()]
    return b"\n".join(out)


def planted(record: dict[str, Any], person: str) -> list[dict[str, Any]]:
    """The record with the person in each of its fields in turn, in all at once, and in fields nobody asked for."""
    found = []
    for name, value in record.items():
        inner = dict.fromkeys(value, person) if isinstance(value, dict) else person
        found.append(record | {name: inner, "caller": person, person: "as a key"})
    return [*found, dict.fromkeys(record, person), {"caller": {"name": [person]}}]


@pytest.mark.parametrize("person", PERSONS)
def test_no_person_is_in_what_comes_out_of_a_call(person: str):
    record = call(1, typed=T0, address="1 Main St", lat=0.3, lon=0.3, state="void", before="leak")
    records = [*planted(record, person), *planted(call(2), person), call(person), call(person, state="void"), [person], person]
    payloads = [json.dumps(r, ensure_ascii=plain).encode() for r in records for plain in (True, False)]
    payloads += [f'{{"no": "{person}", '.encode(), person.encode("gb18030"), json.dumps({**call(3), "note": person * 9000}).encode()]
    headers = (("ce_specversion", b"1.0"), ("ce_id", person.encode()), ("ce_source", person.encode()), ("ce_time", person.encode()))
    one = intake(with_source("hotline", heartbeat=True))
    folded = one.apply("hotline", 0, [Raw(i, T0 + 5, payload, headers if i % 2 else ()) for i, payload in enumerate(payloads)])
    assert folded.rejected
    assert folded.counts[0].n
    out = everything(folded, one.idle("hotline", 0, T0))
    for form in (person.encode(), person.encode("gb18030"), person.encode("utf-16-le"), json.dumps(person)[1:-1].encode()):
        assert form not in out


@pytest.mark.parametrize("person", PERSONS)
@pytest.mark.parametrize("unknown_fields", ["skip", "reject"])
def test_no_person_is_in_what_comes_out_of_a_camera(person: str, unknown_fields: str):
    city = with_source("camera", unknown_fields=unknown_fields)
    records = [*planted(count(5), person), count(7, T0 + 60), *planted(count(9, T0 + 60), person), count(9, device=person)]
    one = intake(city)
    folded = one.apply("camera", 0, [Raw(i, T0 + 90, json.dumps(r, ensure_ascii=False).encode()) for i, r in enumerate(records)])
    assert folded.rejected
    assert folded.counts[0].n
    out = everything(folded, one.idle("camera", 0, T0))
    assert person.encode() not in out
    assert json.dumps(person)[1:-1].encode() not in out


def test_a_number_as_an_id_does_not_stand_in_any_form():
    number = 13_800_138_000
    folded = intake().apply("hotline", 0, [Raw(0, T0 + 5, json.dumps(call(number)).encode())])
    out = everything(folded)
    for form in (str(number).encode(), number.to_bytes(8, "little"), number.to_bytes(8, "big"), msgspec.msgpack.encode(number)):
        assert form not in out


def test_the_same_id_leaves_other_digests_in_another_month():
    one = intake()
    month_s = 31 * 86_400
    first = one.apply("hotline", 0, [Raw(0, T0 + 5, json.dumps(call("a")).encode())])
    later = one.apply("hotline", 0, [Raw(1, T0 + month_s + 5, json.dumps(call("a", T0 + month_s)).encode())])
    assert first.digests[0][2] != later.digests[0][2]
