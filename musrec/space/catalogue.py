"""The starter catalogue: a few hundred well-known songs, so that a first answer needs no network.

Made by ``musrec train starter`` from tables of GTZAN clips (titles and artists: B. Sturm's index,
2013). None of its songs comes with audio, and statistics that the tables lack are NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from musrec.audio import descriptors
from musrec.audio.features import STATISTIC_NAMES
from musrec.model import ANALYSER_VERSION, Analysis, SoundKind, Track, track_id
from musrec.space.place import shipped

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "starter/starter.npz"
SECONDS = 30.0
UNTITLED = "Untitled"


@dataclass(frozen=True, slots=True, eq=False)
class Starter:
    """Songs known from tables, never heard here, as parallel rows.

    Attributes
    ----------
    tracks : tuple of Track
    analyses : tuple of Analysis
        Without rhythm, harmony and spectrogram; unknown statistics are NaN.
    made : mapping
        How, from what and when it was made, with the licences.
    """

    tracks: tuple[Track, ...]
    analyses: tuple[Analysis, ...]
    made: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.tracks)

    def named(self) -> list[tuple[Track, Analysis]]:
        """Return the songs that can be recommended: those with a known title and artist."""
        pairs = zip(self.tracks, self.analyses, strict=True)
        return [
            (track, analysis)
            for track, analysis in pairs
            if track.artists and not track.title.startswith(UNTITLED)
        ]


def starter_ids() -> list[str]:
    """Return the ids of `Starter.named`, without describing its songs.

    Raises
    ------
    ModelMissing
        As in `starter`.
    """
    arrays, _ = shipped(FILE, "clip", "title", "artist")
    rows = zip(*(arrays[name].tolist() for name in ("clip", "title", "artist")), strict=True)
    return [
        track_id("starter", clip)
        for clip, title, artist in rows
        if artist and title and not title.startswith(UNTITLED)
    ]


def starter() -> Starter:
    """Read the catalogue that came with the package.

    Raises
    ------
    ModelMissing
        Its file is absent, damaged or of another version.
    """
    arrays, made = shipped(FILE)
    statistics = np.full((len(arrays["clip"]), len(STATISTIC_NAMES)), np.nan, dtype=np.float32)
    statistics[:, [STATISTIC_NAMES.index(name) for name in made["statistics"]]] = arrays[
        "statistics"
    ]
    tracks, analyses = [], []
    for row, clip in enumerate(arrays["clip"].tolist()):
        artist = str(arrays["artist"][row])
        tracks.append(
            Track(
                id=track_id("starter", clip),
                title=str(arrays["title"][row]) or f"{UNTITLED} ({clip})",
                artists=(artist,) if artist else (),
                genre=str(arrays["genre"][row]),
                identities={"starter": clip},
                provenance={"title": "starter", "artists": "starter", "genre": "starter"},
            )
        )
        analyses.append(
            Analysis(
                version=ANALYSER_VERSION,
                digest=f"starter:{clip}",
                seconds=SECONDS,
                kind=SoundKind.MUSIC,
                statistics=statistics[row],
                tag_mean=arrays["tag_mean"][row],
                tag_std=arrays["tag_std"][row],
                descriptors=descriptors.describe(statistics[row], tag_mean=arrays["tag_mean"][row]),
            )
        )
    return Starter(tuple(tracks), tuple(analyses), made)
