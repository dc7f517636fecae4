"""CAP 1.2 (OASIS): one message a step of an alert, in English and Chinese. Always ``Restricted``: nothing here can make one ``Public``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import orjson

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE = "application/cap+xml"
SCOPE = "Restricted"
RESTRICTION = "For those on duty in this city only. Not for publication; a person decides what is done."
REFERENCES_MAX = 50
AREAS_MAX = 20
POINTS_MAX = 500
ENDED = ("cleared", "withdrawn")

SEVERITY = {"red": "Severe", "orange": "Moderate", "yellow": "Minor", "blue": "Minor"}
URGENCY = {"red": "Immediate", "orange": "Immediate", "yellow": "Expected", "blue": "Future"}
CATEGORY = {
    "floods": "Met", "weather": "Met", "fire": "Fire", "gas": "Safety", "power": "Infra", "water": "Infra", "roads": "Transport",
    "traffic": "Transport", "sanitation": "Env", "noise": "Env", "building": "Safety", "environment": "Env", "food": "Health",
    "health_services": "Health", "crowd_safety": "Safety", "facilities": "Infra", "animals": "Env", "parks": "Env",
}  # fmt: skip
BAND_ZH = {"red": "红色", "orange": "橙色", "yellow": "黄色", "blue": "蓝色"}
_WORD = re.compile(r"[^\s,<&]+")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CHINESE_CODE = re.compile(r"\d{12}")


class Step(NamedTuple):
    """A message that was there to be fetched: number and time of a transition."""

    seq: int
    at_s: int


class Signal(NamedTuple):
    """What an alert is about, in both languages."""

    title: str
    title_zh: str
    purpose: str


class Place(NamedTuple):
    """An area of an alert. ``geometry``: GeoJSON text or empty."""

    code: str
    path: Sequence[str]
    geometry: str = ""


class Sender(NamedTuple):
    """Who speaks. ``exercise``: a drill, or a past that is played."""

    id: str
    name: str
    exercise: bool = False


def message(alert: Mapping[str, Any], steps: Sequence[Step], signals: Sequence[Signal], places: Sequence[Place], sender: Sender) -> bytes:
    """The message of an alert's newest step; ``steps`` are all of them that are known, this one among them.

    ``alert`` is what people may see of it (``summary`` of the cockpit's view).

    Raises:
        ValueError: no step is known, or ``sender`` is no word.
    """
    if not steps or not _WORD.fullmatch(sender.id):
        raise ValueError("a CAP message needs a step, and a sender without spaces, commas, < and &")
    *before, last = sorted(steps)
    root = ET.Element("alert", {"xmlns": NAMESPACE})
    ended = alert["state"] in ENDED
    _add(root, "identifier", _identifier(alert["id"], last.seq))
    _add(root, "sender", sender.id)
    _add(root, "sent", timestamp(last.at_s))
    _add(root, "status", "Exercise" if sender.exercise else "Actual")
    _add(root, "msgType", ("Cancel" if ended else "Update") if before else "Alert")
    _add(root, "scope", SCOPE)
    _add(root, "restriction", RESTRICTION)
    if before:
        references = (f"{sender.id},{_identifier(alert['id'], step.seq)},{timestamp(step.at_s)}" for step in before[-REFERENCES_MAX:])
        _add(root, "references", " ".join(references))
    for language in ("en", "zh-CN"):
        _info(root, language, alert, signals, places, sender)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def timestamp(at_s: int) -> str:
    """CAP's time: no fraction, no Z; UTC is -00:00.

    >>> timestamp(0)
    '1970-01-01T00:00:00-00:00'
    """
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S-00:00")


def _info(
    root: ET.Element, language: str, alert: Mapping[str, Any], signals: Sequence[Signal], places: Sequence[Place], sender: Sender
) -> None:
    info = ET.SubElement(root, "info")
    chinese, ended = language == "zh-CN", alert["state"] in ENDED
    titles = "、".join(s.title_zh or s.title for s in signals) if chinese else ", ".join(s.title for s in signals)
    path = [str(name) for name in alert["area_path"]]
    band = str(alert["band"])
    _add(info, "language", language)
    for category in sorted({CATEGORY.get(signal.purpose, "Other") for signal in signals}) or ["Other"]:
        _add(info, "category", category)
    _add(info, "event", titles or ("异常" if chinese else "anomaly"))
    _add(info, "responseType", "AllClear" if ended else "Monitor")
    _add(info, "urgency", "Past" if ended else URGENCY.get(band, "Unknown"))
    _add(info, "severity", SEVERITY.get(band, "Unknown"))
    _add(info, "certainty", "Possible" if alert["state"] == "provisional" else "Likely")
    _add(info, "onset", timestamp(int(alert["onset_s"])))
    _add(info, "senderName", sender.name)
    if chinese:
        _add(info, "headline", f"{BAND_ZH.get(band, band)}：{titles}，{' '.join(path)}")
        state = "已解除。" if ended else "超出常态，请值班人员核查。"
        _add(info, "description", str(alert.get("why_zh") or f"{' '.join(path)}：{titles}{state}"))
    else:
        _add(info, "headline", f"{band}: {titles}, {' / '.join(path)}")
        _add(info, "description", str(alert["why"]) or f"{titles}: not as usual.")
    for name, value in (("TocsinBand", band), ("TocsinRisk", f"{float(alert['risk']):.0f}"), ("TocsinReason", str(alert["reason"]))):
        pair = ET.SubElement(info, "parameter")
        _add(pair, "valueName", name)
        _add(pair, "value", value)
    for place in places[:AREAS_MAX]:
        _area(info, place)


def _area(info: ET.Element, place: Place) -> None:
    area = ET.SubElement(info, "area")
    _add(area, "areaDesc", " / ".join(place.path) or place.code)
    for polygon in polygons(place.geometry):
        _add(area, "polygon", polygon)
    code = ET.SubElement(area, "geocode")
    _add(code, "valueName", "GB/T 2260" if _CHINESE_CODE.fullmatch(place.code) else "AreaCode")
    _add(code, "value", place.code)


def polygons(geometry: str) -> list[str]:
    """Outer rings as CAP has them: latitude first, closed; one of too many points is left out.

    >>> polygons('{"type":"Polygon","coordinates":[[[1,2],[3,2],[3,4],[1,2]]]}')
    ['2,1 2,3 4,3 2,1']
    """
    given = orjson.loads(geometry) if geometry else {}
    coordinates = given.get("coordinates", [])
    shapes = {"Polygon": [coordinates], "MultiPolygon": coordinates}.get(given.get("type", ""), [])
    rings = (shape[0] for shape in shapes if shape and 4 <= len(shape[0]) <= POINTS_MAX)
    return [
        " ".join(f"{lat:g},{lon:g}" if lat == int(lat) and lon == int(lon) else f"{lat:.6f},{lon:.6f}" for lon, lat, *_ in r) for r in rings
    ]


def _identifier(alert_id: str, seq: int) -> str:
    return f"{alert_id}.{seq}"


def _add(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = _NOT_XML.sub("", text)
