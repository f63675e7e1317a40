"""Ranking from listening data: loading, splits, and NDCG over the full catalogue.

Conventions
-----------
- Likes are sparse rows of members, 0 absent to 1; plays count on a logarithmic scale.
- A split holds out a fifth of each member's artists; a member's split depends on the seed and the
  member alone, not on the other members.
- Every artist of the catalogue is ranked for every member, except their training artists.
- The tuning split is made from the training part in the same way: nothing is ever chosen on what a
  split holds out.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix, diags
from sklearn.utils.extmath import randomized_svd

from musrec.model import NotFound
from musrec.recommend.taste import l2_normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

DISCOUNT = 1 / np.log2(np.arange(2, 12))
"""Of each of the ten ranks that count."""


@dataclass(frozen=True, slots=True, eq=False)
class Listening:
    """The plays and tags of users.

    Attributes
    ----------
    users : NDArray of int64, shape (m,)
        Ids as in the files.
    artists : tuple of str, length n
    plays : csr_matrix, shape (m, n)
    tagged : NDArray of int64, shape (t, 3)
        User id, artist as a column of `plays`, and tag; one row per assignment.
    """

    users: NDArray[np.int64]
    artists: tuple[str, ...]
    plays: csr_matrix
    tagged: NDArray[np.int64]

    @classmethod
    def load(cls, data: Path) -> Listening:
        """Read a folder in the form of HetRec 2011 Last.fm, tab separated and gzipped or not.

        Files: ``user_artists``, ``user_tagged_artists`` and ``artists``, in the folder or in
        ``lastfm/`` inside it.

        Raises
        ------
        NotFound
            A file is missing or has no rows in that form.
        """
        folder = data / "lastfm" if (data / "lastfm").is_dir() else data
        names = {row[0]: row[1] for row in _table(folder, "artists", 2)}
        plays = [row for row in _table(folder, "user_artists", 3) if row[0].isdigit()]
        columns = {artist: column for column, artist in enumerate(names)}
        for row in plays:
            columns.setdefault(row[1], len(columns))
        users = np.unique([int(row[0]) for row in plays])
        matrix = csr_matrix(
            (
                [float(row[2]) for row in plays],
                (
                    np.searchsorted(users, [int(row[0]) for row in plays]),
                    [columns[row[1]] for row in plays],
                ),
            ),
            shape=(len(users), len(columns)),
        )
        tagged = [
            (int(row[0]), columns[row[1]], int(row[2]))
            for row in _table(folder, "user_tagged_artists", 3)
            if row[1] in columns
        ]
        artists = tuple(names.get(artist, artist) for artist in columns)
        return cls(users, artists, matrix, np.array(tagged, np.int64).reshape(-1, 3))


def _table(folder: Path, name: str, width: int) -> list[list[str]]:
    for path in (folder / f"{name}.tsv.gz", folder / f"{name}.tsv", folder / f"{name}.dat"):
        if not path.is_file():
            continue
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8", errors="replace") as lines:
            rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
        rows = [row for row in rows[1:] if len(row) >= width]
        if rows:
            return rows
    raise NotFound(
        f"No table {name}.tsv.gz of {width} columns in {folder}.",
        "Name a folder in the form of HetRec 2011 Last.fm with --data.",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """A training part, and the artists held out.

    Attributes
    ----------
    train : csr_matrix, shape (m, n)
        Plays.
    held : tuple of NDArray of int, length m
        Columns held out for each member; empty for a member with a single artist.
    """

    train: csr_matrix
    held: tuple[NDArray[np.intp], ...]


def split(plays: csr_matrix, members: NDArray[np.int64], seed: int, share: float = 0.2) -> Split:
    """Hold out a share of the artists of each row of plays (m, n), at least one.

    Parameters
    ----------
    members : NDArray of int64, shape (m,)
        Part of the seed of each member's random numbers.
    """
    keep = np.ones(plays.nnz, bool)
    held = []
    for row, member in enumerate(members):
        start, end = plays.indptr[row], plays.indptr[row + 1]
        rng = np.random.default_rng((seed, int(member)))
        count = max(1, round(share * (end - start))) if end - start > 1 else 0
        out = start + rng.permutation(end - start)[:count]
        keep[out] = False
        held.append(np.asarray(plays.indices[out], np.intp))
    train = plays.copy()
    train.data = train.data * keep
    train.eliminate_zeros()
    return Split(train, tuple(held))


def sample(m: int, size: int, seed: int) -> NDArray[np.intp]:
    """Return `size` of m rows, sorted; a larger sample of a seed contains the smaller ones."""
    return np.sort(np.random.default_rng(seed).permutation(m)[:size])


def likes(plays: csr_matrix) -> csr_matrix:
    """Return plays (m, n) as likes, 0 to 1: logarithms, relative to the member's most played."""
    out = plays.astype(np.float32)
    out.data = np.log1p(out.data)
    most = np.asarray(out.max(axis=1).todense()).ravel()
    out.data /= np.repeat(np.maximum(most, 1e-9), np.diff(out.indptr))
    return out


