"""Alerts by hand: a person opens one, makes one of two, or two of one.

Nobody's series is lost: each is part of one alert before and after, and what shards say of it goes on to that one.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from streams.core.alerts import Alerts, By, Out
from streams.core.book import MEMBERS_MAX
from streams.core.incidents import Incident, Series, Track, leading_first
from streams.core.lifecycle import Step
from streams.model import Band, Command

OPENED = "opened by a person"


class Place(NamedTuple):
    """Where a person opens an alert. ``shard``: the one that speaks of the series."""

    shard: str
    area: str
    signal: str
    band: Band
    risk: float


def open_one(alerts: Alerts, command: Command, place: Place, at_s: int, out: Out) -> str:
    """Open an alert that no detector has raised; what is found of its series from now on becomes part of it. Returns a refusal or nothing."""
    series = (place.area, place.signal)
    if alerts.book.of(series) is not None or hand_id(command.id) in alerts.book.open:
        return "already_open"
    if len(alerts.book.open) >= alerts.city.lifecycle.open_alerts_max:
        return "too_many_alerts"
    track = Track(place.shard, *series, at_s, at_s, at_s, 0.0, place.risk, place.band, OPENED, (), slow=False)
    incident = _new(alerts, command, [track], at_s)
    incident.by_hand = True
    alerts.say(incident, Step("open", "opened", True), command.time_s, out, By(actor=command.actor))
    return ""


def merge(alerts: Alerts, command: Command, gone: Incident, into: Incident, out: Out) -> str:
    """Make one alert part of another; what people did to it goes along. Returns a refusal or nothing."""
    if gone is into:
        return "same_alert"
    by = By(actor=command.actor, what=into.id)
    tracks = dict(gone.tracks)
    alerts.say(gone, Step("withdrawn", "merged"), command.time_s, out, by)
    alerts.book.adopt(into, tracks, alerts.relations)
    into.handling.take(gone.handling)
    into.raised_s = max(into.raised_s, gone.raised_s)
    into.by_hand |= gone.by_hand
    into.told = {**{name: told.copy() for name, told in gone.told.items()}, **into.told}
    alerts.say(into, Step(into.state, "took_in"), command.time_s, out, By(actor=command.actor, what=gone.id))
    return ""


def split(alerts: Alerts, command: Command, incident: Incident, area: str, signal: str, out: Out) -> str:
    """Take the series of an area, with all below it, and of a signal (empty: all) out of an alert into one of their own. Returns a refusal or nothing."""
    within = alerts.relations.within
    going = {series: track for series, track in incident.tracks.items() if within(series[0], area) and signal in ("", series[1])}
    if not going or len(going) == len(incident.tracks):
        return "nothing_to_split"
    if hand_id(command.id) in alerts.book.open:  # a command of long ago, again
        return "already_open"
    if len(alerts.book.open) >= alerts.city.lifecycle.open_alerts_max:
        return "too_many_alerts"
    alerts.book.release(incident, going, alerts.relations)
    at_s = max(track.updated_s for track in going.values())
    fresh = _new(alerts, command, list(going.values()), at_s)
    fresh.said_band = fresh.leading().band
    fresh.told = {name: told.copy() for name, told in incident.told.items() if name in fresh.signals}
    incident.told = {name: told for name, told in incident.told.items() if name in incident.signals}
    alerts.say(fresh, Step("open", "split"), command.time_s, out, By(actor=command.actor, what=incident.id))
    alerts.say(incident, Step(incident.state, "split_off"), command.time_s, out, By(actor=command.actor, what=fresh.id))
    return ""


def hand_id(command_id: str) -> str:
    """The id of an alert that a command has made: 16 hex digits, none that a series and a window give.

    >>> hand_id("7f3a")
    '2106d7526a02c530'
    """
    return blake2b(command_id.encode(), digest_size=8, person=b"by hand").hexdigest()


def _new(alerts: Alerts, command: Command, tracks: list[Track], at_s: int) -> Incident:
    lead = min(tracks, key=leading_first)
    area = lead.area
    members: dict[Series, Track] = {}
    for track in tracks:
        members[track.area, track.signal] = track
        area = alerts.relations.common(area, track.area)
    assert len(members) <= MEMBERS_MAX, "an alert has no more to give"
    incident = Incident(
        id=hand_id(command.id),
        lead=(lead.area, lead.signal),
        area=area,
        onset_s=min(track.since_s for track in tracks),
        due_s=at_s,
        raised_s=at_s,
        told_s=at_s,
        updated_s=at_s,
        config_version=alerts.city.config_version,
        signals=sorted({track.signal for track in tracks}),
        tracks=members,
        initial_risk=lead.risk,
    )
    alerts.book.add(incident)
    return incident
