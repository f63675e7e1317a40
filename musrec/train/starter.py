"""``musrec train starter``: the starter catalogue of `musrec.space`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from musrec.audio.features import STATISTIC_NAMES
from musrec.evaluate.report import Report
from musrec.space.catalogue import FILE
from musrec.space.place import FORMAT
from musrec.train.space import training_clips, write

OUT = Path(__file__).resolve().parents[1] / "space" / FILE


def train(folder: Path, out: Path = OUT, *, today: datetime | None = None) -> Report:
    """Write the starter catalogue from tables.

    Parameters
    ----------
    folder : Path
        Tables as `musrec.evaluate.tables` reads them, with a split ``train``.
    out : Path
        The file to write.
    today : datetime, optional
        Written into the file.
    """
    clips = training_clips(folder)
    order = np.argsort(clips.clips)
    clips = clips.rows(order)
    known = np.flatnonzero(np.isfinite(clips.statistics).all(axis=0))
    facts = {
        "format": FORMAT,
        "command": "musrec train starter",
        "date": f"{today or datetime.now(UTC):%Y-%m-%d}",
        "clips": len(clips),
        "statistics": [STATISTIC_NAMES[column] for column in known],
        "from": {
            "clips": "GTZAN (G. Tzanetakis, P. Cook, 2002), training part of the fault-filtered "
            "split (C. Kereliuk, B. Sturm, J. Larsen, 2015); numbers only, no audio",
            "titles, artists, genres": "index of GTZAN by B. Sturm, 2013",
            "statistics": "librosa at 22,050 Hz with its defaults, 30 s a clip; MIT licence",
            "tags": "mean and deviation of MusiCNN's (MSD) outputs, J. Pons, X. Serra, 2019; "
            "ISC licence",
        },
    }
    write(
        out,
        facts,
        clip=clips.clips,
        title=clips.titles,
        artist=clips.artists,
        genre=clips.genres,
        statistics=clips.statistics[:, known],
        tag_mean=clips.tag_mean,
        tag_std=clips.tag_std,
    )
    genres, counts = np.unique(clips.genres, return_counts=True)
    return Report(
        title="Starter catalogue",
        protocol=f"{len(clips)} training clips of {folder}.",
        columns=("genre", "songs"),
        rows=tuple(zip(genres.tolist(), counts.tolist(), strict=True)),
        notes=(f"Written to {out}: {out.stat().st_size / 1e6:.2f} MB.",),
    )
