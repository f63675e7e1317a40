"""``musrec evaluate closeness``: what songs called close, very close or a stretch have in common.

Every query is placed by a space that never saw its artist, and the thresholds were fitted to pairs
of other artists. Two questions: what share of all pairs that bear a word are by one artist, or of
one genre; and which word the nearest song by another artist gets, as it is and in a catalogue
without the query's genre, where nothing close exists.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np
from sklearn.metrics import roc_auc_score

from musrec.evaluate import tables
from musrec.evaluate.genre import interval
from musrec.evaluate.report import Cell, Report
from musrec.model import Closeness
from musrec.recommend import closeness
from musrec.recommend.closeness import Thresholds
from musrec.recommend.taste import l2_normalise
from musrec.space import Index, Space, inputs
from musrec.train.closeness import akin, halves, likenesses, placed
from musrec.train.space import FOLDS, SEED, matrix, training_clips

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.evaluate.tables import Tables
    from musrec.model import FloatArray


class Pairs(NamedTuple):
    """Queries compared with songs.

    Attributes
    ----------
    queries, songs : Tables
        Of lengths q and n.
    likeness : FloatArray, shape (q, n)
        NaN where both are the same clip.
    """

    queries: Tables
    songs: Tables
    likeness: FloatArray


def run(folder: Path) -> Report:
    """Measure the shipped thresholds on the half of the artists that they were not fitted to.

    Parameters
    ----------
    folder : Path
        The tables that the shipped spaces were made from, in the form that
        `musrec.evaluate.tables` reads; clips that are not of their split ``train`` are measured as
        well, by the space without the tagger.
    """
    clips = training_clips(folder)
    _, kept = halves(clips)
    rows: list[tuple[Cell, ...]] = []
    notes: list[str] = []
    for name in get_args(inputs.Name):
        thresholds = closeness.shipped(name)
        whole = likenesses(name, clips)
        half = clips.rows(kept)
        inside = Pairs(half, half, whole[np.ix_(kept, kept)])
        around = Pairs(half, clips, whole[kept])
        rows += _words(f"`{name}`", "training, other half", inside, around, thresholds)
        notes.append(_choice(name, clips, kept))
    everything = tables.load(folder)
    everything = everything.rows(everything.measured)
    unseen = everything.rows(~np.isin(everything.clips, clips.clips))
    if len(unseen):
        pairs = _unseen("statistics", unseen, everything)
        shipped = closeness.shipped("statistics")
        rows += _words("`statistics`", "not in training", pairs, pairs, shipped)
    return Report(
        title="Closeness in words",
        protocol=(
            f"Pairs of clips of {folder.name}, called by the cosine of their vectors. The "
            f"{len(clips)} training clips: each is placed by a space learned without its artist "
            f"({FOLDS} folds, seed {SEED}); thresholds were fitted to pairs within one half of the "
            f"artists, and what stands here are pairs within the other half ({len(kept)} clips). "
            f"The {len(unseen)} others: placed by the shipped space, each paired with all clips."
        ),
        columns=(
            *("space", "clips", "word", "cosine from", "pairs", "one artist", "one genre"),
            *("neither", "artist or genre", "95% CI", "nearest song", "nearest, genre absent"),
        ),
        rows=tuple(rows),
        notes=(
            "One genre: but not known to be by one artist. A tenth of all pairs share a genre.",
            "Nearest song: share of queries whose nearest song by another artist bears the word.",
            "Genre absent: the same in a catalogue without songs of the query's genre.",
            "Intervals: 95% bootstrap over the queries' artists.",
            *notes,
        ),
    )


def _words(
    space: str, clips: str, pairs: Pairs, around: Pairs, thresholds: Thresholds
) -> list[tuple[Cell, ...]]:
    """Return a row for each word: pairs that bear it, and queries whose nearest song does."""
    queries, songs, likeness = pairs
    known = np.isfinite(likeness)
    artist = queries.performers[:, None] == songs.performers
    artist &= ~np.char.startswith(queries.performers, "?")[:, None]
    related = akin(queries, songs)
    asked = np.broadcast_to(queries.performers[:, None], likeness.shape)
    nearest = _nearest(around, around.queries.performers[:, None] == around.songs.performers)
    absent = _nearest(around, akin(around.queries, around.songs))
    ends = (thresholds.very_close, thresholds.close, -np.inf)
    rows: list[tuple[Cell, ...]] = []
    for word, low, high in zip(Closeness, ends, (np.inf, *ends), strict=False):
        borne = known & (likeness >= low) & (likeness < high)
        own, kin = artist[borne], related[borne]
        rows.append(
            (
                *(space, clips, str(word), f"{low:.2f}" if np.isfinite(low) else None, len(kin)),
                float(own.mean()),
                float((kin & ~own).mean()),
                float((~kin).mean()),
                float(kin.mean()),
                interval(kin.astype(np.float64), asked[borne]),
                *(float(((best >= low) & (best < high)).mean()) for best in (nearest, absent)),
            )
        )
    return rows


def _nearest(pairs: Pairs, hidden: NDArray[np.bool_]) -> FloatArray:
    """Return the likeness (q,) of each query's nearest song that is not hidden."""
    shown = np.where(hidden | ~np.isfinite(pairs.likeness), -1, pairs.likeness)
    return np.asarray(shown.max(axis=1))


def _choice(name: inputs.Name, clips: Tables, kept: NDArray[np.intp]) -> str:
    """Return why the cosine decides and not the similarity that is corrected for hubs.

    The areas are measured on the pairs of the fit: they were compared to make a choice.
    """
    n = len(clips)
    plain, corrected = np.full((n, n), np.nan), np.full((n, n), np.nan)
    absent = np.full(n, np.nan)
    for held, vectors in placed(name, clips):
        index = Index(vectors)
        plain[held] = vectors[held] @ vectors.T
        corrected[held] = [index.similarities(vectors[row]) for row in held]
        for genre in np.unique(clips.genres[held]).tolist():
            others = Index(vectors[clips.genres != genre])
            for row in held[clips.genres[held] == genre]:
                absent[row] = others.similarities(vectors[row]).max()
    rest = np.setdiff1d(np.arange(n), kept)
    chosen = np.ix_(rest, rest)
    apart = ~np.eye(len(rest), dtype=bool)
    related = akin(clips.rows(rest), clips.rows(rest))[apart]
    areas = [roc_auc_score(related, values[chosen][apart]) for values in (plain, corrected)]
    low, high = np.percentile(absent[rest], [5, 95])
    return (
        f"`{name}`: the cosine tells related pairs from others with an area of {areas[0]:.3f} under"
        f" the ROC curve, the similarity corrected for hubs with {areas[1]:.3f} (on the pairs of "
        f"the fit). Without the query's genre, that of the nearest song is still {low:.3f} to "
        f"{high:.3f} (90% of queries), so no threshold on it can say that nothing is close."
    )


def _unseen(name: inputs.Name, queries: Tables, songs: Tables) -> Pairs:
    """Return clips placed by the shipped space and compared with all songs."""
    space = Space.load(name)
    own, others = (l2_normalise(space.project(matrix(name, each))) for each in (queries, songs))
    likeness: FloatArray = own @ others.T
    likeness[queries.clips[:, None] == songs.clips] = np.nan
    return Pairs(queries, songs, likeness)
