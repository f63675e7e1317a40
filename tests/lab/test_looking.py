"""Pictures are the same whoever draws them, and a run that stopped goes on."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from musrec.lab import looking
from musrec.lab.extraction import Measured
from musrec.model import MusrecError

MANY = 204


@pytest.fixture
def many(cuts: Measured, tmp_path: Path) -> Measured:
    """More clips than one process draws, each the beginning of a real one."""
    clips, mels = [], []
    for number in range(MANY):
        row = number % len(cuts)
        file = tmp_path / "mels" / f"{number:08}.npy"
        file.parent.mkdir(exist_ok=True)
        np.save(file, cuts.mel(row)[number % 50 :][:20])
        clips.append(replace(cuts.clips[row], id=f"clip/{number}"))
        mels.append(file)
    return replace(cuts, clips=tuple(clips), mels=tuple(mels))


def test_processes_draw_the_pictures_that_one_draws(many: Measured, tmp_path: Path) -> None:
    assert looking.write_spectrograms(many, tmp_path / "one", workers=1) == (MANY, 0)
    assert looking.write_spectrograms(many, tmp_path / "two", workers=2) == (MANY, 0)
    alone, together = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert [file.name for file in alone] == [file.name for file in together]
    assert [file.read_bytes() for file in alone] == [file.read_bytes() for file in together]
    drawn = Image.open(io.BytesIO(alone[0].read_bytes()))
    assert drawn.size == (20, 128)
    for file in together[:5]:
        file.unlink()
    assert looking.write_spectrograms(many, tmp_path / "two", workers=2) == (5, MANY - 5)


def test_a_full_disk_keeps_the_pictures_that_are_whole(many: Measured, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="limits of a process are POSIX")
    few = replace(many, clips=many.clips[:3], mels=many.mels[:3])
    looking.write_spectrograms(replace(few, clips=few.clips[:1], mels=few.mels[:1]), tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(MusrecError, match="cannot be written"):
            looking.write_spectrograms(few, tmp_path, workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.glob("*.part"))
    assert looking.write_spectrograms(few, tmp_path, workers=1) == (2, 1)
