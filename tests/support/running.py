"""What the tests of the command line share: a run of it, and tunes for it to hear."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musrec.demo import TUNES, write_tunes

WEB_PAGE = "This is not audio but a web page"


@dataclass(frozen=True)
class Ran:
    """What a run printed, and what it exited with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]


def write_some(folder: Path, *numbers: int) -> list[Path]:
    """Write the tunes of those numbers into a folder, and return where they are."""
    write_tunes(folder)
    paths = [folder / tune.file for tune in TUNES]
    for number, path in enumerate(paths):
        if number not in numbers:
            path.unlink()
    return [paths[number] for number in numbers]
