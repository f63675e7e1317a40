"""A member's playlists: made, filled, ordered, continued, exported and shared."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from musrec.model import MusrecError, NotFound
from musrec.playlists.model import FORMATS, Format, Playlist
from musrec.web.pages import back, form, render, service_of
from musrec.web.sessions import visit

SHOWN = 100
"""Songs on one page of a playlist."""


async def _own(request: Request) -> Playlist:
    """Return the playlist of an address; another member's is not found."""
    found = await service_of(request).playlists.get(request.path_params["playlist"])
    if found is None or found.member != visit(request).member:
        raise NotFound("You have no such playlist.", "Your playlists are listed under Playlists.")
    return found


async def index(request: Request) -> Response:
    """List a member's playlists, or make one."""
    service, who = service_of(request), visit(request)
    if request.method == "POST":
        made = await service.playlists.create(
            who.member, str((await form(request)).get("name", ""))
        )
        return RedirectResponse(f"/playlists/{made.id}", 303)
    return render(request, "playlists.html", playlists=await service.playlists.of(who.member))


async def add(request: Request) -> Response:
    """Put a song at the end of a playlist; a new name makes one."""
    service, who, fields = service_of(request), visit(request), await form(request)
    name, song = str(fields.get("playlist", "")), str(fields.get("song", ""))
    await service.songs.shown_to(song, who.member)
    try:
        kept = await service.playlists.named(who.member, name)
    except NotFound:
        kept = await service.playlists.create(who.member, name)
    await service.playlists.add(kept, [song])
    return back(request, f"/playlists/{kept.id}")


async def show(request: Request) -> Response:
    """Show a page of one playlist."""
    service, kept = service_of(request), await _own(request)
    page = request.query_params.get("page", "1")
    at = max(0, min(int(page), 10**6) - 1) if page.isdecimal() else 0
    songs = await service.playlists.songs(kept)
    return render(
        request,
        "playlist.html",
        playlist=kept,
        songs=songs[at * SHOWN : (at + 1) * SHOWN],
        first=at * SHOWN,
        page=at + 1,
        pages=max(1, -(-len(songs) // SHOWN)),
        formats=FORMATS,
        share=await service.playlists.shared_as(kept),
        base=str(request.base_url).rstrip("/"),
    )


async def change(request: Request) -> Response:
    """Do one thing to a playlist: move or remove a song, share, withdraw or delete."""
    service, kept, fields = service_of(request), await _own(request), await form(request)
    song = str(fields.get("song", ""))
    match fields.get("do"):
        case "up" | "down" | "move" as way:
            ids = [track.id for track in await service.playlists.songs(kept)]
            if song in ids:
                at = ids.index(song)
                to = {"up": at - 1, "down": at + 1}.get(way, _place(fields.get("to")))
                if 0 <= to < len(ids):
                    ids.insert(to, ids.pop(at))
                    await service.playlists.order(kept, ids)
        case "remove":
            await service.playlists.remove_song(kept, song)
        case "share":
            await service.playlists.share(kept)
        case "withdraw":
            await service.playlists.withdraw(kept)
        case "delete":
            await service.playlists.delete(kept)
            return RedirectResponse("/playlists", 303)
        case _:
            raise MusrecError("A playlist cannot be changed like that.")
    return back(request, f"/playlists/{kept.id}")


def _place(text: object) -> int:
    """Return a place in a playlist, from 0; -1 if a text is none."""
    found = str(text)
    return int(found) if found.isdecimal() and found.isascii() and len(found) < 9 else -1


async def continued(request: Request) -> Response:
    """Recommend songs for a whole playlist."""
    service, kept = service_of(request), await _own(request)
    await form(request)
    answer = await service.playlists.continued(kept)
    if not answer.picks:
        raise NotFound(" ".join(answer.notes) or "I found nothing that fits.")
    return RedirectResponse(f"/answers/{answer.id}", 303)


async def export(request: Request) -> Response:
    """Write a playlist as a file."""
    kept, how = await _own(request), request.path_params["how"]
    if how not in FORMATS:
        raise NotFound("There is no such format.", f"Choose one of {', '.join(FORMATS)}.")
    file = await service_of(request).playlists.export(
        kept, cast("Format", how), local=visit(request).owner
    )
    safe = file.file.encode("ascii", "replace").decode().replace('"', "_").replace("?", "_")
    return Response(
        file.data,
        media_type="application/octet-stream",
        headers={"content-disposition": f'attachment; filename="{safe}"'},
    )


async def shared(request: Request) -> Response:
    """Show a shared playlist to whoever has its link."""
    service = service_of(request)
    kept = await service.playlists.shared(request.path_params["secret"])
    songs = await service.playlists.songs(kept)
    return render(request, "shared.html", playlist=kept, songs=songs[:SHOWN])
