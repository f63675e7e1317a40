"""The recommender: feedback goes in as events; picks come out, each with its reasons."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musrec import columns
from musrec.model import Catalogue, Closeness, Constraints, Feedback, FeedbackKind, Pick, Served
from musrec.recommend import hybrid, kept, variety
from musrec.recommend.attribution import Replacing
from musrec.recommend.closeness import Thresholds
from musrec.recommend.evidence import DAY, History, Ledger, liked_matrix, seconds
from musrec.recommend.scoring import (
    HEARD_HALF_LIFE,
    Fitted,
    Likes,
    Scoring,
    Seed,
    Similarities,
    Songs,
)
from musrec.titles import main_artist, recording_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

KNOWN = 0.4
"""Opinion from which a member counts as knowing and liking a song: no need to recommend it."""

DROP_ADVENTURE = 0.25
"""The least that a drop is adventurous: it starts from the member alone and may experiment."""


NOTHING_CLOSE = "I know nothing really close to this yet."
"""The note of an answer whose picks are all a stretch."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What to recommend, to which member and within which limits.

    Attributes
    ----------
    member : str or None
        None if the answer is for no particular member: sound and popularity decide.
    seeds : tuple of Seed
        Empty for a drop.
    count : int
        How many picks, at least 1.
    adventurous : float
        0 (the fitted weights) to 1 (try the arms of `hybrid.ARMS` and learn from the thumbs).
    now : datetime
    recent : frozenset of str
        Ids of tracks recommended to this member lately; picked only if `constraints.repeats`.
    """

    member: str | None = None
    seeds: tuple[Seed, ...] = ()
    count: int = 5
    adventurous: float = 0.0
    constraints: Constraints = field(default_factory=Constraints)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    recent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Picks:
    """The answer.

    Attributes
    ----------
    picks : tuple of Pick
        Best first.
    notes : tuple of str
        Sentences about limits of the answer; at least one if there are no picks.
    arm : str
        Which of `hybrid.ARMS` was used.
    """

    picks: tuple[Pick, ...]
    notes: tuple[str, ...] = ()
    arm: str = "balanced"


class Recommender:
    """Recommends from a catalogue, learns from feedback, and says why.

    Call `learn`, `forget` and `recommend` from one thread (that of the event loop); `refit` may run
    in another at the same time: it works on a snapshot and swaps in its result as a whole.

    Parameters
    ----------
    catalogue : Catalogue
    feedback : sequence of Feedback
    similarities : callable
        Takes a `Place`, returns its similarity to every row of the catalogue, (n,), larger for
        more alike: `musrec.space.Index.alike`.
    weights : hybrid.HybridWeights, optional
        By default those that come with the package.
    thresholds : Thresholds, optional
        Those of the space that the vectors lie in; without them no closeness is claimed.
    without : Replacing, optional
        Of the same catalogue: recomputes scores without a property; without it, no tag, descriptor,
        tempo or key is named.
    served : sequence of Served
        Earlier recommendations, oldest first: their thumbs count for the arm that chose them.
    fit : bytes, optional
        A fit that `packed` returned, here or in another process, to start from.

    Attributes
    ----------
    fitted_here : bool
        Whether the fit was made here; else it is another process's. One that cannot be read is made
        again.
    departures : int
        How many members were forgotten.
    unfitted : int
        Events learned since the fit; the caller decides when to `refit`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        feedback: Sequence[Feedback],
        similarities: Similarities,
        *,
        weights: hybrid.HybridWeights | None = None,
        thresholds: Thresholds | None = None,
        without: Replacing | None = None,
        served: Sequence[Served] = (),
        fit: bytes | None = None,
    ) -> None:
        self.weights = weights or hybrid.shipped()
        self._thresholds = thresholds
        self._ledger = Ledger()
        self._songs = Songs.of(catalogue, similarities, without)
        self._lock = threading.Lock()
        self._gone: set[str] = set()
        self._served: dict[str, dict[str, tuple[str, float]]] = {}
        self._ledger.learn(feedback)
        for one in served:
            self._serve(one.member, [one.track], one.arm, seconds(one.at))
        histories = dict(self._ledger.histories)
        found = self._unpacked(fit, self._songs, histories) if fit else None
        self._fitted = found or self._fit(self._songs, histories, _now())
        self.fitted_here = found is None
        self._common: _Common | None = None
        self.departures = 0
        self.unfitted = 0

    def __len__(self) -> int:
        return len(self._songs.catalogue)

    @property
    def without(self) -> Replacing | None:
        """What recomputes scores without a property."""
        return self._songs.without

    @property
    def members(self) -> tuple[str, ...]:
        """The members who have taught anything."""
        return tuple(self._ledger.histories)

    # Learning -----------------------------------------------------------------------------------

    def learn(self, feedback: Feedback | Iterable[Feedback]) -> None:
        """Take in what members did; the next recommendation already counts it."""
        events = [feedback] if isinstance(feedback, Feedback) else list(feedback)
        self.unfitted += self._ledger.learn(events)

    def forget(self, member: str, track: str, kind: FeedbackKind) -> None:
        """Take feedback back as if it had never been given; unknown feedback is not an error."""
        if self._ledger.forget(member, track, kind):
            self.unfitted += 1

    def forget_member(self, member: str) -> None:
        """Forget everything about a member, in the fitted model too."""
        self._ledger.forget_member(member)
        self._served.pop(member, None)
        with self._lock:
            self.departures += 1
            self._gone.add(member)
            self._fitted = self._fitted.without([member])

    def extend(
        self,
        catalogue: Catalogue,
        similarities: Similarities | None = None,
        without: Replacing | None = None,
    ) -> None:
        """Take in a catalogue that begins with the songs known so far, row by row.

        Parameters
        ----------
        catalogue : Catalogue
        similarities : callable, optional
            Needed if the one given before does not cover the new rows.
        without : Replacing, optional
            The same.
        """
        old = self._songs
        self._songs = old.grown(catalogue, similarities or old.similarities, without or old.without)
        if not len(old):
            self.refit()  # a fit to an empty catalogue does not know the length of a vector

    def refit(self) -> None:
        """Fit again to all members. Slow; safe to run in another thread."""
        with self._lock:
            self._gone.clear()
            songs, histories = self._songs, dict(self._ledger.histories)
            seen = self.unfitted
        self._swap(self._fit(songs, histories, _now()), seen, here=True)

    def adopt(self, fit: bytes, *, departures: int, unfitted: int) -> bool:
        """Take over a fit that `packed` returned in another process; safe to run in another thread.

        Parameters
        ----------
        fit : bytes
        departures : int
            How many there were before the fit was read from where it is kept.
        unfitted : int
            Events known here that the fit does not know.

        Returns
        -------
        bool
            Whether it was; not if it cannot be read, or a member was forgotten meanwhile.
        """
        with self._lock:
            if departures != self.departures:
                return False
            self._gone.clear()
            songs, histories = self._songs, dict(self._ledger.histories)
            seen = self.unfitted
        fitted = self._unpacked(fit, songs, histories)
        if fitted is None:
            return False
        self._swap(fitted, seen, unfitted, here=False)
        return True

    def packed(self) -> bytes | None:
        """Return the fit as `adopt` takes it; None if it is empty, or too large to be handed on."""
        with self._lock:
            fitted, songs = self._fitted, self._songs
        return kept.pack(fitted, songs)

    @property
    def hands_on(self) -> bool:
        """Whether the fit is small enough for other processes to take it over."""
        return kept.is_small_enough(self._fitted)

    @property
    def events(self) -> int:
        """How many tracks all members did anything with, each kind counted."""
        return sum(map(len, list(self._ledger.histories.values())))

    def _swap(self, fitted: Fitted, seen: int, unfitted: int = 0, *, here: bool) -> None:
        with self._lock:
            self._fitted = fitted.without(self._gone)
            self.fitted_here = here
            self.unfitted = unfitted + max(self.unfitted - seen, 0)

    def _unpacked(
        self, fit: bytes, songs: Songs, histories: Mapping[str, History]
    ) -> Fitted | None:
        try:
            return kept.unpack(fit, songs, histories)
        except kept.Unreadable as error:
            _log.warning("a fit cannot be read, and is made again", extra={"why": str(error)})
            return None

    def _fit(self, songs: Songs, histories: dict[str, History], now: float) -> Fitted:
        likes = liked_matrix(histories.values(), self._rows_of_numbers(songs), len(songs), now)
        return Fitted.of(tuple(histories), likes, songs.content)

    def _rows_of_numbers(self, songs: Songs) -> NDArray[np.int32]:
        names = list(self._ledger.names)
        return np.array([songs.row_of.get(name, -1) for name in names], dtype=np.int32)

    def served(self, member: str, tracks: Iterable[str]) -> dict[str, str]:
        """Return the arm that chose each of these tracks for a member; others are left out."""
        chosen = self._served.get(member, {})
        return {track: chosen[track][0] for track in tracks if track in chosen}

    def _serve(self, member: str, tracks: Iterable[str], arm: str, at: float) -> None:
        self._served.setdefault(member, {}).update(dict.fromkeys(tracks, (arm, at)))

    def _outcomes(self, member: str) -> dict[str, tuple[int, int]]:
        """Return the thumbs (up, down) that each arm earned with what it chose for a member."""
        chosen, outcomes = self._served.get(member, {}), dict[str, tuple[int, int]]()
        for number, (up, at) in self._ledger.of(member).thumbs().items():
            arm, since = chosen.get(self._ledger.names[number], ("", 0.0))
            if arm and at >= since:  # a thumb from before says nothing about the choice
                ups, downs = outcomes.get(arm, (0, 0))
                outcomes[arm] = (ups + up, downs + (not up))
        return outcomes

    # Recommending -------------------------------------------------------------------------------

    def recommend(self, request: Request) -> Picks:
        """Answer a request; if nothing can be picked, `Picks.notes` says why."""
        scoring, notes, arm = self.score(request)
        if scoring is None:
            return Picks((), tuple(notes))
        picks = scoring.picks(request.count, same_artist=request.constraints.same_artist)
        if len(picks) < request.count:
            notes.append(f"Only {len(picks)} of {request.count} songs: nothing else fits.")
        if picks and all(pick.closeness is Closeness.STRETCH for pick in picks):
            notes.append(NOTHING_CLOSE)
        if request.member is not None:
            if not scoring.liked.rows.size and not request.seeds:
                notes.append(
                    "You have not liked anything yet, so these are guesses: thumbs will help."
                )
            tracks = (pick.track.id for pick in picks)
            self._serve(request.member, tracks, arm, seconds(request.now))
        return Picks(picks, tuple(notes), arm)

    def score(self, request: Request) -> tuple[Scoring | None, list[str], str]:
        """Return the scores of every candidate, notes, and the arm that was used.

        Without any candidate there are no scores (None), but at least one note.
        """
        songs, fitted = self._songs, self._fitted
        if not len(songs):
            return None, ["I know no songs yet, so there is nothing to recommend."], "balanced"
        now = seconds(request.now)
        history = self._ledger.of(request.member)
        liked, disliked = self._opinions(songs, history, now)
        seeds = tuple(s for s in request.seeds if np.isfinite(s.place.vector).all())
        heard = self._last_heard(songs, history)
        candidates, notes = self._candidates(songs, request, history, liked, heard, now)
        if len(seeds) < len(request.seeds):
            notes.append(
                "I do not know the sound of the song you asked about, so it did not count."
            )
        if not candidates.any():
            return None, notes, "balanced"
        adventurous = float(np.clip(request.adventurous, 0, 1))
        if not request.seeds and request.member is not None:
            adventurous = max(adventurous, DROP_ADVENTURE)
        arm = self._arm(request, adventurous) if request.member is not None else "balanced"
        common = self._common
        if common is None or common.songs is not songs or common.fitted is not fitted:
            common = self._common = _Common.of(songs, fitted)
        scoring = Scoring(
            songs,
            fitted,
            common.signals,
            self.weights,
            self._thresholds,
            seeds,
            candidates,
            member=request.member,
            liked=liked,
            disliked=disliked,
            heard=heard,
            arm=arm,
            adventurous=adventurous,
            now=now,
        )
        return scoring, notes, arm

    def _arm(self, request: Request, adventurous: float) -> str:
        if adventurous <= 0:
            return "balanced"
        member = request.member or ""
        names = "".join(seed.track.id for seed in request.seeds if seed.track)
        outcomes = self._outcomes(member)
        thumbs = sum(map(sum, outcomes.values()))
        key = f"{member} {request.now:%G-%V-%u} {names} {thumbs}"
        rng = np.random.default_rng(list(key.encode()))
        return hybrid.sample_arm(rng, outcomes)

    def _rows(self, songs: Songs, tracks: NDArray[np.int32]) -> NDArray[np.intp]:
        """Return the rows of tracks numbered by the ledger, -1 for those not in the catalogue."""
        wanted = set(tracks.tolist())
        if not wanted:
            return np.empty(0, np.intp)
        names = self._ledger.names
        return np.array([songs.row_of.get(names[int(t)], -1) for t in tracks], dtype=np.intp)

    def _opinions(self, songs: Songs, history: History, now: float) -> tuple[Likes, Likes]:
        tracks, opinions = history.opinions(now)
        rows = self._rows(songs, tracks)
        known = rows >= 0
        rows, values = rows[known], opinions[known].astype(np.float32)
        up, down = values > 0, values < 0
        return Likes(rows[up], values[up]), Likes(rows[down], -values[down])

    def _last_heard(self, songs: Songs, history: History) -> Likes:
        tracks, times = history.last_heard()
        rows = self._rows(songs, tracks)
        return Likes(rows[rows >= 0], times[rows >= 0])

    def _candidates(
        self,
        songs: Songs,
        request: Request,
        history: History,
        liked: Likes,
        heard: Likes,
        now: float,
    ) -> tuple[NDArray[np.bool_], list[str]]:
        """Return (n,) which rows may be picked, and notes; at least one note if none may."""
        constraints = request.constraints
        keep, reasons = variety.allowed(songs.catalogue, constraints)
        if reasons or not keep.any():
            return np.zeros(len(songs), bool), [f"Nothing fits: {'; '.join(reasons)}."]
        hidden = self._hidden(songs, request, history)
        keep &= ~hidden
        if not keep.any():
            why = (
                "it is the song you asked about or by the same artist, has your thumb down, or was"
                " recommended to you lately"
            )
            return np.zeros(len(songs), bool), [f"Everything that fits is ruled out: {why}."]
        fresh = keep.copy()
        fresh[liked.rows[liked.weights >= KNOWN]] = False
        fresh[heard.rows[heard.weights > now - HEARD_HALF_LIFE * DAY]] = False
        left, fitting = int(np.count_nonzero(fresh)), int(np.count_nonzero(keep))
        if left >= min(request.count, fitting):
            return fresh, []
        new = {0: "Nothing that fits is new to you", 1: "Only 1 song is new to you"}.get(
            left, f"Only {left} songs are new to you"
        )
        return keep, [f"{new}, so {fitting - left} that you know may be among these."]

    def _hidden(self, songs: Songs, request: Request, history: History) -> NDArray[np.bool_]:
        constraints, tracks = request.constraints, songs.tracks
        down = self._rows(songs, history.thumbs_down())
        rows = {int(row) for row in down if row >= 0}
        if not constraints.repeats:
            rows.update(tracks.rows(request.recent).tolist())
        recordings = set(tracks.recordings[list(rows)].tolist())
        artists: set[int] = set()
        for seed in request.seeds:
            if seed.track is not None:
                recordings.add(columns.number(recording_key(seed.track)))
                if seed.track.id in songs.row_of:
                    rows.add(songs.row_of[seed.track.id])
                if not constraints.same_artist:
                    artists.add(columns.number(main_artist(seed.track)))
        artists.discard(0)
        hidden = columns.among(tracks.recordings, recordings)
        if artists:
            hidden |= columns.among(tracks.artists, artists)
        hidden[list(rows)] = True
        return hidden


class _Common(NamedTuple):
    """The signals that all members share, and what they were computed from."""

    songs: Songs
    fitted: Fitted
    signals: dict[str, hybrid.Standardised]

    @classmethod
    def of(cls, songs: Songs, fitted: Fitted) -> _Common:
        counts = np.pad(fitted.counts, (0, len(songs) - len(fitted.counts)))
        return cls(songs, fitted, hybrid.common(counts, songs.tracks.popularity))


def _now() -> float:
    return datetime.now(UTC).timestamp()
