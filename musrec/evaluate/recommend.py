"""How well the recommender recommends, learns, avoids and explains: ``musrec evaluate recommend``.

Scorers, weights, variety and words are the product's own. Artists of the data stand for songs, and
their tags for what is heard in a song.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils.extmath import randomized_svd

from musrec.evaluate import metrics, ranking
from musrec.evaluate.report import Cell, Report
from musrec.model import Catalogue, Feedback, FeedbackKind, Pick, Profile, Track
from musrec.recommend import Recommender, Request, collaborative, group, hybrid
from musrec.space import Index
from musrec.train import hybrid as training

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from musrec.model import FloatArray
    from musrec.recommend.scoring import Scoring

SIZES = (50, 200, 600, 100_000)
SEEDS = (0, 1, 2, 3, 4)
VALIDATION = 1_000
"""Added to a seed for the split that settings are chosen on, made from the training part only."""

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def run(
    data: Path, *, seeds: Sequence[int] = SEEDS, sizes: Sequence[int] = SIZES, simulated: int = 40
) -> tuple[Report, ...]:
    """Measure everything on a folder in the form of HetRec 2011 Last.fm.

    Parameters
    ----------
    data : Path
    seeds : sequence of int
        Of the random splits.
    sizes : sequence of int
        Members of a server; a size larger than the data stands for all users.
    simulated : int
        Guests per seed in the reports that play whole conversations through the product.
    """
    town = _Data.load(data)
    weights = {seed: _nested(town, seed, sizes) for seed in seeds}
    return (
        warm(town, weights, sizes),
        cold(town, seeds),
        *conversations(town, seeds, simulated),
        groups(town, seeds),
        hubs(town),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    listening: ranking.Listening
    vectors: FloatArray
    popularity: FloatArray
    name: str

    @classmethod
    def load(cls, data: Path) -> _Data:
        listening = ranking.Listening.load(data)
        return cls(listening, *ranking.tag_space(listening), str(data.name))

    @property
    def users(self) -> NDArray[np.int64]:
        return self.listening.users

    @property
    def content(self) -> FloatArray:
        return hybrid.popularity_weighted(self.vectors, self.popularity)

    def catalogue(self) -> Catalogue:
        """Return the artists as songs, each with its tags for a vector."""
        tracks = tuple(
            Track(str(i), name, (name,), popularity=float(popularity))
            for i, (name, popularity) in enumerate(
                zip(self.listening.artists, self.popularity, strict=True)
            )
        )
        return Catalogue(tracks, (Profile(),) * len(tracks), self.vectors, {})

    def described(self) -> str:
        m, n = self.listening.plays.shape
        return f"{m} users x {n} artists ({self.name}), {self.listening.plays.nnz} pairs"


def _sizes(town: _Data, sizes: Sequence[int]) -> list[int]:
    return sorted({min(size, len(town.users)) for size in sizes})


def _nested(town: _Data, seed: int, sizes: Sequence[int]) -> hybrid.HybridWeights:
    """Fit weights on a split of the training part of this seed, at every size."""
    train = ranking.split(town.listening.plays, town.users, seed).train
    groups: list[training.Group] = []
    for size in _sizes(town, sizes):
        rows = ranking.sample(len(town.users), size, seed)
        groups += training.prepare(
            train[rows], town.users[rows], town.vectors, town.popularity, seed=seed + VALIDATION
        )
    coefficients, _ = training.ascend(groups)
    return hybrid.HybridWeights({"sound": (training.SOUND, 0.0, 0.0, 0.0), **coefficients})


# Ranking held-out artists -------------------------------------------------------------------------

Scores = Callable[["csr_matrix"], "FloatArray"]

GRIDS: Mapping[str, Sequence[float]] = {
    "item-kNN": (0.0, 3.0, 10.0),
    "user-kNN": (0.0, 3.0, 10.0),
    "EASE": (20.0, 50.0, 100.0, 200.0),
    **({"ALS": (3.0, 10.0, 30.0)} if find_spec("implicit") else {}),
}
"""Settings that the baselines are tuned over: shrinkage for the neighbours, the penalty of EASE,
and the confidence in a like for ALS, which is left out unless `implicit` is installed."""


def _baseline(name: str, likes: csr_matrix, setting: float) -> FloatArray:
    if name == "item-kNN":
        return collaborative.ItemNeighbours.fit(likes, shrinkage=setting).scores(likes)
    if name == "user-kNN":
        return collaborative.UserNeighbours.fit(likes, shrinkage=setting).scores(likes)
    if name == "ALS":
        als = collaborative.AlternatingLeastSquares
        return als.fit(likes, confidence=setting).scores(likes)
    return collaborative.Ease.fit(likes, penalty=setting, per_like=0.0).scores(likes)


def hybrid_scores(
    weights: hybrid.HybridWeights, likes: csr_matrix, vectors: FloatArray, popularity: FloatArray
) -> FloatArray:
    """Return the product's scores (m, n) for members who all took part in the fit."""
    content = hybrid.popularity_weighted(vectors, popularity)
    model = collaborative.fit(likes, content)
    counts = np.bincount(likes.indices, minlength=likes.shape[1]).astype(np.float32)
    signals = hybrid.signals(model, likes, likes, content, counts, popularity)
    active = int((np.diff(likes.indptr) > 0).sum())
    each = [weights.given(hybrid.Evidence(active, int(k))) for k in np.diff(likes.indptr)]
    out = np.zeros(likes.shape, np.float32)
    for name, signal in signals.items():
        out += np.array([own[name] for own in each], np.float32)[:, None] * signal.z_scores
    return out


