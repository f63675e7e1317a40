"""One request scored: signals become named terms, terms a sum, the sum a ranking with reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy

from musrec import wording
from musrec.audio import descriptors
from musrec.columns import Profiles, Tracks
from musrec.model import Catalogue, Closeness, Pick, Place, Places, Profile, Term, Track, Trait
from musrec.recommend import attribution, collaborative, explain, hybrid, taste, variety
from musrec.recommend.closeness import Thresholds
from musrec.recommend.evidence import DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from musrec.model import FloatArray

Similarities = Callable[["Place"], "FloatArray"]

SHORTLIST = 1_000
"""Candidates that are scored in full; a rough score selects them from a larger catalogue."""

STILL = 1.01
"""Growth up to which a catalogue counts as the same: its medians and means are kept."""

SAMPLE = 1_000
"""Rows of the catalogue that stand for all of it when a quantile or z-score needs a background."""

VARIETY = 2.3
"""What full similarity to all other picks takes off a score, as a share of the lead that the best
candidate has over the last contender: variety trades songs of similar score. This value makes the
ten picks of a drop a fifth more diverse and costs a twentieth of NDCG@10, on 600 guests that
`musrec.evaluate.recommend` does not report. Penalties that grow faster from place to place, scores
as probabilities, and a search over whole lists cost about as much for the same diversity."""

CONTENDERS = (10, 100)
"""Fewest and most contenders: a hundredth of the catalogue, within these limits."""

DISLIKE_FORCE = 25.0
"""What sounding the same as a disliked song takes off a score."""

FACET_FORCE = 1.0
"""How strongly a member's own facet weights, compared with equal ones, move a score."""

HEARD = 1.5
"""What a song just heard loses of its score."""

HEARD_HALF_LIFE = 30.0
"""Days after which a song once heard loses half as much."""

TERMS = ("sound", "members", "taste", "freshness", "popularity")
"""Names of the parts of a score, before `variety` takes its share."""

LEARNED = frozenset({"members", "taste"})
"""Terms that come from likes: if one is the first cause, the counterfactual names a like."""

CAUSES = 50
"""How many likes, strongest first, a counterfactual considers."""

SECOND_REASON = 0.5
"""Share of the largest term from which the next one is named too."""


@dataclass(frozen=True, slots=True, eq=False)
class Seed:
    """A song that was asked about.

    Attributes
    ----------
    track : Track or None
        None if it is not known which song it is.
    """

    place: Place
    track: Track | None = None
    profile: Profile | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Songs:
    """The catalogue, and everything derived from it alone.

    Attributes
    ----------
    tracks, profiles : Tracks, Profiles
        Those of the catalogue, as columns.
    vectors : FloatArray, shape (n, d)
        Of length 1.
    weighted : hybrid.Content
        The vectors, weighted by popularity.
    sample : NDArray of intp
        Rows that stand for all.
    sampled : dict of str to FloatArray, shape (len(sample), d_facet)
        The facets of those, as `facet` returns them.
    usual : dict of str to float
        Tag to its mean share, over all songs.
    settled : int
        How many songs there were when `sample`, `sampled` and `usual` were taken.
    """

    catalogue: Catalogue
    similarities: Similarities
    tracks: Tracks
    profiles: Profiles
    vectors: FloatArray
    weighted: hybrid.Content
    sample: NDArray[np.intp]
    sampled: dict[str, FloatArray]
    usual: dict[str, float]
    settled: int
    without: attribution.Replacing | None = None

    @classmethod
    def of(
        cls,
        catalogue: Catalogue,
        similarities: Similarities,
        without: attribution.Replacing | None = None,
    ) -> Songs:
        """Prepare a catalogue; `similarities` gives one value for each of its rows."""
        n = len(catalogue)
        tracks, profiles = Tracks.of(catalogue.tracks), Profiles.of(catalogue.profiles)
        vectors = taste.directions(catalogue)
        sample = np.sort(np.random.default_rng(0).permutation(n)[:SAMPLE])
        return cls(
            replace(catalogue, tracks=tracks, profiles=profiles),
            similarities,
            tracks,
            profiles,
            vectors,
            hybrid.Content.of(vectors, tracks.popularity),
            sample,
            {name: taste.l2_normalise(of[sample]) for name, of in catalogue.facets.items()},
            _usual(profiles),
            n,
            without,
        )

    def grown(
        self,
        catalogue: Catalogue,
        similarities: Similarities,
        without: attribution.Replacing | None = None,
    ) -> Songs:
        """Return the same of a catalogue that begins with these songs.

        What describes the whole is kept until it has grown by a hundredth.
        """
        if len(catalogue) > STILL * self.settled:
            return self.of(catalogue, similarities, without)
        tracks, profiles = Tracks.of(catalogue.tracks), Profiles.of(catalogue.profiles)
        vectors = taste.directions(catalogue)
        return replace(
            self,
            catalogue=replace(catalogue, tracks=tracks, profiles=profiles),
            similarities=similarities,
            tracks=tracks,
            profiles=profiles,
            vectors=vectors,
            weighted=self.weighted.grown(vectors, tracks.popularity),
            without=without,
        )

    def __len__(self) -> int:
        return len(self.catalogue)

    @property
    def content(self) -> FloatArray:
        """The vectors (n, d), weighted by popularity."""
        return self.weighted.rows

    @property
    def row_of(self) -> Mapping[str, int]:
        """The row of each id."""
        return self.tracks.row_of

    def facet(self, name: str, rows: NDArray[np.intp] | int) -> FloatArray:
        """Return a facet (r, d_facet) of some rows, of length 1; zeros where it is not known."""
        return taste.l2_normalise(self.catalogue.facets[name][np.atleast_1d(rows)])


