"""The part of OpenSubsonic that a player needs to find, play and follow songs by their sound.

Version 1.16.1 of the protocol, with the extensions ``apiKeyAuthentication``, ``formPost`` and
``sonicSimilarity`` (https://opensubsonic.netlify.app/docs/extensions/sonicsimilarity). Names and
passwords are refused: `musrec.web.keys` says why. There are songs but no albums or folders here, so
of a search only songs come back, and only songs have ids.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from musrec import __version__
from musrec.catalogue.model import Near, SongFilter
from musrec.model import Heard, MusrecError, NotFound, Track
from musrec.web import keys
from musrec.web.files import media_type, song_file
from musrec.web.pages import form, service_of
from musrec.web.sessions import NotAllowed, NotSignedIn, visit

VERSION = "1.16.1"
NAMESPACE = "http://subsonic.org/restapi"
EXTENSIONS = ("apiKeyAuthentication", "formPost", "sonicSimilarity")

MOST = 500
"""Songs of one answer."""


class Refused(MusrecError):
    """A request that the protocol has an error code for.

    Attributes
    ----------
    code : int
    """

    def __init__(self, code: int, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.code = code


class NoMethod(MusrecError):
    """A method of the protocol that is not offered here."""


Asked = Mapping[str, str]
Fields = Mapping[str, Any]


async def answer(request: Request) -> Response:
    """Answer one method of the protocol."""
    asked = dict(request.query_params)
    if request.method == "POST":
        asked |= {name: str(value) for name, value in (await form(request)).items()}
    request.state.format = asked.get("f", "xml")
    if request.state.format not in ("xml", "json"):
        request.state.format = "xml"
        raise Refused(0, "I answer in xml or json.", "Set f to one of them.")
    name = request.path_params["method"].removesuffix(".view")
    method = METHODS.get(name)
    if method is None:
        raise NoMethod(
            f"There is no method {name[:40]!r} here.", f"There are {', '.join(METHODS)}."
        )
    if name != "getOpenSubsonicExtensions":
        await _sign_in(request, asked)
    found = await method(request, asked)
    return found if isinstance(found, Response) else _written(request, {"status": "ok"}, found)


async def _sign_in(request: Request, asked: Asked) -> None:
    key, others = asked.get("apiKey", ""), [name for name in "upts" if asked.get(name)]
    if key and others:
        raise Refused(43, "A key comes without a name and password.", "Send apiKey alone.")
    if not key:
        if "t" in others or "s" in others:
            raise Refused(41, "Tokens made of a password do not work here.", "Send apiKey.")
        if "p" in others:
            raise Refused(42, "Passwords do not work here.", "Send apiKey.")
        raise Refused(10, "The parameter apiKey is missing.", "Make a key on the page, under Keys.")
    try:
        await keys.holder(request, key)
    except NotSignedIn:
        raise Refused(44, "There is no such key.", "Make one on the page, under Keys.") from None


# Methods ------------------------------------------------------------------------------------------


async def _ping(request: Request, asked: Asked) -> Fields:  # noqa: ARG001
    return {}


async def _license(request: Request, asked: Asked) -> Fields:  # noqa: ARG001
    return {"license": {"valid": True}}


async def _extensions(request: Request, asked: Asked) -> Fields:  # noqa: ARG001
    found = [{"name": name, "versions": [1]} for name in EXTENSIONS]
    return {"openSubsonicExtensions": found}


async def _token_info(request: Request, asked: Asked) -> Fields:  # noqa: ARG001
    return {"tokenInfo": {"username": visit(request).name}}


async def _search(request: Request, asked: Asked) -> Fields:
    """Search by title and artist; without a query, all songs come page by page."""
    text = asked.get("query", "").strip().strip('"')
    first, count = _number(asked, "songOffset", 0, 10**6), _number(asked, "songCount", 20, MOST)
    try:
        found = await service_of(request).catalogue.search(SongFilter(text[:200]), first + count)
    except NotFound:
        found = []
    return {"searchResult3": {"song": await _children(request, found[first:])}}


async def _song(request: Request, asked: Asked) -> Fields:
    service, id_ = service_of(request), _needed(asked, "id")
    track = await service.songs.shown_to(id_, visit(request).member)
    (child,) = await _children(request, [track])
    heard = await service.songs.heard(id_)
    if heard and heard.profile.tempo:
        child["bpm"] = round(heard.profile.tempo)
    return {"song": child}


async def _similar(request: Request, asked: Asked) -> list[dict[str, Any]]:
    near = await _nearest(request, asked, 50)
    return await _children(request, [track for track, _ in near])


async def _similar_songs(request: Request, asked: Asked) -> Fields:
    return {"similarSongs": {"song": await _similar(request, asked)}}


async def _similar_songs_2(request: Request, asked: Asked) -> Fields:
    return {"similarSongs2": {"song": await _similar(request, asked)}}


async def _sonic_similar(request: Request, asked: Asked) -> Fields:
    return {"sonicMatch": await _matches(request, await _nearest(request, asked, 10))}


async def _sonic_path(request: Request, asked: Asked) -> Fields:
    start, end = [await _heard(request, _needed(asked, f"{at}SongId")) for at in ("start", "end")]
    count = max(2, _number(asked, "count", 25, MOST))
    found = await service_of(request).catalogue.path(start, end, count)
    return {"sonicMatch": await _matches(request, found)}


async def _stream(request: Request, asked: Asked) -> Response:
    """Serve the file of a song as it is: there is no transcoding."""
    return await song_file(service_of(request), visit(request), _needed(asked, "id"))


METHODS: Mapping[str, Callable[[Request, Asked], Awaitable[Fields | Response]]] = {
    "ping": _ping,
    "getLicense": _license,
    "getOpenSubsonicExtensions": _extensions,
    "tokenInfo": _token_info,
    "search3": _search,
    "getSong": _song,
    "getSimilarSongs": _similar_songs,
    "getSimilarSongs2": _similar_songs_2,
    "getSonicSimilarTracks": _sonic_similar,
    "findSonicPath": _sonic_path,
    "stream": _stream,
}


async def _nearest(request: Request, asked: Asked, usual: int) -> Sequence[Near]:
    heard = await _heard(request, _needed(asked, "id"))
    count = _number(asked, "count", usual, MOST)
    return await service_of(request).catalogue.nearest(heard, count)


async def _heard(request: Request, id_: str) -> Heard:
    songs = service_of(request).songs
    track = await songs.shown_to(id_, visit(request).member)
    if (heard := await songs.heard(id_)) is None:
        raise NotFound(f"I have not heard {track} yet.")
    return heard


async def _matches(request: Request, found: Sequence[Near]) -> list[Fields]:
    children = await _children(request, [track for track, _ in found])
    return [
        {"entry": child, "similarity": round(min(1.0, max(0.0, alike)), 4)}
        for child, (_, alike) in zip(children, found, strict=True)
    ]


async def _children(request: Request, tracks: Sequence[Track]) -> list[dict[str, Any]]:
    """Return songs as the protocol has them; what is not known is left out."""
    files = await service_of(request).songs.files_of(track.id for track in tracks)
    plays = visit(request).may_play_files
    found = []
    for track in tracks:
        child: dict[str, Any] = {
            "id": track.id,
            "isDir": False,
            "isVideo": False,
            "type": "music",
            "mediaType": "song",
            "title": track.title,
            "artist": track.artist,
            "displayArtist": track.artist,
            "album": track.album,
            "genre": track.genre,
            "genres": [{"name": track.genre}] if track.genre else None,
            "year": track.year,
            "duration": None if track.duration is None else round(track.duration),
            "isrc": [track.isrc] if track.isrc else None,
            "musicBrainzId": track.identities.get("mbid"),
        }
        if plays and (file := files.get(track.id)):
            child |= {"suffix": file.suffix.lower()[1:], "contentType": media_type(file)}
        found.append({name: value for name, value in child.items() if value is not None})
    return found


def _needed(asked: Asked, name: str) -> str:
    if not asked.get(name):
        raise Refused(10, f"The parameter {name} is missing.")
    return asked[name]


def _number(asked: Asked, name: str, usual: int, most: int) -> int:
    text = asked.get(name, "")
    if not text:
        return usual
    if not text.isdecimal() or len(text) > 9:
        raise Refused(0, f"{name} is no whole number.", f"Send 0 to {most:,}.")
    return min(int(text), most)


# Writing ------------------------------------------------------------------------------------------


def failed(request: Request, status: int, what: str, hint: str, error: Exception) -> Response:
    """Say what went wrong, as the protocol does: with status 200 wherever it has a code for it."""
    code = 0
    match error:
        case Refused():
            code = error.code
        case NotFound():
            code = 70
        case NotAllowed():
            code = 50
    said = {"code": code, "message": f"{what} {hint}".strip()}
    if code in (10, 41, 42, 44):
        said["helpUrl"] = f"{str(request.base_url).rstrip('/')}/keys"
    found = _written(request, {"status": "failed"}, {"error": said})
    if isinstance(error, NoMethod):
        found.status_code = 404
    elif code == 0 and status != 400:
        found.status_code = status
    return found


def _written(request: Request, head: Fields, fields: Fields) -> Response:
    about = {"version": VERSION, "type": "musrec", "serverVersion": __version__}
    whole = {**head, **about, "openSubsonic": True, **fields}
    if getattr(request.state, "format", "xml") == "json":
        return JSONResponse({"subsonic-response": whole})
    root = ET.Element("subsonic-response", xmlns=NAMESPACE)
    _fill(root, whole)
    text = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return Response(text, media_type="application/xml")


def _fill(element: ET.Element, fields: Fields) -> None:
    """Write fields as attributes, and what holds fields or several values as elements."""
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Mapping):
                _fill(ET.SubElement(element, name), one)
            elif isinstance(value, list):
                ET.SubElement(element, name).text = _text(one)
            else:
                element.set(name, _text(one))


_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write."""


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else _NO_XML.sub("\ufffd", str(value))
