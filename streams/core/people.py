"""What people may tell decide: the bodies of commands, typed and bounded, and what of them may be kept.

Staff's free text is looked at for its length and then forgotten: no output holds it.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from streams.model import Command

BODY_CHARS_MAX = 4_096
"""A longer body is refused unread; ``configure`` is exempt, its reader has bounds of its own."""

ID_CHARS_MAX = 128
ACTOR_CHARS_MAX = 64

Name = Annotated[str, Meta(min_length=1, max_length=128)]
Pseudonym = Annotated[str, Meta(max_length=64, pattern=r"^[\w.@-]*$")]
Word = Annotated[str, Meta(pattern=r"^([a-z][a-z0-9_]{0,31})?$")]
Verdict = Literal["", "true", "false", "expected_event", "duplicate", "new_level"]
SilenceReason = Literal["planned_work", "known_event", "faulty_source", "duplicate_report", "other"]


class OnAlert(Struct, frozen=True, forbid_unknown_fields=True):
    """``acknowledge``: I am on it. ``seen``: I have it before me. ``resolve``: it is over."""

    alert: Name


class Assign(Struct, frozen=True, forbid_unknown_fields=True):
    """``assign``: to a pseudonym; an empty one takes it back."""

    alert: Name
    owner: Pseudonym


class Hand(Struct, frozen=True, forbid_unknown_fields=True):
    """``hand``: it is another area's, or another department's (empty: the same one's); whoever had taken it on has it no more."""

    alert: Name
    area: Name
    department: Word = ""


class Label(Struct, frozen=True, forbid_unknown_fields=True):
    """``label``: what it turned out to be; an empty one takes it back. ``dissent``: an expert's own view beside it."""

    alert: Name
    label: Verdict


class DoStep(Struct, frozen=True, forbid_unknown_fields=True):
    """``step``: a step of its playbook is done, or is not after all."""

    alert: Name
    step: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    done: bool = True


class Comment(Struct, frozen=True, forbid_unknown_fields=True):
    """``comment``: that somebody said something. The text is not kept here."""

    alert: Name
    text: Annotated[str, Meta(min_length=1, max_length=2_000)]


class SetSilence(Struct, frozen=True, forbid_unknown_fields=True):
    """``silence``: no notifications for an area and what lies below it; no signals named means all of them. ``from_s``: when it begins, for works
    that are planned; 0: now.
    """

    area: Name
    until_s: int
    signals: Annotated[tuple[Name, ...], Meta(max_length=64)] = ()
    reason: SilenceReason = "other"
    from_s: int = 0


class EndSilence(Struct, frozen=True, forbid_unknown_fields=True):
    """``unsilence``: end it now. ``silence`` is the id of the command that set it."""

    silence: Name


class Open(Struct, frozen=True, forbid_unknown_fields=True):
    """``open``: something is the matter that no detector has raised."""

    area: Name
    signal: Name
    band: Literal["blue", "yellow", "orange", "red"] = "yellow"


class Merge(Struct, frozen=True, forbid_unknown_fields=True):
    """``merge``: one alert is part of another."""

    alert: Name
    into: Name


class Split(Struct, frozen=True, forbid_unknown_fields=True):
    """``split``: what an alert has of an area, with all below it, and of a signal (empty: all) is something else."""

    alert: Name
    area: Name
    signal: Annotated[str, Meta(max_length=128)] = ""


Body = OnAlert | Assign | Hand | Label | DoStep | Comment | SetSilence | EndSilence | Open | Merge | Split

BODIES: dict[str, type[Body]] = {
    "acknowledge": OnAlert,
    "seen": OnAlert,
    "assign": Assign,
    "hand": Hand,
    "label": Label,
    "dissent": Label,
    "step": DoStep,
    "resolve": OnAlert,
    "comment": Comment,
    "silence": SetSilence,
    "unsilence": EndSilence,
    "open": Open,
    "merge": Merge,
    "split": Split,
}

_bodies = {kind: msgspec.json.Decoder(form) for kind, form in BODIES.items()}

REFUSALS: tuple[str, ...] = (
    "unknown_kind",
    "too_long",
    "malformed",
    "unknown_alert",
    "unknown_area",
    "unknown_signal",
    "unknown_silence",
    "unknown_department",
    "unknown_step",
    "bad_until",
    "too_many_silences",
    "too_many_alerts",
    "already_open",
    "still_provisional",
    "same_alert",
    "nothing_to_split",
    "no_room",
    "bad_configuration",
)
"""Every reason a command may be refused for."""


def bounded(command: Command) -> Command:
    """The command with id, kind and actor cut to their bounds, so that none is kept or said longer."""
    kind = command.kind if command.kind in BODIES or command.kind == "configure" else "unknown"
    return msgspec.structs.replace(command, id=command.id[:ID_CHARS_MAX], actor=command.actor[:ACTOR_CHARS_MAX], kind=kind)


def parse(command: Command) -> Body | str | None:
    """The body of a command; None for ``configure``, which has a reader of its own; or the reason it is refused for."""
    if command.kind == "configure":
        return None
    bodies = _bodies.get(command.kind)
    if bodies is None:
        return "unknown_kind"
    if len(command.body) > BODY_CHARS_MAX:
        return "too_long"
    try:
        return bodies.decode(command.body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return "malformed"


def kept(command: Command, body: Body | str | None) -> Command:
    """The command as outputs show it: its body without free text; without a body where that could not be read or is a configuration."""
    if body is None or isinstance(body, str):
        return msgspec.structs.replace(command, body="")
    shown = OnAlert(body.alert) if isinstance(body, Comment) else body
    return msgspec.structs.replace(command, body=msgspec.json.encode(shown).decode())
