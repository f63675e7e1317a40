"""``python -m tests.attack``: attack the product at full size, and write down what was found."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.attack import commands, kills, outages, texts, uploads
from tests.attack.figures import Figures
from tests.support import guard

TABLE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
SIZES = {"uploads": 24_000, "texts": 10_000, "kills": 500, "commands": 2_000, "outages": 10}
INTRODUCTION = """# Reliability

Written by `make attack`: the product under attack, through real parts (decoders, sockets, SQLite,
processes that are killed) and from a fixed seed. Every run of the tests makes the same attacks,
smaller. Every figure under "broken" is how often a promise did not hold.
"""


def main() -> None:
    """Run every attack in turn, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    for name, size in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=size, help=f"default: {size:,}")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--table", type=Path, default=TABLE, help="the file to write")
    chosen = parser.parse_args()
    sys.addaudithook(guard.guard)
    logging.disable()  # what fails on purpose is told by the thousand
    found: list[Figures] = []
    with tempfile.TemporaryDirectory() as name:
        folder, seed = Path(name), chosen.seed
        found.append(uploads.attack(chosen.uploads, seed))
        found.append(asyncio.run(texts.attack(folder / "texts", chosen.texts, seed)))
        found += kills.attack(folder / "kills", chosen.kills, seed)
        found.append(asyncio.run(commands.attack(folder / "commands", chosen.commands, seed)))
        found.append(asyncio.run(outages.outages(folder / "outages", chosen.outages, seed)))
        found.append(asyncio.run(outages.changes(folder / "changes", chosen.outages, seed)))
    sizes = " ".join(f"--{name} {getattr(chosen, name)}" for name in (*SIZES, "seed"))
    lines = [
        INTRODUCTION,
        f"{datetime.now(UTC):%d %B %Y}: `python -m tests.attack {sizes}`\n",
        "| attack | tried | broken | measured |",
        "|---|---|---|---|",
        *(figures.row for figures in found),
    ]
    chosen.table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    broken = sum(sum(figures.broken.values()) for figures in found)
    print(f"{broken} promises broken; the table is in {chosen.table}.")  # noqa: T201
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
