"""What early findings have shown: state that is kept beside the alerts of closed windows, and changes nothing in them."""

from __future__ import annotations

from msgspec import Struct

from streams.core.incidents import Incident, Series
from streams.model import Band, Finding, State

FINDINGS_MAX = 10_000
"""Early findings of windows still open; one beyond them shows nothing and is counted."""


class Shown(Struct):
    """What readers have of an alert that early findings had a part in. A provisional one is known here alone."""

    extra: int = 0  # transitions that readers have beyond those of closed windows
    state: State = "none"
    reason: str = ""
    updated_s: int = 0
    due_s: int = 0  # end of the newest window that spoke early of it
    told: bool = False  # people have been told of it by a window still open; band and fresh_s: of what
    band: Band = "none"
    fresh_s: float = 0.0


class Resolved(Struct):
    """A person has resolved what some series had shown early: until ``due_s`` they must be materially worse to be shown again."""

    alert: str  # the provisional alert, whose id does not come twice; empty: an alert of closed windows, for which nothing else changes
    actor: str
    series: tuple[Series, ...]
    due_s: int
    band: Band
    fresh_s: float


class Early(Struct):
    """State of the overlay; a part of decide's snapshot. Times are event times."""

    findings: list[Finding] = []  # of windows still open, as they came
    open: dict[str, Incident] | None = None  # all alerts as these leave them, provisional ones too; None: as closed windows do
    frozen: dict[str, Incident] = {}  # provisional ones whose series a closed window has put elsewhere, until their own window closes
    shown: dict[str, Shown] = {}
    resolved: list[Resolved] = []  # oldest first

    @property
    def active(self) -> bool:
        """Whether there is anything beside what closed windows say."""
        return self.open is not None or bool(self.findings or self.shown or self.resolved)

    def pending(self) -> dict[str, Incident]:
        """Provisional alerts, the oldest first."""
        held = {name: incident for name, incident in {**(self.open or {}), **self.frozen}.items() if self.is_provisional(name)}
        return dict(sorted(held.items(), key=lambda item: (item[1].onset_s, item[0])))

    def is_provisional(self, name: str) -> bool:
        """Whether readers have this alert as provisional."""
        return name in self.shown and self.shown[name].state == "provisional"
