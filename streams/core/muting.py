"""What withholds a notification: a silence that a person has set, or an ancestor's alert that says it already.

Muting withholds notifications and nothing else: alerts are raised, followed and cleared as ever, and say who muted them.
When the reason for muting goes away, an alert still open notifies once.
"""

from __future__ import annotations

from collections.abc import Iterable

from streams.core.incidents import Incident, Relations
from streams.core.lifecycle import RANK
from streams.model import DAY_S, Silence

SILENCES_MAX = 1_000
SILENCE_S_MAX = 30 * DAY_S
"""A silence must end: whoever needs it longer says so again."""


def covers(silence: Silence, incident: Incident, relations: Relations) -> bool:
    """Whether all of an incident lies in a silence's scope; an incident that reaches beyond is somebody else's, too. Its time is not looked at."""
    return relations.within(incident.area, silence.area) and (not silence.signals or set(incident.signals) <= set(silence.signals))


def muted_by(incident: Incident, silences: Iterable[Silence], others: Iterable[Incident], relations: Relations, now_s: int) -> str:
    """What mutes an incident: "silence:<id>", the one that ends last; "alert:<id>", the highest and oldest; or nothing. ``silences``: those begun."""
    covering = [silence for silence in silences if covers(silence, incident, relations)]
    if covering:
        return f"silence:{max(covering, key=lambda s: (s.until_s, s.id)).id}"
    above = [other for other in others if _inhibits(other, incident, relations, now_s)]
    if above:
        return f"alert:{min(above, key=lambda o: (relations.level(o.area), o.onset_s, o.id)).id}"
    return ""


def _inhibits(other: Incident, incident: Incident, relations: Relations, now_s: int) -> bool:
    """Whether ``other`` says it already: it is recent, has a series above this one's area of the same signal or group, and said as high a band.

    Not if it is muted itself, for then nobody was told. Where areas fold into one incident it is rare: the series would have joined.
    """
    if other.muted_by or not relations.recent(other, now_s) or RANK[other.said_band] < RANK[incident.leading().band]:
        return False
    groups = {relations.group(signal) for signal in incident.signals}
    return any(
        track.area != incident.area and relations.within(incident.area, track.area) and relations.group(track.signal) in groups
        for track in other.tracks.values()
    )


def ended(muter: str, silences: Iterable[str]) -> str:
    """The reason an alert that ``muter`` muted is muted no more."""
    kind, _, name = muter.partition(":")
    if kind == "alert":
        return "inhibition_ended"
    return "mute_outgrown" if name in silences else "silence_ended"
