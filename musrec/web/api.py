"""A small interface for scripts: JSON over HTTP, described by ``openapi.json`` beside this file.

Errors are problem details (RFC 9457), whose ``detail`` is a sentence for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from musrec.catalogue.model import SongFilter, tempo_range
from musrec.model import Answer, Choices, Heard, MusrecError, NotFound, Pick, Track
from musrec.playlists.model import Playlist
from musrec.web.keys import RECOMMENDING, Allowance, TooMany
from musrec.web.pages import FOLDER, TooLarge, service_of
from musrec.web.sessions import NotSignedIn, visit

if TYPE_CHECKING:
    from datetime import datetime

    from musrec.service import Service

MOST = 100
"""Songs of one answer, and of a playlist when it is made."""

SEARCHED = ("text", "artist", "genre", "mood", "key", "instrument", "voice")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Wish(_Body):
    """What to recommend: something like a song, or, without one, what suits the member."""

    song: str | None = Field(None, max_length=100)
    text: str | None = Field(None, max_length=500)
    count: int = Field(5, ge=1, le=25)
    adventurous: float | None = Field(None, ge=0, le=1)


class NewPlaylist(_Body):
    """A playlist to be made."""

    name: str = Field(max_length=200)
    songs: tuple[str, ...] = Field((), max_length=MOST)


class Several(MusrecError):
    """A text means several songs."""

    def __init__(self, found: Choices) -> None:
        super().__init__(found.why, "Ask again with the id of one of them.")
        self.choices = found.tracks


B = TypeVar("B", bound=_Body)


async def _read(request: Request, kind: type[B]) -> B:
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > request.state.most:
        raise TooLarge(request.state.most)
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as wrong:
        first = wrong.errors()[0]
        if first["type"] == "json_invalid":
            raise MusrecError("That is not JSON.", "Send a JSON object.") from None
        where = ".".join(map(str, first["loc"])) or "The body"
        raise MusrecError(f"{where} is wrong: {first['msg'].lower()}.") from None


def _count(request: Request, name: str, usual: int, most: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return usual
    if not text.isdecimal() or len(text) > 9:
        raise MusrecError(f"{name} is no whole number.", f"Send 0 to {most:,}.")
    return min(int(text), most)


async def described(request: Request) -> Response:  # noqa: ARG001
    """Serve the description of this interface, OpenAPI 3.1."""
    return FileResponse(FOLDER / "openapi.json", media_type="application/json")


async def search(request: Request) -> Response:
    """Find songs of the catalogue."""
    asked = {name: request.query_params.get(name, "")[:200] for name in SEARCHED}
    tempo = tempo_range(text) if (text := request.query_params.get("tempo", "")[:200]) else None
    wanted = SongFilter(**asked, tempo=tempo)
    first, count = _count(request, "offset", 0, 10**6), _count(request, "count", 20, MOST)
    try:
        found = await service_of(request).catalogue.search(wanted, first + count)
    except NotFound as none:
        return JSONResponse({"songs": [], "why": f"{none} {none.hint}".strip()})
    return JSONResponse({"songs": _songs(found[first:]), "why": ""})


async def song(request: Request) -> Response:
    """Return a song, and what was heard in it."""
    service, id_ = service_of(request), request.path_params["song"]
    track = await service.songs.shown_to(id_, visit(request).member)
    heard = await service.songs.heard(id_)
    return JSONResponse({**_song(track), "sound": heard and _sound(request, heard)})


async def similar(request: Request) -> Response:
    """Return the songs that sound most like one."""
    service, id_ = service_of(request), request.path_params["song"]
    await service.songs.shown_to(id_, visit(request).member)
    heard = await service.songs.heard(id_)
    if heard is None:
        raise NotFound("I have not heard this song yet.", "Ask for a recommendation with it first.")
    found = await service.catalogue.nearest(heard, _count(request, "count", 10, MOST))
    songs = [{**_song(track), "similarity": round(alike, 4)} for track, alike in found]
    return JSONResponse({"songs": songs})


async def recommend(request: Request) -> Response:
    """Recommend songs like one, or without one, songs that suit the member."""
    service, who = service_of(request), visit(request)
    wish = await _read(request, Wish)
    allowance: Allowance = request.app.state.allowance
    allowance.take(who.member, RECOMMENDING - 1)
    since = await service.members.meet(who.member)
    kind = "song" if wish.song else "text" if wish.text else "taste"
    with service.measures.answer("api", kind):
        async with service.promptly():
            answer = await _recommended(service, who.member, since, wish)
    return JSONResponse(
        {
            "id": answer.id,
            "query": answer.query and _song(answer.query),
            "picks": [_pick(pick) for pick in answer.picks],
            "notes": list(answer.notes),
        }
    )


async def _recommended(service: Service, member: str, since: datetime, wish: Wish) -> Answer:
    heard = None
    if wanted := wish.song or wish.text:
        found = await service.songs.find(wanted) if not wish.song else None
        if isinstance(found, Choices):
            raise Several(found)
        id_ = found.id if found else wanted
        heard = await service.songs.hear_track(await service.songs.shown_to(id_, member))
    return await service.answers.recommend(
        heard, member=member, since=since, count=wish.count, adventurous=wish.adventurous
    )


async def playlists(request: Request) -> Response:
    """List a member's playlists, or make one."""
    service, who = service_of(request), visit(request)
    if request.method == "GET":
        own = await service.playlists.of(who.member)
        return JSONResponse({"playlists": [_playlist(one) for one in own]})
    wanted = await _read(request, NewPlaylist)
    for id_ in wanted.songs:
        await service.songs.shown_to(id_, who.member)
    made = await service.playlists.create(who.member, wanted.name)
    await service.playlists.add(made, wanted.songs)
    return await _whole(request, made.id, 201)


