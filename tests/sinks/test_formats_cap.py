"""CAP messages against the schema's rules and a parser that is not ours."""

from __future__ import annotations

import re
from typing import Any

import capparser
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.checks import AREAS, SIGNALS, START_S, alert
from sinks.cockpit.views import View
from sinks.formats.cap import CATEGORY, Place, Sender, Signal, Step, message, polygons
from streams.settings import PURPOSES
from tests.sinks.cap_rules import faults

SENDER = Sender("tocsin.testcity", "Tocsin, Testcity")
NOISE = Signal("Noise", "噪声", "noise")
SQUARE = '{"type":"Polygon","coordinates":[[[-71.1,42.3],[-71.0,42.3],[-71.0,42.4],[-71.1,42.3]]]}'
PLACES = (Place("d1a", ("Testcity", "North", "North Bank"), SQUARE), Place("330102001001", ("杭州市",)))


def summary(**changes: Any) -> dict[str, Any]:
    return View(AREAS, SIGNALS).summary(msgspec.structs.replace(alert("5c1f", 2), **changes))


def said(data: bytes) -> Any:
    return capparser.parse(stringXML=data.decode())


STEPS = (Step(0, START_S), Step(1, START_S + 60), Step(2, START_S + 3600))


@pytest.mark.parametrize(
    "state, steps, kind",
    [("open", STEPS[:1], "Alert"), ("open", STEPS, "Update"), ("cleared", STEPS, "Cancel"), ("withdrawn", STEPS[:2], "Cancel")],
)
@pytest.mark.parametrize("exercise", [False, True])
def test_a_message_keeps_the_rules_and_is_read_by_a_parser_that_is_not_ours(state: str, steps: Any, kind: str, exercise: bool) -> None:
    data = message(summary(state=state), steps, (NOISE,), PLACES, SENDER._replace(exercise=exercise))
    assert faults(data) == []
    read = said(data)
    assert (read.identifier[0], read.sender[0]) == (f"5c1f.{steps[-1].seq}", "tocsin.testcity")
    assert (read.status[0], read.msgType[0], read.scope[0]) == ("Exercise" if exercise else "Actual", kind, "Restricted")
    assert read.restriction[0]
    assert [info.language[0] for info in read.info[0]] == ["en", "zh-CN"]
    assert [info.event[0] for info in read.info[0]] == ["Noise", "噪声"]
    assert {info.responseType[0][0] if isinstance(info.responseType[0], list) else info.responseType[0] for info in read.info[0]} == {
        "AllClear" if kind == "Cancel" else "Monitor"
    }


def test_an_update_refers_to_every_message_before_it() -> None:
    read = said(message(summary(), STEPS, (NOISE,), PLACES, SENDER))
    assert read.references[0].split() == [
        "tocsin.testcity,5c1f.0,2015-01-23T08:00:00-00:00",
        "tocsin.testcity,5c1f.1,2015-01-23T08:01:00-00:00",
    ]
    assert read.sent[0] == "2015-01-23T09:00:00-00:00"
    first = said(message(summary(), STEPS[:1], (NOISE,), PLACES, SENDER))
    assert (first.references[0], first.sent[0]) == (None, "2015-01-23T08:00:00-00:00"), "and is referred to by the time it had"


def test_latitude_comes_first_and_codes_name_their_list() -> None:
    text = message(summary(), STEPS, (NOISE,), PLACES, SENDER).decode()
    assert "<polygon>42.300000,-71.100000 " in text
    assert "<valueName>GB/T 2260</valueName><value>330102001001</value>" in text
    assert polygons('{"type":"Point","coordinates":[1,2]}') == []


@given(
    st.text(max_size=40), st.text(max_size=40), st.sampled_from(["open", "cleared", "provisional", "no_data"]), st.sampled_from(PURPOSES)
)
def test_no_text_makes_a_message_that_is_none_or_public(title: str, why: str, state: str, purpose: str) -> None:
    given_alert = {**summary(), "why": why, "state": state, "area_path": [title]}
    data = message(given_alert, STEPS, (Signal(title or "x", title, purpose),), (Place("d1", (title,)),), SENDER)
    wrong = [fault for fault in faults(data) if "is empty" not in fault]
    assert wrong == []
    assert b"<scope>Restricted</scope>" in data
    assert b"<scope>Public" not in data


def test_every_purpose_has_a_category() -> None:
    assert {CATEGORY.get(purpose, "Other") for purpose in PURPOSES} <= {
        "Met", "Fire", "Safety", "Infra", "Transport", "Env", "Health", "Other",
    }  # fmt: skip


@pytest.mark.parametrize("sender", ["a b", "", "a,b", "a<b", "a&b"])
def test_a_sender_that_is_no_word_is_refused(sender: str) -> None:
    with pytest.raises(ValueError, match="sender"):
        message(summary(), STEPS, (NOISE,), PLACES, Sender(sender, "x"))


@pytest.mark.parametrize(
    "was, becomes, fault",
    [
        ("-00:00</sent>", "Z</sent>", "sent is no time"),
        ("<restriction>.*?</restriction>", "", "Restricted without a restriction"),
        ("<references>.*?</references>", "", "Update without references"),
        ("<scope>Restricted", "<scope>Secret", "scope says"),
        ("(<identifier>.*?</identifier>)(<sender>.*?</sender>)", r"\2\1", "out of order"),
        ("<urgency>.*?</urgency>", "", "lacks urgency"),
        ("<severity>Minor", "<severity>Grave", "severity says"),
        ("(<polygon>.*?) [^ ]*</polygon>", r"\1</polygon>", "a polygon is none"),
        ("<event>Noise</event>", "<event>Noise</event><event>More</event>", "has 2 event"),
    ],
)
def test_the_rules_see_what_is_wrong(was: str, becomes: str, fault: str) -> None:
    right = message(summary(), STEPS, (NOISE,), PLACES, SENDER).decode()
    broken = re.sub(was, becomes, right, count=1)
    assert broken != right
    assert any(fault in each for each in faults(broken.encode())), faults(broken.encode())
