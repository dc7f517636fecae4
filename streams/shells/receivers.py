"""Other systems that are told: webhooks and an Alertmanager, from the deployment file, and the threads that tell them.

    webhooks:
      duty-desk:
        url: https://desk.example/alerts
        secret_file: /run/secrets/duty-desk
        remote: true
        bands: [red, orange]
        areas: [A1]
    alertmanager:
      url: http://127.0.0.1:9093

Without ``remote`` an address that is not this machine's own is refused, each time it is looked up. A secret never stands in the file itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import structlog
from msgspec import Struct

from sinks.alertmanager import Pusher
from sinks.cockpit.deliveries import Deliveries
from sinks.cockpit.feed import Feed
from sinks.cockpit.views import View
from sinks.formats.cloudevents import source_of
from sinks.post import Target, check_target
from sinks.webhooks.courier import TRIES_MAX, Courier
from sinks.webhooks.outbox import Outbox
from sinks.webhooks.sink import Hook, WebhookSink
from streams.core.lifecycle import TRANSITION_REASONS
from streams.model import BANDS
from streams.settings import City
from streams.shells.errors import ShellError
from streams.yaml_file import Document, Problems, read_document, read_section

log = structlog.get_logger()

FILE_VARIABLE = "TOCSIN_DEPLOYMENT"
SECTIONS = ("webhooks", "alertmanager")
HOOKS_MAX = 32
SECRET_BYTES = (16, 4096)
OUTBOX = "webhooks.sqlite"


class ReceiversError(ShellError):
    """Settings that cannot be used; the message names place, value and remedy."""


class WebhookFile(Struct, frozen=True, forbid_unknown_fields=True):
    """One of the section ``webhooks``. ``kinds``: reasons of transitions; empty: those that tell a person."""

    url: str
    secret_file: str
    kinds: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    remote: bool = False
    tries_max: int = TRIES_MAX


class AlertmanagerFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The section ``alertmanager``; without a URL none is told."""

    url: str = ""
    every_s: int = 60
    remote: bool = False


class ReceiversFile(NamedTuple):
    """What a deployment file says of them."""

    hooks: tuple[tuple[Hook, int], ...] = ()  # and after how many tries each gives up
    alertmanager: AlertmanagerFile = AlertmanagerFile()


def load_receivers(path: Path | None, environ: Mapping[str, str], *, reasons: frozenset[str], areas: frozenset[str]) -> ReceiversFile:
    """Read the two sections; other ones are not looked at. None: the file that the environment names, if any.

    Raises:
        ReceiversError: what is wrong with them.
    """
    named = environ.get(FILE_VARIABLE, "")
    path = path or (Path(named) if named else None)
    if path is None:
        return ReceiversFile()
    problems = Problems()
    document = read_document(path, problems)
    made: list[tuple[Hook, int]] = []
    alertmanager = AlertmanagerFile()
    if document.data is not None:
        hooks: dict[str, WebhookFile] = read_section(document, dict[str, WebhookFile], "webhooks", absent={}) or {}
        alertmanager = read_section(document, AlertmanagerFile, "alertmanager", absent=AlertmanagerFile()) or AlertmanagerFile()
        made = [(_hook(document, name, given, reasons, areas), given.tries_max) for name, given in hooks.items()]
        _check_target(document, ("alertmanager", "url"), Target(alertmanager.url, alertmanager.remote), needed=False)
        if len(hooks) > HOOKS_MAX:
            document.refuse(("webhooks",), f"there are {len(hooks)} hooks; at most {HOOKS_MAX}")
    if len(problems):
        raise ReceiversError("; ".join(problems.listed()))
    return ReceiversFile(tuple(made), alertmanager)


def receivers_of(city: City, path: Path | None) -> ReceiversFile:
    """Those of a city's deployment, by file or environment.

    Raises:
        ReceiversError: what is wrong with them.
    """
    return load_receivers(path, os.environ, reasons=frozenset(TRANSITION_REASONS), areas=frozenset(area.code for area in city.areas))


