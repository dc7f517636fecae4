"""What became of the commands that people gave lately, by the commands' ids. Bounded; the caller holds the lock."""

from __future__ import annotations

from collections import OrderedDict

from streams.model import Outcome

OUTCOMES_MAX = 10_000


class Outcomes:
    """The newest outcomes; of a command that is told again the first one stands."""

    def __init__(self, *, outcomes_max: int = OUTCOMES_MAX) -> None:
        self._outcomes: OrderedDict[str, Outcome] = OrderedDict()
        self._outcomes_max = outcomes_max

    def __len__(self) -> int:
        return len(self._outcomes)

    def keep(self, outcome: Outcome) -> bool:
        """Whether ``outcome`` says something new; the oldest one leaves when the bound is passed."""
        if outcome.command.id in self._outcomes:
            return False
        self._outcomes[outcome.command.id] = outcome
        if len(self._outcomes) > self._outcomes_max:
            self._outcomes.popitem(last=False)
        return True

    def get(self, command_id: str) -> Outcome | None:
        """The outcome of a command; None: not decided on yet, or too long ago."""
        return self._outcomes.get(command_id)
