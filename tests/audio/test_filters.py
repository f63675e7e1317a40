"""librosa's filters are computed once per machine; what hears after that does without librosa."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from librosa.filters import chroma, get_window, mel

from musrec.audio import filters

WHAT_HEARS = """
import sys
from musrec.audio.filters import filters
kept = filters()
print([array.shape for array in kept], "librosa" in sys.modules)
"""


def loads_librosa(cache: Path) -> bool:
    """Whether a process with that cache folder needs librosa."""
    environment = {**os.environ, "MUSREC_CACHE": str(cache)}
    command = [sys.executable, "-c", WHAT_HEARS]
    run = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    shapes, _, needed = run.stdout.strip().rpartition(" ")
    assert shapes == "[(2048,), (1025, 128), (128,), (100, 1025, 12)]"
    return needed == "True"


def test_filters_are_librosas() -> None:
    ours = filters.filters()
    expected = mel(sr=22_050, n_fft=2_048, n_mels=128)
    assert np.array_equal(ours.mel.T, expected)
    assert np.array_equal(ours.window, get_window("hann", 2_048))


@pytest.mark.parametrize("number", range(0, 100, 9))
def test_chroma_filters_are_librosas_for_each_tuning(number: int) -> None:
    expected = chroma(sr=22_050, n_fft=2_048, tuning=filters.TUNINGS[number])
    assert np.array_equal(filters.filters().chroma[number].T, expected)


def test_only_the_first_process_of_a_machine_loads_librosa(tmp_path: Path) -> None:
    assert loads_librosa(tmp_path)
    assert not loads_librosa(tmp_path)


def test_a_damaged_file_is_computed_again(tmp_path: Path) -> None:
    loads_librosa(tmp_path)
    (file,) = tmp_path.glob("filters-*.npz")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert loads_librosa(tmp_path)
    assert not loads_librosa(tmp_path)


def test_a_cache_that_cannot_be_written_costs_time_alone(tmp_path: Path) -> None:
    nowhere = tmp_path / "file"
    nowhere.touch()
    assert loads_librosa(nowhere)
    assert loads_librosa(nowhere)
