"""What an attack found: how much was tried, and how often a promise did not hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

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
        What is worth knowing and is no promise.
    """

    attack: str
    tried: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    measured: dict[str, float] = field(default_factory=dict)

    def took(self, seconds: float) -> None:
        """Note how long something took that a member waits for."""
        self.measured["slowest, s"] = max(self.measured.get("slowest, s", 0.0), round(seconds, 2))
        self.broken["above 10 s"] += seconds > PATIENCE

    @property
    def row(self) -> str:
        """A row of the table in `docs/reliability.md`."""
        parts = (
            ", ".join(f"{count:,} {what}" for what, count in self.tried.items()),
            ", ".join(f"{count:,} {what}" for what, count in self.broken.items()),
            ", ".join(f"{what}: {value:g}" for what, value in self.measured.items()),
        )
        return f"| {self.attack} | {' | '.join(parts)} |"
