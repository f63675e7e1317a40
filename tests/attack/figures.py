"""What an attack found: how much was tried, and how often a promise did not hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Self

PATIENCE = 10.0
"""Seconds after which a member must have an answer."""


@dataclass
class Figures:
    """Figures of one attack.

    Attributes
    ----------
    attack : str
        Its name in the table.
    tried : Counter of str
        What was tried, and how often.
    broken : Counter of str
        Each promise to how often it did not hold: all are 0.
    measured : dict of str to float
        What is worth knowing and is no promise; of several rounds, the largest.
    """

    attack: str
    tried: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    measured: dict[str, float] = field(default_factory=dict)

    def took(self, seconds: float) -> None:
        """Note how long something took that a member waits for."""
        self.measured["slowest, s"] = max(self.measured.get("slowest, s", 0.0), round(seconds, 2))
        self.broken["above 10 s"] += seconds > PATIENCE

    def add(self, other: Figures) -> None:
        """Add another round of the same attack."""
        for mine, theirs in ((self.tried, other.tried), (self.broken, other.broken)):
            for what, count in theirs.items():  # unlike Counter.update, a 0 stays
                mine[what] += count
        for what, value in other.measured.items():
            self.measured[what] = max(self.measured.get(what, value), value)

    @property
    def cells(self) -> tuple[str, ...]:
        """What was tried, broken and measured, as it stands in `docs/reliability.md`."""
        return (
            "; ".join(f"{what} {count:,}" for what, count in self.tried.items()),
            "; ".join(f"{what} {count:,}" for what, count in self.broken.items()),
            "; ".join(f"{what} {value:g}" for what, value in self.measured.items()),
        )

    @classmethod
    def read(cls, attack: str, cells: tuple[str, ...]) -> Self:
        """Read what `cells` wrote."""
        tried, broken, measured = (
            [part.rpartition(" ") for part in cell.split("; ") if part] for cell in cells
        )
        return cls(
            attack,
            Counter({what: int(count.replace(",", "")) for what, _, count in tried}),
            Counter({what: int(count.replace(",", "")) for what, _, count in broken}),
            {what: float(value) for what, _, value in measured},
        )
