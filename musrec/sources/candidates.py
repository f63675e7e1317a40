"""Candidates for a track: similar songs, from every provider that names some."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from musrec.model import Track
from musrec.sources.gate import Deadline, Unanswered
from musrec.sources.matching import Recordings
from musrec.sources.provider import Provider
from musrec.titles import artists_agree, main_artist, same_recording, versions_of

COPIES = frozenset({"karaoke", "cover", "sped up", "slowed", "8d", "mixed", "loop"})
"""Kinds of version that are left out unless the query is one."""
AN_ARTIST = 4
"""Most candidates by one artist."""
RANK_OFFSET = 60
"""The constant of reciprocal rank fusion, as its authors set it."""


async def candidates(
    providers: Iterable[Provider], track: Track, deadline: Deadline, limit: int
) -> list[Track]:
    """Ask all providers at once, and merge what arrives by the deadline.

    Returns
    -------
    list of Track
        At most `limit`, best-looking first, each recording once, the track itself left out.
    """
    asked = [asyncio.create_task(_similar(provider, track, deadline)) for provider in providers]
    try:
        if asked:
            await asyncio.wait(asked, timeout=deadline.left)
        lists = [task.result() for task in asked if task.done()]
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    return merged(lists, track, limit)


async def _similar(provider: Provider, track: Track, deadline: Deadline) -> tuple[Track, ...]:
    try:
        return await provider.similar(track, deadline)
    except Unanswered:
        return ()


def merged(lists: Iterable[Sequence[Track]], query: Track, limit: int) -> list[Track]:
    """Merge ranked lists by reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009).

    A recording scores ``1 / (60 + rank)`` in each list that has it, so that songs named by several
    services come first. At most `AN_ARTIST` songs per artist are kept, and no `COPIES`; other songs
    by the query's own artist come last, because most answers may not use them.
    """
    recordings = Recordings()
    scores: list[float] = []
    for ranked in lists:
        for rank, track in enumerate(ranked, start=1):
            row = recordings.add(track)
            if row == len(scores):
                scores.append(0.0)
            scores[row] += 1 / (RANK_OFFSET + rank)
    unwanted = COPIES - versions_of(query)
    best = [
        recordings.tracks[row] for row in sorted(range(len(scores)), key=lambda it: -scores[it])
    ]
    best.sort(key=lambda track: artists_agree(track.artists, query.artists))
    kept: list[Track] = []
    of_artist: dict[str, int] = {}
    for track in best:
        artist = main_artist(track)
        if (
            of_artist.get(artist, 0) < AN_ARTIST
            and not same_recording(query, track)
            and not versions_of(track) & unwanted
        ):
            of_artist[artist] = of_artist.get(artist, 0) + 1
            kept.append(track)
    return kept[:limit]
