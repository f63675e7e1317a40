"""Compares ways to recommend: content, user-based and item-based filtering, and both together.

Each system is measured on listening data and on a simulated server, whose members' tastes are
known: how accurate and how varied its lists are, how fast it answers and takes in a like, and what
it gains from explicit and from implicit feedback. Scorers are the product's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

from musrec.evaluate import metrics, ranking, recommend
from musrec.evaluate.genre import starter_tables
from musrec.evaluate.report import Cell, Report
from musrec.lab import plots
from musrec.lab.page import Figure, Section
from musrec.model import FeedbackKind
from musrec.recommend import collaborative, hybrid
from musrec.recommend.evidence import IMPLICIT_LIMIT, SIGNALS
from musrec.recommend.taste import l2_normalise, rocchio_weights
from musrec.space import Space
from musrec.train import hybrid as training

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

SYSTEMS = ("content", "user-based", "item-based", "hybrid")

MEMBERS = 300
"""Members of Last.fm that are drawn as a server."""

GUESTS, SHOWN = 40, 3
"""Members who take no part in the fit of the rounds, and what is known of each before them."""

ROUNDS, PER_ROUND = 6, 5

_NEW_LIKES = 30


@dataclass(frozen=True, slots=True, eq=False)
class Town:
    """Members and what they like.

    Attributes
    ----------
    plays : csr_matrix, shape (m, n)
    members : NDArray of int64, shape (m,)
        Part of the seed of each member's split.
    vectors : callable
        Takes what is held out of each member, and returns unit vectors (n, d) that do not know it.
    popularity : FloatArray, shape (n,)
        0 to 1.
    """

    name: str
    plays: csr_matrix
    members: NDArray[np.int64]
    vectors: Callable[[Sequence[NDArray[np.intp]]], FloatArray]
    popularity: FloatArray

    def described(self) -> str:
        """Return how large it is."""
        m, n = self.plays.shape
        return f"{self.name}: {m} members x {n} songs or artists, {self.plays.nnz} likes"


def last_fm(data: Path, members: int = MEMBERS, seed: int = 0) -> Town:
    """Return a sample of the users of a folder in the form of HetRec 2011 Last.fm.

    Vectors come from tags, without those that members gave to their own held-out artists.

    Raises
    ------
    NotFound
        A file is missing.
    """
    listening = ranking.Listening.load(data)
    rows = ranking.sample(len(listening.users), members, seed)
    plays = listening.plays[rows]
    _, popularity = ranking.tag_space(listening, dimensions=2)

    def vectors(held: Sequence[NDArray[np.intp]]) -> FloatArray:
        own = ranking.assigned(listening, rows, held)
        return ranking.tag_space(listening, without=own, dimensions=256)[0]

    return Town("Last.fm", plays, listening.users[rows], vectors, popularity)


def simulated(members: int = 60, seed: int = 0) -> Town:
    """Return a server whose members like songs of the starter catalogue by a known rule.

    A member has one to three favourite songs. How much they like a song is its cosine to the
    nearest favourite in our space, plus a share of its popularity, plus chance; they like the 40
    best. Popularity is drawn from a log-normal distribution.
    """
    rng = np.random.default_rng(seed)
    tables = starter_tables()
    space = Space.load("full").place_all(tables.statistics, tables.tag_mean)
    vectors = l2_normalise(np.asarray(space, np.float32))
    n = len(vectors)
    popularity = rng.lognormal(0, 1, n)
    popularity = np.log1p(popularity) / np.log1p(popularity.max())
    rows, columns, counts = [], [], []
    for member in range(members):
        favourites = rng.choice(n, rng.integers(1, 4), replace=False)
        near = (vectors @ vectors[favourites].T).max(axis=1)
        utility = near + 0.3 * popularity + rng.gumbel(0, 0.1, n)
        liked = np.argsort(-utility)[:40]
        rows += [member] * len(liked)
        columns += liked.tolist()
        counts += (1 + rng.poisson(20 * np.maximum(near[liked], 0))).tolist()
    plays = csr_matrix((np.array(counts, float), (rows, columns)), shape=(members, n))
    return Town(
        "simulated server",
        plays,
        np.arange(members, dtype=np.int64),
        lambda _: vectors,
        popularity.astype(np.float32),
    )


def compared(town: Town, seeds: Sequence[int] = (0, 1, 2)) -> tuple[Section, ...]:
    """Return the accuracy and variety, the speed and the gain from feedback of each system."""
    lists, first = _lists(town, seeds)
    speed = _speed(town, first)
    rounds, drawn = _feedback(town, seeds)
    return Section(lists), Section(speed), Section(rounds, drawn)


# Systems ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Every system, fitted to the likes of the same members.

    Attributes
    ----------
    likes : csr_matrix, shape (m, n)
    shrinkage : mapping of str to float
        Of both kinds of neighbours.
    """

    likes: csr_matrix
    vectors: FloatArray
    popularity: FloatArray
    weights: hybrid.HybridWeights
    users: collaborative.UserNeighbours
    items: collaborative.ItemNeighbours
    model: collaborative.Ease | collaborative.ItemNeighbours
    shrinkage: Mapping[str, float]

    @classmethod
    def fit(
        cls,
        likes: csr_matrix,
        vectors: FloatArray,
        popularity: FloatArray,
        weights: hybrid.HybridWeights,
        shrinkage: Mapping[str, float],
    ) -> Fitted:
        """Fit every system to likes (m, n)."""
        content = hybrid.popularity_weighted(vectors, popularity)
        return cls(
            likes,
            vectors,
            popularity,
            weights,
            collaborative.UserNeighbours.fit(likes, shrinkage=shrinkage["user-kNN"]),
            collaborative.ItemNeighbours.fit(likes, shrinkage=shrinkage["item-kNN"]),
            collaborative.fit(likes, content),
            shrinkage,
        )

    def scores(self, system: str, profiles: csr_matrix) -> FloatArray:
        """Return scores (q, n) for opinions (q, n), -1 to 1.

        What members dislike acts on content alone, as in the product.

        Raises
        ------
        KeyError
            There is no such system.
        """
        return {
            "content": self._content,
            "user-based": lambda given: self.users.scores(_liked(given)),
            "item-based": lambda given: self.items.scores(_liked(given)),
            "hybrid": self._hybrid,
        }[system](profiles)

    def _content(self, profiles: csr_matrix) -> FloatArray:
        """Score by the cosine to each member's centroid."""
        centres = l2_normalise(np.asarray(_rocchio(profiles) @ self.vectors))
        return np.asarray(centres @ self.vectors.T)

    def _hybrid(self, profiles: csr_matrix) -> FloatArray:
        content = hybrid.popularity_weighted(self.vectors, self.popularity)
        counts = np.bincount(self.likes.indices, minlength=self.likes.shape[1])
        found = hybrid.signals(
            self.model,
            _liked(profiles),
            _rocchio(profiles),
            content,
            counts.astype(np.float32),
            self.popularity,
        )
        active = int((np.diff(self.likes.indptr) > 0).sum())
        each = [
            self.weights.given(hybrid.Evidence.of(active, profiles[row].data.tolist()))
            for row in range(profiles.shape[0])
        ]
        out = np.zeros(profiles.shape, np.float32)
        for name, signal in found.items():
            out += np.array([own[name] for own in each], np.float32)[:, None] * signal.z_scores
        return out