def warm(town: _Data, weights: Mapping[int, hybrid.HybridWeights], sizes: Sequence[int]) -> Report:
    """Return NDCG@10 of every system at every size, and the hybrid against its better half."""
    rows: list[tuple[Cell, ...]] = []
    for size in _sizes(town, sizes):
        settings = _tuned(town, size, min(weights))
        values: dict[str, list[FloatArray]] = {}
        who: list[NDArray[np.intp]] = []
        for seed, fitted in weights.items():
            whole = ranking.split(town.listening.plays, town.users, seed)
            members = ranking.sample(len(town.users), size, seed)
            train, held = whole.train[members], [whole.held[row] for row in members]
            for name, score in _systems(town, fitted, whole, settings).items():
                found = ranking.ndcg(score(ranking.likes(train)), train, held)
                values.setdefault(name, []).append(found)
            who.append(members)
        groups = np.concatenate(who)
        pooled = {name: np.concatenate(each) for name, each in values.items()}
        known = np.isfinite(pooled["hybrid"])
        best = max(("tags", "EASE"), key=lambda name: float(np.nanmean(pooled[name])))
        for name, each in pooled.items():
            low, high = metrics.bootstrap(each[known], groups[known])
            rows.append((size, name, float(each[known].mean()), low, high))
        ahead = (pooled["hybrid"] - pooled[best])[known]
        low, high = metrics.bootstrap(ahead, groups[known])
        rows.append((size, f"hybrid - {best}", float(ahead.mean()), low, high))
    return Report(
        "Ranking held-out artists by NDCG@10",
        f"{town.described()}. A fifth of each user's artists is held out at random, seeds"
        f" {', '.join(map(str, weights))}; servers are samples of users; all artists but the"
        " training ones are ranked; 95% bootstrap over users, differences paired.",
        ("members", "system", "NDCG@10", "low", "high"),
        tuple(rows),
        (
            "Hybrid weights: fitted on a split of each seed's training part.",
            "Baselines: tuned on a split of the first seed's training part.",
            "ALS: 64 factors, by the library implicit."
            if "ALS" in GRIDS
            else "ALS: left out, as implicit is not installed.",
            "tags: cosine to the mean of the user's artists in a latent space of TF-IDF tags.",
            "hybrid, strict: without the tags that users gave to their own held-out artists.",
        ),
    )


def _tuned(town: _Data, size: int, seed: int) -> dict[str, float]:
    train = ranking.split(town.listening.plays, town.users, seed).train
    rows = ranking.sample(len(town.users), size, seed)
    inner = ranking.split(train[rows], town.users[rows], seed + VALIDATION)
    likes = ranking.likes(inner.train)

    def value(name: str, setting: float) -> float:
        scores = _baseline(name, likes, setting)
        return float(np.nanmean(ranking.ndcg(scores, inner.train, inner.held)))

    out = {}
    for name, grid in GRIDS.items():
        values = [value(name, setting) for setting in grid]
        out[name] = grid[int(np.argmax(values))]
    return out


