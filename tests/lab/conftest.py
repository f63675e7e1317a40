"""Clips of real music, measured once for all tests of the laboratory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from musrec.lab import datasets, extraction, splits
from musrec.lab.extraction import Measured


@pytest.fixture(scope="session")
def cuts(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """Every other clip of GTZAN at hand, whole and cut short, ten genres, that can be tested on."""
    data = datasets.read(shared_data / "gtzan", layout="gtzan")
    data = replace(data, clips=data.clips[::2])
    measured = extraction.extract(data, tmp_path_factory.mktemp("lab"), seconds=10, workers=2)
    rows, _ = splits.usable(measured.clips)
    return measured.rows(rows.tolist())