def _liked(profiles: csr_matrix) -> csr_matrix:
    """Return opinions (q, n) without those below 0."""
    out = profiles.maximum(0).tocsr()
    out.eliminate_zeros()
    return out


def _rocchio(profiles: csr_matrix) -> csr_matrix:
    """Return opinions (q, n) as weights of a centroid, by Rocchio's formula."""
    out = profiles.tocsr(copy=True).astype(np.float32)
    for start, end in zip(out.indptr[:-1], out.indptr[1:], strict=True):
        own = out.data[start:end]
        up, down = own > 0, own < 0
        weights = rocchio_weights(own[up], -own[down])
        own[up], own[down] = weights[: up.sum()], weights[up.sum() :]
    return out


def _prepared(
    plays: csr_matrix,
    members: NDArray[np.int64],
    vectors: FloatArray,
    popularity: FloatArray,
    seed: int,
    histories: Sequence[tuple[int, int]] = ((1_000, 0),),
) -> Fitted:
    """Fit the weights and choose the shrinkage on a split of these plays, then fit to them all."""
    inner = recommend.VALIDATION + seed
    groups = training.prepare(plays, members, vectors, popularity, seed=inner, histories=histories)
    coefficients, _ = training.ascend(list(groups))
    weights = hybrid.HybridWeights({"sound": (training.SOUND, 0.0, 0.0, 0.0), **coefficients})
    parts = ranking.split(plays, members, inner)
    likes = ranking.likes(parts.train)

    def value(name: str, shrinkage: float) -> float:
        scores = _neighbours(name, likes, shrinkage).scores(likes)
        return float(np.nanmean(ranking.ndcg(scores, parts.train, parts.held)))

    shrinkage = {
        name: max(recommend.GRIDS[name], key=partial(value, name))
        for name in ("user-kNN", "item-kNN")
    }
    return Fitted.fit(ranking.likes(plays), vectors, popularity, weights, shrinkage)


