"""oEmbed: what pages of Spotify, SoundCloud, YouTube and Tidal say of themselves; no key."""

from __future__ import annotations

import aiohttp

from musrec.sites import SITES
from musrec.sources import shapes
from musrec.sources.fetch import Api
from musrec.sources.gate import Absent, Deadline, Gate
from musrec.sources.links import Link, LinkKind
from musrec.sources.provider import Heading, Provider


class OEmbed(Provider):
    """One service's endpoint; each has its own gate, so that one that is down stops no other.

    Parameters
    ----------
    service : str
        Provider of the links that it reads.
    endpoint : str
    """

    name = "oembed"

    def __init__(self, session: aiohttp.ClientSession, service: str, endpoint: str) -> None:
        self.service = service
        self.label = f"{SITES[service]}'s pages"
        self.gate = Gate(self.label, rate=5, seconds=2, places=3)
        self._api = Api(self.gate, session, endpoint)

    def speaks_for(self, site: str) -> bool:
        """Whether it is this service's site."""
        return site == self.service

    async def heading(self, link: Link, deadline: Deadline) -> Heading:
        """Return title and author; Spotify gives no author, and Tidal not always."""
        if link.provider != self.service or link.kind is not LinkKind.TRACK:
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
