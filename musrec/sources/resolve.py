"""A link or a text becomes one song, or a choice of songs, or a sentence that says why not.

Nothing is guessed: where artist, title, version and duration do not agree, the member is asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from musrec.model import Choices, Track, track_id
from musrec.sources import links, shapes
from musrec.sources.fetch import HOPS, Endpoints, permitted, redirect
from musrec.sources.gate import Absent, Deadline, Gate, Refused, Unanswered, Unsupported
from musrec.sources.matching import (
    Recordings,
    Wanted,
    fit,
    identified,
    readings,
    same,
)
from musrec.sources.provider import Heading, Link, LinkKind, Provider
from musrec.sources.providers import LABELS
from musrec.titles import fold, merge, read_title

if TYPE_CHECKING:
    import aiohttp

OFFERED = 10
"""Songs in a choice; a Discord menu holds 25, a person reads ten."""
WORTH_OFFERING = 0.45
"""A `Fit.score`; below it, a song has next to nothing in common with what was asked."""
LONGEST_SONG = 20 * 60.0
"""Seconds; anything longer is a mix, a concert or a podcast."""
FINISHING = 4.0
"""Seconds that filling in genre and popularity may take."""

_SEND_TARGET = "Open it and send me where it leads."
_SEND_CLIP = "Send me the title and artist, or a clip of it as a file."
_LATER = "Try again in a minute, or send me a clip."

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Found:
    """One song, with the provider of each of its fields in `Track.provenance`."""

    track: Track


@dataclass(frozen=True, slots=True)
class Missing:
    """No song: what happened, and what to try."""

    sentence: str
    hint: str = ""


Resolution = Found | Choices | Missing

_LISTS = {
    LinkKind.ALBUM: "That is an album; these are songs from it.",
    LinkKind.PLAYLIST: "That is a playlist; these are songs from it.",
    LinkKind.ARTIST: "That is an artist; these are some of their songs.",
}


@dataclass(slots=True)
class _Inquiry:
    """Asks one provider after the other, and remembers why some gave no answer.

    Attributes
    ----------
    site : str
        Site of the link that is looked into; empty for text.
    gone : str
        What a provider said that knows of no such song; what one that speaks for the site said
        takes precedence.
    gone_there : bool
        Whether a provider that speaks for the site said so.
    refusals : list of str
        What those providers said that could not be asked.
    """

    site: str = ""
    gone: str = ""
    gone_there: bool = False
    refusals: list[str] = field(default_factory=list)

    async def each(
        self, providers: Iterable[Provider], ask: Callable[[Provider], Awaitable[V]]
    ) -> AsyncIterator[V]:
        for provider in providers:
            try:
                yield await ask(provider)
            except Unsupported:
                continue
            except Absent as absent:
                knows = provider.speaks_for(self.site)
                self.gone = str(absent) if knows else self.gone or str(absent)
                self.gone_there |= knows
            except Refused as refusal:
                self.refusals.append(str(refusal))

    def unreachable(self, sentence: str) -> Missing:
        """Say that no service could be asked, and why."""
        if not self.refusals:
            hint = "Send me a clip of it as a file."
            return Missing(f"{sentence}: the services that could are switched off.", hint)
        return Missing(f"{sentence} now: {self.why}.", _LATER)

    @property
    def why(self) -> str:
        return "; ".join(self.refusals[:3])


class Resolver:
    """Asks the providers that are on, in the order that they are given.

    Parameters
    ----------
    providers : sequence of Provider
        Those that are on, the preferred first.
    session, endpoints
        For short links.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        session: aiohttp.ClientSession,
        endpoints: Endpoints,
    ) -> None:
        self._providers = providers
        self._session = session
        self._endpoints = endpoints
        self._short_links = Gate("Short links", rate=5, seconds=2, places=4)

    async def resolve(self, text: str, deadline: Deadline) -> Resolution:
        """Find the song that a link or a text means; never raises for what a person sent."""
        text = shapes.one_line(text)[:2_000]
        if not text:
            return Missing("No song was named.", "Name one, or send a link or a clip.")
        link = links.parse(text)
        if link is None and (host := links.host(text)) is not None:
            return _unread(host)
        if link is None:
            return await self._text(text, deadline)
        if link.kind is LinkKind.SHORT:
            expanded = await self._expand(link, deadline)
            if isinstance(expanded, Missing):
                return expanded
            link = expanded
        read = self._song if link.kind is LinkKind.TRACK else self._list
        return await read(link, deadline)

    # Text -------------------------------------------------------------------------------------

    async def _text(self, text: str, deadline: Deadline) -> Resolution:
        text = text[:200]
        inquiry = _Inquiry()
        offered = Recordings()
        asked = inquiry.each(self._providers, lambda it: it.search(text, deadline))
        async for tracks in asked:
            if sure := _sure(text, tracks):
                return Found(await self.finish(sure, deadline))
            second = bool(offered.tracks)
            for track in tracks:
                offered.add(track)
            if second and _near(text, offered.tracks):
                break  # two services found several songs: a third would only add more
        if near := _near(text, offered.tracks):
            if len(near) > 1:
                return Choices(near, f"Several songs come near “{_short(text)}”.")
            return Choices(near, f"Only one song comes near “{_short(text)}”.")
        if not inquiry.gone and not offered.tracks:
            return inquiry.unreachable("I cannot look for titles")
        nothing = f"I found no song called “{_short(text)}”"
        if inquiry.refusals:
            return Missing(f"{nothing}, and could not ask every service: {inquiry.why}.", _LATER)
        return Missing(f"{nothing}.", _SEND_CLIP)

    # Links ------------------------------------------------------------------------------------

    async def _song(self, link: Link, deadline: Deadline) -> Resolution:
        """Find out a link's song: from a provider that opens it, then from what its page says."""
        inquiry = _Inquiry(link.provider)
        async for tracks in inquiry.each(self._providers, lambda it: it.open(link, deadline)):
            return Found(await self.finish(_linked(tracks[0], link), deadline))
        unsure: Found | Choices | None = None
        async for heading in inquiry.each(self._providers, lambda it: it.heading(link, deadline)):
            if heading.duration and heading.duration > LONGEST_SONG:
                return Missing(
                    f"That is {_length(heading.duration)} long: a mix, a concert or a talk.",
                    "Send a link to one song, or a clip of the part you like.",
                )
            found = await self._headed(heading, link, deadline)
            if isinstance(found, Found):
                return found
            unsure = found or unsure or _own(heading, link)
        if unsure:
            return unsure
        if inquiry.gone_there or (inquiry.gone and not inquiry.refusals):
            return Missing(f"There is no song behind that link: {inquiry.gone}.", _SEND_CLIP)
        return inquiry.unreachable(f"I cannot look into that {_site(link)} link")

    async def _headed(
        self, heading: Heading, link: Link, deadline: Deadline
    ) -> Found | Choices | None:
        """Find the song that a page's heading means, and check it against all that is known."""
        wanted = [
            replace(reading, duration=heading.duration)
            for reading in readings(heading.title, heading.author)
        ]
        offered = Recordings()
        asked = _Inquiry().each(
            self._providers, lambda provider: provider.search(wanted[0].query, deadline)
        )
        async for tracks in asked:
            for reading in wanted:
                agreeing = [t for t in tracks if reading.artists and same(reading, t)]
                if agreeing:
                    return Found(await self.finish(_linked(agreeing[0], link), deadline))
            for track in tracks:
                offered.add(track)
        if near := _near(f"{heading.title} {heading.author or ''}", offered.tracks):
            come = "these songs come" if len(near) > 1 else "this song comes"
            return Choices(near, f"That link says only “{_short(heading.title)}”; {come} near.")
        return None

    async def _list(self, link: Link, deadline: Deadline) -> Resolution:
        if link.kind is LinkKind.PODCAST:
            return Missing("That is a podcast, and I listen to songs.", "Send a link to a song.")
        inquiry = _Inquiry(link.provider)
        async for tracks in inquiry.each(self._providers, lambda it: it.open(link, deadline)):
            return Choices(tracks[:OFFERED], _LISTS[link.kind])
        what = f"I cannot look into that {_site(link)} {link.kind}"
        if inquiry.refusals and not inquiry.gone_there:
            return inquiry.unreachable(what)
        return Missing(
            f"{what}: {inquiry.gone or 'it does not show me its songs'}.",
            "Open it and send me the link of one song from it.",
        )

    async def _expand(self, link: Link, deadline: Deadline) -> Link | Missing:
        """Follow a short link ourselves, checking the host of every hop."""
        gate, hosts = self._short_links, self._endpoints.origins(links.HOPS)
        address: str | None = self._endpoints.at(f"short/{link.id}", link.url)
        silent = Missing("That short link does not answer.", _SEND_TARGET)
        try:
            async with gate.turn(deadline):
                for _ in range(HOPS):
                    if address is None or not permitted(address, hosts):
                        break
                    try:
                        address = await redirect(
                            self._session, address, origins=hosts, who=gate.name
                        )
                    except Refused:  # a dead link is no reason to close the gate to the others
                        return silent
                    found = links.parse(address or "")
                    if found and found.kind is not LinkKind.SHORT:
                        return found
        except Refused:
            return silent
        return Missing("That short link leads to no song that I know.", _SEND_TARGET)

    # Filling in -------------------------------------------------------------------------------

    async def finish(self, track: Track, deadline: Deadline) -> Track:
        """Fill in what other providers know of a song: ISRC, popularity, genre.

        Whatever takes longer than a few seconds stays unknown.
        """
        soon = deadline.sooner(min(FINISHING, deadline.left / 3))
        if not track.isrc:
            track = await self._in_full(track, soon)
        if not track.isrc or track.popularity is None:
            track = await self._anchored(track, soon)
        if track.genre is None:
            for provider in self._providers:
                if soon.left == 0:
                    break
                try:
                    genre = await provider.genre(track, soon)
                except Unanswered:
                    continue
                said = {**track.provenance, "genre": provider.name}
                return replace(track, genre=genre, provenance=said)
        return track

    async def _in_full(self, track: Track, deadline: Deadline) -> Track:
        """Open the track where it was found: its own page tells more than a list of results."""
        for provider in self._providers:
            number = track.identities.get(provider.name)
            if number and provider.tells_isrc:
                page = Link(
                    provider.name, LinkKind.TRACK, number, track.links.get(provider.name, "")
                )
                try:
                    return identified(merge(track, (await provider.open(page, deadline))[0]))
                except Unanswered:
                    continue
        return track

    async def _anchored(self, track: Track, deadline: Deadline) -> Track:
        """Find the same recording elsewhere, where its ISRC or popularity may be known."""
        for provider in self._providers:
            if provider.name in track.identities:
                continue
            try:
                return identified(merge(track, await self._elsewhere(track, provider, deadline)))
            except Unanswered:
                continue
        return track

    async def known_by(self, name: str, track: Track, deadline: Deadline) -> Track | None:
        """Return a track with what one service knows of the same recording, or None."""
        for provider in self._providers:
            if provider.name == name:
                with suppress(Unanswered):
                    return merge(track, await self._elsewhere(track, provider, deadline))
        return None

    async def _elsewhere(self, track: Track, provider: Provider, deadline: Deadline) -> Track:
        if track.isrc:
            try:
                return await provider.by_isrc(track.isrc, deadline)
            except (Absent, Unsupported):
                pass
        wanted = Wanted.of(track)
        for other in await provider.search(wanted.query, deadline):
            if track.artists and same(wanted, other):
                return other
        raise Absent(f"{provider.label} does not have {track}")


