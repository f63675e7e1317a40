"""What is known about members: each kind of feedback, its weight and how fast it fades."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import scipy

from musrec.model import Feedback, FeedbackKind

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

DAY = 86_400.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Signal:
    """How much one kind of feedback says.

    Attributes
    ----------
    weight : float
        -1 to 1 at the moment it happens.
    half_life : float
        Days until it counts half as much.
    """

    weight: float
    half_life: float


SIGNALS: Mapping[FeedbackKind, Signal] = {
    FeedbackKind.LIKE: Signal(1.0, 730.0),
    FeedbackKind.DISLIKE: Signal(-1.0, 730.0),
    FeedbackKind.MORE: Signal(0.5, 180.0),
    FeedbackKind.REPEAT: Signal(0.6, 180.0),
    FeedbackKind.FINISH: Signal(0.5, 180.0),
    FeedbackKind.PLAY: Signal(0.2, 90.0),
    FeedbackKind.PREVIEW: Signal(0.1, 30.0),
    FeedbackKind.NEXT: Signal(-0.1, 30.0),
    FeedbackKind.SKIP: Signal(-0.5, 90.0),
}
"""The weights of play, finish and skip are the best of a few tried in the feedback rounds of
`musrec.evaluate.recommend`, with other seeds than it reports. Those of preview, next, more and
repeat, and all half-lives, are judgement: no data set at hand has them.
"""

IMPLICIT_LIMIT = 0.8
"""The most that listening or skipping counts: never as much as one thumb."""

_KINDS = tuple(FeedbackKind)
_KIND_NUMBER = {kind: number for number, kind in enumerate(_KINDS)}
_WEIGHTS = np.array([SIGNALS[kind].weight for kind in _KINDS])
_HALF_LIVES = np.array([SIGNALS[kind].half_life * DAY for kind in _KINDS])
_EXPLICIT = np.array([kind.explicit for kind in _KINDS])
_HEARD = np.array(
    [
        kind in (FeedbackKind.PLAY, FeedbackKind.FINISH, FeedbackKind.SKIP, FeedbackKind.REPEAT)
        for kind in _KINDS
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """All that one member did, one entry per track and kind; never changed, only replaced.

    Attributes
    ----------
    tracks : NDArray of int32, shape (n,)
        Numbers assigned by a `Ledger`.
    kinds : NDArray of int8, shape (n,)
    amounts : NDArray of float64, shape (n,)
        How often it happened, faded to `times`.
    times : NDArray of float64, shape (n,)
        When it last happened, seconds since 1970.
    """

    tracks: NDArray[np.int32]
    kinds: NDArray[np.int8]
    amounts: NDArray[np.float64]
    times: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.tracks)

    def opinions(self, now: float) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the tracks, each once, and the member's opinion of each at `now`, -1 to 1.

        If there is a thumb, the last one decides: explicit feedback beats implicit, and the later
        of two contradictory thumbs counts. Listening adds up to at most `IMPLICIT_LIMIT` either
        way.
        """
        tracks, where = np.unique(self.tracks, return_inverse=True)
        says = _WEIGHTS[self.kinds] * self.amounts * self._fading(now)
        explicit = _EXPLICIT[self.kinds]
        opinions = np.clip(
            np.bincount(where, np.where(explicit, 0.0, says), len(tracks)),
            -IMPLICIT_LIMIT,
            IMPLICIT_LIMIT,
        ).astype(np.float64)
        thumbs = np.flatnonzero(explicit)
        thumbs = thumbs[np.argsort(self.times[thumbs], kind="stable")]
        opinions[where[thumbs]] = np.clip(says[thumbs], -1.0, 1.0)
        return tracks, opinions

    def last_heard(self) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the tracks that the member played, and when each was last, seconds since 1970."""
        heard = np.flatnonzero(_HEARD[self.kinds])
        tracks, where = np.unique(self.tracks[heard], return_inverse=True)
        times = np.full(len(tracks), -np.inf)
        np.maximum.at(times, where, self.times[heard])
        return tracks, times

    def thumbs(self) -> dict[int, tuple[bool, float]]:
        """Return each track's last thumb: whether it points up, and when, seconds since 1970."""
        thumbs = np.flatnonzero(_EXPLICIT[self.kinds])
        order = thumbs[np.argsort(self.times[thumbs], kind="stable")]
        up = self.kinds[order] == _KIND_NUMBER[FeedbackKind.LIKE]
        given = zip(up.tolist(), self.times[order].tolist(), strict=True)
        return dict(zip(self.tracks[order].tolist(), given, strict=True))

    def thumbs_down(self) -> NDArray[np.int32]:
        """Return the tracks whose last thumb points down, however long ago."""
        down = [track for track, (up, _) in self.thumbs().items() if not up]
        return np.array(down, dtype=np.int32)

    def _fading(self, now: float) -> NDArray[np.float64]:
        age = np.maximum(now - self.times, 0.0)
        return np.asarray(np.exp2(-age / _HALF_LIVES[self.kinds]))


