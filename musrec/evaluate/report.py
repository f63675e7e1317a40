"""One table with its protocol, in Markdown for people and in JSON for programs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from musrec.model import MusrecError

Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Report:
    """Result of one evaluation.

    Attributes
    ----------
    title : str
    protocol : str
        Data, split, seeds and metric in one paragraph: enough to repeat it elsewhere.
    columns : tuple of str
    rows : tuple of tuples, each as long as `columns`
        Floats are printed with three decimals; pass text for any other format.
    notes : tuple of str
        What a careful reader must know besides the numbers.
    """

    title: str
    protocol: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """Return the table with its title, protocol and notes."""
        cells = [[cell(value) for value in row] for row in self.rows]
        lines = [f"## {self.title}", "", self.protocol, ""]
        lines.append("| " + " | ".join(self.columns) + " |")
        lines.append("|" + " --- |" * len(self.columns))
        lines += ["| " + " | ".join(row) + " |" for row in cells]
        lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines).rstrip() + "\n"

    def json(self) -> str:
        """Return the report as one JSON object."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2)


def cell(value: Cell) -> str:
    """Return a value as it stands in a table."""
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def from_shell(
    doc: str | None, run: Callable[[Path], Iterable[Report]], write: Callable[[Path], None]
) -> int:
    """Print what a protocol measures, or with ``--write`` store what the package ships of it.

    Parameters
    ----------
    doc : str
        Of the protocol's module.
    run, write : callable
        Take the folder that holds ``gtzan``.

    Returns
    -------
    int
        Exit code.
    """
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("data", type=Path, help="folder that holds gtzan/")
    parser.add_argument("--write", action="store_true", help="store what is shipped")
    arguments = parser.parse_args()
    try:
        if arguments.write:
            write(arguments.data)
        else:
            sys.stdout.write("\n".join(report.markdown() for report in run(arguments.data)))
    except MusrecError as error:
        sys.stderr.write(f"{error} {error.hint}\n")
        return error.exit_code
    return 0