def _usual(profiles: Profiles) -> dict[str, float]:
    known = np.isfinite(profiles.tags)
    sums = np.where(known, profiles.tags, 0).sum(axis=0, dtype=np.float64) if len(known) else []
    return {
        tag: float(total) / len(profiles)
        for tag, total, any_ in zip(profiles.tag_names, sums, np.any(known, axis=0), strict=False)
        if any_
    }


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What was learned from all members at one time; replaced as a whole, never changed."""

    members: tuple[str, ...]
    model: collaborative.Ease | collaborative.ItemNeighbours
    counts: FloatArray
    active: int

    @classmethod
    def of(cls, members: tuple[str, ...], likes: csr_matrix, content: FloatArray) -> Fitted:
        """Fit to likes (m, n) and content (n, d) from `hybrid.Content`."""
        return cls.with_model(members, collaborative.fit(likes, content))

    @classmethod
    def with_model(
        cls, members: tuple[str, ...], model: collaborative.Ease | collaborative.ItemNeighbours
    ) -> Fitted:
        """Return the fit that a model of these members' likes is; "" for members left out."""
        counts = np.bincount(model.likes.indices, minlength=model.likes.shape[1])
        active = int((np.diff(model.likes.indptr) > 0).sum())
        return cls(members, model, counts.astype(np.float32), active)

    def without(self, members: Iterable[str]) -> Fitted:
        """Return the same fit without these members' likes."""
        gone = set(members)
        rows = np.array([i for i, name in enumerate(self.members) if name in gone], np.intp)
        if not len(rows):
            return self
        names = tuple("" if name in gone else name for name in self.members)
        return self.with_model(names, self.model.without(rows))


class Likes(NamedTuple):
    """Tracks as rows of the catalogue, each with a number: an opinion above 0, or a time."""

    rows: NDArray[np.intp]
    weights: NDArray[np.floating]


class Influence(NamedTuple):
    """The like, a row of the catalogue, that adds most to a pick, and what it adds to all (r,)."""

    like: int
    gains: FloatArray


class Supporters(NamedTuple):
    """Members who speak for a track: how many, and how many of one's likes they share.

    No likes: they share the song asked about.
    """

    members: int
    likes: int


class Reasons(NamedTuple):
    """Why a candidate was picked.

    Attributes
    ----------
    terms : list of Term
    causes : list of str
        Names of the terms to mention.
    traits : tuple of Trait
        What it shares with the song asked about, or with the like that counts most.
    sentences : list of str
        What may be said of it, from `explain.sentences`.
    """

    closeness: Closeness | None
    terms: list[Term]
    causes: list[str]
    traits: tuple[Trait, ...]
    sentences: list[str]