def _hook(document: Document, name: str, given: WebhookFile, reasons: frozenset[str], areas: frozenset[str]) -> Hook:
    where = ("webhooks", name)
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", name):
        document.refuse(where, "a hook's name is at most 32 of a-z, 0-9, _ and -, a letter first")
    target = Target(given.url, given.remote)
    _check_target(document, (*where, "url"), target, needed=True)
    for key, values, known in (("kinds", given.kinds, reasons), ("bands", given.bands, frozenset(BANDS)), ("areas", given.areas, areas)):
        unknown = [value for value in values if value not in known]
        if unknown:
            document.refuse((*where, key), f"{unknown[0]!r} is none; docs/api.md has the reasons and bands, areas.csv the areas")
    if not 1 <= given.tries_max <= 100:
        document.refuse((*where, "tries_max"), "is from 1 to 100")
    secret = _secret(document, (*where, "secret_file"), given.secret_file)
    return Hook(name, target, secret, frozenset(given.kinds), frozenset(given.bands), frozenset(given.areas))


def _check_target(document: Document, where: tuple[str, ...], target: Target, *, needed: bool) -> None:
    if not target.url and not needed:
        return
    try:
        check_target(target)
    except ValueError as error:
        document.refuse(where, str(error))


def _secret(document: Document, where: tuple[str, ...], path: str) -> bytes:
    try:
        secret = Path(path).read_bytes().strip()
    except OSError as error:
        document.refuse(where, f"cannot be read ({error.strerror}); it should hold the secret that the receiver knows")
        return b""
    least, most = SECRET_BYTES
    if not least <= len(secret) <= most:
        document.refuse(where, f"has {len(secret)} bytes; a secret has {least} to {most}, such as `openssl rand -hex 32` makes")
    return secret


class Receivers:
    """The outbox, a courier a hook, and the pusher, as far as there are any."""

    def __init__(self, given: ReceiversFile, city: City, folder: Path, now_s: Callable[[], int]) -> None:
        """``folder`` keeps the outbox. Nothing is sent before ``start``."""
        hooks = [hook for hook, _ in given.hooks]
        self._hooks = [hook.name for hook in hooks]
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.outbox = Outbox(folder / OUTBOX, waits=True) if hooks else None
        self.sink: WebhookSink | None = None
        self._feed: Feed | None = None
        self._couriers: list[Courier] = []
        if self.outbox is not None:
            view = View(city.areas, city.signals, suppress_below=city.suppress_below)
            self.sink = WebhookSink(
                self.outbox,
                hooks,
                shown=view.transition,
                lineage=view.places.lineage,
                source=source_of(city.name),
                now_s=now_s,
            )
            self._couriers = [Courier(self.outbox, hook, now_s, tries_max=tries) for hook, tries in given.hooks]
        target = Target(given.alertmanager.url, given.alertmanager.remote)
        self._pusher = Pusher(target, self._shown, city.name, "", now_s, every_s=given.alertmanager.every_s) if target.url else None

    def start(self, feed: Feed, newest: int) -> None:
        """Begin to tell; at the very first start what stands in the alerts journal up to ``newest`` is no news."""
        self._feed = feed
        if self.outbox is not None:
            self.outbox.begin_after(newest, self._hooks)
        for each in self._threads():
            each.start()
        if self._couriers or self._pusher:
            log.info("receivers", webhooks=len(self._couriers), alertmanager=self._pusher is not None)

    def _threads(self) -> list[Courier | Pusher]:
        return [*self._couriers, *([self._pusher] if self._pusher else [])]

    @property
    def deliveries(self) -> Deliveries:
        """For ``GET /api/deliveries``."""
        outbox = self.outbox
        return Deliveries(
            receipts=outbox.receipts if outbox else lambda _limit: [],
            counts=outbox.counts if outbox else dict,
            pushed=self._pushed,
        )

    def _pushed(self) -> dict[str, Any] | None:
        return self._pusher.pushed._asdict() if self._pusher else None

    def stop(self) -> None:
        """After what is under way; what waits, waits for the next start."""
        for each in self._threads():
            each.stop()
        if self.sink is not None:
            self.sink.close()

    def _shown(self) -> list[Mapping[str, Any]]:
        """Open alerts as people may see them; those that nobody is told of are left out."""
        held = self._feed.open_alerts() if self._feed is not None and self._feed.loaded else []
        return [orjson.loads(each.summary) for each in held if not each.alert.muted_by]
