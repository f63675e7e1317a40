"""Clips of real music, measured once for all tests of the laboratory."""

from __future__ import annotations

from pathlib import Path

import pytest

from musrec.lab import datasets, extraction, splits
from musrec.lab.extraction import Measured


@pytest.fixture(scope="session")
def cuts(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """The clips of GTZAN at hand, whole and cut short, ten genres, in rows that can be tested."""
    data = datasets.read(shared_data / "gtzan", layout="gtzan")
    measured = extraction.extract(data, tmp_path_factory.mktemp("lab"), workers=2)
    rows, _ = splits.usable(measured.clips)
    return measured.rows(rows.tolist())
