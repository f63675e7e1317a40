"""Members: what they did and chose, their taste, and what is kept about them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from musrec import pictures
from musrec.catalogue.model import Atlas
from musrec.columns import Profiles, Tracks
from musrec.members import history, privacy, taste
from musrec.members.listening import Did, Listening
from musrec.members.model import (
    Blend,
    Deleted,
    HistoryFilter,
    HistoryPage,
    Member,
    Paused,
    Playing,
    Portrait,
)
from musrec.members.taste import Liked
from musrec.model import Feedback, FeedbackKind, NotFound, Picture
from musrec.service.live import Live, whole
from musrec.store import Store

if TYPE_CHECKING:
    from musrec.pictures.draw import LookName


EMPTY_AGAIN_AFTER = 5.0
"""Seconds between two attempts to empty the database's log of what was deleted."""


class Members:
    """Everything that is about members."""

    def __init__(self, store: Store, live: Live) -> None:
        self._store = store
        self._live = live
        self._listening = Listening()
        self._listeners: dict[str, datetime] | None = None

    # What they did ----------------------------------------------------------------------------

    @whole
    async def learn(
        self,
        member: str,
        track: str,
        kind: FeedbackKind,
        *,
        at: datetime | None = None,
        since: datetime | None = None,
        name: str | None = None,
    ) -> bool:
        """Keep what a member did with a track; the next answer knows it.

        Parameters
        ----------
        at : datetime, optional
            When they did it, if that is not now.
        since : datetime, optional
            What `meet` or `listeners` said before: nothing is kept if they had everything deleted
            since then. Without it they are met now.

        Returns
        -------
        bool
            Whether it was news: the same thumb twice is one thumb, and nothing is news from a
            member who paused.

        Raises
        ------
        NotFound
            There is no such track.
        """
        if await self._store.tracks.get(track) is None:
            raise NotFound(f"There is no song with the id “{track}”.", "Look for it by its title.")
        event = Feedback(member, track, kind, at or datetime.now(UTC))
        changed = await self._store.feedback.add(event, name, since)
        if changed:
            self._live.measures.learnt([event])
            await self._live.change_opinions([event])
        return changed

    @whole
    async def like_all(self, member: str, tracks: Collection[str]) -> None:
        """Keep that a member likes some tracks, all or none; the next answer knows it."""
        now = datetime.now(UTC)
        likes = [Feedback(member, track, FeedbackKind.LIKE, now) for track in tracks]
        learnt = await self._store.feedback.add_all(likes)
        self._live.measures.learnt(learnt)
        await self._live.change_opinions(learnt)

    @whole
    async def forget(self, member: str, track: str, *kinds: FeedbackKind) -> bool:
        """Take feedback of some kinds back; return whether there was any."""
        removed = await self._store.feedback.remove(member, track, *kinds)
        now = datetime.now(UTC)
        await self._live.change_opinions([], [Feedback(member, track, k, now) for k in removed])
        return bool(removed)

    async def thumb(self, member: str, track: str) -> FeedbackKind | None:
        """Return a member's thumb on a track."""
        return await self._store.feedback.opinion(member, track)

    async def feedback(self, member: str) -> list[Feedback]:
        """Return what a member did, oldest first."""
        return await self._store.feedback.events(member)

    async def history(
        self, member: str, filters: HistoryFilter | None = None, *, page: int = 0, size: int = 10
    ) -> HistoryPage:
        """Return one page of what a member did, newest first."""
        events = (await self._store.feedback.events(member))[::-1]
        tracks = await self._store.tracks.many({event.track for event in events})
        return history.history(events, tracks, filters or HistoryFilter(), page, size)

    def listens(self, member: str, playing: Playing | None, at: datetime) -> Did:
        """Take what a member's player shows now; return what they did, oldest first.

        Only for `listeners`: the others did not agree to it.
        """
        return self._listening.heard(member, playing, at)

    # What they chose --------------------------------------------------------------------------

    async def get(self, member: str) -> Member | None:
        """Return what a member chose; None if they never used the bot."""
        return await self._store.members.get(member)

    async def meet(self, member: str) -> datetime:
        """Return since when a member is known, which may be from now on.

        Hand it to what keeps the outcome of work that takes time: nothing is kept of a member who
        has had everything deleted meanwhile.
        """
        return await self._store.members.meet(member)

    @whole
    async def choose(
        self,
        member: str,
        *,
        listening: bool | None = None,
        paused: bool | None = None,
        hidden: bool | None = None,
    ) -> None:
        """Keep what a member chose; None leaves that choice as it is."""
        await self._store.members.choose(member, listening=listening, paused=paused, hidden=hidden)
        chosen = await self._store.members.get(member)
        if chosen is not None and chosen.listening and not chosen.paused:
            (await self.listeners())[member] = chosen.since
        else:
            await self._stop_listening(member)

    async def paused(self, member: str) -> bool:
        """Whether a member asked that nothing new is kept about them."""
        chosen = await self._store.members.get(member)
        return chosen is not None and chosen.paused

    async def hidden(self, member: str) -> bool:
        """Whether other members may not ask to see a member's taste."""
        chosen = await self._store.members.get(member)
        return chosen is not None and chosen.hidden

    async def may_keep(self, member: str) -> None:
        """Refuse to keep something that a paused member asks to be kept.

        Raises
        ------
        Paused
            The member did.
        """
        if await self.paused(member):
            raise Paused

    async def listeners(self) -> dict[str, datetime]:
        """Return whose listening may be learned from now, and since when each member is known."""
        if self._listeners is None:
            found = await self._store.members.listeners()
            if self._listeners is None:
                self._listeners = found
        return self._listeners

    async def read_choices(self) -> None:
        """Read again whose listening may be learned from: another process may have changed it."""
        before = self._listeners
        self._listeners = None
        if before is not None:
            for member in before.keys() - (await self.listeners()).keys():
                self._listening.forget(member)

    async def _stop_listening(self, member: str) -> None:
        (await self.listeners()).pop(member, None)
        self._listening.forget(member)

    async def counts(self) -> dict[str, int]:
        """Return how many tracks, members and feedback there are, and members with likes."""
        return await self._store.members.counts()

    # Taste ------------------------------------------------------------------------------------

    async def opinions(self, member: str) -> dict[str, tuple[float, datetime]]:
        """Return the tracks that a member likes now: how much, and since when."""
        return taste.opinions(await self._store.feedback.events(member), datetime.now(UTC))

    async def liked(self, member: str) -> Liked:
        """Return the songs that a member likes and that were heard, best liked first."""
        opinions = await self.opinions(member)
        engine = self._live.engine
        rows = Tracks.of(engine.catalogue.tracks).row_of
        # What is not in the catalogue is an upload: known to this member, recommended to no other.
        own = [id_ for id_ in opinions if id_ not in rows][: taste.MOST_LIKES]
        tracks = await self._store.tracks.many(own)
        heard = {
            id_: engine.heard(track, analysis)
            for id_, track in tracks.items()
            if (analysis := await self._store.analyses.get(id_))
        }
        return await asyncio.to_thread(
            taste.liked, opinions, engine.catalogue, rows, heard, engine.space
        )

    async def likers(self) -> set[str]:
        """Return the members who like anything."""
        return await self._store.feedback.likers()

    async def taste(
        self,
        member: str,
        name: str,
        *,
        among: Collection[str] | None = None,
        look: LookName = "dark",
    ) -> tuple[Portrait, Picture]:
        """Say and draw what a member likes, against others.

        Parameters
        ----------
        among : collection of str, optional
            Those of `likers` who share a server with the member. If they are too few or not known,
            the member is seen against all members, else against all songs.

        Raises
        ------
        NotFound
            The member has liked nothing yet.
        """
        liked = await self._some_taste(member, name)
        catalogue = self._live.engine.catalogue
        rows = Tracks.of(catalogue.tracks).row_of
        against, counts = "all songs", dict[int, float]()
        for others, members in (("the server", among or ()), ("everybody", await self.likers())):
            if len(members) >= taste.FEWEST_MEMBERS:
                found = await self._store.feedback.liked_by(members)
                known = {rows[id_]: float(n) for id_, n in found.items() if id_ in rows}
                if known:
                    against, counts = others, known
                    break

        def work() -> tuple[Portrait, Picture]:
            profiles = Profiles.of(catalogue.profiles)
            usual = (
                taste.means(profiles.take(list(counts)), list(counts.values()))
                if counts
                else taste.means(profiles, np.ones(len(profiles)))
            )
            portrait = taste.portrait(name, liked, usual, against=against)
            return portrait, pictures.taste(portrait, look=look)

        return await asyncio.to_thread(work)

    async def _some_taste(self, member: str, name: str) -> Liked:
        liked = await self.liked(member)
        if not liked:
            raise NotFound(
                f"I know nothing that {name} likes yet.",
                "A few 👍 under songs are enough to start.",
            )
        return liked

    async def blend(
        self,
        members: tuple[str, str],
        names: tuple[str, str],
        *,
        count: int = 10,
        look: LookName = "dark",
    ) -> tuple[Blend, Picture]:
        """Put the tastes of two members together; the caller asks both.

        Raises
        ------
        NotFound
            One of them has liked nothing yet.
        """
        ours, theirs = [
            await self._some_taste(member, name)
            for member, name in zip(members, names, strict=True)
        ]
        events = [
            event for member in members for event in await self._store.feedback.events(member)
        ]
        known = frozenset(event.track for event in events)
        catalogue = self._live.engine.catalogue

        def work() -> tuple[Blend, Picture]:
            found = taste.blend(names, ours, theirs, catalogue, known=known, count=count)
            return found, pictures.taste(found.portrait, look=look)

        return await asyncio.to_thread(work)

    async def map(
        self, member: str | None = None, *, look: LookName = "dark"
    ) -> tuple[Atlas, Picture]:
        """Draw the catalogue as a map, with what a member likes marked."""
        liked = await self.opinions(member) if member else {}
        own = {id_ for id_, (weight, _) in liked.items() if weight >= taste.LIKED}
        atlas, catalogue = await self._live.atlas()
        marked = taste.mine(catalogue, own)
        drawn = await asyncio.to_thread(
            pictures.catalogue_map, atlas.points, atlas.groups, atlas.names, marked, look=look
        )
        return atlas, drawn

    # What is kept about them ------------------------------------------------------------------

    @property
    def areas(self) -> tuple[privacy.Area, ...]:
        """What may be kept about a member, one area after another."""
        return privacy.AREAS

    async def about(self, member: str) -> dict[str, list[dict[str, Any]]]:
        """Return everything kept about a member: for each area of `privacy.AREAS`, its rows."""
        rows = await self._store.members.personal(member)
        return {area.name: rows[area.table] for area in privacy.AREAS}

    async def export(self, member: str, name: str) -> bytes:
        """Return everything kept about a member as one zip: JSON for each area, and pictures.

        Parameters
        ----------
        member : str
        name : str
            What the pictures call them.
        """
        kept = await self.about(member)
        songs = await self._store.tracks.many(privacy.songs_in(kept))
        drawn: dict[str, Picture] = {}
        if await self.liked(member):
            drawn["taste"] = (await self.taste(member, name))[1]
            drawn["map"] = (await self.map(member))[1]
        return await asyncio.to_thread(privacy.archive, kept, songs, drawn)

    @whole
    async def delete(self, member: str) -> Deleted:
        """Delete a member with all that was learned from them.

        Answers under way for them are given, and nothing of those is kept. Where the last bytes
        cannot go yet because the database is being read, they go in the background.
        """
        await self._stop_listening(member)
        if not await self._live.delete_member(member):
            return Deleted.NOTHING
        if await self._store.database.empty_log():
            return Deleted.WHOLLY
        self._live.spawn(self._empty_log())
        return Deleted.ALMOST

    async def _empty_log(self) -> None:
        # SQLite does not signal when a reader ends.
        while not await self._store.database.empty_log():  # noqa: ASYNC110
            await asyncio.sleep(EMPTY_AGAIN_AFTER)
