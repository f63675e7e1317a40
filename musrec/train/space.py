"""``musrec train space``: the learned space, chosen by artist-disjoint cross-validation.

A vector has two parts side by side. Shrinkage linear discriminant analysis (R. A. Fisher, 1936;
O. Ledoit, M. Wolf, "Honey, I shrunk the sample covariance matrix", 2004) pulls genres apart. On its
own it forgets everything else, so that two songs of one artist drift apart; the second part,
principal components of the same inputs, keeps them together. The share of the second part and the
shrinkage are chosen on the training clips alone: of all recipes whose genre precision@10 for songs
by unseen artists is within `TOLERANCE` of the best, the one that ranks those artists' other songs
highest.

The fine embedding of songs that were heard here is learned without labels: the main directions of
the tagger's embedding over the training clips with audio, and more components of the statistics.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedGroupKFold

from musrec.audio import decode, tagger
from musrec.evaluate import metrics, tables
from musrec.evaluate.report import Report
from musrec.model import SAMPLE_RATE, NotFound
from musrec.space import Index, Space, inputs
from musrec.space.place import FORMAT, FineEmbedding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from musrec.evaluate.tables import Tables
    from musrec.model import FloatArray
    from musrec.space.index import Distance
    from musrec.space.inputs import DoubleArray

MODELS = Path(__file__).resolve().parents[1] / "space" / "models"
SEED = 2026
FOLDS = 5
REPEATS = 2
COMPONENTS = 40
TOLERANCE = 0.02
"""Of precision@10: half its standard error on these clips, too little to tell recipes apart."""

_SHRINKAGES = (0.1, 0.3, 0.5)
_SHARES = (0.0, 0.1, 0.2, 0.35, 0.5)
_SMALLEST_SCALE = 1e-6

FINE_DIRECTIONS = 64
"""Of the tagger's embedding. With the 15 below and the 49 of the vector, 128 numbers per song."""
FINE_COMPONENTS = 15
"""Of the statistics."""
_PIECE = 3 * SAMPLE_RATE  # samples in one patch of the tagger


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is chosen by cross-validation.

    Attributes
    ----------
    shrinkage : float
        Of the covariance within genres towards a sphere, 0 to 1.
    share : float
        Of the principal components in the squared length of a typical vector, 0 to 1.
    """

    shrinkage: float
    share: float


def fit(
    name: inputs.Name,
    x: DoubleArray,
    genres: NDArray[np.str_],
    recipe: Recipe,
    made: Mapping[str, Any],
) -> Space:
    """Learn a space from rows of `inputs.matrix` and their genres; `made` is kept as it is."""
    mean, scale = scaling(x)
    z = inputs.standardised(x, mean, scale)
    lda = LinearDiscriminantAnalysis(solver="eigen", shrinkage=recipe.shrinkage).fit(z, genres)
    parts = [lda.scalings_[:, : len(lda.classes_) - 1]]
    shares = [1 - recipe.share]
    if recipe.share:
        pca = PCA(min(COMPONENTS, *z.shape), svd_solver="full").fit(z)
        # Half whitened: the first component does not drown the rest, and noise is not blown up.
        parts.append(pca.components_.T / pca.explained_variance_**0.25)
        shares.append(recipe.share)
    centre = z.mean(axis=0)
    projection = np.concatenate(
        [_of_length(part, z - centre, share) for part, share in zip(parts, shares, strict=True)],
        axis=1,
    )
    return Space(name, mean, scale, projection, -centre @ projection, made)


def fine_embedding(space: Space, x: DoubleArray, embeddings: FloatArray) -> FineEmbedding:
    """Learn what maps a song to its fine embedding.

    Parameters
    ----------
    space : Space
        Whose standardised statistics are used.
    x : array, shape (n, len(space.mean))
        Rows of `inputs.matrix`.
    embeddings : FloatArray, shape (p, 200)
        Of pieces of songs. Their mean is not subtracted: the songs with audio are one corner of
        music, and their mean is not that of all music.
    """
    _, lengths, directions = np.linalg.svd(embeddings.astype(np.float64), full_matrices=False)
    embedding = directions[:FINE_DIRECTIONS].T / np.sqrt(lengths[:FINE_DIRECTIONS])
    z = inputs.standardised(x, space.mean, space.scale)[:, -len(inputs.STATISTICS) :]
    pca = PCA(FINE_COMPONENTS, svd_solver="full").fit(z)
    statistics = pca.components_.T / pca.explained_variance_**0.25
    statistics = _of_length(statistics, z - pca.mean_, 1.0)
    return FineEmbedding(
        _of_length(embedding, embeddings.astype(np.float64), 1.0),
        statistics,
        -pca.mean_ @ statistics,
    )


def pieces(folder: Path, clips: Tables) -> FloatArray:
    """Return the tagger's embeddings (p, 200) of three-second pieces, one from each second.

    Parameters
    ----------
    folder : Path
        Holds ``audio``, and perhaps ``audio_more``, of clips, as ``NAME.flac``; a clip that is in
        both is heard in the latter.
    clips : Tables
        Those that count; other files are ignored.

    Raises
    ------
    ModelMissing
        The tagger is not installed.
    NotFound
        There is no audio.
    """
    ears = tagger.load()
    found = []
    known = set(clips.clips.tolist())
    files = {
        file.stem: file
        for part in ("audio", "audio_more")
        for file in sorted((folder / part).glob("*.flac"))
        if file.stem in known
    }
    for file in files.values():
        y = decode.decode(file.read_bytes()).y
        starts = range(0, len(y) - _PIECE + 1, SAMPLE_RATE)
        found += [ears.tag(y[start : start + _PIECE]).embedding for start in starts]
    if not found:
        raise NotFound(
            f"No clip has audio in {folder / 'audio'}.", "The fine embedding is learned from it."
        )
    return np.stack(found)


def scaling(x: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Return mean and deviation of each column over the rows where it is known."""
    return np.nanmean(x, axis=0), np.maximum(np.nanstd(x, axis=0), _SMALLEST_SCALE)


