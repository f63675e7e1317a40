"""NumPy archives that may be damaged."""

from __future__ import annotations

import zlib
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any
from zipfile import BadZipFile

import numpy as np


def read(archive: Path | IO[bytes], *names: str) -> dict[str, Any]:
    """Return arrays of an archive: those that are named, or all.

    Raises
    ------
    ValueError
        It is damaged, or lacks one that is named. NumPy and zipfile raise one of eight errors, by
        the byte that is wrong.
    OSError
        The file cannot be read.
    """
    try:
        with np.load(archive, allow_pickle=False) as packed:
            return {name: packed[name] for name in names or packed.files}
    except (
        *(BadZipFile, EOFError, LookupError, NotImplementedError, TokenError, TypeError),
        *(AttributeError, zlib.error),
    ) as error:
        raise ValueError(f"a damaged archive: {error}") from error
