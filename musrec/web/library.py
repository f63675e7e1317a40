"""The library: songs by facet, artists, one song, comparisons and the gallery."""

from __future__ import annotations

import asyncio
from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from musrec.catalogue.model import FACETS, ORDERS, Order, SongFilter, tempo_range
from musrec.model import FeedbackKind, Heard, MusrecError, NotFound
from musrec.web.ask import look, picture
from musrec.web.pages import back, form, render, service_of, with_query
from musrec.web.sessions import visit

SIMILAR = 8


async def songs(request: Request) -> Response:
    """Show the songs that are as wanted, with counts of what could narrow them."""
    asked = request.query_params
    order = asked.get("sort", "best")
    wanted = SongFilter(
        asked.get("text", "")[:200],
        asked.get("artist", "")[:200],
        asked.get("genre", ""),
        asked.get("mood", ""),
        asked.get("key", ""),
        tempo_range(asked["tempo"]) if asked.get("tempo") else None,
        asked.get("instrument", ""),
        asked.get("voice", ""),
    )
    page = asked.get("page", "1")
    shelf = await service_of(request).catalogue.browse(
        wanted,
        order=cast("Order", order) if order in ORDERS else "best",
        page=min(int(page), 10**6) - 1 if page.isdecimal() else 0,
    )
    return render(
        request,
        "library.html",
        shelf=shelf,
        facets=FACETS,
        narrowed=[name for name in ("artist", *FACETS) if request.query_params.get(name)],
        orders=ORDERS,
        link=lambda **changes: with_query(request, **{"page": None, **changes}),
    )


async def artists(request: Request) -> Response:
    """Show every artist whose name holds what was asked for."""
    found = await service_of(request).catalogue.artists(request.query_params.get("text", "")[:200])
    return render(request, "artists.html", artists=found)


async def _known(request: Request, id_: str) -> Heard:
    service = service_of(request)
    await service.songs.shown_to(id_, visit(request).member)
    if (heard := await service.songs.heard(id_)) is None:
        raise NotFound("I have not heard this song yet.", "Ask for it under Ask.")
    return heard


async def song(request: Request) -> Response:
    """Show everything heard in a song, and songs that sound like it."""
    service, who = service_of(request), visit(request)
    heard = await _known(request, request.path_params["song"])
    systems, why = None, ""
    if request.query_params.get("systems"):  # every spectrogram is read for it
        try:
            systems = await service.catalogue.compare_systems(heard, 5)
        except NotFound as nothing:
            why = str(nothing)
    return render(
        request,
        "song.html",
        heard=heard,
        described=service.songs.describe(heard),
        similar=await service.catalogue.nearest(heard, SIMILAR),
        systems=systems,
        why=why,
        thumb=await service.members.thumb(who.member, heard.track.id),
        playlists=await service.playlists.of(who.member),
    )


async def sheet(request: Request) -> Response:
    """Draw one song in detail."""
    heard = await _known(request, request.path_params["song"])
    drawn = await service_of(request).songs.sheet(heard, look=look(request))
    if drawn is None:
        raise NotFound("I have no spectrogram of this song.")
    return picture(drawn.png)


async def thumb(request: Request) -> Response:
    """Keep a thumb, or take it back."""
    service, who, fields = service_of(request), visit(request), await form(request)
    id_, kind = request.path_params["song"], str(fields.get("kind", ""))
    if kind == "none":
        await service.members.forget(who.member, id_, FeedbackKind.LIKE, FeedbackKind.DISLIKE)
    elif kind in ("like", "dislike"):
        await service.songs.shown_to(id_, who.member)
        await service.members.may_keep(who.member)
        await service.members.learn(who.member, id_, FeedbackKind(kind))
    else:
        raise MusrecError("That is no thumb.")
    return back(request, f"/songs/{id_}")


async def compare(request: Request) -> Response:
    """Compare two songs in everything that was heard."""
    service, asked = service_of(request), request.query_params
    found, heard = None, []
    if asked.get("ours") and asked.get("theirs"):
        for name in ("ours", "theirs"):
            track = await service.songs.find_one(asked[name][:200], online=False)
            heard.append(await _known(request, track.id))
        found, _ = await service.catalogue.compare(heard[0], heard[1], look=look(request))
    return render(request, "compare.html", found=found, heard=heard)


async def gallery(request: Request) -> Response:
    """Show spectrograms of the most and the least intense songs."""
    service = service_of(request)
    genre = request.query_params.get("genre", "")
    rows, drawn = await service.catalogue.gallery(genre)
    genres = await asyncio.to_thread(service.catalogue.genres)
    return render(request, "gallery.html", rows=rows, alt=drawn.alt, genre=genre, genres=genres)


async def gallery_picture(request: Request) -> Response:
    """Draw the gallery."""
    genre = request.query_params.get("genre", "")
    _, drawn = await service_of(request).catalogue.gallery(genre, look=look(request))
    return picture(drawn.png)