def _systems(
    town: _Data, weights: hybrid.HybridWeights, whole: ranking.Split, settings: Mapping[str, float]
) -> dict[str, Scores]:
    members = np.arange(len(town.users))
    strict = ranking.tag_space(
        town.listening, without=ranking.assigned(town.listening, members, whole.held)
    )
    return {
        "popular": lambda likes: collaborative.Popularity.fit(likes).scores(likes),
        "tags": lambda likes: np.asarray((likes @ town.vectors) @ town.vectors.T),
        **{name: partial(_baseline, name, setting=setting) for name, setting in settings.items()},
        "hybrid": lambda likes: hybrid_scores(weights, likes, town.vectors, town.popularity),
        "hybrid, strict": lambda likes: hybrid_scores(weights, likes, *strict),
    }


# Cold start: artists without plays ----------------------------------------------------------------


def cold(town: _Data, seeds: Sequence[int]) -> Report:
    """Return NDCG@10 among artists of which the training data knows nothing but tags."""
    values: dict[str, list[FloatArray]] = {}
    n = len(town.listening.artists)
    for seed in seeds:
        rng = np.random.default_rng(seed)
        new = np.sort(rng.permutation(n)[: n // 5])
        plays = town.listening.plays.tocsc(copy=True)
        warm_only = np.ones(n, bool)
        warm_only[new] = False
        train = plays.multiply(warm_only).tocsr()
        train.eliminate_zeros()
        held = _held(town.listening.plays[:, new])
        few = ranking.sample(len(town.users), 300, seed)
        groups = training.prepare(
            train[few], town.users[few], town.vectors, town.popularity, seed=seed + VALIDATION
        )
        coefficients, _ = training.ascend(list(groups))
        likes = ranking.likes(train)
        systems = {
            "random": rng.random((len(town.users), len(new)), np.float32),
            "tags": np.asarray((likes @ town.vectors) @ town.vectors[new].T),
            "ridge from tags to factors": _ridge(likes, town.vectors, new),
            "hybrid": hybrid_scores(
                hybrid.HybridWeights(coefficients), likes, town.vectors, town.popularity
            )[:, new],
        }
        nothing = train[:, new]
        for name, scores in systems.items():
            values.setdefault(name, []).append(ranking.ndcg(scores, nothing, held))
    rows = []
    for name, each in values.items():
        pooled = np.concatenate(each)
        known = np.isfinite(pooled)
        groups_ = np.tile(np.arange(len(town.users)), len(seeds))
        rows.append(
            (name, float(pooled[known].mean()), *metrics.bootstrap(pooled[known], groups_[known]))
        )
    return Report(
        "Cold start: artists without plays",
        f"{town.described()}. A fifth of the artists is taken out of all training data, seeds"
        f" {', '.join(map(str, seeds))}; only these are ranked, for users who played some of them;"
        " 95% bootstrap over users.",
        ("system", "NDCG@10", "low", "high"),
        tuple(rows),
        ("ridge: ridge regression from tags to 128 singular vectors of the training plays.",),
    )


def _held(plays: csr_matrix) -> tuple[NDArray[np.intp], ...]:
    return tuple(
        np.asarray(plays.indices[start:end], np.intp)
        for start, end in zip(plays.indptr[:-1], plays.indptr[1:], strict=True)
    )


def _ridge(likes: csr_matrix, vectors: FloatArray, new: NDArray[np.intp]) -> FloatArray:
    left, singular, right = randomized_svd(likes, min(128, min(likes.shape) - 1), random_state=0)
    known = np.asarray(likes.getnnz(axis=0)).ravel() > 0
    seen = vectors[known]
    system = seen.T @ seen + np.eye(vectors.shape[1])
    weights = np.linalg.solve(system, seen.T @ (right.T * singular)[known])
    return np.asarray(left @ (vectors[new] @ weights).T, np.float32)


# Whole conversations with the product -------------------------------------------------------------


class _Stage:
    """The product with artists as songs, and guests: members who took no part in the fit."""

    def __init__(
        self, town: _Data, weights: hybrid.HybridWeights, seed: int, count: int, shown: float
    ) -> None:
        m = len(town.users)
        self.guests = _guests(town, seed, count)
        hosts = np.setdiff1d(np.arange(m), self.guests)
        self.catalogue = town.catalogue()
        parts = ranking.split(
            town.listening.plays[self.guests], town.users[self.guests], seed, 1 - shown
        )
        self.shown, self.held = parts.train, [set(map(str, held)) for held in parts.held]
        self.recommender = Recommender(
            self.catalogue,
            _likes(town.listening.plays[hosts], "host"),
            lambda place: town.vectors @ place.vector,
            weights=weights,
        )

    def greet(self, guest: int) -> str:
        """Teach the product what a guest likes; return the guest's name, always the same."""
        name = f"guest {guest}"
        self.recommender.learn(_likes(self.shown[guest], name, alone=True))
        return name

    def ask(
        self, member: str, count: int, turn: int = 0, recent: frozenset[str] = frozenset()
    ) -> Request:
        return Request(member, (), count, now=NOW + timedelta(hours=turn), recent=recent)


def _likes(plays: csr_matrix, prefix: str, *, alone: bool = False) -> list[Feedback]:
    matrix = plays.tocoo()
    before = NOW - timedelta(days=1)
    return [
        Feedback(prefix if alone else f"{prefix} {u}", str(i), FeedbackKind.LIKE, before)
        for u, i in zip(matrix.row.tolist(), matrix.col.tolist(), strict=True)
    ]


Reaction = Callable[[bool, np.random.Generator], Sequence[FeedbackKind]]


def _explicit(hit: bool, _: np.random.Generator) -> Sequence[FeedbackKind]:
    return [FeedbackKind.LIKE if hit else FeedbackKind.DISLIKE]


def _implicit(hit: bool, _: np.random.Generator) -> Sequence[FeedbackKind]:
    return [FeedbackKind.PLAY, FeedbackKind.FINISH] if hit else [FeedbackKind.SKIP]


def _both(hit: bool, rng: np.random.Generator) -> Sequence[FeedbackKind]:
    return [*_implicit(hit, rng), *(_explicit(hit, rng) if rng.random() < 0.5 else ())]


REACTIONS: Mapping[str, Reaction] = {
    "explicit": _explicit,
    "implicit": _implicit,
    "both": _both,
}
ROUNDS, PER_ROUND = 6, 5

FEW: Mapping[str, float] = {"none": 0.0, "one": 0.02, "three": 0.06}
"""The share of a guest's artists, about fifty, that is shown before the first round."""


def conversations(town: _Data, seeds: Sequence[int], count: int) -> tuple[Report, Report]:
    """Play conversations through the product: what feedback gains, and how good the picks are."""
    hits: dict[tuple[str, str, str], list[NDArray[np.float64]]] = {}
    found: dict[str, list[float]] = {}
    who: list[NDArray[np.intp]] = []
    for seed in seeds:
        fitted = _for_guests(town, seed, count)
        content_only = hybrid.HybridWeights(
            dict.fromkeys(fitted.coefficients, (0.0, 0.0, 0.0, 0.0))
            | {"nearness": (1.0, 0.0, 0.0, 0.0)}
        )
        for name, weights, shown in (
            ("content", content_only, "one"),
            *(("hybrid", fitted, shown) for shown in FEW),
        ):
            stage = _Stage(town, weights, seed, count, shown=FEW[shown])
            hits.setdefault((name, shown, "static"), []).append(_hits(stage, None))
            for kind, reaction in REACTIONS.items():
                hits.setdefault((name, shown, kind), []).append(_hits(stage, reaction))
        stage = _Stage(town, fitted, seed, count, shown=0.8)
        qualities(stage, found)
        who.append(stage.guests)
    guests = np.concatenate(who)
    protocol = (
        f"{town.described()}. {len(guests)} users (seeds {', '.join(map(str, seeds))}) who took no"
        " part in the fit show SHOWN of their artists; "
    )
    return (
        _gains(hits, guests, protocol.replace("SHOWN", "none, one or about three")),
        _qualities(found, protocol.replace("SHOWN", "four fifths")),
    )


def _gains(
    hits: Mapping[tuple[str, str, str], Sequence[NDArray[np.float64]]],
    guests: NDArray[np.intp],
    protocol: str,
) -> Report:
    rows: list[tuple[Cell, ...]] = []
    for (name, shown, kind), each in hits.items():
        got, static = np.concatenate(each), np.concatenate(hits[name, shown, "static"])
        if kind == "static":
            rows.append((name, shown, kind, float(got.mean()), None, None, None))
            continue
        gain = (got - static) / static.mean()
        interval = metrics.bootstrap(gain, guests)
        rows.append((name, shown, kind, float(got.mean()), float(gain.mean()), *interval))
    return Report(
        "What feedback gains in six rounds of five picks",
        f"{protocol}a pick among their other artists is a hit. The static control answers the same"
        " requests and learns nothing. 95% bootstrap over users, paired.",
        ("system", "shown", "feedback", f"hits in {ROUNDS * PER_ROUND}", "gain", "low", "high"),
        tuple(rows),
        (
            "explicit: a thumb on every pick; implicit: every pick played to the end or skipped.",
            "both: implicit, and a thumb on about every other pick.",
        ),
    )


def _for_guests(town: _Data, seed: int, count: int) -> hybrid.HybridWeights:
    """Fit weights on the members who are not guests, shown with short histories too.

    The weights depend on the size of the server, so they are fitted on the one that guests meet.
    """
    hosts = np.setdiff1d(np.arange(len(town.users)), _guests(town, seed, count))
    groups = training.prepare(
        town.listening.plays[hosts],
        town.users[hosts],
        town.vectors,
        town.popularity,
        seed=seed,
        histories=training.HISTORIES,
        among=ranking.sample(len(hosts), 300, seed),
    )
    coefficients, _ = training.ascend(list(groups))
    return hybrid.HybridWeights({"sound": (training.SOUND, 0.0, 0.0, 0.0), **coefficients})


def _guests(town: _Data, seed: int, count: int) -> NDArray[np.intp]:
    m = len(town.users)
    return ranking.sample(m, min(count, m // 2), seed)


def _hits(stage: _Stage, reaction: Reaction | None) -> NDArray[np.float64]:
    """Return each guest's hits; without a reaction the product learns nothing from its picks."""
    out = []
    for guest, wanted in enumerate(stage.held):
        name = stage.greet(guest)
        rng = np.random.default_rng(guest)
        hits, recent = 0, frozenset[str]()
        for turn in range(ROUNDS):
            request = stage.ask(name, PER_ROUND, turn, recent)
            picks = _picked(stage.recommender, request)
            recent |= frozenset(picks)
            hits += len(wanted & set(picks))
            if reaction:
                stage.recommender.learn(
                    [
                        Feedback(name, track, kind, request.now)
                        for track in picks
                        for kind in reaction(track in wanted, rng)
                    ]
                )
        stage.recommender.forget_member(name)
        out.append(hits)
    return np.array(out, np.float64)


def _picked(recommender: Recommender, request: Request) -> list[str]:
    """Return the ids of the picks, without the cost of their explanations."""
    scoring, _, _ = recommender.score(request)
    if scoring is None:
        return []
    chosen, _, _ = scoring.choose(request.count, same_artist=False)
    return [scoring.songs.catalogue.tracks[row].id for row in scoring.rows[chosen]]


def qualities(stage: _Stage, found: dict[str, list[float]]) -> None:
    """Record what a dislike does, what variety costs, and whether explanations are true."""
    for guest, wanted in enumerate(stage.held):
        name = stage.greet(guest)
        _dislike(stage, name, wanted, found)
        _variety(stage, name, wanted, stage.catalogue.vectors, found)
        _fidelity(stage, name, found)
        stage.recommender.forget_member(name)


def _qualities(found: Mapping[str, Sequence[float]], protocol: str) -> Report:
    def level(label: str, key: str) -> tuple[Cell, ...]:
        return label, float(np.mean(found[key])), None, None

    def change(label: str, before: str, after: str, sign: int) -> tuple[Cell, ...]:
        first, second = np.array(found[before]), np.array(found[after])
        drawn = np.random.default_rng(0).integers(len(first), size=(2_000, len(first)))
        ratios = second[drawn].sum(axis=1) / np.maximum(first[drawn].sum(axis=1), 1e-9)
        low, high = sorted(np.percentile(sign * (ratios - 1), [2.5, 97.5]).tolist())
        ratio = float(second.sum() / max(float(first.sum()), 1e-9))
        return label, sign * (ratio - 1), low, high

    rows = (
        level("near-duplicates of a disliked song in the next 10, control", "duplicates before"),
        level("the same after the dislike", "duplicates after"),
        change("cut by", "duplicates before", "duplicates after", -1),
        change("NDCG@10 lost to the dislike", "control", "dislike", -1),
        level("intra-list diversity of the 10 best scores", "diversity plain"),
        level("intra-list diversity of the 10 picks", "diversity varied"),
        change("gained", "diversity plain", "diversity varied", 1),
        change("NDCG@10 lost to variety", "plain", "varied", -1),
        level("cards whose score is the sum of its terms", "sums"),
        level("cards whose rank falls without the named causes", "matters"),
        ("cards checked", len(found["sums"]), None, None),
    )
    return Report(
        "Dislikes, variety and explanations",
        f"{protocol}the rest is to be found. 95% bootstrap over users, paired.",
        ("measure", "value", "low", "high"),
        rows,
        (
            "Disliked: of ten picks, the miss with the most near-duplicates (cosine >= 0.7).",
            "Diversity: 1 - mean cosine.",
        ),
    )


NEAR = 0.7


def _dislike(stage: _Stage, name: str, wanted: set[str], found: dict[str, list[float]]) -> None:
    request = stage.ask(name, 10)
    picks = [track for track in _picked(stage.recommender, request) if track not in wanted]
    scoring, _, _ = stage.recommender.score(request)
    if scoring is None or not picks:
        return
    best = scoring.rows[np.argsort(-scoring.total, kind="stable")[:30]]
    vectors = stage.catalogue.vectors
    near = {track: int((vectors[best] @ vectors[int(track)] >= NEAR).sum()) for track in picks}
    disliked = max(picks, key=lambda track: near[track])
    control = stage.ask(name, 10, recent=frozenset([disliked]))
    before = _picked(stage.recommender, control)
    stage.recommender.learn(Feedback(name, disliked, FeedbackKind.DISLIKE, NOW))
    after = _picked(stage.recommender, control)
    stage.recommender.forget(name, disliked, FeedbackKind.DISLIKE)
    for key, list_ in (("before", before), ("after", after)):
        rows = np.array([int(track) for track in list_])
        count = float((vectors[rows] @ vectors[int(disliked)] >= NEAR).sum())
        found.setdefault(f"duplicates {key}", []).append(count)
    found.setdefault("control", []).append(_gain(before, wanted))
    found.setdefault("dislike", []).append(_gain(after, wanted))


def _variety(
    stage: _Stage,
    name: str,
    wanted: set[str],
    vectors: FloatArray,
    found: dict[str, list[float]],
) -> None:
    scoring, _, _ = stage.recommender.score(stage.ask(name, 10))
    if scoring is None:
        return
    plain = scoring.rows[np.argsort(-scoring.total, kind="stable")[:10]]
    varied = scoring.rows[scoring.choose(10, same_artist=False)[0]]
    for key, rows in (("plain", plain), ("varied", varied)):
        found.setdefault(key, []).append(_gain([str(row) for row in rows], wanted))
        alike = vectors[rows] @ vectors[rows].T
        off = alike[~np.eye(len(rows), dtype=bool)]
        found.setdefault(f"diversity {key}", []).append(1 - float(off.mean()))


def _fidelity(stage: _Stage, name: str, found: dict[str, list[float]]) -> None:
    request = stage.ask(name, 5)
    scoring, _, _ = stage.recommender.score(request)
    if scoring is None:
        return
    at = {int(row): place for place, row in enumerate(scoring.rows)}
    for pick in scoring.picks(5, same_artist=False):
        found.setdefault("sums", []).append(pick.score == sum(t.value for t in pick.terms))
        found.setdefault("matters", []).append(_matters(scoring, at[int(pick.track.id)], pick))


def _matters(scoring: Scoring, at: int, pick: Pick) -> bool:
    named = pick.explanation.causes
    own = float(scoring.total[at])
    others = np.delete(scoring.total, at)
    without = own - sum(float(scoring.terms[name][at]) for name in named)
    return bool(named) and bool((others > without).sum() > (others > own).sum())


def _gain(picks: Sequence[str], wanted: set[str]) -> float:
    gains = np.array([track in wanted for track in picks], np.float64)
    ideal = ranking.DISCOUNT[: max(len(wanted), 1)].sum()
    return float((gains * ranking.DISCOUNT[: len(gains)]).sum() / ideal)


# Lists for several members ------------------------------------------------------------------------

GROUPS, GROUP_SIZES = 40, (2, 5)

NEARNESS: Mapping[str, Callable[[_Data, NDArray[np.intp]], FloatArray]] = {
    "random": lambda town, liked: np.random.default_rng(liked).random(
        len(town.vectors), np.float32
    ),
    "nearest like": lambda town, liked: (town.vectors @ town.vectors[liked].T).max(axis=1),
    "mean of likes": lambda town, liked: town.vectors @ group.user_profile(town.vectors[liked]),
}
"""How similar every artist is to what a member likes (k,); the last is the product's."""


def groups(town: _Data, seeds: Sequence[int]) -> Report:
    """Return how many members of a group find something in ten songs, by measure of nearness."""
    catalogue = town.catalogue()
    found: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for seed in seeds:
        parts = ranking.split(town.listening.plays, town.users, seed)
        for size in GROUP_SIZES:
            rng = np.random.default_rng((seed, size))
            for _ in range(GROUPS):
                members = rng.choice(len(town.users), min(size, len(town.users)), replace=False)
                for name, hits in _group_hits(town, catalogue, parts, members).items():
                    found.setdefault((size, name), []).append(
                        (float(np.mean(hits)), float(np.mean(hits > 0)))
                    )
    rows: list[tuple[Cell, ...]] = []
    for (size, name), values in found.items():
        hits, served = np.array(values).T
        rows.append((size, name, float(hits.mean()), float(served.mean())))
        rows[-1] += metrics.bootstrap(served)
    return Report(
        "Lists for several members",
        f"{town.described()}. A fifth of each user's artists is held out. {GROUPS} random groups"
        f" per size and seed, seeds {', '.join(map(str, seeds))}, get ten artists by least misery,"
        " none that a member knows; a held-out artist is a hit for its user. 95% bootstrap over"
        " groups.",
        ("members", "nearness", "hits per member", "members with a hit", "low", "high"),
        tuple(rows),
        ("nearest like: cosine to the most similar like. mean of likes: as in the product.",),
    )


def _group_hits(
    town: _Data, catalogue: Catalogue, parts: ranking.Split, members: NDArray[np.intp]
) -> dict[str, NDArray[np.intp]]:
    """Return each measure of nearness, and how many held-out artists it finds for each member."""
    liked = [parts.train[member].indices for member in members]
    known = frozenset(map(str, np.concatenate(liked).tolist()))
    out = {}
    for name, nearness in NEARNESS.items():
        near = [nearness(town, own) for own in liked]
        suits = np.stack([group.percentiles(each, each) for each in near])
        picks = group.recommend(catalogue, suits, count=10, known=known)
        chosen = [pick.row for pick in picks]
        out[name] = np.array([np.isin(chosen, parts.held[member]).sum() for member in members])
    return out


# Hubs ---------------------------------------------------------------------------------------------


def hubs(town: _Data, count: int = 2_000) -> Report:
    """Return how unevenly artists appear among the ten nearest, before and after correction."""
    known = np.flatnonzero(np.any(town.vectors != 0, axis=1))
    rows = np.sort(np.random.default_rng(0).permutation(known)[:count])
    vectors = town.vectors[rows]
    out: list[tuple[Cell, ...]] = []
    for name, corrected in (("cosine", False), ("cosine, mutual proximity", True)):
        index = Index(vectors, corrected=corrected)
        nearest = []
        for row, vector in enumerate(vectors):
            alike = index.similarities(vector)
            alike[row] = -np.inf
            nearest.append(np.argpartition(-alike, 10)[:10])
        counts = metrics.occurrences(np.array(nearest), len(rows))
        out.append((name, metrics.hubness_skew(counts), metrics.antihubs(counts)))
    return Report(
        "Hubs among the nearest ten",
        f"{town.described()}; {len(rows)} artists with tags, chosen at random (seed 0).",
        ("space", "skew of 10-occurrence", "antihubs"),
        tuple(out),
    )
