"""The tree of areas, and which area a record is from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from streams.area_files import normalise_name
from streams.core.outlines import Outlines
from streams.model import Area

Times = tuple[tuple[int | None, int | None], ...]  # from and to, each with its end exclusive

_ALWAYS: Times = ((None, None),)
_NUMBER = re.compile(r"(\d+)(?:\.0+)?", re.ASCII)
_CHINESE_DIGITS = 12  # GB/T 2260 with street and community: never shortened


def normalise_code(text: str) -> str:
    """A code as it is compared: ``.0`` of a number that went through a spreadsheet and leading zeros are dropped, 12 digits kept.

    >>> normalise_code("0503"), normalise_code("503.0"), normalise_code(" 503 "), normalise_code("000000000001"), normalise_code("A1")
    ('503', '503', '503', '000000000001', 'A1')
    """
    text = text.strip()
    found = _NUMBER.fullmatch(text)
    if found is None:
        return text
    digits = found[1]
    return digits if len(digits) == _CHINESE_DIGITS else digits.lstrip("0") or "0"


class AreaTree:
    """The areas of a city by code. A code may have several rows, of one level and parent, for times apart; the last one names it.

    Raises:
        ValueError: names the code and the remedy: no root or several, an unknown parent, a cycle, a level that is not its
            parent's plus one, rows of one code that differ in level or parent.
    """

    def __init__(self, areas: Sequence[Area]) -> None:
        self._areas: dict[str, Area] = {}
        self._times: dict[str, Times] = {}
        for area in areas:
            self._enter(area)
        roots = [area for area in self._areas.values() if area.parent is None]
        if len(roots) != 1:
            what = " and ".join(repr(area.code) for area in roots[:2]) or "no area"
            raise ValueError(f"area tree: {what} without a parent; exactly one area, the city, has none")
        self.root = roots[0]
        if self.root.level != 0:
            raise ValueError(f"area {self.root.code!r} is the root but has level {self.root.level}; give it level 0")
        children: dict[str, list[str]] = {code: [] for code in self._areas}
        for area in self._areas.values():
            if area.parent is not None:
                self._check(area)
                children[area.parent].append(area.code)
        self._children = {code: tuple(sorted(below)) for code, below in children.items()}
        self._ancestors = {code: self._climb(code) for code in self._areas}

    def __getitem__(self, code: str) -> Area:
        return self._areas[code]

    def __contains__(self, code: object) -> bool:
        return code in self._areas

    def __iter__(self) -> Iterator[str]:
        return iter(self._areas)

    def __len__(self) -> int:
        return len(self._areas)

    def parent(self, code: str) -> str | None:
        """The area around it; None for the city."""
        return self._areas[code].parent

    def children(self, code: str) -> tuple[str, ...]:
        """The areas right below it, sorted."""
        return self._children[code]

    def ancestors(self, code: str) -> tuple[str, ...]:
        """The areas above it, nearest first, without itself."""
        return self._ancestors[code]

    def subtree(self, code: str) -> tuple[str, ...]:
        """Itself and all below it, depth first, codes sorted among brothers."""
        found, waiting = [], [code]
        while waiting:
            found.append(waiting.pop())
            waiting.extend(reversed(self._children[found[-1]]))
        return tuple(found)

    def shard_of(self, code: str, shard_level: int) -> str:
        """Its ancestor, or itself, of that level; the city's code for what lies above the level."""
        for above in (code, *self._ancestors[code]):
            if self._areas[above].level == shard_level:
                return above
        return self.root.code

    def valid(self, code: str, at_s: int) -> bool:
        """Whether the area exists at a time."""
        times = self._times[code]
        return times is _ALWAYS or any((start is None or start <= at_s) and (end is None or at_s < end) for start, end in self._times[code])

    def spell(self, code: str) -> tuple[float, float]:
        """A stretch in which the area exists, from and to, in seconds; infinite where it has no end."""
        start, end = self._times[code][-1]
        return -math.inf if start is None else start, math.inf if end is None else end

    def valid_at(self, code: str, at_s: int) -> str | None:
        """The area, or the nearest one above it that exists at a time."""
        if self.valid(code, at_s):
            return code
        return next((above for above in self._ancestors[code] if self.valid(above, at_s)), None)

    def path_name(self, code: str) -> str:
        """Names from the city down: ``Boston > Dorchester > Precinct 1605``."""
        return " > ".join(self._areas[above].name for above in (*reversed(self._ancestors[code]), code))

    def related(self, a: str, b: str) -> bool:
        """Whether they are the same area, or one lies in the other."""
        return a == b or a in self._ancestors[b] or b in self._ancestors[a]

    def lowest_common(self, a: str, b: str) -> str:
        """The lowest area that holds both."""
        above = (b, *self._ancestors[b])
        return next(code for code in (a, *self._ancestors[a]) if code in above)

    def _enter(self, area: Area) -> None:
        known = self._areas.get(area.code)
        if known is not None and (known.parent, known.level) != (area.parent, area.level):
            raise ValueError(f"area {area.code!r} stands twice with different parents or levels; give the newer one a code of its own")
        self._areas[area.code] = area
        times = self._times.get(area.code, ())
        if area.valid_from_s is None and area.valid_to_s is None:
            times = _ALWAYS
        self._times[area.code] = times if times is _ALWAYS else (*times, (area.valid_from_s, area.valid_to_s))

    def _check(self, area: Area) -> None:
        parent = self._areas.get(area.parent or "")
        if parent is None:
            raise ValueError(f"area {area.code!r} has parent {area.parent!r}, which is not in the tree; add it or correct the parent")
        seen, above = {area.code}, parent
        while above.parent in self._areas and above.parent is not None:
            if above.code in seen:
                raise ValueError(f"area {area.code!r} lies inside itself, by way of {area.parent!r}; correct one of the parents")
            seen.add(above.code)
            above = self._areas[above.parent]
        if area.level != parent.level + 1:
            raise ValueError(f"area {area.code!r} has level {area.level} under a parent of level {parent.level}; write {parent.level + 1}")

    def _climb(self, code: str) -> tuple[str, ...]:
        found = []
        above = self._areas[code].parent
        while above is not None:
            found.append(above)
            above = self._areas[above].parent
        return tuple(found)


