"""oEmbed: what pages of Spotify, SoundCloud, YouTube and Tidal say of themselves; no key."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import SplitResult

from musrec.sources import shapes
from musrec.sources.fetch import Api
from musrec.sources.gate import Absent, Deadline, Gate
from musrec.sources.provider import (
    LIST_ID,
    NUMBER,
    Heading,
    Link,
    LinkKind,
    Provider,
    Setup,
    Site,
)
from musrec.sources.spotify import SPOTIFY
from musrec.sources.ytdlp import SOUNDCLOUD, YOUTUBE


def _read_tidal(path: list[str], _: SplitResult) -> Link | None:
    if path and path[0] == "browse":
        path = path[1:]
    if len(path) >= 4 and (path[0], path[2]) == ("album", "track"):
        path = path[2:]
    if len(path) < 2:
        return None
    kind = {
        "track": LinkKind.TRACK,
        "album": LinkKind.ALBUM,
        "artist": LinkKind.ARTIST,
        "playlist": LinkKind.PLAYLIST,
    }.get(path[0])
    wanted = LIST_ID if kind is LinkKind.PLAYLIST else NUMBER
    if kind is None or not wanted.fullmatch(path[1]):
        return None
    return Link("tidal", kind, path[1], f"https://tidal.com/{path[0]}/{path[1]}")


TIDAL = Site("tidal", "Tidal", hosts=("tidal.com", "listen.tidal.com"), read=_read_tidal)

SERVICES = (
    (SPOTIFY, "https://open.spotify.com/oembed"),
    (SOUNDCLOUD, "https://soundcloud.com/oembed"),
    (YOUTUBE, "https://www.youtube.com/oembed"),
    (TIDAL, "https://oembed.tidal.com"),
)


class OEmbed(Provider):
    """One site's endpoint; each has its own gate, so that one that is down stops no other.

    Parameters
    ----------
    setup : Setup
    site : Site
        Whose links it reads.
    endpoint : str
    """

    name = "oembed"
    label = "oEmbed"
    sites = (TIDAL,)

    def __init__(self, setup: Setup, site: Site, endpoint: str) -> None:
        super().__init__(setup)
        self.site = site.name
        self.label = f"{site.label}'s pages"
        self.gate = Gate(self.label, rate=5, seconds=2, places=3)
        base = setup.endpoints.at(f"oembed/{site.name}", endpoint)
        self._api = Api(self.gate, setup.session, base)

    @classmethod
    def build(cls, setup: Setup) -> Sequence[Provider]:
        """Return one provider per site."""
        return tuple(cls(setup, site, endpoint) for site, endpoint in SERVICES)

    def speaks_for(self, site: str) -> bool:
        """Whether it is this provider's site."""
        return site == self.site

    async def heading(self, link: Link, deadline: Deadline) -> Heading:
        """Return title and author; Spotify gives no author, and Tidal not always."""
        if link.provider != self.site or link.kind is not LinkKind.TRACK:
            return await super().heading(link, deadline)
        answer = await self._api.get(
            "", deadline, {"url": link.url, "format": "json"}, complaint=_complaint
        )
        title, author = shapes.text(answer, "title"), shapes.text(answer, "author_name")
        if title is None:
            raise Absent(f"{self.label} give no title")
        if author:  # SoundCloud writes "Flickermood by Forss"
            title = title.removesuffix(f" by {author}")
        return Heading(title, author)


def _complaint(_answer: object, status: int) -> None:
    if status in (400, 401, 403, 404):
        raise Absent("the page is private or gone")
