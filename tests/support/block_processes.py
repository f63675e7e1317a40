"""Processes that write columns: ``python -m tests.support.block_processes HOW FOLDER``.

``many`` appends numbered rows for ever, each batch committed; ``add NAME COUNT`` appends that many
rows, one commit per row, and ends; ``torn`` dies after it has written rows and before it commits.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np

from musrec.catalogue.blocks import Blocks, Column

COLUMNS = {"number": Column("<i8"), "vector": Column("<f4", 3)}


def opened(folder: Path) -> Blocks:
    return Blocks(folder / "recipe", COLUMNS, ("name",))


def append(blocks: Blocks, name: str, first: int, count: int) -> None:
    """Append rows that tell by themselves whether they are whole."""
    numbers = np.arange(first, first + count)
    vectors = numbers[:, None] * np.array([1, 2, 3], np.float32)
    blocks.append(
        {"number": numbers, "vector": vectors}, {"name": [f"{name} {n}" for n in numbers]}
    )


def main() -> None:
    how, folder, *rest = sys.argv[1:]
    blocks = opened(Path(folder))
    if how == "many":
        while True:
            with blocks.writing():
                append(blocks, "many", blocks.rows, 500)
                blocks.commit()
            sys.stdout.write(f"{blocks.rows}\n")
            sys.stdout.flush()
    if how == "torn":
        with blocks.writing():
            append(blocks, "torn", blocks.rows, 50)
            os.kill(os.getpid(), signal.SIGKILL)
    name, count = rest[0], int(rest[1])
    for number in range(count):
        with blocks.writing():
            append(blocks, name, number, 1)
            blocks.commit()


if __name__ == "__main__":
    main()
