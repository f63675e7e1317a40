"""Real music and tables for the tests, where they are at hand."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A shell leaves Ctrl-C ignored in what it runs in the background, and programs inherit that: the
# tests of stopping would then wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real music and tables: MUSREC_SHARED_DATA, by default ../shared/data."""
    folder = Path(os.environ.get("MUSREC_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real music at {folder}: set MUSREC_SHARED_DATA to run this test")
    return folder.resolve()


@pytest.fixture(scope="session")
def music(shared_data: Path) -> Path:
    """Folder of excerpts of real music by 22 artists in seven formats, with tracks.csv."""
    return shared_data / "music"
