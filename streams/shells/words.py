"""What is said beside an alert's own words: the same in Chinese, its playbook, and the pages of its source systems."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from msgspec import structs

from sinks.cockpit.views import DISTRICT_LEVEL, Beside, Json
from streams.core.story import Said, chinese, recurrence_chinese
from streams.model import HOUR_S, Alert, Area, Member
from streams.playbook_files import chosen
from streams.settings import City


def beside(city: City) -> Beside:
    """For the alerts of a city."""
    words = _Words(city)
    return Beside(words.sentence, clears_chinese, words.playbook, words.links)


class _Words:
    def __init__(self, city: City) -> None:
        self._city = city
        self._signals = {signal.name: signal for signal in city.signals}
        self._areas = {area.code: area for area in city.areas}

    def sentence(self, member: Member) -> str:
        signal = self._signals.get(member.signal)
        lead = min(member.evidence, key=lambda e: (e.p, e.duration_s), default=None)
        if signal is None or lead is None:
            return "由人工立案。" if lead is None else member.why
        area = self._areas.get(member.area) or Area(member.area, member.area, DISTRICT_LEVEL + 1, None)
        small = area.level > DISTRICT_LEVEL and signal.kind == "count"
        titled = structs.replace(signal, title=signal.title_zh or signal.title)
        return chinese(Said(titled, area, lead, member.recurrence_s, member.flags, self._city.suppress_below, small))

    def playbook(self, alert: Alert) -> str:
        book = chosen(self._city.playbooks, alert.signals, alert.band)
        return book.name if book else ""

    def links(self, alert: Alert) -> list[Json]:
        """Pages of the sources that feed its signals, about its area and its time."""
        fed = {source for signal in alert.signals for source in self._city.feeds.get(signal, ())}
        values = {"area": alert.area, "signal": ",".join(alert.signals), "from": _iso(alert.onset_s), "to": _iso(alert.updated_s)}
        filled = {name: quote(value, safe="") for name, value in values.items()}
        sources = ((name, source.link) for name, source in sorted(self._city.sources.items()) if source.link and name in fed)
        return [{"source": name, "url": link.format(**filled)} for name, link in sources]


def clears_chinese(alert: Alert) -> str:
    """When an alert ends by itself."""
    when = alert.clearing
    if when.by == "window":
        return f"待{_iso(when.at_s)}结束的时段收齐后确认或撤回"
    if when.by == "hand":
        return "由人工办结"
    if not when.by:
        return ""
    rare = recurrence_chinese(when.recurrence_s).removeprefix("若纯属偶然，")
    condition = f"连续{when.hold_s / HOUR_S:g}小时未出现“{rare}”的情况即解除"
    return f"{condition}；数据缺失期间不解除" if when.dark else f"{condition}，最早{_iso(when.at_s)}"


def _iso(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%MZ")