def _neighbours(
    name: str, likes: csr_matrix, shrinkage: float
) -> collaborative.UserNeighbours | collaborative.ItemNeighbours:
    if name == "user-kNN":
        return collaborative.UserNeighbours.fit(likes, shrinkage=shrinkage)
    return collaborative.ItemNeighbours.fit(likes, shrinkage=shrinkage)


# Lists --------------------------------------------------------------------------------------------


def _lists(town: Town, seeds: Sequence[int]) -> tuple[Report, Fitted]:
    """Return the table of accuracy and variety, and the systems of the first seed."""
    values: dict[str, list[FloatArray]] = {}
    diversity: dict[str, list[float]] = {}
    familiar: dict[str, list[float]] = {}
    covered: dict[str, list[float]] = {}
    every = []
    for seed in seeds:
        parts = ranking.split(town.plays, town.members, seed)
        vectors = town.vectors(parts.held)
        fitted = _prepared(parts.train, town.members, vectors, town.popularity, seed)
        every.append(fitted)
        likes = fitted.likes
        counts = np.asarray(likes.getnnz(axis=0)).ravel() / likes.shape[0]
        for name in ("popular", *SYSTEMS):
            if name == "popular":
                scores = collaborative.Popularity.fit(likes).scores(likes)
            else:
                scores = fitted.scores(name, likes)
            values.setdefault(name, []).append(ranking.ndcg(scores, parts.train, parts.held))
            best = np.array([ranking.top(own, parts.train, row) for row, own in enumerate(scores)])
            alike = np.einsum("qid,qjd->qij", vectors[best], vectors[best])
            off = ~np.eye(best.shape[1], dtype=bool)
            diversity.setdefault(name, []).append(1 - float(alike[:, off].mean()))
            familiar.setdefault(name, []).append(float(counts[best].mean()))
            covered.setdefault(name, []).append(len(np.unique(best)) / likes.shape[1])
    who = np.tile(np.arange(len(town.members)), len(seeds))
    pooled = {name: np.concatenate(each).astype(np.float64) for name, each in values.items()}
    halves = ("content", "user-based", "item-based")
    best_half = max(halves, key=lambda name: float(np.nanmean(pooled[name])))
    rows: list[tuple[Cell, ...]] = []
    for name, each in pooled.items():
        low, high = metrics.bootstrap(each, who)
        rows.append(
            (
                name,
                float(np.nanmean(each)),
                f"{low:.3f} to {high:.3f}",
                float(np.mean(diversity[name])),
                f"{np.mean(familiar[name]):.1%}",
                f"{np.mean(covered[name]):.1%}",
            )
        )
    ahead = pooled["hybrid"] - pooled[best_half]
    low, high = metrics.bootstrap(ahead, who)
    mean = float(np.nanmean(ahead))
    said = f"{low:.3f} to {high:.3f}"
    rows.append((f"hybrid - {best_half}", mean, said, None, None, None))
    report = Report(
        f"Lists, {town.name}",
        f"{town.described()}. A fifth of each member's likes is held out, seeds "
        f"{', '.join(map(str, seeds))}; everything else is ranked. 95% bootstrap over members; the "
        "difference is paired.",
        ("system", "NDCG@10", "95% CI", "diversity", "liked by", "coverage"),
        tuple(rows),
        (
            "Diversity: 1 - mean cosine between the songs of a list of ten.",
            "Liked by: the share of members who like a recommended song.",
            "Coverage: the share of the catalogue that is recommended to some member.",
            "Weights and shrinkage were chosen on a split of each seed's training part.",
        ),
    )
    return report, every[0]