async def playlist(request: Request) -> Response:
    """Return one of a member's playlists with its songs."""
    return await _whole(request, request.path_params["playlist"])


async def _whole(request: Request, id_: int, status: int = 200) -> Response:
    service = service_of(request)
    kept = await service.playlists.get(id_)
    if kept is None or kept.member != visit(request).member:
        raise NotFound("You have no such playlist.")
    songs = _songs(await service.playlists.songs(kept))
    return JSONResponse({**_playlist(kept), "songs": songs}, status)


# Writing ------------------------------------------------------------------------------------------


def problem(request: Request, status: int, what: str, hint: str, error: Exception) -> Response:  # noqa: ARG001
    """Say what went wrong, as problem details."""
    said: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": f"{what} {hint}".strip(),
    }
    headers = {}
    match error:
        case Several():
            said["choices"] = _songs(error.choices)
        case NotSignedIn():
            headers["www-authenticate"] = "Bearer"
            said["detail"] = "No valid key came with that. Send it as a bearer token."
        case TooMany():
            headers["retry-after"] = str(error.seconds)
    return JSONResponse(said, status, headers, "application/problem+json")


def _songs(tracks: Sequence[Track]) -> list[dict[str, Any]]:
    return [_song(track) for track in tracks]


def _song(track: Track) -> dict[str, Any]:
    return {
        "id": track.id,
        "title": track.title,
        "artists": list(track.artists),
        "album": track.album,
        "genre": track.genre,
        "year": track.year,
        "isrc": track.isrc,
        "duration": track.duration,
        "links": dict(track.links),
    }


def _sound(request: Request, heard: Heard) -> dict[str, Any]:
    profile, said = heard.profile, service_of(request).songs.describe(heard)
    return {
        "tempo": profile.tempo,
        "other_tempo": profile.other_tempo,
        "key": profile.key and profile.key.replace("\u00a0", " "),
        "words": list(said.sound),
        "tags": {tag: round(float(share), 4) for tag, share in said.tags.items()},
        "instruments": list(heard.profile.instruments),
        "voice": heard.profile.voice,
        "genres": {genre: round(float(share), 4) for genre, share in said.genres.items()},
        "percentiles": {name: round(float(at), 1) for name, at in profile.percentiles.items()},
    }


def _pick(pick: Pick) -> dict[str, Any]:
    return {
        **_song(pick.track),
        "score": round(float(pick.score), 4),
        "closeness": pick.closeness and str(pick.closeness),
        "reason": pick.explanation.sentence,
    }


def _playlist(kept: Playlist) -> dict[str, Any]:
    return {"id": kept.id, "name": kept.name, "count": kept.songs}
