"""Turn what a player shows into what a listener did: plays, skips, finishes and repeats.

A player only ever says which song is on, since when and how long it lasts. How much of it was heard
follows from the moment when something else comes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from musrec.members.model import Playing
from musrec.model import FeedbackKind, Track

SKIPPED_BELOW = 0.5
"""Share of a song; a listener who hears less skipped it."""
FINISHED_FROM = 0.9
"""Share of a song; players cut the last seconds short when they cross-fade."""
SHORTEST = timedelta(seconds=5)
"""A song that was on for less was only passed on the way to another, and is ignored."""
AGAIN_WITHIN = timedelta(minutes=10)
"""A song that comes on again this soon after it was finished is repeated."""
LATE = timedelta(minutes=2)
"""No player shows a song for so long after its end: events in between were missed."""


@dataclass(frozen=True, slots=True)
class _Ear:
    """What is remembered of one listener.

    Attributes
    ----------
    song : Playing
        What is on, or was on last.
    began : datetime
        When it came on here.
    silent : datetime or None
        Since when nothing is on: a pause, or the end.
    finished : datetime or None
        When `song` was heard to its end.
    """

    song: Playing
    began: datetime
    silent: datetime | None = None
    finished: datetime | None = None

    def lost(self, at: datetime) -> bool:
        """Whether the song ended so long ago that it is unknown if it was heard to its end."""
        return self.silent is None and at > self.song.since + self.song.duration + LATE


Did = list[tuple[Track, FeedbackKind]]


class Listening:
    """What each listener is hearing; members without consent leave nothing here."""

    def __init__(self) -> None:
        self._ears: dict[str, _Ear] = {}

    def heard(self, member: str, playing: Playing | None, at: datetime) -> Did:
        """Take what a player shows now; None if nothing is on.

        A pause is not a skip: a song counts as skipped only when another comes on.

        Returns
        -------
        list of (Track, FeedbackKind)
            What the listener did, oldest first. Repeating the same state adds nothing.
        """
        ear = self._ears.get(member)
        if ear is not None and ear.lost(at) and playing != ear.song:
            self.forget(member)
            ear = None
        if playing is None:
            if ear is None or ear.silent:
                return []
            ended = ear.finished is None and ear.song.share(at) >= FINISHED_FROM
            self._ears[member] = replace(ear, silent=at, finished=at if ended else ear.finished)
            return [(ear.song.track, FeedbackKind.FINISH)] if ended else []
        if ear is None:
            self._ears[member] = _Ear(playing, at)
            return [(playing.track, FeedbackKind.PLAY)]
        if playing.track.id == ear.song.track.id:
            return self._same(member, ear, playing, at)
        self._ears[member] = _Ear(playing, at)
        return [*_left(ear, at), (playing.track, FeedbackKind.PLAY)]

    def _same(self, member: str, ear: _Ear, playing: Playing, at: datetime) -> Did:
        """Tell a song that was started again from one that went on or was wound back a little."""
        ended = ear.finished or (at if ear.song.share(ear.silent or at) >= FINISHED_FROM else None)
        restarted = playing.since - ear.song.since >= ear.song.duration / 2
        if ended is None or not restarted:
            self._ears[member] = replace(ear, song=playing, silent=None)
            return []
        self._ears[member] = _Ear(playing, at)
        did: Did = [] if ear.finished else [(playing.track, FeedbackKind.FINISH)]
        again = at - ended <= AGAIN_WITHIN
        return [*did, (playing.track, FeedbackKind.REPEAT if again else FeedbackKind.PLAY)]

    def forget(self, member: str) -> None:
        """Forget what a member is hearing."""
        self._ears.pop(member, None)


def _left(ear: _Ear, at: datetime) -> Did:
    """Return what moving on to another song means for the one that was on."""
    if ear.finished or at - ear.began < SHORTEST:
        return []
    share = ear.song.share(ear.silent or at)
    if share >= FINISHED_FROM:
        return [(ear.song.track, FeedbackKind.FINISH)]
    return [(ear.song.track, FeedbackKind.SKIP)] if share < SKIPPED_BELOW else []