# Speed --------------------------------------------------------------------------------------------


def _speed(town: Town, fitted: Fitted) -> Report:
    likes = fitted.likes
    rng = np.random.default_rng(0)
    asked = rng.permutation(likes.shape[0])[:_NEW_LIKES]
    new = rng.integers(likes.shape[1], size=len(asked))
    content = hybrid.popularity_weighted(fitted.vectors, fitted.popularity)
    fits: Mapping[str, Callable[[], object] | None] = {
        "content": None,
        "user-based": lambda: collaborative.UserNeighbours.fit(likes),
        "item-based": lambda: collaborative.ItemNeighbours.fit(likes),
        "hybrid": lambda: collaborative.fit(likes, content),
    }
    timed: dict[str, tuple[float, float, float | None]] = {}
    for name in SYSTEMS:
        fitted.scores(name, likes[asked[0]])  # what is loaded once is not timed
        answers, updates = [], []
        for member, song in zip(asked.tolist(), new.tolist(), strict=True):
            began = time.perf_counter()
            ranking.top(fitted.scores(name, likes[member])[0], likes, member)
            answered = time.perf_counter()
            told = likes[member] + csr_matrix(([1.0], ([0], [song])), shape=(1, likes.shape[1]))
            ranking.top(fitted.scores(name, told.tocsr().astype(np.float32))[0], likes, member)
            answers.append(answered - began)
            updates.append(time.perf_counter() - answered)
        refit = None
        if (fit := fits[name]) is not None:
            began = time.perf_counter()
            fit()
            refit = time.perf_counter() - began
        timed[name] = float(np.median(answers)), float(np.median(updates)), refit
    base = timed["content"][0]
    return Report(
        f"Speed, {town.name}",
        f"{town.described()}. Median of {len(asked)} members, one thread of Python.",
        ("system", "answer, ms", "times content", "like until next answer, ms", "refit, ms"),
        tuple(
            (
                name,
                f"{1e3 * answer:.2f}",
                f"{answer / base:.1f}",
                f"{1e3 * update:.2f}",
                None if refit is None else f"{1e3 * refit:.0f}",
            )
            for name, (answer, update, refit) in timed.items()
        ),
        (
            "A like counts in the member's next answer, and in those of others after a refit.",
            "Content needs no refit: it learns nothing from other members.",
        ),
    )


# Feedback -----------------------------------------------------------------------------------------

_EXPLICIT = (SIGNALS[FeedbackKind.LIKE].weight, SIGNALS[FeedbackKind.DISLIKE].weight)
_HEARD = SIGNALS[FeedbackKind.PLAY].weight + SIGNALS[FeedbackKind.FINISH].weight
_IMPLICIT = (min(_HEARD, IMPLICIT_LIMIT), SIGNALS[FeedbackKind.SKIP].weight)
_SKIPPED = f"{_IMPLICIT[1]:+g}"

FEEDBACK: Mapping[str, tuple[float, float]] = {
    "none": (0.0, 0.0),
    "explicit": _EXPLICIT,
    "implicit": _IMPLICIT,
}
"""What a member's hit and miss count as: nothing, a thumb, or a play to the end and a skip."""


