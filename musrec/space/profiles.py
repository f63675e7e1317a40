"""From an `Analysis` to a `Profile`: what can be said of a song's sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musrec import wording
from musrec.audio import descriptors
from musrec.audio.tagger import TAGS
from musrec.model import Profile, SoundKind
from musrec.space.genre import genre_head

if TYPE_CHECKING:
    from musrec.model import Analysis


def profile(analysis: Analysis) -> Profile:
    """Return tags, percentiles, genres, tempo and key of a song, each left out if unknown.

    A clip without music has an empty profile: the models know only music, and would call silence
    rock.
    """
    if analysis.kind is not SoundKind.MUSIC:
        return Profile()
    tagged = analysis.tag_mean is not None
    heard = bool(np.isfinite(analysis.statistics).any())
    tempo = analysis.rhythm.tempo if analysis.rhythm else 0.0
    return Profile(
        tags={}
        if analysis.tag_mean is None
        else dict(zip(TAGS, analysis.tag_mean.tolist(), strict=True)),
        percentiles=descriptors.percentiles(analysis.descriptors),
        genres=genre_head(tagged=tagged).hear(analysis) if tagged or heard else {},
        tempo=tempo or None,
        key=wording.key(analysis.harmony) if analysis.harmony else None,
        other_tempo=analysis.rhythm.alternative if analysis.rhythm else None,
    )