class Resolver:
    """Finds a record's area: by a code, by a name of the address library, by a point in an outline, in this order.

    An area that does not exist at the record's time stands for the nearest one above it that does.

    Raises:
        ValueError: two codes that are written alike once normalised, a library name of no area, an outline that is none.
    """

    def __init__(self, tree: AreaTree, library: Mapping[str, str]) -> None:
        self._tree = tree
        self._codes: dict[str, str] = {}
        for code in tree:
            other = self._codes.setdefault(normalise_code(code), code)
            if other != code:
                raise ValueError(f"area codes {other!r} and {code!r} cannot be told apart in records; rename one")
        self._names: dict[str, str] = {}
        for name, code in library.items():
            if code not in tree:
                raise ValueError(f"address library: {name!r} is in area {code!r}, which is not in the tree; add it or correct the entry")
            self._names[normalise_name(name)] = code
        self._outlines = Outlines(tree.root.code, [tree[code] for code in tree], tree.valid)

    def by_code(self, code: str, at_s: int) -> str | None:
        """The area of a code as records write it; None when there is none."""
        known = self.known_code(code)
        return known and self._tree.valid_at(known, at_s)

    def by_name(self, name: str, at_s: int) -> str | None:
        """The area of an entry of the address library; None when there is none."""
        known = self.known_name(name)
        return known and self._tree.valid_at(known, at_s)

    def known_code(self, code: str) -> str | None:
        """The area of a code as records write it, whether it exists or not."""
        return self._codes.get(code) or self._codes.get(normalise_code(code))

    def known_name(self, name: str) -> str | None:
        """The area of an entry of the address library, whether it exists or not."""
        return self._names.get(normalise_name(name))

    def spells(self, codes: Iterable[str]) -> list[tuple[float, float]]:
        """``AreaTree.spell`` of each."""
        return [self._tree.spell(code) for code in codes]

    def by_point(self, lat: float, lon: float, at_s: int) -> str | None:
        """The deepest area around a point; None outside all outlines, and for what is no point on earth."""
        known = self._outlines.find(lat, lon, at_s)
        return known and self._tree.valid_at(known, at_s)

    def by_points(self, lat: NDArray[np.float64], lon: NDArray[np.float64], at_s: NDArray[np.int64]) -> list[str | None]:
        """The same of many points on earth at once; None also where it is better asked one by one."""
        return self._outlines.find_many(lat, lon, at_s)

    @property
    def emptied(self) -> int:
        """How often the outlines' grid grew to its bound and was begun anew."""
        return self._outlines.emptied
