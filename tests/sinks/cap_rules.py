"""The rules of CAP 1.2's schema that a message must keep, as a check: names, order, closed lists, times, words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

NS = "{urn:oasis:names:tc:emergency:cap:1.2}"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d")
WORD = re.compile(r"[^\s,<&]+")

# (name, required, repeated, closed list)
Rule = tuple[str, bool, bool, frozenset[str]]


def rules(text: str) -> list[Rule]:
    """A line an element: ``name``, ``*`` required, ``+`` repeated, ``{a b}`` the only values."""
    found = re.findall(r"(\w+)([*+]*)(?:\{([^}]*)\})?", text)
    return [(name, "*" in marks, "+" in marks, frozenset(values.split())) for name, marks, values in found]


ORDER: dict[str, list[Rule]] = {
    "alert": rules(
        "identifier* sender* sent* status*{Actual Exercise System Test Draft} msgType*{Alert Update Cancel Ack Error} source"
        " scope*{Public Restricted Private} restriction addresses code+ note references incidents info+"
    ),
    "info": rules(
        "language category*+{Geo Met Safety Security Rescue Fire Health Env Transport Infra CBRNE Other} event*"
        " responseType+{Shelter Evacuate Prepare Execute Avoid Monitor Assess AllClear None} urgency*{Immediate Expected Future Past Unknown}"
        " severity*{Extreme Severe Moderate Minor Unknown} certainty*{Observed Likely Possible Unlikely Unknown} audience eventCode+ effective"
        " onset expires senderName headline description instruction web contact parameter+ resource+ area+"
    ),
    "area": rules("areaDesc* polygon+ circle+ geocode+ altitude ceiling"),
    "parameter": rules("valueName* value*"),
    "geocode": rules("valueName* value*"),
    "eventCode": rules("valueName* value*"),
}
TIMES = {"sent", "effective", "onset", "expires"}


def faults(data: bytes) -> list[str]:
    """What is wrong with a message; nothing when it is right."""
    root = ET.fromstring(data)
    if root.tag != f"{NS}alert":
        return [f"the root is {root.tag}"]
    return [*_walk(root), *_whole(root)]


def _walk(element: ET.Element) -> Iterator[str]:
    name = element.tag.removeprefix(NS)
    order = ORDER.get(name)
    if order is None:
        if len(element):
            yield f"{name} has children"
        yield from _text(name, element.text or "")
        return
    places = {rule[0]: i for i, rule in enumerate(order)}
    children = [child.tag.removeprefix(NS) for child in element]
    yield from (f"{name} holds {child}" for child in children if child not in places)
    known = [places[child] for child in children if child in places]
    if known != sorted(known):
        yield f"{name} is out of order: {children}"
    for child, required, repeated, values in order:
        texts = [each.text or "" for each in element.findall(NS + child)]
        if required and not texts:
            yield f"{name} lacks {child}"
        if len(texts) > 1 and not repeated:
            yield f"{name} has {len(texts)} {child}"
        yield from (f"{child} says {text!r}" for text in texts if values and text not in values)
    for child in element:
        yield from _walk(child)


def _text(name: str, text: str) -> Iterator[str]:
    if not text.strip():
        yield f"{name} is empty"
    if name in TIMES and not TIME.fullmatch(text):
        yield f"{name} is no time: {text}"
    if name in {"identifier", "sender"} and not WORD.fullmatch(text):
        yield f"{name} is no word: {text}"
    if name == "polygon":
        points = [tuple(map(float, point.split(","))) for point in text.split()]
        if len(points) < 4 or points[0] != points[-1] or not all(-90 <= lat <= 90 and -180 <= lon <= 180 for lat, lon in points):
            yield f"a polygon is none: {text[:60]}"


def _whole(root: ET.Element) -> Iterator[str]:
    said = {child.tag.removeprefix(NS): child.text or "" for child in root}
    if said.get("scope") == "Restricted" and not said.get("restriction"):
        yield "Restricted without a restriction"
    if said.get("msgType") in {"Update", "Cancel"} and not said.get("references"):
        yield f"{said['msgType']} without references"
    for reference in said.get("references", "").split():
        sender, identifier, sent = reference.split(",")
        if not (WORD.fullmatch(sender) and WORD.fullmatch(identifier) and TIME.fullmatch(sent)):
            yield f"a reference is none: {reference}"
