"""The catalogue as columns, for NumPy and whatever reads its files."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musrec import wording
from musrec.audio.descriptors import DEFINITIONS
from musrec.audio.features import STATISTIC_NAMES
from musrec.audio.tagger import TAGS
from musrec.model import Analysis, Track

if TYPE_CHECKING:
    from musrec.model import FloatArray

Columns = dict[str, NDArray[Any]]


def columns(tracks: Sequence[Track], vectors: FloatArray, files: Mapping[str, str]) -> Columns:
    """Return the columns that need no analysis, and room for the others; `fill` fills it.

    Parameters
    ----------
    tracks : sequence of Track, length n
    vectors : FloatArray, shape (n, d)
    files : mapping of str to str
        Track id to the file that was heard.
    """

    def text(values: Sequence[str | None]) -> NDArray[Any]:
        return np.array([value or "" for value in values], dtype=np.str_)

    def unknown(*width: int) -> NDArray[Any]:
        return np.full((len(tracks), *width), np.nan, np.float32)

    return {
        "id": text([track.id for track in tracks]),
        "title": text([track.title for track in tracks]),
        "artist": text([", ".join(track.artists) for track in tracks]),
        "album": text([track.album for track in tracks]),
        "genre": text([track.genre for track in tracks]),
        "year": np.array([track.year or 0 for track in tracks], np.int16),
        "path": text([files.get(track.id) for track in tracks]),
        "vector": np.asarray(vectors, np.float32),
        "key": np.zeros(len(tracks), "<U8"),
        "tempo": unknown(),
        "loudness": unknown(),
        "tags": unknown(len(TAGS)),
        "tag_names": np.array(TAGS),
        "descriptors": unknown(len(DEFINITIONS)),
        "descriptor_names": np.array(list(DEFINITIONS)),
        "statistics": unknown(len(STATISTIC_NAMES)),
        "statistic_names": np.array(STATISTIC_NAMES),
    }


def npz(table: Columns) -> bytes:
    """Return columns as a compressed file for `numpy.load`."""
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **table)
    return file.getvalue()


def fill(table: Columns, row: int, analysis: Analysis) -> None:
    """Write what was heard in a song into its row."""
    if analysis.harmony:
        table["key"][row] = wording.key(analysis.harmony).replace("\N{NO-BREAK SPACE}", " ")
    if analysis.rhythm and analysis.rhythm.tempo:
        table["tempo"][row] = analysis.rhythm.tempo
    if analysis.loudness is not None:
        table["loudness"][row] = analysis.loudness
    if analysis.tag_mean is not None:
        table["tags"][row] = analysis.tag_mean
    values = [analysis.descriptors.get(name, np.nan) for name in DEFINITIONS]
    table["descriptors"][row] = values
    if len(analysis.statistics) == len(STATISTIC_NAMES):
        table["statistics"][row] = analysis.statistics
