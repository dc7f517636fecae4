"""Groups of consumers: who has which partition, what they have committed, and who is no longer of them.

Members are static: one that starts again under its name takes its place, and whoever had it is fenced. When members change,
everyone gives up what it has, and gets its part once all have come back; one that does not come back is expelled in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

Place = tuple[str, int]
"""Topic and partition."""


class Unstable(Exception):
    """A transaction that is not over yet has offsets of these partitions."""


class Stale(Exception):
    """``fenced``: another process has taken this one's name; else it is not a member of this generation."""

    def __init__(self, *, fenced: bool) -> None:
        super().__init__("fenced" if fenced else "stale")
        self.fenced = fenced


class Membership(NamedTuple):
    """What a consumer knows of its place in a group; goes with offsets in a transaction."""

    group: str
    name: str
    number: int
    generation: int


class Member:
    """One name in a group. ``joined``: the generation it has come back for; ``given``: the one whose part it has got."""

    def __init__(self, number: int, topics: frozenset[str]) -> None:
        self.number, self.topics = number, topics
        self.joined = self.given = 0


class Group:
    """Members, their parts, and what is committed."""

    def __init__(self) -> None:
        self.generation = 0
        self.members: dict[str, Member] = {}
        self.parts: dict[str, list[Place]] = {}
        self.committed: dict[Place, tuple[int, str]] = {}
        self.promised: dict[int, frozenset[Place]] = {}  # producer -> places with offsets in its open transaction


class Groups:
    """All groups of a log."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}
        self._numbers = 0
        self.places: list[Place] = []
        """Every partition there is, in order."""

    def of(self, name: str) -> Group:
        """The group of that name."""
        return self._groups.setdefault(name, Group())

    def join(self, group: str, name: str, topics: Iterable[str]) -> int:
        """Take a name in the group; returns the number of this membership."""
        at = self.of(group)
        self._numbers += 1
        known = at.members.get(name)
        member = at.members[name] = Member(self._numbers, frozenset(topics))
        if known is None:
            at.generation += 1
        elif known.joined == at.generation:
            member.joined = at.generation  # it has its part at once
        return self._numbers

    def expel(self, group: str, name: str) -> None:
        """It was not heard of for too long, or has left."""
        at = self.of(group)
        if at.members.pop(name, None) is not None:
            at.generation += 1

    def beat(self, group: str, name: str, number: int) -> Member:
        """A sign of life.

        Raises:
            Stale: it is no longer a member.
        """
        member = self.of(group).members.get(name)
        if member is None or member.number != number:
            raise Stale(fenced=member is not None)
        return member

    def part(self, group: str, name: str) -> list[Place] | None:
        """The part of a member that has come back; None while others have not, or when it has just been expelled."""
        at = self.of(group)
        if name not in at.members or any(member.joined < at.generation for member in at.members.values()):
            return None
        names = sorted(at.members)
        topics = frozenset[str]().union(*(member.topics for member in at.members.values()))
        places = [place for place in self.places if place[0] in topics]
        return places[names.index(name) :: len(names)]

    def check(self, held: Membership) -> None:
        """Whether offsets of this member are to be taken.

        Raises:
            Stale: they are not.
        """
        member = self.beat(held.group, held.name, held.number)
        if held.generation != self.of(held.group).generation or member.given != held.generation:
            raise Stale(fenced=False)

    def commit(self, group: str, offsets: Mapping[Place, tuple[int, str]]) -> None:
        """Write down offsets and their metadata."""
        self.of(group).committed.update(offsets)

    def committed(self, group: str, place: Place) -> tuple[int, str] | None:
        """What is committed of a place.

        Raises:
            Unstable: a transaction with other offsets of it is open.
        """
        at = self.of(group)
        if any(place in places for places in at.promised.values()):
            raise Unstable
        return at.committed.get(place)

    def pending(self, group: str, producer: int, places: Iterable[Place]) -> None:
        """A transaction has offsets of these."""
        self.of(group).promised[producer] = frozenset(places)

    def settled(self, group: str, producer: int) -> None:
        """That transaction is over."""
        self.of(group).promised.pop(producer, None)
