"""Models that are what they have learned since they began: state that is kept as numbers, for any model that learns item by item.

A model begins with nothing, learns the items of so many blocks, and when these are twice its memory it begins anew with the
newest half of them. So nothing it is ever depends on more than a bounded number of items; those are its snapshot; and to restore it
is to learn them again. No object is ever written or read: that would run what it reads, and be stable over no version.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from detectors.base import Bools, Floats, Ints, State
from detectors.deviation import STEP

_NONE = -32_768  # an item's number that is not known

Learn = Callable[[Any, int, Floats], None]  # (model, unit, item (S,))


class Relearning:
    """Models of U units in two ages: what it takes to judge this block and the next, each without the block before it.

    An item is a row of S numbers, multiples of ``STEP``, all units' at once. ``make`` makes a model that has learned nothing, ``learn``
    teaches one model (``learn(model, unit, item)``).
    """

    def __init__(self, units: int, size: int, *, block: int, memory_blocks: int, make: Callable[[], Any], learn: Learn) -> None:
        self._units, self._block, self._memory = units, block, memory_blocks
        self._make, self._learn = make, learn
        self._blocks = 2 * memory_blocks + 2
        self._items = np.full((self._blocks, block, size), _NONE, np.int16)
        self._taken = np.zeros((self._blocks, block, units), bool)
        self._begin = np.full((2, units), -1, np.int64)  # the first block a model has learned
        self._at = -1
        self._learned = np.zeros((2, units), np.int64)
        self._models = [[make() for _ in range(units)] for _ in range(2)]

    def model(self, which: int, unit: int) -> Any:
        """The model of a unit. ``which``: 0 in this block, 1 in the next."""
        return self._models[which][unit]

    def learned(self, which: int) -> Ints:
        """Items (U,) that the models have learned."""
        return np.asarray(self._learned[which])

    def push(self, index: int, item: Floats, taken: Bools) -> None:
        """Keep the item (S,) of window ``index`` for the units that are to learn it (U,). NaN is what is not known."""
        block, place = divmod(index, self._block)
        if self._at < 0:
            self._at, self._begin[:] = block, block
        assert block == self._at, f"window {index} is not in block {self._at}"
        row = block % self._blocks
        codes = np.rint(np.clip(item / STEP, -32_767, 32_767))
        self._items[row, place] = np.where(np.isfinite(item), codes, _NONE).astype(np.int16)
        self._taken[row, place] = taken

    def end_block(self, moved: Bools) -> None:
        """Let the models learn what was pushed; those of units that have ``moved`` (U,) begin with nothing."""
        done, begin = self._at, self._begin[1]
        anew = np.where(done - begin + 1 >= 2 * self._memory, done - self._memory + 1, begin)
        anew = np.where(moved, done + 1, anew)
        for unit in range(self._units):
            if anew[unit] == begin[unit] == self._begin[0, unit]:
                model, number = self._models[0][unit], int(self._learned[0, unit])
                first = max(done - 1, int(begin[unit]))
            else:
                model, number, first = self._make(), 0, int(anew[unit])
            number += self._teach(model, unit, first, done)
            self._models[0][unit], self._models[1][unit] = self._models[1][unit], model
            self._learned[:, unit] = self._learned[1, unit], number
        self._begin = np.stack((begin, anew))
        self._at = done + 1
        self._items[self._at % self._blocks], self._taken[self._at % self._blocks] = _NONE, False

    def snapshot(self) -> State:
        return {"items": self._items.copy(), "taken": self._taken.copy(), "begin": self._begin.copy(), "block": np.array([self._at])}

    def restore(self, state: State) -> None:
        """Go on from a snapshot: learn again."""
        self._items, self._taken = np.array(state["items"], np.int16), np.array(state["taken"], bool)
        self._begin, self._at = np.array(state["begin"], np.int64), int(state["block"][0])
        self._models = [[self._make() for _ in range(self._units)] for _ in range(2)]
        self._learned[:] = 0
        if self._at < 0:
            return
        for which in (0, 1):
            for unit, model in enumerate(self._models[which]):
                self._learned[which, unit] = self._teach(model, unit, int(self._begin[which, unit]), self._at - 2 + which)

    def _teach(self, model: Any, unit: int, first: int, last: int) -> int:
        """Have a model learn blocks ``first``..``last``; returns how many items that were."""
        number = 0
        for block in range(first, last + 1):
            row = block % self._blocks
            for place in np.flatnonzero(self._taken[row, :, unit]):
                codes = self._items[row, place]
                self._learn(model, unit, np.where(codes == _NONE, np.nan, codes * STEP))
                number += 1
        return number
