"""The songs that come with the package, and members who like some of them."""

from __future__ import annotations

from collections.abc import Sequence

from musrec import space
from musrec.model import FeedbackKind, Heard, Track
from musrec.service import Service

LIKE, DISLIKE = FeedbackKind.LIKE, FeedbackKind.DISLIKE


def songs(service: Service, genre: str, count: int, start: int = 0) -> list[Track]:
    """Songs of a genre; one of each artist first."""
    known: set[str] = set()
    first: list[Track] = []
    rest: list[Track] = []
    for track in service.catalogue.songs.tracks:
        if track.genre == genre:
            (rest if track.artist in known else first).append(track)
            known.add(track.artist)
    return [*first, *rest][start : start + count]


async def like(service: Service, member: str, tracks: Sequence[Track]) -> None:
    for track in tracks:
        await service.members.learn(member, track.id, LIKE)


def ids(tracks: Sequence[Track]) -> set[str]:
    return {track.id for track in tracks}


def heard(service: Service, track: Track) -> Heard:
    starter = space.starter()
    row = next(n for n, one in enumerate(starter.tracks) if one.id == track.id)
    analysis = starter.analyses[row]
    return Heard(track, analysis, space.profile(analysis), service.catalogue.space.place(analysis))