def _of_length(part: DoubleArray, z: DoubleArray, share: float) -> DoubleArray:
    """Scale columns so that the mean squared length of the projected rows is `share`."""
    length = np.mean(np.sum((z @ part) ** 2, axis=1))
    # The sign of a direction is arbitrary; fixing it makes every machine write the same file.
    signs = np.sign(part[np.abs(part).argmax(axis=0), np.arange(part.shape[1])])
    scaled: DoubleArray = part * signs * np.sqrt(share / length)
    return scaled


def folds(
    genres: NDArray[np.str_], groups: NDArray[np.str_], *, n: int = FOLDS, seeds: int = REPEATS
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield rows to train on and rows held out, without a common artist."""
    for seed in range(SEED, SEED + seeds):
        split = StratifiedGroupKFold(n, shuffle=True, random_state=seed)
        yield from split.split(np.zeros(len(genres)), genres, groups)


def dissimilarities(
    queries: FloatArray,
    vectors: FloatArray,
    distance: Distance = "cosine",
    *,
    corrected: bool = True,
) -> DoubleArray:
    """Return 1 - `Index.similarities` of each query, shape (q, n)."""
    index = Index(vectors, distance, corrected=corrected)
    return np.stack([1 - index.similarities(query).astype(np.float64) for query in queries])


@dataclass(frozen=True, slots=True)
class Quality:
    """Quality of a space by cross-validation.

    Attributes
    ----------
    precision : float
        Genre precision@10 of songs by unseen artists among the songs that it was learned from.
    own_artist : float
        Mean reciprocal rank, among all songs, of the nearest other song by an unseen artist.
    """

    precision: float
    own_artist: float


def assess(
    name: inputs.Name,
    clips: Tables,
    recipe: Recipe,
    distance: Distance = "cosine",
) -> Quality:
    """Cross-validate a recipe with artists kept apart."""
    x = matrix(name, clips)
    genres, performers = clips.genres, clips.performers
    precision, own = [], []
    for train, held in folds(genres, performers):
        space = fit(name, x[train], genres[train], recipe, {})
        vectors = space.project(x)
        far = dissimilarities(vectors[held], vectors[train], distance)
        near = metrics.nearest(far, 10, performers[train], performers[held])
        precision.append(metrics.precision_at_k(near, genres[train], genres[held]))
        far = dissimilarities(vectors[held], vectors, distance)
        far[np.arange(len(held)), held] = np.inf
        own.append(own_artist(far, performers, performers[held]))
    return Quality(
        float(np.mean(np.concatenate(precision))), float(np.nanmean(np.concatenate(own)))
    )


def own_artist(
    far: DoubleArray, performers: NDArray[np.str_], query_performers: NDArray[np.str_]
) -> DoubleArray:
    """Return the reciprocal rank of the nearest song by each query's artist.

    Parameters
    ----------
    far : array, shape (q, n)
        Dissimilarities; infinite for the query itself.

    Returns
    -------
    array, shape (q,)
        NaN for queries whose artist is unknown or has no second song.
    """
    same = query_performers[:, None] == performers
    same &= ~np.char.startswith(performers, "?")
    return metrics.reciprocal_rank(far, same)


def choose(name: inputs.Name, clips: Tables) -> tuple[Recipe, list[tuple[Recipe, Quality]]]:
    """Return the best recipe by cross-validation, and the quality of each."""
    tried = [
        (recipe, assess(name, clips, recipe))
        for recipe in itertools.starmap(Recipe, itertools.product(_SHRINKAGES, _SHARES))
    ]
    enough = max(quality.precision for _, quality in tried) - TOLERANCE
    good = [pair for pair in tried if pair[1].precision >= enough]
    return max(good, key=lambda pair: pair[1].own_artist)[0], tried


def matrix(name: inputs.Name, clips: Tables) -> DoubleArray:
    """Return `inputs.matrix` of all clips."""
    return inputs.matrix(name, clips.statistics, clips.tag_mean)


def training_clips(folder: Path) -> Tables:
    """Return the clips of the training split that have statistics and a taggram.

    Raises
    ------
    NotFound
        No clip has both.
    """
    clips = tables.load(folder).split("train")
    whole = clips.rows(clips.tagged & clips.measured)
    if not len(whole):
        raise NotFound(
            f"No training clip of {folder} has both statistics and a taggram.",
            "Name a folder with both tables.",
        )
    return whole


def train(folder: Path, out: Path = MODELS, *, today: datetime | None = None) -> Report:
    """Choose, learn and write both spaces with their model cards.

    Parameters
    ----------
    folder : Path
        Tables as `musrec.evaluate.tables` reads them, with a split ``train``, and the audio of
        some of the clips: see `pieces`.
    out : Path
        Folder of the shipped numbers.
    today : datetime, optional
        Written into the files.
    """
    clips = training_clips(folder)
    heard = pieces(folder, clips)
    rows: list[tuple[str | float | int, ...]] = []
    for name in get_args(inputs.Name):
        recipe, tried = choose(name, clips)
        quality = dict(tried)[recipe]
        facts = {
            "format": FORMAT,
            "columns": list(inputs.names(name)),
            "command": "musrec train space",
            "date": f"{today or datetime.now(UTC):%Y-%m-%d}",
            "clips": len(clips),
            "seed": SEED,
            "shrinkage": recipe.shrinkage,
            "share": recipe.share,
            "precision_at_10": round(quality.precision, 4),
            "own_artist_mrr": round(quality.own_artist, 4),
        }
        x = matrix(name, clips)
        space = fit(name, x, clips.genres, recipe, facts)
        arrays = {
            "mean": space.mean,
            "scale": space.scale,
            "projection": space.projection,
            "offset": space.offset,
        }
        if name == "full":
            learned = fine_embedding(space, x, heard)
            space = replace(space, fine=learned)
            facts["pieces"] = len(heard)
            arrays |= {
                "fine_embedding": learned.embedding,
                "fine_statistics": learned.statistics,
                "fine_offset": learned.offset,
            }
        write(out / f"space-{name}.npz", facts, **arrays)
        (out / f"space-{name}.md").write_text(_card(name, space, facts), encoding="utf-8")
        rows += [
            (
                name + (" (chosen)" if tried_recipe == recipe else ""),
                tried_recipe.shrinkage,
                tried_recipe.share,
                result.precision,
                result.own_artist,
            )
            for tried_recipe, result in tried
        ]
    return Report(
        title="Learned space",
        protocol=(
            f"{len(clips)} training clips of {folder}; {FOLDS} folds with artists kept apart, "
            f"{REPEATS} times, seeds from {SEED}; cosine, corrected for hubs."
        ),
        columns=("space", "shrinkage", "share of components", "P@10", "own artist MRR"),
        rows=tuple(rows),
        notes=(f"Written to {out}.",),
    )


def write(path: Path, facts: Mapping[str, Any], **arrays: NDArray[Any]) -> None:
    """Write arrays and how they were made, as `musrec.space.place.shipped` reads them.

    The same content gives the same bytes; a write that fails leaves the old file in place.
    """
    contents: dict[str, Any] = {
        "made": np.array(json.dumps(facts, ensure_ascii=False)),
        **arrays,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part")
    with partial.open("wb") as stream:
        np.savez_compressed(stream, **contents)
    partial.replace(path)


SOURCES = """\
- **Clips**: {clips} training clips of GTZAN (G. Tzanetakis, P. Cook, 2002), the fault-filtered
  split of C. Kereliuk, B. Sturm, J. Larsen (2015): no artist of it is in the validation or the
  test part. Artists and titles from the index of B. Sturm (2013). Clips of unknown artists count
  as one artist per genre.
- **Statistics**: seven moments of librosa's centroid, flatness, roll-off and MFCC 1 to 12; without
  tags, measures of its tonnetz as well (MIT).
- **Tags**: outputs of MusiCNN trained on the Million Song Dataset (J. Pons, X. Serra, 2019; ISC).
- These files hold only our own numbers: means, deviations and linear maps.
"""


def _fine_card(facts: Mapping[str, Any]) -> str:
    return f"""
## The fine embedding of songs that were heard
A song with audio, rather than a row of a table, also has the tagger's embedding (its layer of 200
units before the tags, mean over the clip). Its first {FINE_DIRECTIONS} directions (singular vectors
of {facts["pieces"]} three-second pieces of the training clips with audio, half whitened, their mean
left in) and {FINE_COMPONENTS} half-whitened components of the statistics, both of the same length,
stand beside the vector as its fine embedding. Between two songs that have one, likeness is the mean
of three cosines: vector, embedding, statistics; the index brings it to the scale of vectors alone.
No labels were used, and the equal weights were set, not searched for. About half of that audio is
classical music; of blues and country there is none.
`musrec evaluate artists` measures what it adds on music that nothing here was learned from.
"""


def _card(name: inputs.Name, space: Space, facts: Mapping[str, Any]) -> str:
    what = (
        "50 tag means, their roots and 105 librosa statistics"
        if name == "full"
        else "105 librosa statistics and 18 measures of tonnetz, for machines without the tagger,"
    )
    return f"""\
