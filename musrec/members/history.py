"""What a member did, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from musrec.members.model import HISTORY_KINDS, HistoryFilter, HistoryPage
from musrec.model import Feedback, Track
from musrec.titles import fold


def history(
    events: Sequence[Feedback],
    tracks: Mapping[str, Track],
    filters: HistoryFilter,
    page: int,
    size: int,
) -> HistoryPage:
    """Return one page of some events; a page that is not there is the nearest one."""
    kinds, text = HISTORY_KINDS.get(filters.kind, HISTORY_KINDS["all"]), fold(filters.text)
    chosen = [
        (event, track)
        for event in events
        if event.kind in kinds
        and (track := tracks.get(event.track)) is not None
        and text in fold(f"{track.title} {track.artist}")
    ]
    pages = max(1, -(-len(chosen) // size))
    page = min(max(page, 0), pages - 1)
    return HistoryPage(tuple(chosen[page * size : (page + 1) * size]), page, pages, len(chosen))
