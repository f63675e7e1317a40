"""Home: ask with a title, a link, a wish or a file; the answer streams in, or comes as a page."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Literal

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from musrec.catalogue.model import tempo_range
from musrec.columns import SINGING
from musrec.model import Choices, Constraints, Heard, MusrecError, NotFound
from musrec.service.songs import Progress
from musrec.web.pages import LARGEST_CLIP, TooLarge, form, render, service_of, text
from musrec.web.sessions import visit

if TYPE_CHECKING:
    from musrec.members.model import Visit

_log = logging.getLogger(__name__)


def look(request: Request) -> Literal["dark", "light"]:
    """Return the look of a picture that a page asks for."""
    return "light" if request.query_params.get("look") == "light" else "dark"


def picture(png: bytes) -> Response:
    """Answer with a drawn picture, which the asking browser may keep for a while."""
    return Response(png, media_type="image/png", headers={"cache-control": "private, max-age=600"})


async def home(request: Request) -> Response:
    """Show where one asks, with songs to start from."""
    service = service_of(request)
    starts = await service.catalogue.first_steps()
    return render(
        request,
        "home.html",
        starts=starts[:12],
        songs=len(service.catalogue),
        **await _wishes(request),
    )


async def _wishes(request: Request) -> dict[str, Any]:
    """Return what the form that asks offers to choose from."""
    catalogue = service_of(request).catalogue
    return {
        "genres": await asyncio.to_thread(catalogue.genres),
        "moods": await catalogue.moods(),
        "instruments": catalogue.instruments(),
    }


async def ask(request: Request) -> Response:
    """Answer a question: as a stream of events to a script, else with a page."""
    who, fields = visit(request), await form(request)
    if "text/event-stream" in request.headers.get("accept", ""):
        return StreamingResponse(
            _stream(request, who, fields),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
        )
    found = await _answered(request, who, fields, None)
    if isinstance(found, Choices):
        return render(request, "choices.html", found=found)
    return RedirectResponse(f"/answers/{found}", 303)


async def answer(request: Request) -> Response:
    """Show an answer that was given before."""
    shown = await _shown(request, request.path_params["answer"])
    return render(request, "answer.html", **shown, **await _wishes(request))


async def card(request: Request) -> Response:
    """Draw one pick of an answer beside its question."""
    service = service_of(request)
    id_, song = request.path_params["answer"], request.path_params["song"]
    found = await service.answers.kept_for(id_, visit(request).member)
    pick = next((pick for pick in found.picks if pick.track.id == song), None)
    if pick is None:
        raise NotFound("I no longer have that song.", "Ask again.")
    return picture((await service.answers.card(found, pick, look=look(request))).png)


async def _shown(request: Request, id_: str) -> dict[str, Any]:
    service, who = service_of(request), visit(request)
    found = await service.answers.kept_for(id_, who.member)
    thumbs = {p.track.id: await service.members.thumb(who.member, p.track.id) for p in found.picks}
    own = await service.playlists.of(who.member)
    return {"id": id_, "answer": found, "thumbs": thumbs, "playlists": own}


async def cover(request: Request) -> Response:
    """Lead to the cover of a song, where a service shows it: nothing of it is kept here."""
    service = service_of(request)
    track = await service.songs.shown_to(request.path_params["song"], visit(request).member)
    if (found := await service.songs.cover(track)) is None:
        return Response(status_code=204)
    headers = {"cache-control": "private, max-age=3600"}
    return RedirectResponse(found.url, 302, headers=headers)


async def _heard(
    request: Request, who: Visit, fields: FormData
) -> tuple[Heard | None, Constraints] | Choices:
    """Return the song that was asked with, if any, and what the answer must be like."""
    service = service_of(request)
    clip, song = fields.get("clip"), str(fields.get("song", ""))
    words = str(fields.get("text", "")).strip()[:500]
    wanted = _wanted(fields)
    if isinstance(clip, UploadFile) and clip.filename:
        data = await clip.read(LARGEST_CLIP + 1)
        if len(data) > LARGEST_CLIP:
            raise TooLarge
        return await service.songs.hear_clip(data, clip.filename), wanted
    if song:
        track = await service.songs.shown_to(song, who.member)
        return await service.songs.hear_track(track), wanted
    if not words:
        if fields.get("mine") or wanted != Constraints():
            return None, wanted
        raise NotFound("You asked for nothing yet.", "Type a title, or choose a file.")
    if wish := await service.catalogue.wish(words):
        return None, wish
    found = await service.songs.find(words)
    if isinstance(found, Choices):
        return found
    track = await service.songs.shown_to(found.id, who.member)
    return await service.songs.hear_track(track), wanted


def _wanted(fields: FormData) -> Constraints:
    genre, mood, instrument, voice = (
        str(fields.get(name, "")).casefold()[:80]
        for name in ("genre", "mood", "instrument", "voice")
    )
    tempo = str(fields.get("tempo", "")).strip()
    return Constraints(
        only_genres=frozenset((genre,) if genre else ()),
        only_moods=frozenset((mood,) if mood else ()),
        only_instruments=frozenset((instrument,) if instrument else ()),
        voice=SINGING[SINGING.index(voice)] if voice in SINGING else "",
        tempo=tempo_range(tempo) if tempo else None,
    )


async def _answered(
    request: Request, who: Visit, fields: FormData, progress: Progress | None
) -> str | Choices:
    service = service_of(request)
    since = await service.members.meet(who.member)
    try:
        adventurous = min(1.0, max(0.0, float(str(fields.get("adventurous", "")))))
    except ValueError:
        adventurous = None
    with service.measures.answer("page", _kind(fields)) as told:
        async with service.promptly():
            asked = await _heard(request, who, fields)
            if isinstance(asked, Choices):
                told.outcome = "choices"
                return asked
            heard, wanted = asked
            found = await service.answers.recommend(
                heard,
                member=who.member,
                since=since,
                adventurous=adventurous,
                constraints=wanted,
                progress=progress,
            )
        if not found.picks:
            raise NotFound(" ".join(found.notes) or "I found nothing that fits.")
        return found.id


def _kind(fields: FormData) -> str:
    """Return what was asked with, as `musrec.service.measures` counts it."""
    clip = fields.get("clip")
    if isinstance(clip, UploadFile) and clip.filename:
        return "clip"
    if fields.get("song"):
        return "song"
    if str(fields.get("text", "")).strip():
        return "text"
    return "taste" if fields.get("mine") else "wish"


async def _stream(request: Request, who: Visit, fields: FormData) -> AsyncIterator[str]:
    """Yield how far the answer is, then the answer, as server-sent events."""
    steps: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
    working = asyncio.create_task(
        _answered(request, who, fields, lambda done, of: steps.put_nowait((done, of)))
    )
    try:
        yield _event("heard", "Listening …")
        while not working.done():
            step = asyncio.create_task(steps.get())
            await asyncio.wait((working, step), return_when=asyncio.FIRST_COMPLETED)
            if step.done():
                yield _event("heard", "Heard {} of {} songs".format(*step.result()))
            else:
                step.cancel()
        found = working.result()
        if isinstance(found, Choices):
            yield _event("answer", text(request, "parts/choices.html", found=found))
            return
        page = text(request, "parts/answer.html", **await _shown(request, found))
        yield _event("address", f"/answers/{found}")
        yield _event("answer", page)
    except MusrecError as error:
        yield _event("wrong", f"{error} {error.hint}".strip())
    except asyncio.CancelledError:
        # The page is about to stop: whoever waits is told, instead of seeing the line break.
        yield _event("wrong", "The page is restarting. Ask again in a minute.")
    except Exception:  # noqa: BLE001 - the answer has begun: nothing else can report it
        _log.exception("an answer failed")
        yield _event("wrong", "Something is broken here. The log says what.")
    finally:
        working.cancel()


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