# The space `{name}`

Places a song among others: {what}
become a vector of {space.dimensions} numbers, compared by cosine and corrected for hubs by mutual
proximity (`musrec.space.Index`).

## Made
By `{facts["command"]}` on {facts["date"]}, seed {facts["seed"]}.

{SOURCES.format(**facts)}
## How
Statistics are compressed (logarithms where skewed), all columns standardised and cut at three
deviations. Nine linear discriminants (shrinkage {facts["shrinkage"]}) stand beside
{space.dimensions - 9} half-whitened principal components ({facts["share"]} of the squared length).
Shrinkage and share were chosen by artist-disjoint cross-validation on these clips.

## How good
By the same cross-validation ({FOLDS} folds, {REPEATS} times), so slightly flattered by the choice:

| measure | value |
| --- | --- |
| genre precision@10, unseen artists against training clips | {facts["precision_at_10"]:.3f} |
| reciprocal rank of the nearest song by the same, unseen artist | {facts["own_artist_mrr"]:.3f} |

`musrec evaluate similarity` measures it against baselines, with intervals and hubness.
{_fine_card(facts) if space.fine else ""}
## Limits
Ten Western genres from before 2002, some with few artists (four in blues). Music of other
traditions is placed by what it shares with these. A song's parts differ, and only 30 seconds of it
are heard.
"""
