"""NumPy archives that may be damaged."""

from __future__ import annotations

import zlib
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any
from zipfile import BadZipFile

import numpy as np


def read(archive: Path | IO[bytes]) -> dict[str, Any]:
    """Return all arrays of an archive.

    Raises
    ------
    ValueError
        It is damaged: NumPy and zipfile raise one of eight errors, by the byte that is wrong.
    OSError
        The file cannot be read.
    """
    try:
        with np.load(archive, allow_pickle=False) as packed:
            return {name: packed[name] for name in packed.files}
    except (
        *(BadZipFile, EOFError, LookupError, NotImplementedError, TokenError, TypeError),
        *(AttributeError, zlib.error),
    ) as error:
        raise ValueError(f"a damaged archive: {error}") from error
