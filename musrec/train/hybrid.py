"""Fit how much each signal counts, given how much is known: ``musrec train blend``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musrec.evaluate import ranking
from musrec.recommend import collaborative, hybrid
from musrec.recommend.evidence import IMPLICIT_LIMIT

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from musrec.model import FloatArray

SHIPPED = Path(hybrid.__file__).with_name("hybrid.json")
FITTED = ("members", "learned", "nearness", "local_popularity", "popularity")
SIZES = (25, 50, 100, 200, 400, 800, 1_600)
HISTORIES = ((2, 0), (5, 0), (15, 0), (1_000, 0), (0, 5), (0, 1_000), (5, 1_000))
"""The most thumbs and listens that a member is shown with, so that the weights learn what newcomers
need and what listening is worth. Thumbs are drawn from what a member plays most, listens from the
rest."""

SOUND = 2.0
"""Weight of `sound`: the song asked about outweighs what is known of the member. Decided, not
fitted: no data here shows what a member who names a song wants to hear."""

_START = {
    "members": 1.0,
    "learned": 1.0,
    "nearness": 0.3,
    "local_popularity": 0.1,
    "popularity": 0.1,
}
_POOL = 60
_STEPS = (0.3, 0.15, 0.07)


class Group(NamedTuple):
    """Members with about the same evidence, and the tracks that could come first for them.

    Attributes
    ----------
    features : NDArray, shape (u, 4)
        `hybrid.Evidence.features` of each member.
    signals : FloatArray, shape (u, p, len(FITTED))
        For the p tracks that some signal puts near the top; padding is far below everything.
    gains : FloatArray, shape (u, p)
        1 if held out, else 0.
    ideal : FloatArray, shape (u,)
        The DCG of a perfect ranking.
    """

    features: NDArray[np.float64]
    signals: FloatArray
    gains: FloatArray
    ideal: FloatArray


def fit(
    data: Path,
    *,
    seed: int = 0,
    sizes: Sequence[int] = SIZES,
    histories: Sequence[tuple[int, int]] = HISTORIES,
) -> hybrid.HybridWeights:
    """Choose the weights with the best NDCG@10 over members with little and with much evidence.

    A fifth of each member's artists is held out; the model is fitted to the rest for servers of
    several `sizes`, and members are shown with histories of several lengths. Coordinate ascent
    maximises the mean over these groups, all of which count the same.

    Parameters
    ----------
    data : Path
        A folder in the form that `ranking.Listening.load` reads.
    """
    listening = ranking.Listening.load(data)
    vectors, popularity = ranking.tag_space(listening)
    plays, users = listening.plays, listening.users
    groups = []
    for size in sorted({min(size, len(users)) for size in sizes}):
        rows = ranking.sample(len(users), size, seed)
        groups += list(
            prepare(plays[rows], users[rows], vectors, popularity, seed=seed, histories=histories)
        )
    coefficients, value = ascend(groups)
    return hybrid.HybridWeights(
        {"sound": (SOUND, 0.0, 0.0, 0.0), **coefficients},
        f"musrec train blend: {len(users)} members x {len(listening.artists)} artists of"
        f" HetRec 2011 Last.fm, a fifth of each member's artists held out (seed {seed}), servers of"
        f" {', '.join(map(str, sizes))} members, at most"
        f" {', '.join(f'{thumbs} + {listens}' for thumbs, listens in histories)} thumbs + listens"
        f" shown; mean NDCG@10 {value:.4f}; sound set to {SOUND}",
    )


def write(data: Path, to: Path = SHIPPED) -> Path:
    """Fit the weights and write them to the file that `hybrid.shipped` reads; return its path."""
    to.write_text(fit(data).json(), "utf-8")
    return to


def prepare(
    plays: csr_matrix,
    members: NDArray[np.int64],
    vectors: FloatArray,
    popularity: FloatArray,
    *,
    seed: int,
    histories: Sequence[tuple[int, int]] = ((1_000, 0),),
    among: NDArray[np.intp] | None = None,
) -> Iterator[Group]:
    """Split plays (m, n), fit to the training part, and yield one group per length of history.

    A group holds all members, or only the rows `among` them.
    """
    parts = ranking.split(plays, members, seed)
    likes = ranking.likes(parts.train)
    content = hybrid.popularity_weighted(vectors, popularity)
    model = collaborative.fit(likes, content)
    counts = np.bincount(likes.indices, minlength=likes.shape[1]).astype(np.float32)
    active = int((np.diff(likes.indptr) > 0).sum())
    rows = np.arange(likes.shape[0]) if among is None else among
    likes, held = likes[rows], [parts.held[row] for row in rows]
    for thumbs, listens in histories:
        shown, given = _shortened(likes, thumbs, listens, seed)
        signals = hybrid.signals(model, shown, shown, content, counts, popularity)
        yield _group(signals, likes, shown, given, held, active)


def _shortened(
    likes: csr_matrix, thumbs: int, listens: int, seed: int
) -> tuple[csr_matrix, NDArray[np.int64]]:
    """Return some likes of each member (m, n), weaker if by listening, and the count of thumbs."""
    strength = np.zeros(likes.nnz, np.float32)
    given = np.zeros(likes.shape[0], np.int64)
    rng = np.random.default_rng(seed)
    for row, (start, end) in enumerate(zip(likes.indptr[:-1], likes.indptr[1:], strict=True)):
        by_plays = start + np.argsort(-likes.data[start:end], kind="stable")
        middle = (end - start + 1) // 2
        drawn = np.concatenate([rng.permutation(half) for half in np.split(by_plays, [middle])])
        given[row] = len(drawn[:thumbs])
        strength[drawn[thumbs:][::-1][:listens]] = IMPLICIT_LIMIT
        strength[drawn[:thumbs]] = 1
    shown = likes.copy()
    shown.data = shown.data * strength
    shown.eliminate_zeros()
    return shown, given


def _group(
    signals: dict[str, hybrid.Standardised],
    likes: csr_matrix,
    shown: csr_matrix,
    given: NDArray[np.int64],
    held: Sequence[NDArray[np.intp]],
    active: int,
) -> Group:
    stacked, gains, ideal, features = [], [], [], []
    values = {name: signals[name].z_scores for name in FITTED}  # computed once, not per row
    even = np.sum([_START[name] * values[name] for name in FITTED], axis=0)
    for row, wanted in enumerate(held):
        if not len(wanted):
            continue
        leaders = [
            ranking.top(scores[row], likes, row, _POOL) for scores in (even, *values.values())
        ]
        pool = np.unique(np.concatenate(leaders))
        pad = _POOL * (len(FITTED) + 1) - len(pool)
        rows = np.stack([values[name][row, pool] for name in FITTED], axis=1)
        stacked.append(np.pad(rows, ((0, pad), (0, 0)), constant_values=-1e4))
        gains.append(np.pad(np.isin(pool, wanted).astype(np.float32), (0, pad)))
        ideal.append(ranking.DISCOUNT[: len(wanted)].sum())
        thumbs = int(given[row])
        listens = int(shown.indptr[row + 1] - shown.indptr[row]) - thumbs
        features.append(hybrid.Evidence(active, thumbs, listens).features())
    return Group(
        np.array(features), np.stack(stacked), np.stack(gains), np.array(ideal, np.float32)
    )


def ascend(groups: Sequence[Group]) -> tuple[dict[str, tuple[float, ...]], float]:
    """Return the coefficients of each signal, and the mean NDCG@10 that they reach."""
    weights = np.zeros((len(FITTED), 4))
    weights[:, 0] = [_START[name] for name in FITTED]
    best = _value(groups, weights)
    for step in _STEPS:
        improved = True
        while improved:
            improved = False
            for at in np.ndindex(weights.shape):
                for change in (step, -step):
                    moved = weights.copy()
                    moved[at] += change
                    value = _value(groups, moved)
                    if value > best + 1e-5:
                        weights, best, improved = moved, value, True
                        break
    names = zip(FITTED, weights, strict=True)
    return {name: tuple(round(float(w), 4) for w in row) for name, row in names}, best


def _value(groups: Sequence[Group], weights: NDArray[np.float64]) -> float:
    means = []
    for group in groups:
        each = np.maximum(group.features @ weights.T, 0).astype(np.float32)
        scores = np.einsum("ups,us->up", group.signals, each)
        best = np.argpartition(-scores, 10, axis=1)[:, :10]
        order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1)
        best = np.take_along_axis(best, order, 1)
        found = np.take_along_axis(group.gains, best, 1) @ ranking.DISCOUNT
        means.append(float(np.mean(found / group.ideal)))
    return float(np.mean(means))
