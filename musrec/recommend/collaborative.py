"""What members like in common: linear models and neighbours on a members x tracks matrix.

Everything here works on plain sparse arrays of likes (0 absent, up to 1), so that the evaluation
runs the same code as the product. Every scorer has ``scores(profiles)``: rows of likes in, one
score per track out, for members of the fit and for new ones alike (fold-in).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from musrec.model import FloatArray

PENALTY, PER_LIKE, SHARE = 100.0, 10.0, 6.0
"""What `Ease.fit` takes unless told otherwise."""

LARGEST_SOLVE = 6_000
"""Rows of the largest dense system to solve; beyond that, neighbours replace EASE."""

_CHUNK = 1_024
_TOGETHER = 16_384  # rows of content that are multiplied at a time


@dataclass(frozen=True, slots=True, eq=False)
class Ease:
    """EASE with the sound of tracks as additional "members", solved on the smaller side.

    EASE is the linear autoencoder without self-similarity [1]_; stacking weighted content under
    the likes extends it to side information [2]_, and a penalty that grows with a track's likes
    has the effect of dropout [3]_. With M = [likes; share * content'], columns scaled so that the
    penalty is 1, and K = M M' + I, Woodbury's identity gives every weight from K alone: the cost
    depends on the number of members, not on the square of the catalogue. A score splits exactly
    into the contributions of each member and each content dimension.

    Attributes
    ----------
    likes : csr_matrix, shape (m, n)
        In units of `scale`.
    by_track : csr_matrix, shape (n, m)
        The same, transposed.
    content : FloatArray, shape (n, d)
        As given; d may be 0.
    weight : FloatArray, shape (n,)
        `share` in units of `scale`: the factor of each row of `content`.
    scale : FloatArray, shape (n,)
        Root of each track's penalty: dividing columns by it leaves a system with penalty 1.
    share : float
        Weight of content relative to likes.
    by_members : bool
        Which side was solved.
    inverse : FloatArray
        K^-1, shape (m + d, m + d), if `by_members`; else (M'M + I)^-1, shape (n, n).
    self_members, self_content : FloatArray, shape (n,)
        What a track's own like adds to its own score through members and content; subtracted.
    lift : FloatArray, shape (n,)
        Factor of a score: back to the scale of likes, corrected for what was subtracted.

    References
    ----------
    .. [1] H. Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019.
    .. [2] O. Jeunen, J. Van Balen, B. Goethals, "Closed-form models for collaborative filtering
       with side-information", RecSys 2020.
    .. [3] H. Steck, "Autoencoders that don't overfit towards the identity", NeurIPS 2020.
    """

    likes: csr_matrix
    by_track: csr_matrix
    content: FloatArray
    weight: FloatArray
    scale: FloatArray
    share: float
    by_members: bool
    inverse: FloatArray
    self_members: FloatArray
    self_content: FloatArray
    lift: FloatArray

    @classmethod
    def fit(
        cls,
        likes: csr_matrix,
        content: FloatArray | None = None,
        *,
        penalty: float = PENALTY,
        per_like: float = PER_LIKE,
        share: float = SHARE,
    ) -> Ease:
        """Solve for likes (m, n) and content vectors (n, d) of length 0 to 1.

        Parameters
        ----------
        penalty : float
            Ridge, above 0; larger trusts few likes less.
        per_like : float
            Added to a track's penalty for each of its likes.
        share : float
            Weight of content relative to likes.
        """
        likes = scipy.sparse.csr_matrix(likes, dtype=np.float32)
        scale = _penalties(likes, penalty, per_like)
        likes = _scaled(likes, 1 / scale[likes.indices])
        m, n = likes.shape
        content = np.zeros((n, 0), np.float32) if content is None else _finite(content)
        weighted = content * (share / scale).astype(np.float32)[:, None]
        by_members = m + weighted.shape[1] <= n
        by_track = likes.T.tocsr()
        if by_members:
            cross = likes @ weighted
            gram = np.block(
                [[(likes @ by_track).toarray(), cross], [cross.T, weighted.T @ weighted]]
            )
        else:
            gram = (by_track @ likes).toarray() + weighted @ weighted.T
        return cls._of(likes, by_track, content, scale, share, _inverse(gram), by_members)

    @classmethod
    def solved(
        cls,
        likes: csr_matrix,
        content: FloatArray,
        inverse: FloatArray,
        *,
        by_members: bool,
    ) -> Ease:
        """Return the model that `fit` with its defaults had when it was this far.

        Parameters
        ----------
        likes : csr_matrix, shape (m, n)
            In units of `scale`, as the attribute.
        """
        scale = _penalties(likes, PENALTY, PER_LIKE)
        by_track = likes.T.tocsr()
        return cls._of(likes, by_track, _finite(content), scale, SHARE, inverse, by_members)

    @classmethod
    def _of(
        cls,
        likes: csr_matrix,
        by_track: csr_matrix,
        content: FloatArray,
        scale: FloatArray,
        share: float,
        inverse: FloatArray,
        by_members: bool,
    ) -> Ease:
        m, n = likes.shape
        weight = (share / scale).astype(np.float32)
        bare = cls(
            likes,
            by_track,
            content,
            weight,
            scale,
            share,
            by_members,
            inverse,
            *np.empty((3, 0), np.float32),
        )
        self_members, self_content = np.zeros(n, np.float32), np.empty(n, np.float32)
        # A track that no member likes pulls on content alone: most of a large catalogue.
        full = np.diff(by_track.indptr) > 0 if by_members else np.ones(n, bool)
        for start in range(0, n, _CHUNK):
            rows = np.arange(start, min(start + _CHUNK, n))
            liked, rest = rows[full[rows]], rows[~full[rows]]
            if len(liked):
                pull = bare._pull_of_tracks(liked)
                self_members[liked] = by_track[liked].multiply(pull[:, :m]).sum(axis=1).A1
                own = content[liked] * weight[liked, None]
                self_content[liked] = np.einsum("ij,ij->i", own, pull[:, m:])
            if len(rest):
                own = content[rest] * weight[rest, None]
                self_content[rest] = np.einsum("ij,ij->i", own, own @ inverse[m:, m:])
        lift = scale / np.maximum(1 - self_members - self_content, 1e-6)
        return replace(bare, self_members=self_members, self_content=self_content, lift=lift)

    def _pull(self, profiles: csr_matrix) -> FloatArray:
        """Return (q, m + d): the pull of profiles, in units of `scale`, on members and content."""
        if not self.by_members:
            return self._spread(profiles @ self.inverse)
        by_content = _scaled(profiles, self.weight[profiles.indices]) @ self.content
        seen = np.hstack([(profiles @ self.by_track).toarray(), by_content])
        return np.asarray(seen @ self.inverse)

    def _pull_of_tracks(
        self, tracks: NDArray[np.intp], shares: tuple[float, float] = (1, 1)
    ) -> FloatArray:
        """Return (tracks, m + d): the pull of a like of each track, 1 in units of `scale`.

        If members were solved for, `shares` weigh the likes and the content of the tracks.
        """
        if not self.by_members:
            return self._spread(self.inverse[tracks])
        m = self.likes.shape[0]
        members = self.by_track[tracks] @ self.inverse[:m]
        content = (self.content[tracks] * self.weight[tracks, None]) @ self.inverse[m:]
        return np.asarray(members * np.float32(shares[0]) + content * np.float32(shares[1]))

    def _pulled(
        self, pull: FloatArray, tracks: NDArray[np.intp], shares: tuple[float, float] = (1, 1)
    ) -> FloatArray:
        """Return (q, tracks): the scores that a pull (q, m + d) adds up to, before `lift`."""
        m = self.likes.shape[0]
        members = self.by_track[tracks] @ pull[:, :m].T
        content = self.content[tracks] @ pull[:, m:].T
        content *= self.weight[tracks, None] * np.float32(shares[1])
        return np.asarray(members * np.float32(shares[0]) + content).T

    def _spread(self, solved: FloatArray) -> FloatArray:
        """Return the pull (q, m + d): rows (q, n) of (M'M + I)^-1, times M'."""
        return np.hstack([(self.likes @ solved.T).T, (solved * self.weight) @ self.content])

    def parts(self, profiles: csr_matrix) -> tuple[FloatArray, FloatArray]:
        """Return what members and content add to the scores of EASE, their sum, each (q, n)."""
        profiles = _scaled(profiles, 1 / self.scale[profiles.indices])
        pull = self._pull(profiles)
        return self._lifted(profiles, pull, pull[:, self.likes.shape[0] :] @ self.content.T)

    def gains(
        self, tracks: NDArray[np.intp], rows: NDArray[np.intp], shares: tuple[float, float]
    ) -> FloatArray:
        """Return (tracks, rows): what a full like of each track adds to the scores of rows.

        Parameters
        ----------
        shares : tuple of float
            Factors of the two parts of a score, by members and by content.
        """
        if len(tracks) <= len(rows) or not self.by_members:
            out = self._pulled(self._pull_of_tracks(tracks), rows, shares)
        else:  # the inverse is symmetric, so the smaller side may pull
            out = self._pulled(self._pull_of_tracks(rows, shares), tracks).T
        own, like, at = np.intersect1d(tracks, rows, assume_unique=True, return_indices=True)
        out[like, at] -= shares[0] * self.self_members[own] + shares[1] * self.self_content[own]
        out *= self.lift[rows]
        return np.asarray(out / self.scale[tracks, None])

    def signals(
        self, profiles: csr_matrix, content: FloatArray, centres: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return both `parts` on a catalogue (n', d), its nearness to centres (q, d), and the pull.

        The first three are (q, n'). The fit knows the first rows; what members add to the rest is
        NaN. The pull (q, m + d) of the profiles is what `of_members` and `of_content` take.
        """
        m, n = self.likes.shape
        profiles = _scaled(profiles, 1 / self.scale[profiles.indices])
        pull = self._pull(profiles)
        by_content, nearness = _products(content, pull[:, m:], centres)
        members, learned = self._lifted(profiles, pull, by_content[:, :n])
        if len(content) > n:
            unseen = self.share * by_content[:, n:]
            members = np.hstack([members, np.full_like(unseen, np.nan)])
            learned = np.hstack([learned, unseen])
        return members, learned, nearness, pull

    def of_members(self, pull: FloatArray, members: NDArray[np.integer], track: int) -> float:
        """Return what these members' likes add to the score of a track; pull of shape (m + d,)."""
        likes = self.by_track[track].toarray()[0]
        return float(pull[members] @ likes[members] * self.lift[track])

    def of_content(self, pull: FloatArray, content: FloatArray, row: int) -> FloatArray:
        """Return (t,): what content (t, d) would add to the score of a row of the catalogue."""
        m, n = self.likes.shape
        factor = self.weight[row] * self.lift[row] if row < n else self.share
        return np.asarray(content @ pull[m:] * np.float32(factor))

    def _lifted(
        self, profiles: csr_matrix, pull: FloatArray, by_content: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the parts of scores, given a pull and its product with content, self excluded.

        The product is written over.
        """
        own, likes = profiles.indices, profiles.data
        row = np.repeat(np.arange(profiles.shape[0]), np.diff(profiles.indptr))
        by_members = pull[:, : self.likes.shape[0]] @ self.likes
        by_content *= self.weight
        by_members[row, own] -= likes * self.self_members[own]
        by_content[row, own] -= likes * self.self_content[own]
        by_members *= self.lift
        by_content *= self.lift
        return np.asarray(by_members, np.float32), np.asarray(by_content, np.float32)

    def scores(self, profiles: csr_matrix) -> FloatArray:
        """Return (q, n) scores for (q, n) likes."""
        members, content = self.parts(profiles)
        return np.asarray(members + content)

    def without(self, members: NDArray[np.intp]) -> Ease:
        """Return the same model with these members' likes removed from every score."""
        likes = _emptied(self.likes, members)
        return replace(self, likes=likes, by_track=likes.T.tocsr())


@dataclass(frozen=True, slots=True, eq=False)
class ItemNeighbours:
    """Item-based neighbours: cosine between columns of likes, the nearest of each track kept.

    Attributes
    ----------
    likes, by_track : csr_matrix, shape (m, n) and (n, m)
    similarity : csr_matrix, shape (n, n)
        Zero diagonal.
    """

    likes: csr_matrix
    by_track: csr_matrix
    similarity: csr_matrix

    @classmethod
    def fit(
        cls, likes: csr_matrix, *, neighbours: int = 100, shrinkage: float = 10.0
    ) -> ItemNeighbours:
        """Compare all tracks by likes (m, n); `shrinkage` distrusts pairs with few likes."""
        likes = scipy.sparse.csr_matrix(likes, dtype=np.float32)
        by_track = likes.T.tocsr()
        return cls(likes, by_track, _nearest(by_track, neighbours, shrinkage))

    def parts(self, profiles: csr_matrix) -> tuple[FloatArray, FloatArray]:
        """Return what members and content (nothing) add, as `Ease.parts` does."""
        members = (profiles @ self.similarity).toarray()
        return members, np.zeros_like(members)

    def gains(
        self, tracks: NDArray[np.intp], rows: NDArray[np.intp], shares: tuple[float, float]
    ) -> FloatArray:
        """Return what `Ease.gains` does."""
        return np.asarray(self.similarity[tracks][:, rows].toarray() * np.float32(shares[0]))

    def signals(
        self, profiles: csr_matrix, content: FloatArray, centres: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return what `Ease.signals` does; NaN for both parts of tracks newer than the fit."""
        members, learned = self.parts(profiles)
        unseen = np.full((len(members), len(content) - members.shape[1]), np.nan, np.float32)
        (nearness,) = _products(content, centres)
        pull = profiles.toarray()
        return np.hstack([members, unseen]), np.hstack([learned, unseen]), nearness, pull

    def of_members(self, pull: FloatArray, members: NDArray[np.integer], track: int) -> float:
        """Return what `Ease.of_members` does: a similarity goes with the likes it was made of."""
        near = self.similarity[:, [track]].toarray()[:, 0] * pull
        rows = np.flatnonzero(near)
        likes, own = self.by_track[rows], self.by_track[track].T
        whole = (likes @ own).toarray()[:, 0]
        common = (likes[:, members] @ own[members]).toarray()[:, 0]
        return float(near[rows] @ (common / np.maximum(whole, 1e-9)))

    def of_content(self, pull: FloatArray, content: FloatArray, row: int) -> FloatArray:  # noqa: ARG002
        """Return what `Ease.of_content` does: nothing."""
        return np.zeros(len(content), np.float32)

    def scores(self, profiles: csr_matrix) -> FloatArray:
        """Return (q, n) scores for (q, n) likes."""
        return self.parts(profiles)[0]

    def without(self, members: NDArray[np.intp]) -> ItemNeighbours:
        """Return the same model with these members' likes removed from the evidence."""
        likes = _emptied(self.likes, members)
        return replace(self, likes=likes, by_track=likes.T.tocsr())


@dataclass(frozen=True, slots=True, eq=False)
class UserNeighbours:
    """User-based neighbours, a baseline: what the members with the most similar likes like."""

    likes: csr_matrix
    lengths: FloatArray
    neighbours: int
    shrinkage: float

    @classmethod
    def fit(
        cls, likes: csr_matrix, *, neighbours: int = 100, shrinkage: float = 10.0
    ) -> UserNeighbours:
        """Remember likes (m, n)."""
        return cls(likes, _lengths(likes), neighbours, shrinkage)

    def scores(self, profiles: csr_matrix) -> FloatArray:
        """Return (q, n) scores for (q, n) likes; a member is never their own neighbour."""
        alike = (profiles @ self.likes.T).toarray()
        alike /= np.outer(_lengths(profiles), self.lengths) + self.shrinkage + 1e-9
        alike[alike > 1 - 1e-5] = 0  # an identical row is the member's own, or adds nothing
        keep = min(self.neighbours, alike.shape[1])
        least = np.partition(alike, -keep, axis=1)[:, [-keep]]
        return np.asarray(
            (scipy.sparse.csr_matrix(np.where(alike >= least, alike, 0)) @ self.likes).toarray()
        )


@dataclass(frozen=True, slots=True, eq=False)
class Popularity:
    """How much a track is liked by all members: a baseline.

    Attributes
    ----------
    counts : FloatArray, shape (n,)
    """

    counts: FloatArray

    @classmethod
    def fit(cls, likes: csr_matrix) -> Popularity:
        """Add up likes (m, n)."""
        return cls(np.asarray(likes.sum(axis=0), dtype=np.float32).ravel())

    def scores(self, profiles: csr_matrix) -> FloatArray:
        """Return (q, n): the same scores for every profile."""
        return np.tile(self.counts, (profiles.shape[0], 1))


@dataclass(frozen=True, slots=True, eq=False)
class AlternatingLeastSquares:
    """Implicit-feedback matrix factorisation, a baseline, by the library `implicit`.

    A like of r has the confidence 1 + c r, an absent one 1.

    References
    ----------
    Y. Hu, Y. Koren, C. Volinsky, "Collaborative filtering for implicit feedback datasets",
    ICDM 2008.
    """

    factors: FloatArray
    penalty: float
    confidence: float

    @classmethod
    def fit(
        cls,
        likes: csr_matrix,
        *,
        factors: int = 64,
        penalty: float = 20.0,
        confidence: float = 10.0,
        seed: int = 0,
    ) -> AlternatingLeastSquares:
        """Factorise likes (m, n); raises ImportError without the ``dev`` extra."""
        # Of the extra `dev`: only this baseline needs it.
        from implicit.als import AlternatingLeastSquares as Implicit

        trusted = likes.copy()
        trusted.data = (1 + confidence * likes.data).astype(np.float32)
        model = Implicit(
            factors=factors, regularization=penalty, alpha=1.0, random_state=seed, num_threads=1
        )
        model.fit(trusted, show_progress=False)
        return cls(np.asarray(model.item_factors, np.float32), penalty, confidence)

    def scores(self, profiles: csr_matrix) -> FloatArray:
        """Return (q, n) scores for (q, n) likes, each row folded in by one ridge solve."""
        tracks = self.factors
        common = tracks.T @ tracks + self.penalty * np.eye(tracks.shape[1], dtype=np.float32)
        out = np.zeros(profiles.shape, np.float32)
        for row, (start, end) in enumerate(
            zip(profiles.indptr[:-1], profiles.indptr[1:], strict=True)
        ):
            liked = tracks[profiles.indices[start:end]]
            trust = self.confidence * profiles.data[start:end, None]
            system = common + liked.T @ (trust * liked)
            out[row] = tracks @ np.linalg.solve(system, (liked * (1 + trust)).sum(axis=0))
        return out


def fit(likes: csr_matrix, content: FloatArray | None) -> Ease | ItemNeighbours:
    """Return the product's scorer: EASE if the system is small enough, else item neighbours."""
    m, n = likes.shape
    d = 0 if content is None else content.shape[1]
    if min(m + d, n) <= LARGEST_SOLVE:
        return Ease.fit(likes, content)
    return ItemNeighbours.fit(likes)


def _products(content: FloatArray, *queries: FloatArray) -> list[FloatArray]:
    """Return the products (q, n) of each of the queries (q, d) with content (n, d).

    Single rows go through the blocks together: content is read from memory only once, and not at
    all for rows that are zero.
    """
    if any(len(each) != 1 for each in queries):
        return [each @ content.T for each in queries]
    products = [np.zeros((1, len(content)), np.float32) for _ in queries]
    telling = [at for at, each in enumerate(queries) if each.any()]
    if telling:
        together = np.concatenate([queries[at] for at in telling]).T.copy()
        for start in range(0, len(content), _TOGETHER):
            block = slice(start, start + _TOGETHER)
            found = content[block] @ together
            for at, product in zip(telling, found.T, strict=True):
                products[at][0, block] = product
    return products


def _finite(content: FloatArray) -> FloatArray:
    """Return content with NaN as 0; the same array if all of it is finite, not a copy."""
    content = np.asarray(content, np.float32)
    return content if np.isfinite(content).all() else np.nan_to_num(content)


def _scaled(rows: csr_matrix, factors: NDArray[np.floating]) -> csr_matrix:
    """Return sparse rows with every entry multiplied by its factor (nnz,)."""
    out = rows.copy()
    out.data = (out.data * factors).astype(np.float32, copy=False)
    return out


def _penalties(likes: csr_matrix, penalty: float, per_like: float) -> FloatArray:
    """Return the root of each track's penalty, (n,)."""
    counts = np.bincount(likes.indices, minlength=likes.shape[1])
    return np.asarray(np.sqrt(penalty + per_like * counts), np.float32)


def _inverse(gram: FloatArray) -> FloatArray:
    """Return (gram + I)^-1 by Cholesky; in float64, as the systems are badly scaled."""
    system = gram.astype(np.float64)
    system[np.diag_indices_from(system)] += 1
    if not len(system):
        return system.astype(np.float32)
    factor, failed = scipy.linalg.lapack.dpotrf(system, lower=True, overwrite_a=True)
    inverse, failed_too = scipy.linalg.lapack.dpotri(factor, lower=True, overwrite_c=True)
    if failed or failed_too:
        raise np.linalg.LinAlgError("likes or vectors are not finite")
    lower = np.tril(inverse).astype(np.float32)
    return np.asarray(lower + np.tril(lower, -1).T)


def _nearest(by_track: csr_matrix, neighbours: int, shrinkage: float) -> csr_matrix:
    """Return the shrunk cosines between rows: the largest of each row, without the diagonal."""
    lengths = _lengths(by_track)
    n = by_track.shape[0]
    members = by_track.T.tocsr()
    blocks = []
    for start in range(0, n, _CHUNK):
        block = (by_track[start : start + _CHUNK] @ members).tocsr()
        data, indices, ends = [], [], [0]
        for row in range(block.shape[0]):
            at = slice(block.indptr[row], block.indptr[row + 1])
            columns = block.indices[at]
            values = block.data[at] / (lengths[start + row] * lengths[columns] + shrinkage)
            values[columns == start + row] = 0
            if len(values) > neighbours:
                best = np.argpartition(-values, neighbours)[:neighbours]
                columns, values = columns[best], values[best]
            data.append(values)
            indices.append(columns)
            ends.append(ends[-1] + len(values))
        blocks.append(
            scipy.sparse.csr_matrix(
                (np.concatenate(data), np.concatenate(indices), ends), shape=(block.shape[0], n)
            )
        )
    return (
        scipy.sparse.vstack(blocks).tocsr()
        if blocks
        else scipy.sparse.csr_matrix((0, 0), dtype=np.float32)
    )


def _lengths(rows: csr_matrix) -> FloatArray:
    return np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1), dtype=np.float32).ravel())


def _emptied(likes: csr_matrix, members: NDArray[np.intp]) -> csr_matrix:
    keep = np.ones(likes.shape[0], np.float32)
    keep[members] = 0
    left = (scipy.sparse.diags(keep) @ likes).tocsr()
    left.eliminate_zeros()
    return left
