"""An archive with any wrong byte is read as what it holds, or refused as damaged."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from musrec import archives

ARRAYS = {"mel": np.arange(600, dtype=np.uint8).reshape(20, 30), "scale": np.array([30.0, 0.5])}


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_each_wrong_byte_is_survived(write: Callable[..., Any]) -> None:
    whole = io.BytesIO()
    write(whole, **ARRAYS)
    refused = 0
    for at in range(len(whole.getvalue())):
        damaged = bytearray(whole.getvalue())
        damaged[at] ^= 0x55
        try:
            archives.read(io.BytesIO(bytes(damaged)))
        except ValueError:
            refused += 1
    assert refused > len(whole.getvalue()) / 2


def test_a_whole_archive_is_read() -> None:
    whole = io.BytesIO()
    np.savez_compressed(whole, mel=ARRAYS["mel"], scale=ARRAYS["scale"])
    read = archives.read(io.BytesIO(whole.getvalue()))
    assert read.keys() == ARRAYS.keys()
    assert np.array_equal(read["mel"], ARRAYS["mel"])
