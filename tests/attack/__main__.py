"""``python -m tests.attack [PART ...]``: attack the product, and write down what was found.

Each part is made of rounds, each of its own seed. The table is written after every round, and a
run goes on where the table stops, so that hours can be had in pieces.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.attack import commands, kills, outages, processes, texts, uploads
from tests.attack.figures import Figures
from tests.support import guard

TABLE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
FIRST_SEED = 13
INTRODUCTION = """# Reliability

Written by `make attack`: the product under attack, through real parts (decoders, sockets, SQLite,
PostgreSQL, processes that are killed) and from fixed seeds. Every run of the tests makes the same
attacks, smaller. Every figure under "broken" is how often a promise did not hold.
`python -m tests.attack` goes on where this table stops; `python -m tests.attack PART --rounds N`
runs a part of it, and `--afresh` begins again.

| attack | rounds | last | tried | broken | measured, at worst |
|---|---|---|---|---|---|
"""
Attack = Callable[[Path, int, int], list[Figures]]
"""Takes an empty folder, a size and a seed."""


@dataclass(frozen=True)
class Part:
    """An attack: how large a round of it is, and how many there are at full size."""

    attack: Attack
    size: int
    rounds: int


PARTS = {
    "uploads": Part(lambda _, size, seed: [uploads.attack(size, seed)], 1_000, 24),
    "texts": Part(
        lambda folder, size, seed: [asyncio.run(texts.attack(folder, size, seed))], 1_000, 10
    ),
    "kills": Part(kills.attack, 50, 10),
    "processes": Part(processes.attack, 120, 1),
    "commands": Part(
        lambda folder, size, seed: [asyncio.run(commands.attack(folder, size, seed))], 2_000, 1
    ),
    "outages": Part(
        lambda folder, size, seed: [asyncio.run(outages.outages(folder, size, seed))], 1, 10
    ),
    "changes of the clock": Part(
        lambda folder, size, seed: [asyncio.run(outages.changes(folder, size, seed))], 1, 10
    ),
}


@dataclass
class Row:
    """A row of the table: one attack, all rounds of it together."""

    figures: Figures
    rounds: int = 0
    last: str = ""

    def __str__(self) -> str:
        cells = (self.figures.attack, str(self.rounds), self.last, *self.figures.cells)
        return f"| {' | '.join(cells)} |"

    @classmethod
    def read(cls, line: str) -> Row:
        """Read what `str` wrote."""
        attack, rounds, last, *cells = (cell.strip() for cell in line.strip("|\n").split("|"))
        return cls(Figures.read(attack, tuple(cells)), int(rounds), last)


@dataclass
class Table:
    """What `docs/reliability.md` says."""

    file: Path
    rows: dict[str, Row] = field(default_factory=dict)

    @classmethod
    def open(cls, file: Path) -> Table:
        """Read the table, if there is one."""
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        _, heading, lines = text.partition(INTRODUCTION)
        rows = [Row.read(line) for line in lines.splitlines()] if heading else []
        return cls(file, {row.figures.attack: row for row in rows})

    def of(self, part: str) -> list[Row]:
        """Return the rows of a part: kills have one for each kind of work."""
        return [row for name, row in self.rows.items() if name.partition(":")[0] == part]

    def add(self, figures: Figures) -> None:
        """Add a round."""
        row = self.rows.setdefault(figures.attack, Row(Figures(figures.attack)))
        row.figures.add(figures)
        row.rounds += 1
        row.last = f"{datetime.now(UTC):%d %B %Y}"

    def write(self) -> None:
        """Write the file, its rows in the order of `PARTS`."""
        lines = [str(row) for part in PARTS for row in self.of(part)]
        self.file.write_text(INTRODUCTION + "\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Run the rounds that are missing, and write the table after each."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, help="in all, those in the table included")
    parser.add_argument("--afresh", action="store_true", help="forget what the table says of them")
    parser.add_argument("--table", type=Path, default=TABLE, help="the file to go on with")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    sys.addaudithook(guard.guard)
    logging.disable()  # what fails on purpose is told by the thousand
    table = Table.open(chosen.table)
    for name in chosen.parts or PARTS:
        part = PARTS[name]
        if chosen.afresh:
            for row in table.of(name):
                del table.rows[row.figures.attack]
        done = max((row.rounds for row in table.of(name)), default=0)
        for number in range(done, chosen.rounds or part.rounds):
            with tempfile.TemporaryDirectory() as folder:
                for figures in part.attack(Path(folder, "it"), part.size, FIRST_SEED + number):
                    table.add(figures)
            table.write()
            print(f"{name}: round {number + 1}")  # noqa: T201
    broken = sum(row.figures.broken.total() for row in table.rows.values())
    print(f"{broken} promises broken; the table is in {chosen.table}.")  # noqa: T201
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