EMPTY = History(
    np.empty(0, np.int32), np.empty(0, np.int8), np.empty(0, np.float64), np.empty(0, np.float64)
)


class Ledger:
    """The histories of all members, and a number for every track that ever had feedback.

    Numbers are stable: feedback on a track that left the catalogue is kept for its return.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.names: list[str] = []
        self.histories: dict[str, History] = {}

    def number(self, track: str) -> int:
        """Return the number of a track id; a new id gets a new number."""
        number = self.numbers.get(track)
        if number is None:
            number = self.numbers[track] = len(self.names)
            self.names.append(track)
        return number

    def learn(self, feedback: Iterable[Feedback]) -> int:
        """Take in what members did; return how many events that was."""
        by_member: dict[str, list[Feedback]] = {}
        for event in feedback:
            by_member.setdefault(event.member, []).append(event)
        for member, events in by_member.items():
            self.histories[member] = self._grown(self.histories.get(member, EMPTY), events)
        return sum(map(len, by_member.values()))

    def _grown(self, history: History, events: list[Feedback]) -> History:
        entries = {
            (int(track), int(kind)): (float(amount), float(time))
            for track, kind, amount, time in zip(
                history.tracks, history.kinds, history.amounts, history.times, strict=True
            )
        }
        for event in events:
            kind = _KIND_NUMBER[event.kind]
            key = (self.number(event.track), kind)
            at = seconds(event.at)
            amount, before = entries.get(key, (0.0, at))
            if event.kind.explicit:
                entries[key] = (1.0, max(at, before))
                continue
            late, early = max(at, before), min(at, before)
            fading = 2.0 ** -((late - early) / _HALF_LIVES[kind])
            entries[key] = (amount * fading + 1 if at >= before else amount + fading, late)
        return _history(entries)

    def forget(self, member: str, track: str, kind: FeedbackKind) -> bool:
        """Take back one kind of feedback on one track; return whether there was any."""
        history, number = self.histories.get(member), self.numbers.get(track)
        if history is None or number is None:
            return False
        keep = (history.tracks != number) | (history.kinds != _KIND_NUMBER[kind])
        if keep.all():
            return False
        self.histories[member] = History(
            history.tracks[keep], history.kinds[keep], history.amounts[keep], history.times[keep]
        )
        return True

    def forget_member(self, member: str) -> bool:
        """Forget everything that a member did; return whether there was anything."""
        return self.histories.pop(member, None) is not None

    def of(self, member: str | None) -> History:
        """Return a member's history; empty for an unknown member."""
        return EMPTY if member is None else self.histories.get(member, EMPTY)


def liked_matrix(
    histories: Iterable[History], rows: NDArray[np.int32], columns: int, now: float
) -> csr_matrix:
    """Return (members, catalogue): likes at `now`, above 0 to 1; everything else is absent.

    Parameters
    ----------
    histories : iterable of History
        One per row.
    rows : NDArray of int32
        Row of the catalogue for every track number, -1 if it is not in the catalogue.
    columns : int
        Length of the catalogue.
    """
    indices: list[NDArray[np.int32]] = []
    values: list[NDArray[np.float64]] = []
    ends = [0]
    for history in histories:
        tracks, opinions = history.opinions(now)
        at = _catalogued(tracks, rows)
        keep = (at >= 0) & (opinions > 0)
        indices.append(at[keep])
        values.append(opinions[keep])
        ends.append(ends[-1] + int(keep.sum()))
    matrix = scipy.sparse.csr_matrix(
        (
            np.concatenate(values or [np.empty(0)]).astype(np.float32),
            np.concatenate(indices or [np.empty(0, np.int32)]),
            np.array(ends),
        ),
        shape=(len(ends) - 1, columns),
    )
    matrix.sum_duplicates()
    return matrix


def _catalogued(tracks: NDArray[np.int32], rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the catalogue rows of track numbers; numbers beyond `rows` are not in it."""
    known = tracks < len(rows)
    out = np.full(len(tracks), -1, np.int32)
    out[known] = rows[tracks[known]]
    return out


def seconds(at: datetime) -> float:
    """Return seconds since 1970; a time without a zone is local, as in Python."""
    return at.timestamp()


def _history(entries: Mapping[tuple[int, int], tuple[float, float]]) -> History:
    if not entries:
        return EMPTY
    keys = np.array(list(entries), dtype=np.int64)
    values = np.array(list(entries.values()), dtype=np.float64)
    return History(
        keys[:, 0].astype(np.int32), keys[:, 1].astype(np.int8), values[:, 0], values[:, 1]
    )
