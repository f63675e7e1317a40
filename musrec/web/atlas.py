"""The map of all songs: points for the browser, and the same songs as a table."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from musrec.catalogue.model import Atlas
from musrec.columns import Tracks
from musrec.model import Busy, Catalogue, MusrecError, NotFound, Track
from musrec.playlists.model import MOST_SONGS
from musrec.web.pages import form, render, service_of, with_query
from musrec.web.sessions import visit

NEIGHBOURS = 20
STEPS = 12
"""Songs on a path between two, both included."""
PAGE = 100
MOST_NAMES = 200
"""Songs whose names are told at once."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The songs beside the map.

    Attributes
    ----------
    heading : str
    tracks : sequence of Track
    way : bool
        They are a path from the first to the last.
    page, pages : int
        From 1.
    """

    heading: str
    tracks: Sequence[Track]
    way: bool = False
    page: int = 1
    pages: int = 1


async def show(request: Request) -> Response:
    """Show the map, and beside it a group, the neighbours of a song, or a path between two."""
    service, asked = service_of(request), request.query_params
    atlas, catalogue = await service.catalogue.atlas()
    wrong = ""
    try:
        rows = await _beside(request, atlas, catalogue)
    except NotFound as error:
        wrong = f"{error} {error.hint}".strip()
        rows = _typical(atlas, catalogue)
    sizes = np.bincount(atlas.groups, minlength=len(atlas.names)).tolist()
    return render(
        request,
        "map.html",
        status=404 if wrong else 200,
        groups=list(zip(atlas.names, sizes, strict=True)),
        songs=len(catalogue),
        share=atlas.share,
        key=atlas.key,
        beside=rows,
        trouble=wrong,
        chosen=asked.get("song", ""),
        # An id says nothing to its reader; the table names both songs.
        ends=[
            "" if (end := asked.get(name, "")) in {track.id for track in rows.tracks} else end
            for name in ("from", "to")
        ],
        playlists=await service.playlists.of(visit(request).member),
        link=lambda **changes: with_query(request, **changes),
    )


async def _beside(request: Request, atlas: Atlas, catalogue: Catalogue) -> Rows:
    service, asked, who = service_of(request), request.query_params, visit(request)
    if asked.get("from") and asked.get("to"):
        ends = []
        for name in ("from", "to"):
            found = await service.songs.find_one(asked[name][:200], online=False)
            await service.songs.shown_to(found.id, who.member)
            if (heard := await service.songs.heard(found.id)) is None:
                raise NotFound(f"I have not heard {found} yet.", "Ask for it under Ask.")
            ends.append(heard)
        steps = await service.catalogue.path(ends[0], ends[1], STEPS)
        heading = f"From {ends[0].track.title} to {ends[1].track.title}"
        return Rows(heading, [track for track, _ in steps], way=True)
    if asked.get("song"):
        track = await service.songs.shown_to(asked["song"], who.member)
        if (heard := await service.songs.heard(track.id)) is None:
            raise NotFound(f"I have not heard {track} yet.", "Ask for it under Ask.")
        near = await service.catalogue.nearest(heard, NEIGHBOURS)
        return Rows(f"Around {track.title}", [track, *(one for one, _ in near)])
    if (group := asked.get("group", "")).isdecimal() and int(group) < len(atlas.names):
        inside = np.flatnonzero(atlas.groups == int(group)).tolist()
        pages = max(1, -(-len(inside) // PAGE))
        page = asked.get("page", "1")
        at = min(max(1, int(page)), pages) if page.isdecimal() and len(page) < 9 else 1
        shown = inside[(at - 1) * PAGE : at * PAGE]
        tracks = [catalogue.tracks[row] for row in shown]
        return Rows(atlas.names[int(group)], tracks, page=at, pages=pages)
    return _typical(atlas, catalogue)


def _typical(atlas: Atlas, catalogue: Catalogue) -> Rows:
    """Return the song in the middle of each group."""
    found = []
    for group in range(len(atlas.names)):
        inside = np.flatnonzero(atlas.groups == group)
        if len(inside):
            away = atlas.points[inside] - np.median(atlas.points[inside], axis=0)
            found.append(catalogue.tracks[inside[np.square(away).sum(axis=1).argmin()]])
    return Rows("One song of each group", found)


async def points(request: Request) -> Response:
    """Send where every song stands, in five bytes each.

    For n songs: n times x, n times y (16 bits each, little-endian, 0 to 65,535 over the longer
    side of the map), then n times the group (8 bits).
    """
    atlas, _ = await service_of(request).catalogue.atlas()
    body = await asyncio.to_thread(packed, atlas)
    headers = {"x-map": atlas.key, "cache-control": "private, no-cache", "etag": f'"{atlas.key}"'}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/octet-stream", headers=headers)


def packed(atlas: Atlas) -> bytes:
    """Return the points and groups of a map as `points` sends them."""
    places = atlas.points
    if len(places):
        low, high = places.min(axis=0), places.max(axis=0)
        middle, side = (low + high) / 2, max(float((high - low).max()), 1e-9)
        places = np.clip((places - middle) / side + 0.5, 0, 1)
    whole = np.rint(places * 65_535).astype("<u2")
    return whole.T.tobytes() + atlas.groups.astype(np.uint8).tobytes()


async def songs(request: Request) -> Response:
    """Say which songs some points are, or which points some songs are."""
    service, asked = service_of(request), request.query_params
    atlas, catalogue = await service.catalogue.atlas()
    if ids := asked.get("ids"):
        rows = Tracks.of(catalogue.tracks).rows(ids.split(",")[:MOST_NAMES]).tolist()
    elif points := asked.get("rows"):
        rows = _rows(points.split(",")[:MOST_NAMES], asked.get("key"), atlas)
    else:
        rows = []
    found = [(row, catalogue.tracks[row]) for row in rows]
    return JSONResponse(
        [{"row": row, "id": t.id, "title": t.title, "artist": t.artist} for row, t in found]
    )


async def keep(request: Request) -> Response:
    """Put songs of the map into a playlist; a new name makes one."""
    service, who, fields = service_of(request), visit(request), await form(request)
    atlas, catalogue = await service.catalogue.atlas()
    if rows := str(fields.get("rows", "")):
        chosen = _rows(rows.split(","), fields.get("key"), atlas)
        ids = [catalogue.tracks[row].id for row in chosen]
    else:
        ids = [str(one) for one in fields.getlist("song")]
        for one in ids:
            await service.songs.shown_to(one, who.member)
    if not ids:
        raise MusrecError("You chose no song.", "Tick some songs, or draw a loop around them.")
    if len(ids) > MOST_SONGS:
        raise MusrecError(
            f"These are {len(ids):,} songs; a playlist holds {MOST_SONGS:,}.",
            "Draw a smaller loop.",
        )
    name = str(fields.get("playlist", ""))
    try:
        kept = await service.playlists.named(who.member, name)
    except NotFound:
        kept = await service.playlists.create(who.member, name)
    await service.playlists.add(kept, ids)
    return RedirectResponse(f"/playlists/{kept.id}", 303)


def _rows(texts: Iterable[str], key: object, atlas: Atlas) -> list[int]:
    """Read rows of a map.

    Raises
    ------
    Busy
        The map has been laid out again since.
    NotFound
        There is no such point.
    """
    if key != atlas.key:
        raise Busy("New songs have changed the map.", "Reload the page.")
    rows = [int(text) for text in texts if text.isascii() and text.isdecimal() and len(text) < 9]
    if any(row >= len(atlas.groups) for row in rows):
        raise NotFound("There is no such point on the map.")
    return rows
