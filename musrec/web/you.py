"""What is a member's own: history, taste, choices and data; and the owner's guests."""

from __future__ import annotations

from base64 import b64encode

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from musrec.members.model import HISTORY_KINDS, HistoryFilter
from musrec.model import MusrecError, NotFound
from musrec.web.ask import look, picture
from musrec.web.pages import form, render, service_of, with_query
from musrec.web.sessions import visit

PAGE = 30
INVITED_SECONDS = 86_400
"""How long an invitation to a blend works."""


async def history(request: Request) -> Response:
    """Show what a member did, newest first."""
    asked = request.query_params
    kind = asked.get("kind", "all")
    if kind not in HISTORY_KINDS:
        raise NotFound("There is no such kind.", f"Choose one of {', '.join(HISTORY_KINDS)}.")
    page = asked.get("page", "1")
    found = await service_of(request).members.history(
        visit(request).member,
        HistoryFilter(kind, asked.get("text", "")[:200]),
        page=max(0, min(int(page), 10**6) - 1) if page.isdecimal() else 0,
        size=PAGE,
    )
    return render(
        request,
        "history.html",
        found=found,
        kinds=tuple(HISTORY_KINDS),
        kind=kind,
        link=lambda **changes: with_query(request, **changes),
    )


async def taste(request: Request) -> Response:
    """Say what a member likes."""
    service, who = service_of(request), visit(request)
    try:
        portrait, drawn = await service.members.taste(who.member, who.name)
    except NotFound:
        why = "I don't know what you like yet. Give a few songs a thumb, and look again."
        return render(request, "taste.html", portrait=None, alt="", why=why)
    return render(request, "taste.html", portrait=portrait, alt=drawn.alt, why="")


async def taste_picture(request: Request) -> Response:
    """Draw what a member likes."""
    who = visit(request)
    _, drawn = await service_of(request).members.taste(who.member, who.name, look=look(request))
    return picture(drawn.png)


async def invite(request: Request) -> Response:
    """Make a link: the member who follows it and agrees sees where two tastes meet."""
    who = visit(request)
    await form(request)
    signed = (await _invitations(request)).dumps([who.member, who.name])
    link = f"{str(request.base_url).rstrip('/')}/blend/{signed}"
    return render(request, "blend.html", link=link, host="", found=None, picture="")


async def blend(request: Request) -> Response:
    """Show who invites to a blend of two tastes; blend them, if both agree."""
    service, who = service_of(request), visit(request)
    try:
        host, name = (await _invitations(request)).loads(
            request.path_params["invitation"], max_age=INVITED_SECONDS
        )
    except BadData:
        raise NotFound("This invitation no longer works.", "Ask for a new one.") from None
    if host == who.member:
        raise MusrecError("This invitation is your own.", "Send it to another member.")
    if await service.members.hidden(host):
        raise NotFound(f"{name} lets no other member see their taste now.")
    if request.method == "GET":
        return render(request, "blend.html", link="", host=name, found=None, picture="")
    await form(request)
    found, drawn = await service.members.blend(
        (who.member, host), (who.name, name), look=look(request)
    )
    png = f"data:image/png;base64,{b64encode(drawn.png).decode()}"
    return render(
        request, "blend.html", link="", host=name, found=found, picture=png, alt=drawn.alt
    )


async def _invitations(request: Request) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(await service_of(request).visits.key(), salt="blend")


async def map_picture(request: Request) -> Response:
    """Draw all songs as a map, with what the member likes marked."""
    _, drawn = await service_of(request).members.map(visit(request).member, look=look(request))
    return picture(drawn.png)


async def show(request: Request) -> Response:
    """Show what a member chose, and what is kept about them."""
    service, who = service_of(request), visit(request)
    kept = await service.members.about(who.member)
    return render(
        request,
        "you.html",
        chosen=await service.members.get(who.member),
        areas=[(area, len(kept[area.name])) for area in service.members.areas],
        account=await service.visits.account(who.member),
    )


async def choose(request: Request) -> Response:
    """Keep what a member chose."""
    fields = await form(request)
    await service_of(request).members.choose(
        visit(request).member,
        listening="listening" in fields,
        paused="paused" in fields,
        hidden="hidden" in fields,
    )
    return RedirectResponse("/you", 303)


async def export(request: Request) -> Response:
    """Hand out everything kept about a member."""
    who = visit(request)
    data = await service_of(request).members.export(who.member, who.name)
    headers = {"content-disposition": 'attachment; filename="everything-about-me.zip"'}
    return Response(data, media_type="application/zip", headers=headers)


async def delete(request: Request) -> Response:
    """Delete a member with all that was learned from them, which signs them out."""
    fields = await form(request)
    if fields.get("sure") != "yes":
        raise MusrecError("Nothing was deleted.", "Tick the box if you are sure.")
    await service_of(request).members.delete(visit(request).member)
    return RedirectResponse("/sign-in", 303)


async def people(request: Request) -> Response:
    """Show the owner's guests, or invite one."""
    service, link = service_of(request), ""
    if request.method == "POST":
        fields = await form(request)
        if gone := str(fields.get("remove", "")):
            if await service.visits.account(gone):
                await service.members.delete(gone)
        else:
            _, secret = await service.visits.invite(str(fields.get("name", "")))
            link = f"{str(request.base_url).rstrip('/')}/enter/{secret}"
    return render(
        request,
        "people.html",
        accounts=await service.visits.accounts(),
        link=link,
    )
