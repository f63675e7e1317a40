"""Weekly drops and mixtapes: set up, composed and posted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from musrec.catalogue.engine import Engine
from musrec.catalogue.model import Job
from musrec.drops import delivery, newcomers, zones
from musrec.drops.compose import Composed, compose
from musrec.drops.delivery import Desk
from musrec.drops.model import FRIDAY_EVENING, Drop, Issue, Rating, State, Weekly
from musrec.drops.ports import Clock, Poster, Unposted
from musrec.model import Catalogue, NotFound, Track
from musrec.recommend import Recommender
from musrec.service import ahead
from musrec.service.answers import Answers
from musrec.service.live import Live
from musrec.service.members import Members
from musrec.service.songs import Songs
from musrec.settings import Settings
from musrec.store import Store

T = TypeVar("T")


def _now() -> datetime:
    return datetime.now(UTC)


class Drops:
    """Members' weekly drops and servers' mixtapes."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        live: Live,
        songs: Songs,
        answers: Answers,
        members: Members,
    ) -> None:
        self._settings = settings
        self._store = store
        self._live = live
        self._answers = answers
        self._members = members
        self._library = _Library(store, live, songs, answers)
        self._desk = Desk(issues=store.drops, compose=self._compose, answer=answers.kept)

    async def _compose(self, issue: Issue, now: datetime) -> Composed:
        made = await ahead.taken(self._store, self._library, issue, now)
        return made or await compose(self._library, issue, now)

    async def compose_ahead(self, job: Job, clock: Clock | None = None) -> Mapping[str, Any]:
        """Decide what will be in a member's drop that is due soon; return it to be kept."""
        clock = clock or await self._store.database.clock()
        return await ahead.composed(self._store, self._library, job, clock())

    # Posting ----------------------------------------------------------------------------------

    async def tick(self, poster: Poster, clock: Clock | None = None) -> int:
        """Post the drops and mixtapes that are due; return how many. Call it every minute.

        Those that are due soon are left to any process to compose.
        The clock is the database's, so that processes whose clocks differ agree on who posts.
        """
        clock = clock or await self._store.database.clock()
        posted = await delivery.tick(self._desk, poster, clock)
        self._live.measures.drops += posted
        await ahead.plan(self._store, clock())
        return posted

    async def post_now(
        self, drop: Drop, poster: Poster, clock: Clock | None = None
    ) -> State | None:
        """Post this week's drop without waiting for its hour; None if it has come already.

        One that ended with questions is made from the answers, one that failed is tried again.
        """
        clock = clock or await self._store.database.clock()
        return await delivery.post_now(self._desk, poster, drop, clock)

    async def this_week(self, drop: Drop) -> Issue | None:
        """Return this week's issue of a drop; None if there is none yet."""
        return await self._store.drops.issue(drop, drop.schedule.week_of(_now()))

    async def read(
        self, member: str, *, artists: Collection[str] = (), **wishes: Any
    ) -> Weekly | None:
        """Make this week's drop for a member who reads it here: nothing is posted.

        Parameters
        ----------
        member : str
        artists : collection of str
            Artists that the member likes, to start from.
        **wishes
            As for `wish`.

        Returns
        -------
        Weekly or None
            None for a member who likes nothing yet: ask about the artists of `questions`.

        Raises
        ------
        NotFound
            None of the artists has a song in the catalogue.
        Paused
            The member did.
        """
        drop = await self.wish(member, **wishes)
        if artists and not await self.like_artists(member, artists):
            raise NotFound(
                f"No song by {' or '.join(artists)} is in the catalogue.",
                "`musrec search` lists what is.",
            )
        state = await self.post_now(drop, Unposted())
        if state is State.ASKED:
            return None
        issue = await self.this_week(drop)
        posts = issue.posts if issue else ()
        answers = [(post, await self._answers.kept(post.answer)) for post in posts if post.answer]
        return Weekly(
            week=issue.week if issue else None,
            opening=tuple(post.words for post in posts if not post.answer),
            picks=tuple((post, pick) for post, answer in answers for pick in answer.picks),
            again=state is None,
        )

    # Wishes -----------------------------------------------------------------------------------

    async def of_member(self, member: str) -> Drop | None:
        """Return a member's drop; None if they never set one up."""
        return await self._store.drops.of_member(member)

    async def of_server(self, server: str) -> Drop | None:
        """Return a server's mixtape; None if it never set one up."""
        return await self._store.drops.of_server(server)

    async def get(self, id_: int) -> Drop | None:
        """Return the drop with that id."""
        return await self._store.drops.get(id_)

    async def troubled(self) -> list[Drop]:
        """Return every drop that is late, or was paused because it could not be posted."""
        return await self._store.drops.troubled()

    async def keep(self, drop: Drop) -> Drop:
        """Keep the settings of a drop in place of its earlier ones.

        Raises
        ------
        Paused
            Its member did.
        """
        return await self._store.drops.keep(drop)

    async def turn_off(self, drop: Drop) -> Drop:
        """Switch a drop off."""
        return await self._store.drops.turn_off(drop)

    async def wanted_by(self, member: str) -> Drop:
        """Return a member's drop; the defaults, not kept, if they never set one up.

        Raises
        ------
        Paused
            The member did.
        """
        await self._members.may_keep(member)
        return await self.of_member(member) or Drop(
            member,
            None,
            FRIDAY_EVENING,
            _now(),
            adventurous=self._settings.recommend.adventurous,
        )

    async def wish(self, member: str, **wishes: Any) -> Drop:
        """Return a member's drop with some wishes changed; one that is not kept yet stays off.

        Raises
        ------
        Paused
            The member did.
        """
        drop = await self.wanted_by(member)
        if not drop.id:
            return await self.keep(replace(drop, active=False, **wishes))
        return await self.keep(replace(drop, **wishes)) if wishes else drop

    async def mixtape_members(self, drop: Drop) -> list[str]:
        """Return the members whose likes a mixtape may be made from, without those who paused."""
        return await self._store.drops.mixtape_members(drop.id)

    async def join_mixtape(self, drop: Drop, member: str, *, there: bool) -> None:
        """Remember that a mixtape may be made from a member's likes, or no longer.

        Raises
        ------
        Paused
            The member did.
        """
        await self._store.drops.join_mixtape(drop.id, member, there=there)

    async def rate(self, issue: int, member: str, stars: int) -> int | None:
        """Keep how well a week's songs suited a member, 1 to 5; the same again takes it back.

        Returns
        -------
        int or None
            What is kept now.

        Raises
        ------
        Paused
            The member did.
        """
        kept = await self._store.drops.rate(issue, member, stars, _now())
        if kept is not None:
            self._live.measures.ratings[kept] += 1
        return kept

    async def ratings(self) -> list[Rating]:
        """Return how well every rated week suited its members, oldest first."""
        return await self._store.drops.ratings()

    def zone_named(self, text: str) -> str:
        """Return the exact name of a time zone; see `zones.zone_named`."""
        return zones.zone_named(text)

    async def suggest_zones(self, text: str) -> list[str]:
        """Complete a time zone's name from its beginning, a city or anything near it."""
        return await asyncio.to_thread(zones.suggest_zones, text)

    # Newcomers --------------------------------------------------------------------------------

    async def questions(self) -> list[list[tuple[str, str]]]:
        """Return questions for a member without likes, each a list of artists and their genre."""
        return await self._live.once(_questions)

    async def like_artists(self, member: str, artists: Iterable[str]) -> list[Track]:
        """Like the songs of some artists; return those songs."""
        catalogue = self._live.engine.catalogue
        tracks = await asyncio.to_thread(newcomers.songs_of, catalogue, artists)
        await self._members.like_all(member, [track.id for track in tracks])
        return tracks


class _Library:
    """Sources of an issue: a `musrec.drops.ports.Library`."""

    def __init__(self, store: Store, live: Live, songs: Songs, answers: Answers) -> None:
        self._live = live
        self.feedback = store.feedback.events
        self.tracks = store.tracks.many
        self.dropped = store.drops.dropped
        self.previous = store.drops.previous
        self.mixtape_members = store.drops.mixtape_members
        self.heard = songs.heard
        self.recommended = answers.recent

    async def think(self, job: Callable[[Recommender, Catalogue], T]) -> T:
        """Run what picks songs in the one thread where the recommender may be used."""
        recommender = await self._live.recommender()
        return await self._live.think(job, recommender, self._live.engine.catalogue)


def _questions(engine: Engine) -> list[list[tuple[str, str]]]:
    return newcomers.artists_to_ask(engine.catalogue)
