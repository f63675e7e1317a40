"""Templates, forms and what every page is rendered with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from musrec import sites, wording
from musrec.model import Busy, MusrecError

if TYPE_CHECKING:
    from musrec.service import Service

FOLDER = Path(__file__).parent
LARGEST_CLIP = 64 * 2**20
"""Bytes of an upload."""

_templates = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals |= {
    "tempo": wording.tempo,
    "voice": wording.voice,
    "sound": wording.sound,
    "instruments": wording.instruments,
    "closeness": wording.closeness,
    "label": sites.label,
    "pages_of": sites.pages,
    "icons": _templates.get_template("parts/icons.html").module,
}


class TooLarge(Busy):
    """A form, or a file in it, is larger than it may be."""

    def __init__(self, most: int = LARGEST_CLIP) -> None:
        if most < LARGEST_CLIP:
            super().__init__("That form is too large.", "Shorten it.")
            return
        super().__init__(
            f"That file is larger than {LARGEST_CLIP // 2**20} MiB.", "Send an excerpt of it."
        )


def service_of(request: Request) -> Service:
    """Return the service behind the page."""
    service: Service = request.app.state.service
    return service


def text(request: Request, name: str, /, **values: Any) -> str:
    """Render a template."""
    state = request.state
    return _templates.get_template(name).render(
        path=request.url.path,
        visit=state.visit,
        token=state.token,
        asked=request.query_params,
        said="",
        wrong=values.pop("wrong", ""),
        **values,
    )


def render(request: Request, name: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Answer with a page."""
    return HTMLResponse(text(request, name, **values), status)


async def form(request: Request) -> FormData:
    """Read a form; a file in it is kept on the disk.

    Raises
    ------
    TooLarge
        It holds more bytes than `request.state.most`.
    MusrecError
        The form was not made by this page.
    """
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > request.state.most:
        raise TooLarge(request.state.most)
    try:
        fields = await request.form(max_files=1, max_fields=11_000, max_part_size=2**20)
    except TooLarge:
        raise
    except Exception as error:
        raise MusrecError("That form could not be read.", "Reload the page.") from error
    if request.state.token and request.headers.get("x-csrf-token") != request.state.token:
        given = fields.get("token")
        if given != request.state.token:
            raise MusrecError("This page is out of date.", "Reload it, and try again.")
    return fields


def back(request: Request, otherwise: str) -> Response:
    """Return to the page that a form was on."""
    came = urlsplit(request.headers.get("referer", ""))
    own = came.netloc == request.headers.get("host")
    to = (came.path + (f"?{came.query}" if came.query else "")) if own else otherwise
    return RedirectResponse(to if to.startswith("/") and not to.startswith("//") else "/", 303)


def with_query(request: Request, **changes: object) -> str:
    """Return the query of a request with some keys changed; None removes one."""
    kept = dict(request.query_params) | changes
    return "?" + urlencode({key: value for key, value in kept.items() if value not in (None, "")})
