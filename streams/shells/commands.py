"""From what the cockpit was asked to a record of the findings journal: the rules of ``streams.core.people``, and the clock."""

from __future__ import annotations

from sinks.cockpit.commands import Given, Rules
from streams.core.people import ACTOR_CHARS_MAX, BODIES, BODY_CHARS_MAX, ID_CHARS_MAX, parse
from streams.model import Command


def rules() -> Rules:
    """What people may say. ``configure`` is not among it: that is for whoever runs the city."""
    return Rules(tuple(sorted(BODIES)), ID_CHARS_MAX, ACTOR_CHARS_MAX, BODY_CHARS_MAX, _fits)


def command_of(given: Given, now_s: int) -> Command:
    """The journal record."""
    return Command(given.id, now_s, given.actor, given.kind, given.body)


def _fits(given: Given) -> bool:
    return not isinstance(parse(command_of(given, 0)), str)
