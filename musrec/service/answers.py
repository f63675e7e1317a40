"""Answers: songs chosen for a member, kept for their buttons, and drawn."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from musrec import pictures, wording
from musrec.audio.decode import WHOLE_SECONDS
from musrec.audio.descriptors import mood
from musrec.catalogue import systems
from musrec.catalogue.model import By
from musrec.columns import Tracks
from musrec.model import (
    Answer,
    Constraints,
    Heard,
    NotAudio,
    NotFound,
    Pick,
    Picture,
    Profile,
    SoundKind,
)
from musrec.recommend import Request, Seed, hybrid, variety
from musrec.service.catalogue import CatalogueView
from musrec.service.live import Live
from musrec.service.measures import measured
from musrec.service.members import Members
from musrec.service.songs import Progress, Songs
from musrec.settings import Settings
from musrec.space import profile
from musrec.store import Store

if TYPE_CHECKING:
    from musrec.pictures.draw import LookName


class Answers:
    """Recommending, and what answers are shown with."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        live: Live,
        songs: Songs,
        members: Members,
        catalogue: CatalogueView,
    ) -> None:
        self._settings = settings
        self._store = store
        self._live = live
        self._songs = songs
        self._members = members
        self._catalogue = catalogue

    @property
    def notes(self) -> tuple[str, ...]:
        """What limits every answer now, in sentences."""
        return self._live.notes

    async def recommend(
        self,
        heard: Heard | None,
        *,
        by: By = By.SOUND,
        member: str | None = None,
        since: datetime | None = None,
        count: int | None = None,
        adventurous: float | None = None,
        constraints: Constraints | None = None,
        online: bool = True,
        progress: Progress | None = None,
    ) -> Answer:
        """Choose songs for a member that sound like one just heard, or suit what they like.

        Parameters
        ----------
        heard : Heard or None
            None starts from the member alone.
        by : By
            `By.SOUND` is everything; the others compare by one plain system alone.
        member : str, optional
            Whose thumbs and listening count; what is picked is remembered for them.
        since : datetime, optional
            What `Members.meet` said when they asked, if that was earlier than this call.
        count : int, optional
        adventurous : float, optional
            0 (the closest) to 1 (the bravest).
        online : bool
            Whether services are asked for songs to consider beside the catalogue's; they are
            heard on the fly within the time budget, and stay in the catalogue.
        progress : callable, optional
            Called with how many of those were heard, and of how many.

        Returns
        -------
        Answer
            Kept under its id, for its buttons.

        Raises
        ------
        NotAudio
            There is no music in what was heard.
        NotFound
            `by` needs a song, or a spectrogram that it does not have.
        """
        if by is not By.SOUND and heard is None:
            raise NotFound(f"To compare by {by}, I need a song.", "Give me a title, link or clip.")
        if heard is not None and heard.analysis.kind is not SoundKind.MUSIC:
            raise NotAudio(wording.no_music(heard.analysis.kind), "Send a clip with music in it.")
        if member and since is None:
            since = await self._members.meet(member)
        if heard is not None and online:
            await self._songs.hear_around(heard.track, progress)
        wishes, now = self._settings.recommend, datetime.now(UTC)
        if heard is not None and by is not By.SOUND:
            wanted = constraints or Constraints()
            answer = await self._by_one(heard, by, member, count or wishes.count, wanted)
            return await self.keep(answer, now, member=member, since=since, served=False)
        request = Request(
            member=member,
            seeds=(Seed(heard.place, heard.track, heard.profile),) if heard else (),
            count=count or wishes.count,
            adventurous=wishes.adventurous if adventurous is None else adventurous,
            constraints=constraints or Constraints(),
            now=now,
            recent=frozenset(await self.recent(member, now) if member else ()),
        )
        with self._live.measures.stage("recommend"):
            recommender = await self._live.recommender()
            chosen = await self._live.think(recommender.recommend, request)
        answer = Answer(
            query=heard.track if heard else None,
            analysis=heard.analysis if heard else None,
            profile=heard.profile if heard else None,
            picks=chosen.picks,
            notes=(*self.notes, *_short(heard), *chosen.notes),
        )
        return await self.keep(answer, now, member=member, since=since, arm=chosen.arm)

    @measured("recommend")
    async def _by_one(
        self, heard: Heard, by: By, member: str | None, count: int, constraints: Constraints
    ) -> Answer:
        """Answer by one plain system alone, without songs that the member dislikes."""
        alike = await self._catalogue.alike(heard, by)
        opinions = await self._members.opinions(member) if member else {}
        catalogue = self._catalogue.songs
        row_of = Tracks.of(catalogue.tracks).row_of
        disliked = {track for track, (opinion, _) in opinions.items() if opinion < 0}

        def choose() -> tuple[list[Pick], list[str]]:
            keep, notes = variety.allowed(catalogue, constraints)
            found = {
                id_: value
                for id_, value in alike.items()
                if id_ in row_of and keep[row_of[id_]] and id_ not in disliked
            }
            picks = [
                systems.pick(
                    track, catalogue.profiles[row_of[track.id]], found[track.id], place, by
                )
                for place, track in enumerate(systems.ranked(catalogue, found, count), start=1)
            ]
            return picks, notes

        picks, notes = await asyncio.to_thread(choose)
        left_out = len(catalogue) - len(alike)
        left_out -= heard.track.id in row_of
        if by is By.SPECTROGRAM and left_out:
            songs = "1 song has" if left_out == 1 else f"{left_out:,} songs have"
            notes.append(f"{songs} no spectrogram here, so I could not compare them by it.")
        return Answer(heard.track, heard.analysis, heard.profile, tuple(picks), tuple(notes))

    async def recent(self, member: str, now: datetime) -> set[str]:
        """Return what was recommended to a member too recently to come again."""
        since = now - timedelta(days=self._settings.recommend.repeat_after_days)
        return set(await self._store.answers.recommended(member, since))

    async def weights(self, member: str) -> dict[str, float]:
        """Return what counts in a member's answers: term of a score to its share, summing to 1."""
        opinions = await self._members.opinions(member)
        members = (await self._store.members.counts())["likers"]
        evidence = hybrid.Evidence.of(members, (opinion for opinion, _ in opinions.values()))
        found = hybrid.shipped().given(evidence)
        whole, shares = sum(found.values()) or 1.0, dict[str, float]()
        for signal, weight in found.items():
            term = hybrid.TERM_OF[signal]
            shares[term] = shares.get(term, 0.0) + weight / whole
        return shares

    # For later questions ----------------------------------------------------------------------

    async def keep(
        self,
        answer: Answer,
        at: datetime,
        *,
        member: str | None,
        since: datetime | None,
        served: bool = True,
        arm: str | None = None,
    ) -> Answer:
        """Keep an answer and what it recommended; return it with its id.

        An empty answer is not kept.

        Parameters
        ----------
        member : str or None
            Whose it is.
        since : datetime or None
            What `Members.meet` said when they asked. If they paused or had everything deleted
            since, the answer is kept as no member's.
        served : bool
            Whether its picks are not to be recommended to that member again too soon.
        arm : str, optional
            The arm of `musrec.recommend.hybrid.ARMS` that chose them.
        """
        if answer.picks:
            answer = replace(answer, id=secrets.token_urlsafe(8))  # eleven characters to guess
            theirs = await self._store.answers.keep(
                answer, at, member=member, since=since, served=served, arm=arm
            )
        else:
            theirs = False
        if member and not theirs and await self._members.get(member) is None:
            await self._live.forget_member(member)  # it has noted what it served
        return answer

    async def kept(self, id_: str) -> Answer:
        """Return a kept answer, without the picks whose track is gone by now.

        Raises
        ------
        NotFound
            It is too old, or its member had everything deleted.
        """
        answer = await self._store.answers.get(id_)
        if answer is None:
            raise NotFound("I no longer have that answer.", "Ask again with /recommend.")
        analyses = self._store.analyses
        picks = []
        for pick in answer.picks:
            found = await analyses.get(pick.track.id)
            picks.append(replace(pick, profile=profile(found)) if found else pick)
        heard = await analyses.get(answer.query.id) if answer.query else None
        sounds = profile(heard) if heard else Profile()
        return replace(
            answer,
            analysis=heard,
            profile=sounds if answer.query else None,
            picks=tuple(picks),
        )

    async def kept_for(self, id_: str, member: str) -> Answer:
        """Return a kept answer to its member; one that is no member's, to whoever has its id.

        Raises
        ------
        NotFound
            It is too old, or another member's.
        """
        if await self._store.answers.member_of(id_) not in (None, member):
            raise NotFound("I no longer have that answer.", "Ask again.")
        return await self.kept(id_)

    async def kept_pick(self, id_: str, track: str) -> tuple[Answer, Pick]:
        """Return a kept answer and the pick of it that is that song.

        Raises
        ------
        NotFound
            The answer or the song is no longer kept.
        """
        answer = await self.kept(id_)
        pick = next((pick for pick in answer.picks if pick.track.id == track), None)
        if pick is None:
            raise NotFound("I no longer have that song.", "Ask again with /recommend.")
        return answer, pick

    # Showing ----------------------------------------------------------------------------------

    @staticmethod
    def mood(profile: Profile, most: int = 2) -> tuple[str, ...]:
        """Return the words that set a song apart most, such as ``("calm", "acoustic")``."""
        return mood(profile.percentiles, most)

    @measured("draw")
    async def card(self, answer: Answer, pick: Pick, *, look: LookName = "dark") -> Picture:
        """Draw the query and one pick side by side; without a query, the pick alone."""
        return await asyncio.to_thread(
            pictures.card,
            answer.query,
            answer.analysis,
            answer.profile,
            pick,
            await self._store.analyses.get(pick.track.id),
            look=look,
        )

    async def contributions(self, pick: Pick, *, look: LookName = "dark") -> Picture:
        """Draw the terms of a pick's score as bars."""
        return await asyncio.to_thread(pictures.contributions, pick, look=look)


def _short(heard: Heard | None) -> tuple[str, ...]:
    if heard is None or heard.analysis.seconds >= WHOLE_SECONDS:
        return ()
    said = f"I heard only {heard.analysis.seconds:.1f} s, too little for a sure tempo and key."
    return (f"{said} Ten seconds or more give a better answer.",)
