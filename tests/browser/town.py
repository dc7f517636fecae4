"""A town on a stage: the cockpit's own application and feed over alerts that are made up, and what else docs/api.md promises."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from load_tests.acted_city import Acted
from sinks.base import Batch
from sinks.checks import caller
from sinks.cockpit.access import Caller, Role
from sinks.cockpit.feed import Feed
from sinks.cockpit.views import View
from streams.loading import find_city, load
from streams.model import Alert, Area, Command, Outcome, Transition

replace = msgspec.structs.replace
COOKIE = "tocsin"
PASSWORD = "right enough"
USERS: Mapping[str, Role] = {"anna": "operator", "vera": "viewer", "cleo": "commander", "emil": "expert"}
LEAD_ZH = "：明显高于平常水平，"
PLAYBOOK = "burst_pipe"
STEPS = ("call", "crew", "close")


class Shown(View):
    """What later versions of the views tell besides."""

    def __init__(self, town: Town, areas: Sequence[Area], signals: Sequence[Any]) -> None:
        super().__init__(areas, signals)
        self._town = town

    def summary(self, alert: Alert) -> dict[str, Any]:
        told = super().summary(alert)
        late = alert.risk > 70
        duty = {
            "area": alert.area, "area_path": told["area_path"], "level": 1, "department": "water" if "water" in alert.signals else "works",
            "since_s": alert.onset_s, "due_s": alert.onset_s + (3600 if late else 90_000), "escalated": int(late),
        }  # fmt: skip
        why_zh = f"{told['area_path'][-1]}{LEAD_ZH}{alert.why.partition(': ')[2]}"
        return {
            **told,
            "duty": duty,
            "muted_by": alert.muted_by,
            "why_zh": why_zh,
            "clears_zh": "十二小时内持续低于阈值即解除。",
        }

    def detail(self, alert: Alert) -> dict[str, Any]:
        done = [{"step": step, "actor": "anna", "at_s": alert.updated_s} for step in self._town.done.get(alert.id, ())]
        links = [{"source": "hotline", "url": "https://hotline.example/cases?area=1"}]
        return {**super().detail(alert), "playbook": PLAYBOOK, "steps_done": done, "source_links": links}


class Town:
    """Feed, alerts and what people have done. ``lock`` guards all of it."""

    def __init__(self, *, city: str = "boston", alerts: int = 24, seed: int = 1) -> None:
        self.city = load(find_city(city))
        self.lock = threading.RLock()
        self.now_s = int(time.time())
        self.acted = Acted(self.city.areas, self.city.signals, self.now_s, seed=seed)
        self.past: list[tuple[int, Transition | Outcome]] = []
        self.finished: list[Alert] = []
        self.done: dict[str, set[str]] = {}
        self.silences: list[dict[str, Any]] = []
        self.given: list[tuple[str, str, dict[str, Any]]] = []  # (kind, actor, body) in order
        self.audit: list[dict[str, Any]] = []
        self.sessions: dict[str, str] = {}
        self.view = Shown(self, self.city.areas, self.city.signals)
        for _, step in self.acted.begin(alerts):
            self.past.append((len(self.past) + 1, step))
        self.asked_after: list[str | None] = []  # what readers of the stream saw last
        self.begin()

    def begin(self) -> None:
        """A feed as after a start: the newest state of everything, and the history to catch up from."""
        with self.lock:
            self.feed = Feed(self.view, history=self.history)
            subscribe = self.feed.subscribe
            self.feed.subscribe = lambda last, who: self.asked_after.append(last) or subscribe(last, who)  # type: ignore[method-assign]
            self.feed.load([*self.acted.open.values(), *self.finished], len(self.past))

    def history(self, after: int, limit: int) -> list[tuple[int, Any]]:
        return self.past[max(0, after) : max(0, after) + limit]

    def happen(self, count: int = 1) -> None:
        """So many more things happen."""
        for _ in range(count):
            with self.lock:
                self.acted.now_s = max(self.acted.now_s + 1, int(time.time()))
                self.tell(*self.acted.next())

    def tell(self, alert: Alert, step: Transition) -> None:
        self.past.append((len(self.past) + 1, step))
        if alert.state == "cleared":
            self.finished = [*self.finished[-50:], alert]
        self.feed.write(Batch(transitions=((len(self.past), step),), alerts=(alert,)))

    def obey(self, command_id: str, kind: str, actor: str, body: dict[str, Any]) -> None:
        """What decide would make of a command."""
        with self.lock:
            self.given.append((kind, actor, body))
            self.audit.append(
                {
                    "n": len(self.audit) + 1,
                    "at_s": self.now_s,
                    "actor": actor,
                    "role": USERS.get(actor, "operator"),
                    "action": kind,
                    "subject": body.get("alert", body.get("area", "")),
                }
            )
            refusal = self._change(command_id, kind, actor, body)
            told = Outcome(Command(command_id, self.now_s, actor, kind, ""), refusal)
            self.past.append((len(self.past) + 1, told))
            self.feed.write(Batch(outcomes=((len(self.past), told),)))

    def _change(self, command_id: str, kind: str, actor: str, body: dict[str, Any]) -> str:
        self.acted.now_s = max(self.acted.now_s, int(time.time()))
        if kind == "silence":
            path = self.view.places.path(body["area"])
            self.silences.append(
                {
                    "id": command_id,
                    "actor": actor,
                    "reason": body["reason"],
                    "area": body["area"],
                    "area_path": path,
                    "signals": body["signals"],
                    "since_s": int(time.time()),
                    "until_s": body["until_s"],
                }
            )
            return ""
        if kind == "unsilence":
            self.silences = [one for one in self.silences if one["id"] != body["silence"]]
            return ""
        alert = self.acted.open.get(body["alert"])
        if alert is None:
            return "unknown_alert"
        if kind == "step":
            steps = self.done.setdefault(alert.id, set())
            (steps.add if body["done"] else steps.discard)(body["step"])
            self.feed.write(Batch(alerts=(replace(alert, updated_s=alert.updated_s + 1),)))
            return ""
        reason, changes = {
            "acknowledge": ("acknowledged", {"owner": alert.owner or actor}),
            "assign": ("assigned", {"owner": body.get("owner", "")}),
            "hand": ("assigned", {}),
            "comment": ("commented", {}),
            "dissent": ("labelled", {}),
            "label": ("labelled", {"label": body.get("label", "")}),
            "resolve": ("resolved", {"state": "cleared"}),
        }[kind]
        self.tell(*self.acted.step(alert, reason, actor=actor, **changes))
        return ""


class Door:
    """The gate of the town: a session's cookie, and its token for what changes something."""

    def __init__(self, town: Town) -> None:
        self._town = town

    def enter(self, method: str, headers: Headers) -> Caller:
        cookies = dict(part.strip().partition("=")[::2] for part in headers.get("cookie", "").split(";"))
        name = self._town.sessions.get(cookies.get(COOKIE, ""))
        if name is None:
            raise HTTPException(401, "sign in first")
        if method != "GET" and headers.get("x-csrf-token") != f"csrf-{name}":
            raise HTTPException(403, "the token is missing")
        known = caller(role=USERS[name], actor=name, areas=self._town.city.areas)
        return known._replace(session=cookies[COOKIE])

    def holds(self, caller: Caller) -> bool:
        return caller.session in self._town.sessions
