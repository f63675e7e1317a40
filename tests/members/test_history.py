"""A member's history: paged, narrowed and in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from musrec.members.model import HistoryFilter
from musrec.model import FeedbackKind
from musrec.service import Service
from tests.support.starter import DISLIKE, LIKE, songs

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 11, 21, tzinfo=UTC)


async def test_history_is_paged_and_filtered(service: Service) -> None:
    tracks = songs(service, "reggae", 9)
    for number, track in enumerate(tracks):
        at = NOW - timedelta(days=number)
        await service.members.learn("past", track.id, DISLIKE if number % 3 else LIKE, at=at)
        await service.members.learn("past", track.id, FeedbackKind.SKIP, at=at - timedelta(hours=1))
    first = await service.members.history("past", page=0, size=7)
    assert (first.total, first.pages) == (18, 3)
    seen = [
        event
        for page in range(3)
        for event, _ in (await service.members.history("past", page=page, size=7)).events
    ]
    assert [event.at for event in seen] == sorted((event.at for event in seen), reverse=True)
    assert len(seen) == 18
    liked = await service.members.history("past", HistoryFilter(kind="liked"))
    assert [event.kind for event, _ in liked.events] == [LIKE] * 3
    title = tracks[4].title
    named = await service.members.history("past", HistoryFilter(text=title.upper()))
    assert {track.id for _, track in named.events} == {tracks[4].id}
    beyond = await service.members.history("past", page=99, size=7)
    assert beyond.page == 2
    nothing = await service.members.history("nobody")
    assert (nothing.total, nothing.pages, nothing.events) == (0, 1, ())