def tag_space(
    listening: Listening, *, without: NDArray[np.bool_] | None = None, dimensions: int = 512
) -> tuple[FloatArray, FloatArray]:
    """Return unit vectors (n, dimensions) from tags, and each artist's popularity (n,), 0 to 1.

    The vectors come from latent semantic analysis of TF-IDF: log counts, without tags used for a
    single artist, axes scaled by the root of their singular values. An artist without tags is at
    zero. Popularity is the logarithm of the number of users who tagged the artist, relative to the
    most tagged.

    Parameters
    ----------
    without : NDArray of bool, shape (t,), optional
        Rows of `Listening.tagged` to ignore.
    """
    rows = listening.tagged if without is None else listening.tagged[~without]
    n = len(listening.artists)
    _, tags = np.unique(rows[:, 2], return_inverse=True)
    counts = csr_matrix((np.ones(len(rows)), (rows[:, 1], tags)), shape=(n, int(tags.max()) + 1))
    counts.data = np.log1p(counts.data)
    used = counts.getnnz(axis=0)
    counts = counts[:, used > 1] @ diags(np.log(n / used[used > 1]))
    lengths = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
    counts = diags(1 / np.maximum(lengths, 1e-9)) @ counts
    left, singular, _ = randomized_svd(
        counts.tocsr().astype(np.float32), dimensions, n_iter=3, random_state=0
    )
    taggers = np.bincount(np.unique(rows[:, :2], axis=0)[:, 1], minlength=n)
    popularity = np.log1p(taggers) / np.log1p(max(int(taggers.max()), 1))
    return l2_normalise((left * np.sqrt(singular)).astype(np.float32)), popularity.astype(
        np.float32
    )


def assigned(
    listening: Listening, members: NDArray[np.intp], held: Sequence[NDArray[np.intp]]
) -> NDArray[np.bool_]:
    """Return (t,) which tag assignments were made by a member to their own held-out artists."""
    pairs = [
        int(listening.users[member]) * len(listening.artists) + artist
        for member, artists in zip(members, held, strict=True)
        for artist in artists.tolist()
    ]
    key = listening.tagged[:, 0] * len(listening.artists) + listening.tagged[:, 1]
    return np.asarray(np.isin(key, np.array(pairs, np.int64)))


def ndcg(scores: FloatArray, train: csr_matrix, held: Sequence[NDArray[np.intp]]) -> FloatArray:
    """Return NDCG@10 of each member (m,) over all columns except the training ones.

    NaN if nothing is held out. Gains are binary; the ideal ranking has the held-out artists first.

    References
    ----------
    K. Järvelin, J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20,
    2002.
    """
    out = np.full(scores.shape[0], np.nan, np.float32)
    for row, wanted in enumerate(held):
        if len(wanted):
            found = np.isin(top(scores[row], train, row), wanted)
            out[row] = (found * DISCOUNT[: len(found)]).sum() / DISCOUNT[: len(wanted)].sum()
    return out


def top(scores: FloatArray, train: csr_matrix, row: int, count: int = 10) -> NDArray[np.intp]:
    """Return the best columns for one member, without the training ones."""
    own = scores.copy()
    own[train.indices[train.indptr[row] : train.indptr[row + 1]]] = -np.inf
    best = np.argpartition(-own, count)[:count]
    return np.asarray(best[np.argsort(-own[best], kind="stable")])
