"""From an `Analysis` to a `Profile`: what can be said of a song's sound."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from musrec import wording
from musrec.audio import descriptors, instruments
from musrec.audio.tagger import TAGS
from musrec.model import Profile, SoundKind
from musrec.space.genre import genre_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from musrec.model import Analysis, Singing

_AT_ONCE = 4_096
"""Songs whose genres are computed together."""


def profile(analysis: Analysis) -> Profile:
    """Return tags, percentiles, genres, tempo and key of a song, each left out if unknown.

    A clip without music has an empty profile: the models know only music, and would call silence
    rock.
    """
    (found,) = profiles([analysis])
    return found


def profiles(analyses: Sequence[Analysis]) -> list[Profile]:
    """Return the `profile` of each of many songs, its genres computed together."""
    genres = _genres(analyses)
    return [
        _profile(analysis, heard) if analysis.kind is SoundKind.MUSIC else Profile()
        for analysis, heard in zip(analyses, genres, strict=True)
    ]


def _profile(analysis: Analysis, genres: dict[str, float]) -> Profile:
    singing = _singing(analysis)
    return Profile(
        tags=_tags(analysis, singing),
        percentiles=_percentiles(analysis, singing),
        genres=genres,
        tempo=(analysis.rhythm.tempo if analysis.rhythm else 0.0) or None,
        key=wording.key(analysis.harmony) if analysis.harmony else None,
        other_tempo=analysis.rhythm.alternative if analysis.rhythm else None,
        instruments=instruments.said(analysis.mtt_mean, analysis.voice),
        voice=singing,
    )


_VOCAL = descriptors.AXES["vocal"]


def _tags(analysis: Analysis, singing: Singing) -> dict[str, float]:
    """Return the tagger's tags; of those for voices, what the voice that is heard bears out."""
    if analysis.tag_mean is None:
        return {}
    tags = dict(zip(TAGS, analysis.tag_mean.tolist(), strict=True))
    if (voice := analysis.voice) and singing != "instrumental":
        tags |= dict.fromkeys(_VOCAL.low, 0.0)
    if voice and voice.is_absent:
        tags |= dict.fromkeys(_VOCAL.high, 0.0)
    return tags


def _singing(analysis: Analysis) -> Singing:
    """Return whether a song is sung: as the voice says, or the tags if none was listened for."""
    if analysis.voice is not None:
        return instruments.singing(analysis.mtt_mean, analysis.voice, analysis.seconds)
    if (place := descriptors.percentiles(analysis.descriptors).get("vocal")) is None:
        return ""
    said = descriptors.word("vocal", place)
    return "sung" if said == "vocal" else "instrumental" if said == "instrumental" else ""


def _percentiles(analysis: Analysis, singing: Singing) -> dict[str, float]:
    """Return percentiles, on the side of which a song surely is.

    Only an instrumental is on the instrumental side, and vice versa. Where a listener may count
    twice as fast or half, the tempo stands where it is the least fast or slow.
    """
    places = descriptors.percentiles(analysis.descriptors)
    if "tempo" in places and analysis.rhythm and (other := analysis.rhythm.alternative):
        counts = (places["tempo"], descriptors.percentiles({"tempo": other})["tempo"])
        places["tempo"] = median((*counts, 50.0))
    if (voice := analysis.voice) and "vocal" in places:
        if singing != "instrumental":
            places["vocal"] = max(places["vocal"], 50.0)
        if voice.is_absent:
            places["vocal"] = min(places["vocal"], 50.0)
    return places


def guesses(analysis: Analysis) -> dict[str, float]:
    """Return the genres that a song comes nearest to, even if it is unlike all that is known."""
    (found,) = _genres([analysis], unfamiliar=True)
    return found


def _genres(analyses: Sequence[Analysis], *, unfamiliar: bool = False) -> list[dict[str, float]]:
    """Return the genres heard in each song, likeliest first; none where nothing is known."""
    found: list[dict[str, float]] = [{} for _ in analyses]
    for tagged in (True, False):
        rows = [
            row
            for row, analysis in enumerate(analyses)
            if analysis.kind is SoundKind.MUSIC
            and (analysis.tag_mean is not None) is tagged
            and (tagged or np.isfinite(analysis.statistics).any())
        ]
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            head, songs = genre_head(tagged=tagged), [analyses[row] for row in part]
            familiar = np.ones(len(part), bool) if unfamiliar else head.familiar_all(songs)
            for row, genres, known in zip(part, head.hear_all(songs), familiar, strict=True):
                found[row] = genres if known else {}
    return found