def _feedback(town: Town, seeds: Sequence[int]) -> tuple[Report, tuple[Figure, ...]]:
    hits: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
    who: list[NDArray[np.intp]] = []
    for seed in seeds:
        m = len(town.members)
        guests = ranking.sample(m, min(GUESTS, m // 3), seed)
        hosts = np.setdiff1d(np.arange(m), guests)
        nothing: list[NDArray[np.intp]] = [np.empty(0, np.intp)] * m
        for guest in guests.tolist():
            nothing[guest] = np.asarray(town.plays[guest].indices, np.intp)
        fitted = _prepared(
            town.plays[hosts],
            town.members[hosts],
            town.vectors(nothing),
            town.popularity,
            seed,
            training.HISTORIES,
        )
        shown, wanted = _shown(town.plays[guests], seed)
        for system in SYSTEMS:
            for name, counts in FEEDBACK.items():
                got = _rounds(fitted, system, shown, wanted, counts)
                hits.setdefault((system, name), []).append(got)
        who.append(guests)
    groups = np.concatenate(who)
    rows: list[tuple[Cell, ...]] = []
    gains: list[tuple[str, float]] = []
    for (system, name), each in hits.items():
        got = np.concatenate(each)
        if name == "none":
            rows.append((system, name, float(got.mean()), None, None))
            continue
        static = np.concatenate(hits[system, "none"])
        gain = (got - static) / max(float(static.mean()), 1e-9)
        low, high = metrics.bootstrap(gain, groups)
        said = f"{low:+.0%} to {high:+.0%}"
        rows.append((system, name, float(got.mean()), f"{gain.mean():+.0%}", said))
        gains.append((f"{system}, {name}", float(gain.mean())))
    report = Report(
        f"Feedback, {town.name}",
        f"{town.described()}. {len(groups)} members (seeds {', '.join(map(str, seeds))}) who take "
        f"no part in the fit show {SHOWN} likes, then get {ROUNDS} rounds of {PER_ROUND} picks; a "
        "pick that they like is a hit. 95% bootstrap over members, paired with no feedback.",
        ("system", "feedback", f"hits in {ROUNDS * PER_ROUND}", "gain", "95% CI"),
        tuple(rows),
        (
            f"Explicit: a thumb on every pick, {_EXPLICIT[0]:+g} or {_EXPLICIT[1]:+g}.",
            f"Implicit: every pick played to the end, {_IMPLICIT[0]:+g}, or skipped, {_SKIPPED}.",
        ),
    )
    return report, (Figure("Gain from feedback, by system.", plots.bars(gains)),)


def _shown(plays: csr_matrix, seed: int) -> tuple[csr_matrix, NDArray[np.bool_]]:
    """Return the likes (g, n) that are known at first, and what else each guest likes (g, n)."""
    wanted = plays.toarray() > 0
    shown = np.zeros(wanted.shape, np.float32)
    for row in range(len(wanted)):
        own = np.flatnonzero(wanted[row])
        first = np.random.default_rng((seed, row)).permutation(own)[:SHOWN]
        shown[row, first] = 1
        wanted[row, first] = False
    return csr_matrix(shown), wanted


def _rounds(
    fitted: Fitted,
    system: str,
    shown: csr_matrix,
    wanted: NDArray[np.bool_],
    counts: tuple[float, float],
) -> NDArray[np.float64]:
    """Return each guest's hits (g,); no song is picked twice."""
    opinions = shown.toarray()
    barred = opinions > 0
    hits = np.zeros(len(wanted))
    for _ in range(ROUNDS):
        scores = np.where(barred, -np.inf, fitted.scores(system, csr_matrix(opinions)))
        picks = np.argsort(-scores, axis=1, kind="stable")[:, :PER_ROUND]
        right = np.take_along_axis(wanted, picks, axis=1)
        hits += right.sum(axis=1)
        np.put_along_axis(barred, picks, True, axis=1)
        heard = np.where(right, *counts)
        np.put_along_axis(opinions, picks, heard, axis=1)
    return hits