class Scoring:
    """The scores of one request.

    Parameters
    ----------
    common : dict of str to hybrid.Standardised
        From `hybrid.common`, each (1, n).
    thresholds : Thresholds or None
        None if the vectors were not calibrated: no closeness is claimed then.
    candidates : NDArray of bool, shape (n,)
        Which rows of the catalogue may be picked, at least one.
    liked, disliked : Likes
        The member's opinions, as positive weights.
    heard : Likes
        When the member last heard a track, seconds since 1970.

    Attributes
    ----------
    rows : NDArray of intp, shape (r,)
        The shortlist: rows of the catalogue, ascending.
    terms : dict of str to NDArray, shape (r,)
    total : NDArray, shape (r,)
        The sum of the terms.
    """

    def __init__(
        self,
        songs: Songs,
        fitted: Fitted,
        common: dict[str, hybrid.Standardised],
        hybrid_weights: hybrid.HybridWeights,
        thresholds: Thresholds | None,
        seeds: Sequence[Seed],
        candidates: NDArray[np.bool_],
        *,
        member: str | None,
        liked: Likes,
        disliked: Likes,
        heard: Likes,
        arm: str,
        adventurous: float,
        now: float,
    ) -> None:
        self.songs, self.fitted, self.seeds, self.member = songs, fitted, seeds, member
        self.liked, self.disliked, self.heard = liked, disliked, heard
        self.adventurous, self.now = adventurous, now
        self.thresholds = thresholds
        self._profiles: dict[int, Profile] = {}
        self._speaking: dict[int, Supporters] = {}
        asked = [songs.row_of.get(s.track.id, -1) for s in seeds if s.track is not None]
        self.asked = np.array([row for row in asked if row >= 0], np.intp)
        profile = dict(zip(liked.rows.tolist(), liked.weights.tolist(), strict=True))
        profile |= dict.fromkeys(self.asked.tolist(), 1.0)
        evidence = hybrid.Evidence.of(fitted.active, profile.values())
        fitted_weights = hybrid_weights.given(evidence, asked=bool(seeds))
        weights = hybrid.tilted(fitted_weights, arm, adventurous)
        self.columns = fitted.model.likes.shape[1]  # songs added since the fit are not in it yet
        known = np.array(sorted(row for row in profile if row < self.columns), np.intp)
        self.profile = _row(known, np.array([profile[row] for row in known]), self.columns)
        self.signals = self._signals() | common
        self.units = {
            name: weights[name] / float(signal.deviation[0]) if signal.deviation[0] else 0.0
            for name, signal in self.signals.items()
        }
        self.rows = self._shortlist(candidates)
        self.terms = self._terms()
        self.total = np.sum(list(self.terms.values()), axis=0)

    # Signals ------------------------------------------------------------------------------------

    def _signals(self) -> dict[str, hybrid.Standardised]:
        """Return the signals that depend on the request, for the whole catalogue, each (1, n)."""
        n = len(self.songs)
        each = [self.songs.similarities(seed.place) for seed in self.seeds]
        if len(each) == 1 and len(each[0]) == n:
            self.similarity = each[0]
        else:
            self.similarity = np.full(n, np.nan, np.float32)
            if each:
                known = np.mean(each, axis=0)[:n]
                self.similarity[: len(known)] = known
        self.personal = hybrid.personal(
            self.fitted.model, self.profile, self._taste(n), self.songs.content
        )
        sound = hybrid.standardised(self.similarity[None])[0]
        return {"sound": sound} | self.personal.signals

    def _taste(self, n: int) -> csr_matrix:
        """Return (1, n): likes, and dislikes as `taste.rocchio_weights` counts them."""
        rows = np.concatenate([self.liked.rows, self.disliked.rows])
        if not self.liked.rows.size:
            return _row(rows[:0], self.liked.weights, n)
        return _row(rows, taste.rocchio_weights(self.liked.weights, self.disliked.weights), n)

    def _shortlist(self, candidates: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the best candidates by a rough score, as rows of the catalogue, ascending."""
        if np.count_nonzero(candidates) <= SHORTLIST:
            return np.flatnonzero(candidates)
        score = np.zeros(len(self.songs), np.float32)
        for name, unit in self.units.items():
            if unit:
                score = scipy.linalg.blas.saxpy(self.signals[name].centred[0], score, a=unit)
        score[~candidates] = -np.inf
        return np.sort(_largest(score, SHORTLIST))

    def _terms(self) -> dict[str, NDArray[np.float64]]:
        rows = self.rows
        terms = {name: np.zeros(len(rows)) for name in TERMS}
        for signal, term in hybrid.TERM_OF.items():
            terms[term] += self.units[signal] * self.signals[signal].centred[0, rows].astype(float)
        terms["taste"] += FACET_FORCE * self._facets()
        terms["taste"] -= DISLIKE_FORCE * self.unwelcome.max(axis=1, initial=0.0)
        age = np.maximum(self.now - self.heard.weights, 0) / (HEARD_HALF_LIFE * DAY)
        penalty = np.zeros(len(self.songs), np.float32)
        penalty[self.heard.rows] = -HEARD * np.exp2(-age)
        terms["freshness"] = penalty[rows].astype(np.float64)
        return terms

    @cached_property
    def vectors(self) -> FloatArray:
        """(r, d): the vectors of the shortlist, contiguous in memory."""
        return self.songs.vectors[self.rows]

    @cached_property
    def unwelcome(self) -> FloatArray:
        """(r, j), 0 to 1: how much each of the shortlist sounds like each disliked track."""
        return self._unwelcome(self.vectors)

    def _unwelcome(self, vectors: FloatArray) -> FloatArray:
        down = self.songs.vectors[self.disliked.rows]
        if not len(down):
            return np.zeros((len(vectors), 0), np.float32)
        alike = taste.sound_alike(vectors @ down.T, self.songs.vectors[self.songs.sample] @ down.T)
        return np.asarray(alike * np.minimum(self.disliked.weights, 1))

    @cached_property
    def _facet_directions(self) -> dict[str, FloatArray]:
        """What each facet of length 1 is multiplied by, by this member's own facet weights."""
        facets, likes, of = self.songs.catalogue.facets, self.liked, self.songs.facet
        own = taste.facet_weights(
            {name: of(name, likes.rows) for name in facets},
            {name: of(name, self.disliked.rows) for name in facets},
        )
        out = {}
        for name, weight in own.items():
            asked = [
                taste.l2_normalise(seed.place.facets[name][None])[0]
                for seed in self.seeds
                if name in seed.place.facets
            ]
            query = np.sum(asked, axis=0) if asked else of(name, likes.rows).T @ likes.weights
            if query.shape != facets[name].shape[1:]:
                continue
            spread = max(float((self.songs.sampled[name] @ query).std()), 1e-6)
            out[name] = query * np.float32((weight - 1 / len(own)) / spread)
        return out

    def _facets(self) -> NDArray[np.float64]:
        """Return (r,): what this member's facet weights add, compared with equal weights."""
        out = np.zeros(len(self.rows))
        for name, direction in self._facet_directions.items():
            usual = self.songs.sampled[name] @ direction
            out += self.songs.facet(name, self.rows) @ direction - usual.mean()
        return out

    # Attribution --------------------------------------------------------------------------------

    def replaced_total(self, at: int, songs: Places) -> NDArray[np.float64]:
        """Return (t,): a candidate's score if it sounded like each of t songs instead."""
        row, units = int(self.rows[at]), self.units
        total = np.full(len(songs.vectors), self.total[at])
        if self.seeds and self.songs.without is not None:
            each = [self.songs.without.alike(seed.place, songs) for seed in self.seeds]
            total += units["sound"] * (np.mean(each, axis=0) - self.similarity[row])
        vectors = taste.l2_normalise(songs.vectors)
        before = self.songs.content[row]
        change = vectors * np.float32(np.linalg.norm(before)) - before
        model, (_, pull, centres) = self.fitted.model, self.personal
        total += units["nearness"] * (change @ centres[0])
        total += units["learned"] * model.of_content(pull[0], change, row)
        for name, direction in self._facet_directions.items():
            facet = taste.l2_normalise(songs.facets[name])
            total += FACET_FORCE * ((facet - self.songs.facet(name, row)) @ direction)
        if self.unwelcome.size:
            now = self._unwelcome(vectors).max(axis=1)
            total -= DISLIKE_FORCE * (now - self.unwelcome[at].max())
        return total

    def _traits(self, at: int, other: Profile | None) -> tuple[Trait, ...]:
        """Return what a candidate shares with another song and would rank lower without."""
        without = self.songs.without
        if without is None or other is None:
            return ()
        row = int(self.rows[at])
        shared = explain.shared_traits(other, self._profile(row), self.songs.usual)
        if not shared:
            return ()
        worth = self.total[at] - self.replaced_total(at, without.replaced(row, shared))
        traits = [
            Trait(kind, name, float(each))
            for (kind, name), each in zip(shared, worth, strict=True)
            if self._falls(at, float(each))
        ]
        return tuple(sorted(traits, key=lambda trait: -trait.worth))

    def _falls(self, at: int, loss: float) -> bool:
        """Return whether a candidate ranks lower with this loss."""
        return loss > 0 and self.rank(at, self.total[at] - loss) > self.rank(at)

    # Picks --------------------------------------------------------------------------------------

    def picks(self, count: int, *, same_artist: bool) -> tuple[Pick, ...]:
        """Choose `count` songs that may share a list, best first, with their reasons."""
        chosen, penalties, unlike = self.choose(count, same_artist=same_artist)
        tracks = self.songs.tracks
        reasons = {
            at: self._reasons(at, word, penalty, tracks[self.rows[chosen[o]]] if o >= 0 else None)
            for at, word, penalty, o in zip(
                chosen, self._closeness(chosen), penalties, unlike, strict=True
            )
        }
        influences = self._influences(
            [at for at, each in reasons.items() if LEARNED.intersection(each.causes[:1])]
        )
        said = explain.tell_apart([each.sentences for each in reasons.values()])
        return tuple(
            self._pick(at, each, influences.get(at), sentence)
            for (at, each), sentence in zip(reasons.items(), said, strict=True)
        )

    def choose(self, count: int, *, same_artist: bool) -> tuple[list[int], list[float], list[int]]:
        """Choose candidates that may share a list, as `variety.pick_varied` returns them."""
        songs = self.songs
        return variety.pick_varied(
            self.total,
            self.vectors,
            songs.tracks.artists[self.rows],
            songs.tracks.recordings[self.rows],
            count=count,
            variety=VARIETY * (1 + self.adventurous) * self._lead(),
            per_artist=None if same_artist else 1,
        )

    def _lead(self) -> float:
        """Return how far the best candidate is ahead of the last contender."""
        contenders = int(np.clip(len(self.songs) // 100, *CONTENDERS))
        place = min(contenders, len(self.total)) - 1
        best = np.partition(-self.total, place)
        return float(best[place] - best.min())

    def _reasons(
        self, at: int, closeness: Closeness | None, penalty: float, other: Track | None
    ) -> Reasons:
        row = int(self.rows[at])
        track, profile = self.songs.tracks[row], self._profile(row)
        asked = self.seeds[0].profile if len(self.seeds) == 1 else None
        like = self._like(at)
        traits = self._traits(
            at,
            self._profile(like) if not self.seeds and like is not None else asked,
        )
        because = {
            "sound": self._sound_because(profile, closeness, traits),
            "members": self._members_because(track, at),
            "taste": self._taste_because(at, like),
            "freshness": self._freshness_because(row),
            "popularity": self._popularity_because(track, row),
        }
        terms = [
            Term(name, float(values[at]), because[name])
            for name, values in self.terms.items()
            if values[at]
        ]
        if penalty and other is not None:
            terms.append(Term("variety", penalty, f"it sounds partly like {explain.title(other)}"))
        causes = self._causes(at, terms)
        meaning = dict(explain.MEANING)
        if self.seeds and not self.liked.rows.size:  # the songs asked about stand for likes
            meaning["taste"] = f"how well its sound goes with {self._asked()}"
        terms = [replace(t, because=t.because or meaning[t.name]) for t in terms]
        profiles = self._pair(asked, like, profile)
        seed = self.seeds[0].track if len(self.seeds) == 1 else None
        other = seed if self.seeds else None if like is None else self._track(like)
        pair = explain.Pair(
            track,
            self._asked() if self.seeds else "",
            None if like is None else self._track(like),
            profiles,
            (other.year if other is not None else None, track.year),
            [(trait.kind, trait.name) for trait in traits],
            closeness,
            self._supporters(at).members,
            causes,
        )
        return Reasons(closeness, terms, causes, traits, explain.sentences(pair))

    def _track(self, row: int) -> Track:
        return self.songs.tracks[row]

    def _profile(self, row: int) -> Profile:
        if row not in self._profiles:
            self._profiles[row] = self.songs.profiles[row]
        return self._profiles[row]

    def _pair(
        self, asked: Profile | None, like: int | None, pick: Profile
    ) -> tuple[Profile, Profile] | None:
        """Return the profiles of the song asked about, or of the like, and of the pick."""
        if self.seeds:
            return None if asked is None else (asked, pick)
        return None if like is None else (self._profile(like), pick)

    def _pick(self, at: int, reasons: Reasons, influence: Influence | None, sentence: str) -> Pick:
        closeness, terms, causes, traits, _ = reasons
        row = int(self.rows[at])
        track, profile = self.songs.tracks[row], self._profile(row)
        cause = self._counterfactual(at, causes, traits, influence)
        said = replace(explain.explanation(sentence, terms, causes, cause), traits=traits)
        score = float(sum(t.value for t in terms))
        return Pick(track, score, closeness, tuple(terms), said, profile)

    def rank(self, at: int, score: float | None = None) -> int:
        """Return a candidate's rank from 1, with its own or another score, before variety."""
        score = self.total[at] if score is None else score
        return 1 + int(np.count_nonzero(self.total > score)) - int(self.total[at] > score)

    def _closeness(self, chosen: Sequence[int]) -> list[Closeness | None]:
        """Return how close each choice sounds to the song asked about.

        None without one song: the words were calibrated for pairs. No choice is called closer than
        one with a larger similarity.
        """
        if self.thresholds is None or len(self.seeds) != 1 or not chosen:
            return [None] * len(chosen)
        (asked,) = taste.l2_normalise(self.seeds[0].place.vector[None])
        cosines = self.vectors[chosen] @ asked
        by_sound = np.lexsort((-cosines, -self.similarity[self.rows[chosen]]))
        cosines[by_sound] = np.minimum.accumulate(cosines[by_sound])
        return [self.thresholds.word(float(cosine)) for cosine in cosines]

    def _causes(self, at: int, terms: Sequence[Term]) -> list[str]:
        """Return the one or two terms to mention: the largest ones that the rank depends on.

        Of a song that would be first without any of them, the largest that names no member.
        """
        speaking = sorted((t for t in terms if t.value > 0 and t.because), key=lambda t: -t.value)
        rank = self.rank(at)
        telling = [t for t in speaking if self.rank(at, self.total[at] - t.value) > rank]
        telling = telling or [t for t in speaking if t.name != "members"][:1]
        return [t.name for t in telling[:2] if t.value >= SECOND_REASON * telling[0].value]

    # Evidence -----------------------------------------------------------------------------------

    def _asked(self) -> str:
        tracks = [seed.track for seed in self.seeds if seed.track is not None]
        if len(self.seeds) == 1 and tracks:
            return explain.title(tracks[0])
        return "your song" if len(self.seeds) == 1 else f"your {len(self.seeds)} songs"

    def _sound_because(
        self, profile: Profile, closeness: Closeness | None, traits: Sequence[Trait]
    ) -> str:
        if not self.seeds:
            return ""
        query = self.seeds[0].profile if len(self.seeds) == 1 else None
        if query is not None:
            query = attribution.only(query, traits)
        near = explain.near_evidence(closeness, self._asked())
        return explain.sound_evidence(query, profile, self.songs.usual, near)

    def _members_because(self, track: Track, at: int) -> str:
        found = self._supporters(at)
        if not found.members:
            return ""
        if found.likes:
            return explain.members_evidence(track, found.members, found.likes)
        return explain.asked_evidence(self._asked(), found.members)

    def _supporters(self, at: int) -> Supporters:
        """Return which members speak for a candidate and add to its score."""
        if at not in self._speaking:
            self._speaking[at] = self._found_supporters(at)
        return self._speaking[at]

    def _found_supporters(self, at: int) -> Supporters:
        model, row = self.fitted.model, int(self.rows[at])
        if row >= self.columns:
            return Supporters(0, 0)
        likes_it = np.zeros(model.by_track.shape[1], bool)
        start, end = model.by_track.indptr[row : row + 2]
        likes_it[model.by_track.indices[start:end]] = True
        likes_it[self._own] = False
        for (songs, fans), own in zip(self._fans, (True, False), strict=True):
            common = likes_it[fans]
            those = np.unique(fans[common])
            added = model.of_members(self.personal.pull[0], those, row) if len(those) else 0.0
            if added * self.units["members"] <= 0:
                continue
            likes = int(np.count_nonzero(np.bincount(songs[common]))) if own else 0
            return Supporters(len(those), likes)
        return Supporters(0, 0)

    @cached_property
    def _own(self) -> list[int]:
        """The member's row in the fit, if there is one."""
        members = self.fitted.members
        known = self.member is not None and self.member in members
        return [members.index(self.member)] if known else []

    @cached_property
    def _fans(self) -> list[tuple[NDArray[np.intp], NDArray[np.int32]]]:
        """Pairs of song and member who likes it: for the songs liked, and for those asked about."""
        by_track, out = self.fitted.model.by_track, []
        for rows in (self.liked.rows, self.asked):
            inside = rows[rows < self.columns]
            starts, ends = by_track.indptr[inside], by_track.indptr[inside + 1]
            fans = [by_track.indices[a:b] for a, b in zip(starts, ends, strict=True)]
            songs = np.repeat(np.arange(len(inside)), ends - starts)
            out.append((songs, np.concatenate([by_track.indices[:0], *fans])))
        return out

    def _taste_because(self, at: int, like: int | None) -> str:
        tracks = self.songs.tracks
        if self.unwelcome.size and self.unwelcome[at].max() > 0.1:
            worst = int(self.unwelcome[at].argmax())
            down = explain.title(tracks[self.disliked.rows[worst]])
            return f"it sounds like {down}, which has your thumb down"
        if like is None or float(self.songs.vectors[like] @ self.vectors[at]) <= 0:
            return ""
        return explain.taste_evidence(tracks[like])

    def _like(self, at: int) -> int | None:
        """Return the like, a row of the catalogue, that sounds most like a candidate.

        None if the candidate owes it nothing.
        """
        likes = self.liked
        if not likes.rows.size:
            return None
        alike = self.songs.vectors[likes.rows] @ self.vectors[at]
        best = [int(np.argmax(alike * likes.weights))]
        gain = self.gains(Likes(likes.rows[best], likes.weights[best]), np.array([at]))
        return int(likes.rows[best[0]]) if self._falls(at, float(gain[0, 0])) else None

    def _freshness_because(self, row: int) -> str:
        heard = np.flatnonzero(self.heard.rows == row)
        if not len(heard):
            return ""
        days = max(self.now - float(self.heard.weights[heard[0]]), 0) / DAY
        return f"you heard it {days:.0f} day{'' if round(days) == 1 else 's'} ago"

    def _popularity_because(self, track: Track, row: int) -> str:
        counts = self.fitted.counts
        count = int(counts[row]) if row < len(counts) else 0
        if count:
            of = explain.members_word(self.fitted.active)
            return f"{count} of {of} like{'s' if count == 1 else ''} it"
        if track.popularity:
            return f"its popularity is {track.popularity:.0%}"
        return ""

    def _counterfactual(
        self,
        at: int,
        causes: Sequence[str],
        traits: Sequence[Trait],
        influence: Influence | None,
    ) -> explain.Cause | None:
        """Return what the rank depends on: a like, a property both share, or the largest term."""
        rank, candidates = self.rank(at), len(self.rows)
        if not causes:
            return None
        if influence is not None:
            without = self.total - influence.gains
            place = 1 + int(np.count_nonzero(without > without[at]))
            if place > rank:
                track = self.songs.tracks[influence.like]
                return explain.Cause(
                    f"your like of {explain.title(track)}", rank, place, candidates
                )
        if causes[0] == "sound" and traits:
            trait = traits[0]
            place = self.rank(at, float(self.total[at]) - trait.worth)
            if place > rank:
                profile = self._profile(int(self.rows[at]))
                what = _named(trait, self.seeds[0].profile or Profile(), profile)
                return explain.Cause(what, rank, place, candidates)
        what = {
            "sound": f"its similarity to {self._asked()}",
            "members": "what other members like",
            "taste": "your own taste",
            "popularity": "its popularity",
        }[causes[0]]
        place = self.rank(at, float(self.total[at] - self.terms[causes[0]][at]))
        return explain.Cause(what, rank, place, candidates)

    def gains(self, likes: Likes, at: NDArray[np.intp]) -> FloatArray:
        """Return (likes, at): what each like adds to each candidate, with all scales kept."""
        content, rows = self.songs.content, self.rows[at]
        unit = likes.weights * np.float32(
            self.units["nearness"] / max(float(self.liked.weights.sum()), 1e-9)
        )
        out = (content[likes.rows] @ content[rows].T) * unit[:, None]
        inside, known = np.flatnonzero(rows < self.columns), likes.rows < self.columns
        shares = self.units["members"], self.units["learned"]
        more = self.fitted.model.gains(likes.rows[known], rows[inside], shares)
        out[np.ix_(known, inside)] += more * likes.weights[known, None]
        return np.asarray(out)

    def _influences(self, chosen: Sequence[int]) -> dict[int, Influence]:
        """Return the like that adds most to each choice; empty if nothing is liked."""
        likes = self.liked
        if not likes.rows.size or not chosen:
            return {}
        strong = np.argsort(-likes.weights, kind="stable")[:CAUSES]
        added = self.gains(Likes(likes.rows[strong], likes.weights[strong]), np.array(chosen))
        strongest, which = np.unique(strong[added.argmax(axis=0)], return_inverse=True)
        few = Likes(likes.rows[strongest], likes.weights[strongest])
        gains = self.gains(few, np.arange(len(self.rows)))
        return {
            at: Influence(int(few.rows[like]), gains[like])
            for at, like in zip(chosen, which, strict=True)
        }


def _largest(scores: FloatArray, count: int) -> NDArray[np.intp]:
    """Return the rows of the largest scores, in any order.

    Of many, a sample says from which score on there are some times as many: only those are sorted.
    """
    sample = scores[:: max(1, len(scores) // SAMPLE)]
    expected = 4 * count * len(sample) // len(scores)
    if 0 < expected < len(sample):
        rows = np.flatnonzero(scores >= np.partition(sample, -expected)[-expected])
        if len(rows) >= count:
            return np.asarray(rows[np.argpartition(scores[rows], -count)[-count:]])
    return np.argpartition(scores, -count)[-count:]


def _named(trait: Trait, query: Profile, pick: Profile) -> str:
    """Return a shared property as it reads after "without"."""
    if trait.kind == "tempo":
        ours, its = round(query.tempo or 0), round(pick.tempo or 0)
        both = f"both {wording.tempo(ours)}" if ours == its else f"{ours} and {wording.tempo(its)}"
        return f"the tempo they share ({both})"
    if trait.kind == "key":
        return f"the key they share ({pick.key})"
    if trait.kind == "descriptor":
        place = pick.percentiles.get(trait.name, 50.0)
        return f"the {descriptors.word(trait.name, place)} sound they share"
    return f"the {trait.name.lower()} they share"


def _row(columns: NDArray[np.intp], values: NDArray[np.floating], n: int) -> csr_matrix:
    """Return a sparse row (1, n)."""
    return scipy.sparse.csr_matrix(
        (values.astype(np.float32), columns, [0, len(columns)]), shape=(1, n)
    )