def _unread(host: str) -> Missing:
    if links.is_known(host):
        return Missing("That link leads to no song.", "Send me the link of the song itself.")
    return Missing("I do not know that site.", f"What works: {links.WORKS}, titles, and clips.")


def _sure(text: str, tracks: Iterable[Track]) -> Track | None:
    """Return the one song that a text names, or None where it may mean another one too."""
    fits = [(fit(text, track), track) for track in tracks]
    exact = [(how, track) for how, track in fits if how.exact]
    named = [track for how, track in exact if how.artist_named] or [track for _, track in exact]
    # Without the artist, a title is sure only where one artist alone plays it; "remix" only where
    # there is one; and an artist whose name is the title may be meant as well.
    remixes = {read_title(track.title).detail for track in named}
    called_so = any(fold(text) == fold(name) for _, track in fits for name in track.artists)
    if len({track.artists[:1] for track in named}) != 1 or len(remixes) > 1 or called_so:
        return None
    return max(named, key=lambda track: track.popularity or 0.0)


def _linked(track: Track, link: Link) -> Track:
    return replace(
        track,
        identities={**track.identities, link.provider: link.id},
        links={**track.links, link.provider: link.url},
    )


def _near(text: str, tracks: Iterable[Track]) -> tuple[Track, ...]:
    """Return songs that have something in common with what was asked, the nearest first."""
    scored = [(fit(text, track).score, track.popularity or 0.0, track) for track in tracks]
    scored.sort(key=lambda row: row[:2], reverse=True)
    return tuple(track for score, _, track in scored if score >= WORTH_OFFERING)[:OFFERED]


def _own(heading: Heading, link: Link) -> Found:
    """Take a page at its word, for songs that exist nowhere else."""
    reading = readings(heading.title, heading.author)[0]
    known = {
        "title": reading.title,
        "artists": reading.artists or None,
        "duration": heading.duration,
    }
    return Found(
        Track(
            id=track_id(link.provider, link.id),
            title=reading.title,
            artists=reading.artists,
            duration=heading.duration,
            identities={link.provider: link.id},
            links={link.provider: link.url},
            provenance={name: link.provider for name, value in known.items() if value is not None},
        )
    )


def _site(link: Link) -> str:
    return LABELS[link.provider]


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"


def _length(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
