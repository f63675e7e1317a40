"""The player at the foot of every page: what it plays, and what its listener did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from musrec.formats import sniff
from musrec.members.model import Playing
from musrec.model import MusrecError, NotAudio, NotFound
from musrec.sites import label
from musrec.web.files import song_file
from musrec.web.pages import form, service_of
from musrec.web.sessions import visit

if TYPE_CHECKING:
    from musrec.model import Track
    from musrec.service import Service

TYPES = {
    "aac": "audio/aac",
    "flac": "audio/flac",
    "matroska": "audio/webm",
    "mp3": "audio/mpeg",
    "mp4": "audio/mp4",
    "ogg": "audio/ogg",
    "wav": "audio/wav",
}
"""Media types of the containers that browsers play; files in others are converted."""

CONVERTED = {"ogg": "audio/ogg; codecs=opus", "wav": "audio/wav"}

HEAD = 65_536
LONGEST = 36_000.0
"""Seconds of a song: what a page says is believed up to that."""


async def play(request: Request) -> Response:
    """Say how a song is played: from its file, from that file converted, or from a preview."""
    service, who = service_of(request), visit(request)
    track = await service.songs.shown_to(request.path_params["song"], who.member)
    how: Literal["file", "converted", "preview"] = "preview"
    if who.may_play_files and await service.songs.files_of([track.id]):
        how = "file" if await _media_type(service, track) else "converted"
    return JSONResponse(
        {
            "id": track.id,
            "title": track.title,
            "artist": track.artist,
            "seconds": track.duration,
            "how": how,
            "learns": who.member in await service.members.listeners(),
        }
    )


async def sound(request: Request) -> Response:
    """Play a song: ranges of its file, its file converted, or a preview."""
    service, who = service_of(request), visit(request)
    track = await service.songs.shown_to(request.path_params["song"], who.member)
    if not (who.may_play_files and await service.songs.files_of([track.id])):
        async with service.promptly():
            preview = await service.songs.preview(track)
        # Half a minute is small enough to be sent whole, and is kept nowhere.
        kind = _by_content(preview.data) or "application/octet-stream"
        page = quote(preview.page_url, safe="%:/?#[]@!$&'()*+,;=~")
        source = {"x-page": page, "x-service": label(preview.provider)}
        return Response(preview.data, media_type=kind, headers=source)
    wanted = request.query_params.get("as")
    if wanted is None:
        kind = await _media_type(service, track) or "application/octet-stream"
        response = await song_file(service, who, track.id)
        response.headers["content-type"] = kind
        return response
    if wanted not in CONVERTED:
        raise NotFound(
            "Songs are not converted to that format.", f"Choose {' or '.join(CONVERTED)}."
        )
    stream = service.songs.converted(track.id, cast("Literal['ogg', 'wav']", wanted))
    first = await anext(stream)  # what is wrong with a file is said before the answer begins

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for chunk in stream:
            yield chunk

    return StreamingResponse(whole(), media_type=CONVERTED[wanted])


async def listening(request: Request) -> Response:
    """Take what a member's player does, as the bot takes what their status shows.

    Of members who did not agree to that, nothing is taken.
    """
    service, who, fields = service_of(request), visit(request), await form(request)
    since = (await service.members.listeners()).get(who.member)
    if since is None:
        return Response(status_code=204)
    now, playing = datetime.now(UTC), None
    if song := str(fields.get("song", "")):
        track = await service.songs.shown_to(song, who.member)
        # Seconds that were heard, not where the song stands: whoever winds on has not finished it.
        heard, lasts = _seconds(fields.get("heard")), _seconds(fields.get("lasts"))
        playing = Playing(track, now - timedelta(seconds=heard), timedelta(seconds=lasts))
    for track, kind in service.members.listens(who.member, playing, now):
        await service.members.learn(who.member, track.id, kind, at=now, since=since)
    return Response(status_code=204)


async def _media_type(service: Service, track: Track) -> str | None:
    """Return the media type of a song's file if browsers play it.

    Raises
    ------
    NotFound
        The file has gone, or cannot be read.
    """
    file = await service.songs.file_of(track.id)

    def head() -> bytes:
        with file.open("rb") as opened:
            return opened.read(HEAD)

    try:
        return _by_content(await asyncio.to_thread(head))
    except OSError as error:
        raise NotFound(f"The file of this song cannot be read: {error.strerror}.") from None


def _by_content(data: bytes) -> str | None:
    try:
        return TYPES.get(sniff(data[:HEAD]).demuxer)
    except NotAudio:
        return None


def _seconds(text: object) -> float:
    try:
        seconds = float(str(text))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST:
        raise MusrecError("That is not a time in a song.")
    return seconds
