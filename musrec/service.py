"""The one door: the bot, the command line and the local page call this and nothing behind it.

A song goes one way through it::

    text, link or bytes -> find / hear -> Heard -> recommend -> Answer -> card

Everything here is safe to call from an event loop: hearing happens in worker processes, scoring
and drawing in threads, the rest is input and output.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import secrets
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Iterator,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from musrec import drops, files
from musrec.audio.decode import WHOLE_SECONDS
from musrec.model import (
    Analysis,
    Answer,
    Catalogue,
    Choices,
    Constraints,
    Feedback,
    FeedbackKind,
    Heard,
    MusrecError,
    NotAudio,
    NotFound,
    Pick,
    Picture,
    Profile,
    Served,
    SoundKind,
    StoreError,
    Track,
)
from musrec.settings import Settings
from musrec.store import codec
from musrec.store.database import FileStamp, Playlist, Store

if TYPE_CHECKING:
    from musrec.audio.workers import Ears
    from musrec.browse import Atlas, Comparison, Wanted
    from musrec.drops import Clock, Drop, Poster, State
    from musrec.pictures import Row, Taste
    from musrec.pictures.draw import LookName
    from musrec.playlists import Export, Format
    from musrec.recommend import Recommender
    from musrec.sources import Deadline, Endpoints, Found, Missing, Preview, ProviderHealth, Sources
    from musrec.sources.chain import Tool
    from musrec.space import Index, Space
    from musrec.taste import Blend, Filters, History, Liked

T = TypeVar("T")
P = TypeVar("P", "Found", "Preview")

log = logging.getLogger(__name__)

_BUDGET: ContextVar[Deadline | None] = ContextVar("budget", default=None)

CANDIDATES = 30
"""Songs heard on the fly for one question: a few seconds for two workers."""

TRIED_AGAIN = 7 * 86_400.0
"""Seconds after which a song that gave nothing to recommend is tried again."""

REFIT_AFTER = 25
"""Events after which members are compared anew; until then each thumb acts on its own member."""

_NOT_MUSIC = {
    SoundKind.SPEECH: "it sounds like speech",
    SoundKind.NOISE: "it sounds like noise",
    SoundKind.TONES: "nothing but steady tones",
    SoundKind.SILENCE: "it is silent",
}

NO_TAGGER = (
    "The tagger is not installed, so this rests on librosa statistics alone; "
    "`musrec models install` fetches it."
)

MOODS = ("mood", "intensity", "dreaminess", "acoustic", "vocal", "brightness")
"""Descriptors whose words `Service.mood` chooses from."""

Progress = Callable[[int, int], None]
"""Called with how many candidates have been heard, and of how many."""


@dataclass(frozen=True, slots=True)
class Added:
    """One step of `Service.add`.

    Attributes
    ----------
    path : Path
    track : Track or None
        None where the file could not be added.
    problem : str
        Why it could not; empty otherwise.
    known : bool
        Heard before and unchanged since, so passed over.
    """

    path: Path
    track: Track | None = None
    problem: str = ""
    known: bool = False


class Service:
    """The engine, opened. Use `Service.open` as an async context manager."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        stack: AsyncExitStack,
        endpoints: Endpoints | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self._stack = stack
        self._endpoints = endpoints
        self._engine: _Engine
        # The recommender is for one thread: thumbs and answers queue for this one.
        self._thinking = ThreadPoolExecutor(1, thread_name_prefix="recommend")
        stack.callback(self._thinking.shutdown)
        # Candidates that somebody's question is hearing now: nobody else's need hear them too.
        self._under_way: set[str] = set()
        self._background: set[asyncio.Task[None]] = set()
        stack.push_async_callback(self._end_background)
        self._ears: Ears | None = None
        self._sources: Sources | None = None
        self._atlas: tuple[Catalogue, Atlas] | None = None
        self._opening = asyncio.Lock()
        self._changing = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, *, endpoints: Endpoints | None = None
    ) -> AsyncIterator[Service]:
        """Open the store, bring it up to date, and load what can be recommended.

        Parameters
        ----------
        settings : Settings
        endpoints : Endpoints, optional
            Where the services on the network are; for tests.

        Raises
        ------
        StoreError
            The database cannot be used.
        """
        async with AsyncExitStack() as stack:
            store = await Store.open(settings.store_url)
            stack.push_async_callback(store.close)
            service = cls(settings, store, stack, endpoints)
            await service.reload()
            yield service

    # What can be recommended ------------------------------------------------------------------

    @property
    def catalogue(self) -> Catalogue:
        """Everything that can be recommended now."""
        return self._engine.catalogue

    @property
    def space(self) -> Space:
        """Where songs stand now: the full space, or the one without tags."""
        return self._engine.space

    async def _think(self, job: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thinking, job, *args)

    @property
    def notes(self) -> tuple[str, ...]:
        """What limits every answer now, in sentences."""
        return () if self._engine.space.name == "full" else (NO_TAGGER,)

    async def reload(self) -> None:
        """Read the catalogue and all feedback again, and swap them in."""
        async with self._changing:
            songs = await self._songs()
            feedback, served = await self.store.feedback(), await self.store.served()
            self._engine = await asyncio.to_thread(_build, songs, feedback, served)

    async def _songs(self) -> list[tuple[Track, Analysis]]:
        from musrec import space

        if not self.settings.catalogue.starter:
            return await self.store.songs(but_not=("upload", "starter"))
        songs = await self.store.songs(but_not=("upload",))
        starter = (await asyncio.to_thread(space.starter)).named()
        there = {track.id for track, _ in songs}
        if not there.issuperset(track.id for track, _ in starter):
            await self.store.add_starter(starter)
            songs = await self.store.songs(but_not=("upload",))
        return songs

    async def _grow(self, heard: Sequence[Heard]) -> None:
        """Make newly heard songs recommendable."""
        async with self._changing:
            known = {track.id for track in self.catalogue.tracks}
            fresh = [song for song in heard if song.track.id not in known]
            if fresh:
                self._engine = await self._think(_grown, self._engine, fresh)

    # Finding ----------------------------------------------------------------------------------

    async def find(self, text: str, *, online: bool = True) -> Track | Choices:
        """Find the song that an id, a link or a title means.

        Ids, links and titles that are known here are tried first, then the services of
        `musrec.sources`. Songs to choose from are kept, so that their ids can be asked for.

        Raises
        ------
        NotFound
            Nothing answers to it; the message says what to try.
        """
        # Halves of characters and nulls, which no database takes.
        text = text.encode(errors="replace").decode().replace("\0", " ").strip()
        if not text:
            raise NotFound("No song was named.", "Name one, or send a link or a clip.")
        if track := await self.store.track(text) or await self._linked(text):
            return track
        if found := self._titled(text):
            return found
        if not online:
            raise NotFound(
                f"No song in the catalogue is called {text!r}.",
                "Try `musrec search`, or add your own music with `musrec add FOLDER`.",
            )
        sources = await self._open_sources()
        answer = await sources.resolve(text, deadline=self._deadline())
        if isinstance(answer, Choices):
            offered = [await self.store.add_track(track) for track in answer.tracks]
            return replace(answer, tracks=tuple({track.id: track for track in offered}.values()))
        return await self.store.add_track(_present(answer).track)

    async def _linked(self, text: str) -> Track | None:
        """Return the song of a link that was met before."""
        from musrec.sources.links import parse

        link = parse(text)
        if link is None or link.kind != "track":
            return None
        return await self.store.identified(link.provider, link.id)

    def _deadline(self) -> Deadline:
        """When the budget of a question ends: that of `budget`, else one that starts now."""
        from musrec.sources import Deadline

        return _BUDGET.get() or Deadline.within(self.settings.recommend.budget_seconds)

    @contextmanager
    def budget(self) -> Iterator[None]:
        """Let all that is asked of services inside share one ``recommend.budget_seconds``."""
        token = _BUDGET.set(self._deadline())
        try:
            yield
        finally:
            _BUDGET.reset(token)

    def _titled(self, text: str) -> Track | Choices | None:
        """Find a title in the catalogue; only a near-exact one counts."""
        from rapidfuzz import utils

        wanted = utils.default_process(text)
        exact = [
            track
            for track in self.catalogue.tracks
            if wanted
            in (
                utils.default_process(track.title),
                utils.default_process(f"{track.title} {track.artist}"),
                utils.default_process(f"{track.artist} {track.title}"),
            )
        ]
        if len(exact) > 1:
            return Choices(tuple(exact[:10]), "Several songs have that title.")
        return exact[0] if exact else None

    def suggest(self, text: str, limit: int = 25) -> list[Track]:
        """Complete what is being typed with songs of the catalogue, best first; no network."""
        from rapidfuzz import fuzz, process, utils

        found = process.extract(
            utils.default_process(text),
            self._engine.names,
            scorer=fuzz.WRatio,
            limit=limit,
            score_cutoff=60,
        )
        return [self.catalogue.tracks[row] for _, _, row in found]

    # Hearing ----------------------------------------------------------------------------------

    async def _open_ears(self) -> Ears:
        from musrec.audio.workers import Ears

        async with self._opening:
            if self._ears is None:
                self._ears = await self._stack.enter_async_context(Ears(self.settings.workers))
            return self._ears

    async def _open_sources(self) -> Sources:
        from musrec.sources import Sources

        async with self._opening:
            if self._sources is None:
                sources = Sources(
                    self.settings.sources, cache=self.store, endpoints=self._endpoints
                )
                self._sources = await self._stack.enter_async_context(sources)
            return self._sources

    async def warm(self) -> None:
        """Start the processes that hear, so that the first clip need not wait for them."""
        ears = await self._open_ears()
        await ears.warm()

    async def hear_clip(
        self, data: bytes, name: str, *, origin: str = "upload", file: FileStamp | None = None
    ) -> Heard:
        """Hear a clip; bytes that were heard before are not heard again.

        Parameters
        ----------
        data : bytes
            From anywhere: they are decoded in a process with limits.
        name : str
            File name, from which title and artist are read where nothing better is known.
        origin : str
            ``upload`` (kept for thumbs and cards, never recommended to others) or ``file``.

        Raises
        ------
        NotAudio
            Nothing in it can be heard.
        """
        digest = hashlib.sha256(data).hexdigest()
        if (known := await self.store.heard(digest)) and self._complete(known[1]):
            track, analysis = known
            if file is not None or origin == "file":
                track = await self.store.add_heard(track, analysis, origin, file)
            return self._heard(track, analysis)
        analysis = await (await self._open_ears()).hear(data)
        # Tags are read only from files that the owner of this machine chose: of all that members
        # send, nothing but the decoder's own process reads a byte.
        tags = await asyncio.to_thread(files.tags, data) if origin == "file" else {}
        track = files.track_of(tags, name, digest)
        if analysis.kind is SoundKind.MUSIC:
            track = await self.store.add_heard(track, analysis, origin, file)
        return self._heard(track, analysis)

    async def hear_track(self, track: Track) -> Heard:
        """Hear a song that is known by name: from the store, else from a preview.

        Raises
        ------
        NotFound
            No service has a preview of it; a clip would do.
        """
        if (analysis := await self.store.analysis(track.id)) is not None:
            return self._heard(track, analysis)
        sources, deadline = await self._open_sources(), self._deadline()
        if track.isrc is None:  # chosen from a list, which tells less than a song's own page
            track = await sources.finish(track, deadline=deadline)
        preview = _present(await sources.preview(track, deadline=deadline))
        analysis = await self._listen(preview.data)
        origin = f"preview:{preview.provider}"
        heard = self._heard(await self.store.add_heard(preview.track, analysis, origin), analysis)
        if analysis.kind is SoundKind.MUSIC:
            await self._grow([heard])
        return heard

    async def _listen(self, data: bytes) -> Analysis:
        """Hear bytes, or remember what was heard in the same ones under another name."""
        known = await self.store.heard(hashlib.sha256(data).hexdigest())
        if known and self._complete(known[1]):
            return known[1]
        return await (await self._open_ears()).hear(data)

    def _complete(self, analysis: Analysis) -> bool:
        """Whether hearing it again would tell no more: the tagger may have come since."""
        return analysis.tag_mean is not None or self._engine.space.name != "full"

    def _heard(self, track: Track, analysis: Analysis) -> Heard:
        return _heard(self._engine.space, track, analysis)

    async def add(self, paths: Iterable[Path]) -> AsyncIterator[Added]:
        """Index files and folders, as many side by side as there are workers.

        Yields a step a file in the order in which they are done. What was heard before and has
        not changed is passed over, so an interrupted run goes on where it stopped. Nothing that
        is wrong with one file stops the others.
        """
        found, problems = await asyncio.to_thread(files.audio_files, paths)
        for path, problem in problems:
            yield Added(path, problem=problem)
        heard: list[Heard] = []
        waiting = iter(found)
        running: set[asyncio.Task[tuple[Added, Heard | None]]] = set()
        try:
            while True:
                room = self.settings.workers.count + 1 - len(running)
                for path in itertools.islice(waiting, room):
                    running.add(asyncio.create_task(self._add_file(path)))
                if not running:
                    break
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    step, song = task.result()
                    heard += [song] if song else []
                    yield step
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await self._grow(heard)

    async def _add_file(self, path: Path) -> tuple[Added, Heard | None]:
        try:
            file = await asyncio.to_thread(FileStamp.of, path)
            if await self.store.file_known(file):
                return Added(path, known=True), None
            data = await asyncio.to_thread(files.read_clip, path)
            heard = await self.hear_clip(data, path.name, origin="file", file=file)
        except OSError as error:
            return Added(path, problem=f"It cannot be read: {error.strerror}."), None
        except StoreError:
            raise
        except MusrecError as error:
            return Added(path, problem=str(error)), None
        if heard.analysis.kind is not SoundKind.MUSIC:
            return Added(path, problem=no_music(heard.analysis.kind)), None
        return Added(path, heard.track), heard

    # Recommending -----------------------------------------------------------------------------

    async def recommend(
        self,
        heard: Heard | None,
        *,
        member: str | None = None,
        count: int | None = None,
        adventurous: float | None = None,
        constraints: Constraints | None = None,
        online: bool = True,
        progress: Progress | None = None,
    ) -> Answer:
        """Choose songs for a member, that sound like one just heard or suit what they like.

        Parameters
        ----------
        heard : Heard or None
            None starts from the member alone.
        member : str, optional
            Whose thumbs and listening count; what is picked is remembered for them.
        count : int, optional
        adventurous : float, optional
            0 (the closest) to 1 (the bravest).
        online : bool
            Whether services are asked for songs to consider beside the catalogue's; they are
            heard on the fly within the time budget, and stay in the catalogue.
        progress : callable, optional
            Called with how many of those were heard, and of how many.

        Raises
        ------
        NotAudio
            There is no music in what was heard.
        """
        from musrec.recommend import Request, Seed

        if heard is not None and heard.analysis.kind is not SoundKind.MUSIC:
            raise NotAudio(no_music(heard.analysis.kind), "Send a clip with music in it.")
        if heard is not None and online:
            await self._hear_around(heard.track, progress)
        wishes = self.settings.recommend
        now = datetime.now(UTC)
        since = now - timedelta(days=wishes.repeat_after_days)
        request = Request(
            member=member,
            seeds=(Seed(heard.place, heard.track, heard.profile),) if heard else (),
            count=count or wishes.count,
            adventurous=wishes.adventurous if adventurous is None else adventurous,
            constraints=constraints or Constraints(),
            now=now,
            recent=frozenset(await self.store.recommended(member, since) if member else ()),
        )
        chosen = await self._think(self._engine.recommender.recommend, request)
        picks = chosen.picks
        if member and not await self.paused(member):
            query = heard.track.id if heard else None
            ids = [pick.track.id for pick in picks]
            await self.store.remember_picks(member, ids, query, now, blend=chosen.blend)
        return Answer(
            query=heard.track if heard else None,
            analysis=heard.analysis if heard else None,
            profile=heard.profile if heard else None,
            picks=picks,
            notes=(*self.notes, *_short(heard), *chosen.notes),
        )

    async def _hear_around(self, track: Track, progress: Progress | None) -> None:
        """Hear what services think is like a song; what is late is there next time."""
        from musrec.sources.hear import hear_candidates

        if not track.artists:
            return  # a clip without a name: nobody could say what is like it
        deadline = self._deadline()
        sources = await self._open_sources()
        found = await sources.candidates(track, deadline=deadline)
        fresh = [
            candidate
            for candidate in found
            if candidate.id not in self._under_way and not await self._known(candidate)
        ][:CANDIDATES]
        tasks: list[asyncio.Task[None]] = []
        kept: list[Heard] = []

        def spawn(job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            tasks.append(self._spawn(job))
            return tasks[-1]

        async def keep(track: Track, analysis: Analysis, provider: str) -> None:
            if heard := await self._keep_candidate(track, analysis, provider):
                kept.append(heard)

        async def afterwards() -> None:
            try:
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._grow(kept)
            finally:
                self._under_way.difference_update(candidate.id for candidate in fresh)

        self._under_way.update(candidate.id for candidate in fresh)
        try:
            await hear_candidates(
                fresh,
                sources=sources,
                hear=self._listen,
                deadline=deadline,
                spawn=spawn,
                on_heard=keep,
                on_progress=progress,
            )
        finally:
            self._spawn(afterwards())
        await self._grow(kept)

    async def _known(self, track: Track) -> bool:
        """Whether this recording was heard before, be it as one that is no music."""
        if await self.store.get(f"no music:{track.id}"):
            return True
        kept = [await self.store.identified(*pair) for pair in track.identities.items()]
        ids = {track.id, *(one.id for one in kept if one)}
        return any([await self.store.analysis(id_) is not None for id_ in ids])

    async def _keep_candidate(
        self, track: Track, analysis: Analysis, provider: str
    ) -> Heard | None:
        if analysis.kind is not SoundKind.MUSIC:
            await self.store.put(f"no music:{track.id}", "1", TRIED_AGAIN)
            return None
        track = await self.store.add_heard(track, analysis, f"preview:{provider}")
        return self._heard(track, analysis)

    def _spawn(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start what may outlive its question; it ends with the service."""
        task = asyncio.create_task(job)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _end_background(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def explore(self) -> int:
        """Hear some songs around what members liked, in quiet times; say how many were tried.

        At most ``catalogue.explore_per_day`` a day, an hour's share at a call: call it every hour.
        """
        from musrec.sources import Deadline
        from musrec.sources.hear import explore

        today = datetime.now(UTC).date()
        tried = int(await self.store.get(f"explored:{today}") or 0)
        day = self.settings.catalogue.explore_per_day
        budget = min(day - tried, -(-day // 24))
        liked = await self.store.liked_lately(limit=20)
        if budget <= 0 or not liked:
            return 0

        async def passed_over(track: Track) -> bool:
            return bool(await self.store.get(f"explored:{track.id}")) or await self._known(track)

        async def note(track: Track) -> None:
            """Count it before it is heard, whatever comes of it or of us."""
            nonlocal tried
            tried += 1
            await self.store.put(f"explored:{today}", str(tried), 2 * 86_400)
            await self.store.put(f"explored:{track.id}", "1", TRIED_AGAIN)

        async def keep(track: Track, analysis: Analysis, provider: str) -> None:
            await self._keep_candidate(track, analysis, provider)

        count = await explore(
            liked,
            sources=await self._open_sources(),
            hear=self._listen,
            passed_over=passed_over,
            on_try=note,
            budget=budget,
            deadline=Deadline.within(1800),
            on_heard=keep,
        )
        await self.reload()
        return count

    async def foreign(self, track: Track, *, online: bool = True) -> dict[str, dict[str, float]]:
        """Return other services' numbers for a song by their origin: to be shown, nothing else.

        Their terms forbid models and profiles made from them, so nothing here reads them again.
        """
        kept = await self.store.foreign(track.id)
        if kept or not online:
            return kept
        sources = await self._open_sources()
        for found in await sources.foreign_features(track):
            await self.store.keep_foreign(track.id, found.origin, found.values)
        return await self.store.foreign(track.id)

    async def learn(
        self,
        member: str,
        track: str,
        kind: FeedbackKind,
        *,
        at: datetime | None = None,
        name: str | None = None,
    ) -> bool:
        """Keep what a member did with a track; the next answer knows it.

        Returns
        -------
        bool
            Whether it was news; the same thumb twice is one thumb, and nothing is news of a
            member who paused.

        Raises
        ------
        NotFound
            There is no such track.
        """
        if await self.store.track(track) is None:
            raise NotFound(f"There is no song with the id {track!r}.", "Look for it by its title.")
        if await self.paused(member):
            return False
        event = Feedback(member, track, kind, at or datetime.now(UTC))
        changed = await self.store.learn(event, name)
        if changed:
            await self._think(self._engine.recommender.learn, event)
            self._refit_when_due()
        return changed

    async def forget(self, member: str, track: str, kind: FeedbackKind) -> bool:
        """Take a feedback back; say whether there was any."""
        changed = await self.store.forget(member, track, kind)
        if changed:
            await self._think(self._engine.recommender.forget, member, track, kind)
        return changed

    async def delete_member(self, member: str) -> bool:
        """Forget a member with all that was learned from them; say whether there was one."""
        known = await self.store.delete_member(member)
        await self._think(self._engine.recommender.forget_member, member)
        return known

    def _refit_when_due(self) -> None:
        """Learn from all members anew, in the background, once enough has happened."""
        recommender = self._engine.recommender
        if recommender.unfitted < REFIT_AFTER:
            return
        self._spawn(asyncio.to_thread(recommender.refit))

    # Showing ----------------------------------------------------------------------------------

    async def card(self, answer: Answer, pick: Pick, *, look: LookName = "dark") -> Picture:
        """Draw the query and one pick side by side; where there was no query, the pick alone."""
        from musrec import pictures

        return await asyncio.to_thread(
            pictures.card,
            answer.query,
            answer.analysis,
            answer.profile,
            pick,
            await self.store.analysis(pick.track.id),
            look=look,
        )

    async def contributions(self, pick: Pick, *, look: LookName = "dark") -> Picture:
        """Draw the terms of a pick's score as bars."""
        from musrec import pictures

        return await asyncio.to_thread(pictures.contributions, pick, look=look)

    async def preview(self, track: Track) -> Preview:
        """Fetch half a minute of a song to be played once; it is never stored.

        Raises
        ------
        NotFound
            No service has a preview of it.
        """
        sources = await self._open_sources()
        return _present(await sources.preview(track, deadline=self._deadline()))

    # Keeping answers for later questions ------------------------------------------------------

    async def keep_answer(self, answer: Answer, member: str | None) -> str:
        """Keep an answer so that its reasons and other picks can be asked for later.

        Returns
        -------
        str
            Its id: eleven characters that nobody can guess.
        """
        id_ = secrets.token_urlsafe(8)
        keeper = None if member is None or await self.paused(member) else member
        await self.store.keep_answer(id_, keeper, codec.pack_answer(answer))
        return id_

    async def kept_answer(self, id_: str) -> Answer:
        """Return a kept answer, without the picks whose track has gone since.

        Raises
        ------
        NotFound
            It is too old, or its member had everything deleted.
        """
        from musrec.space import profile

        body = await self.store.answer(id_)
        if body is None:
            raise NotFound("That answer is no longer kept.", "Ask again with /recommend.")
        rows = {row["track"]: row for row in body["picks"]}
        tracks = await self.store.tracks([*rows, *([body["query"]] if body["query"] else [])])
        heard = {id_: await self.store.analysis(id_) for id_ in tracks}
        profiles = {id_: profile(found) if found else Profile() for id_, found in heard.items()}
        query = tracks.get(body["query"])
        return Answer(
            query=query,
            analysis=heard[query.id] if query else None,
            profile=profiles[query.id] if query else None,
            picks=tuple(
                codec.unpack_pick(row, tracks[id_], profiles[id_])
                for id_, row in rows.items()
                if id_ in tracks
            ),
            notes=tuple(body["notes"]),
        )

    # Saying what there is ---------------------------------------------------------------------

    @staticmethod
    def mood(profile: Profile, most: int = 2) -> tuple[str, ...]:
        """Return the words that set a song apart most, such as ``("calm", "acoustic")``."""
        from musrec.audio.descriptors import DEFINITIONS

        marked = sorted(
            (
                (abs(place - 50), DEFINITIONS[name].high if place > 50 else DEFINITIONS[name].low)
                for name, place in profile.percentiles.items()
                if name in MOODS
            ),
            reverse=True,
        )
        return tuple(word for _, word in marked[:most])

    def genres(self) -> tuple[str, ...]:
        """Return the genres that songs of the catalogue state, lower case, in order."""
        return tuple(
            sorted({track.genre.lower() for track in self.catalogue.tracks if track.genre})
        )

    async def weights(self, member: str) -> dict[str, float]:
        """Return what counts in a member's answers: term of a score to its share, summing to 1."""
        from musrec import taste
        from musrec.recommend import hybrid

        opinions = taste.opinions(await self.store.feedback(member), datetime.now(UTC))
        members = (await self.store.counts())["likers"]
        evidence = hybrid.Evidence.of(members, (opinion for opinion, _ in opinions.values()))
        found = hybrid.shipped().weights(evidence)
        whole, shares = sum(found.values()) or 1.0, dict[str, float]()
        for signal, weight in found.items():
            term = hybrid.TERM_OF[signal]
            shares[term] = shares.get(term, 0.0) + weight / whole
        return shares

    async def health(self) -> tuple[ProviderHealth, ...]:
        """Return how each service on the network is, as far as was seen, without asking it."""
        return (await self._open_sources()).health()

    async def tools(self) -> tuple[Tool, ...]:
        """Return which programs beside us the services make use of."""
        return await (await self._open_sources()).tools()

    # Taste, and the catalogue around it -------------------------------------------------------

    async def liked(self, member: str) -> Liked:
        """Return the songs that a member likes and that were heard, best liked first."""
        from musrec import taste

        now = datetime.now(UTC)
        opinions = taste.opinions(await self.store.feedback(member), now)
        catalogue, space = self.catalogue, self.space
        rows = {track.id: row for row, track in enumerate(catalogue.tracks)}
        # What is not in the catalogue is an upload: known to this member, recommended to nobody.
        own = [id_ for id_ in opinions if id_ not in rows]
        heard = [await self.heard(id_) for id_ in own[: taste.MOST_LIKES]]
        found = {song.track.id: song for song in heard if song}
        return await asyncio.to_thread(taste.liked, opinions, catalogue, rows, found, space)

    async def taste(
        self,
        member: str,
        name: str,
        *,
        among: Collection[str] | None = None,
        look: LookName = "dark",
    ) -> tuple[Taste, Picture]:
        """Say and draw what a member likes, against others.

        Parameters
        ----------
        among : collection of str, optional
            Those of `Store.likers` who are in one server with the member. Where they are too few,
            or nobody can tell, the member is seen against everybody, else against all songs.

        Raises
        ------
        NotFound
            The member has liked nothing yet.
        """
        from musrec import pictures, taste

        liked = await self._some_taste(member, name)
        catalogue = self.catalogue
        rows = {track.id: row for row, track in enumerate(catalogue.tracks)}
        against, counts = "all songs", dict.fromkeys(range(len(catalogue)), 1.0)
        for others, members in (
            ("the server", among or ()),
            ("everybody", await self.store.likers()),
        ):
            if len(members) >= taste.FEWEST_MEMBERS:
                found = await self.store.liked_by(members)
                known = {rows[id_]: float(n) for id_, n in found.items() if id_ in rows}
                if known:
                    against, counts = others, known
                    break

        def work() -> tuple[Taste, Picture]:
            profiles = [catalogue.profiles[row] for row in counts]
            usual = taste.means(profiles, list(counts.values()))
            portrait = taste.portrait(name, liked, usual, against=against)
            return portrait, pictures.taste(portrait, look=look)

        return await asyncio.to_thread(work)

    async def _some_taste(self, member: str, name: str) -> Liked:
        liked = await self.liked(member)
        if not liked:
            raise NotFound(
                f"I know of nothing that {name} likes yet.",
                "A few 👍 under songs are enough to begin with.",
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
        """Put the tastes of two members together; asking both is the caller's part.

        Raises
        ------
        NotFound
            One of them has liked nothing yet.
        """
        from musrec import pictures, taste

        ours, theirs = [
            await self._some_taste(member, name)
            for member, name in zip(members, names, strict=True)
        ]
        events = [event for member in members for event in await self.store.feedback(member)]
        known = frozenset(event.track for event in events)

        def work() -> tuple[Blend, Picture]:
            found = taste.blend(names, ours, theirs, self.catalogue, known=known, count=count)
            return found, pictures.taste(found.portrait, look=look)

        return await asyncio.to_thread(work)

    async def map(
        self, member: str | None = None, *, look: LookName = "dark"
    ) -> tuple[Atlas, Picture]:
        """Lay out the catalogue, with what a member likes marked."""
        from musrec import browse, pictures, taste

        catalogue, known = self.catalogue, self._atlas
        liked = taste.opinions(await self.store.feedback(member), _now()) if member else {}
        own = {id_ for id_, (weight, _) in liked.items() if weight >= taste.LIKED}

        def work() -> tuple[Atlas, Picture]:
            same = known is not None and known[0] is catalogue
            atlas = known[1] if known is not None and same else browse.atlas(catalogue)
            drawn = pictures.catalogue_map(
                atlas.points, atlas.groups, atlas.names, taste.mine(catalogue, own), look=look
            )
            return atlas, drawn

        atlas, picture = await asyncio.to_thread(work)
        self._atlas = catalogue, atlas
        return atlas, picture

    async def compare(
        self, ours: Heard, theirs: Heard, *, look: LookName = "dark"
    ) -> tuple[Comparison, Picture]:
        """Compare two songs in everything that was heard, and draw them."""
        from musrec import browse, pictures

        engine = self._engine

        def work() -> tuple[Comparison, Picture]:
            found = browse.compare(engine.space, engine.catalogue, engine.index, ours, theirs)
            drawn = pictures.compare(
                ours.track,
                ours.analysis,
                theirs.track,
                theirs.analysis,
                found.differences,
                look=look,
            )
            return found, drawn

        return await asyncio.to_thread(work)

    async def gallery(
        self, genre: str = "", end: str = "", *, look: LookName = "dark"
    ) -> tuple[list[Row], Picture]:
        """Draw spectrograms of the most and the least intense songs, of a genre or of all.

        Parameters
        ----------
        genre : str
            Lower case; empty for any.
        end : str
            ``"high"`` or ``"low"`` for one end alone; empty for both.

        Raises
        ------
        NotFound
            No song of that genre was heard here.
        """
        from musrec import browse, pictures

        heard = await self.store.pictured()
        ranked = await asyncio.to_thread(browse.ranked, self.catalogue, genre, heard)
        if not ranked:
            raise NotFound(
                f"No {genre} song was heard here yet." if genre else "No song was heard here yet.",
                "Songs that came with me have no spectrogram: ask about one of your own.",
            )
        chosen = browse.ends(ranked, end)
        rows = []
        for label, songs in chosen:
            drawn = [
                (track, analysis.spectrogram, f"{browse.GALLERY} {place:.0f}")
                for track, place in songs
                if (analysis := await self.store.analysis(track.id)) and analysis.spectrogram
            ]
            rows.append(pictures.Row(label, tuple(drawn)))
        title = f"{genre} by {browse.GALLERY}" if genre else f"Songs by {browse.GALLERY}"
        return rows, await asyncio.to_thread(pictures.gallery, title, rows, look=look)

    async def search(self, wanted: Wanted, limit: int = 10) -> list[Track]:
        """Find songs of the catalogue by title, artist, genre, tempo, key and mood, best first.

        Raises
        ------
        NotFound
            None is all of that.
        """
        from musrec import browse

        engine = self._engine
        found = await asyncio.to_thread(browse.search, engine.catalogue, engine.names, wanted)
        return found[:limit]

    async def history(
        self, member: str, filters: Filters | None = None, *, page: int = 0, size: int = 10
    ) -> History:
        """Return one page of what a member did, the newest first."""
        from musrec import taste

        events = (await self.store.feedback(member))[::-1]
        tracks = await self.store.tracks({event.track for event in events})
        return taste.history(events, tracks, filters or taste.Filters(), page, size)

    # Playlists --------------------------------------------------------------------------------

    async def make_playlist(self, member: str, name: str) -> Playlist:
        """Make an empty playlist.

        Raises
        ------
        PlaylistError
            The name cannot be used or is used already, or there are too many.
        MusrecError
            The member paused.
        """
        from musrec import playlists

        name = playlists.clean_name(name)
        await self._may_keep(member)
        key = playlists.key(name)
        made = await self.store.make_playlist(member, name, key, playlists.MOST_PLAYLISTS)
        if made is None:
            if await self.store.playlist(member, key):
                raise playlists.PlaylistError(
                    f"You have a playlist called {name} already.", "Choose another name."
                )
            raise playlists.PlaylistError(
                f"You have {playlists.MOST_PLAYLISTS} playlists, which is the most.",
                "Delete one first.",
            )
        return made

    async def playlist(self, member: str, name: str) -> Playlist:
        """Return a member's playlist of that name, however its letters are written.

        Raises
        ------
        NotFound
            There is none; the message names those there are.
        """
        from musrec import playlists

        if found := await self.store.playlist(member, playlists.key(playlists.visible(name))):
            return found
        own = await self.store.playlists(member)
        if not own:
            raise NotFound(
                "You have no playlist yet.", "`playlist create` makes one: it needs only a name."
            )
        names = ", ".join(playlist.name for playlist in own[:5])
        raise NotFound(f"You have no playlist called {name[:80]}.", f"You have: {names}.")

    async def add_to_playlist(self, playlist: Playlist, tracks: Iterable[str]) -> int:
        """Put songs at the end of a playlist; say how many were not in it yet.

        Raises
        ------
        PlaylistError
            It is full.
        MusrecError
            Its member paused.
        """
        from musrec import playlists

        await self._may_keep(playlist.member)
        if playlist.songs >= playlists.MOST_SONGS:
            raise playlists.PlaylistError(
                f"{playlist.name} is full: it holds {playlist.songs:,} songs.", "Make another one."
            )
        return await self.store.add_to_playlist(playlist, list(tracks), playlists.MOST_SONGS)

    async def export_playlist(
        self, playlist: Playlist, how: Format, *, local: bool = False
    ) -> Export:
        """Write a playlist as a file; for Spotify, its ids are looked up where a key allows.

        Parameters
        ----------
        local : bool
            Name files of this machine where songs came from them: for its owner alone.

        Raises
        ------
        NotFound
            There is nothing in it.
        """
        from musrec import playlists

        tracks = await self.store.playlist_songs(playlist.id)
        if not tracks:
            raise NotFound(
                f"There is nothing in {playlist.name} yet.", "`playlist add` puts songs in it."
            )
        unknown = [track for track in tracks if "spotify" not in track.identities]
        if how == "spotify" and unknown:
            sources, deadline = await self._open_sources(), self._deadline()
            for track in await sources.known_by("spotify", unknown, deadline=deadline):
                await self.store.add_track(track)
            tracks = await self.store.playlist_songs(playlist.id)
        paths = await self.store.paths(track.id for track in tracks) if local else {}
        return await asyncio.to_thread(playlists.export, playlist.name, tracks, how, paths)

    async def continue_playlist(self, playlist: Playlist, *, count: int = 10) -> Answer:
        """Recommend songs for a whole playlist, none of which is in it.

        Raises
        ------
        NotFound
            Nothing in it was heard.
        """
        from musrec import playlists
        from musrec.recommend import Request, Seed

        tracks = await self.store.playlist_songs(playlist.id)
        heard = [await self.heard(track.id) for track in playlists.spread(tracks)]
        seeds = [Seed(song.place, song.track, song.profile) for song in heard if song]
        if not seeds:
            raise NotFound(
                f"I have heard no song of {playlist.name} yet.", "Add one that I know first."
            )
        now = _now()
        since = now - timedelta(days=self.settings.recommend.repeat_after_days)
        lately = await self.store.recommended(playlist.member, since)
        request = Request(
            member=playlist.member,
            seeds=tuple(seeds),
            count=count * playlists.ASKED_FOR,
            adventurous=self.settings.recommend.adventurous,
            constraints=Constraints(same_artist=True),
            now=now,
            recent=frozenset(lately) | {track.id for track in tracks},
        )
        chosen = await self._think(self._engine.recommender.recommend, request)
        picks = playlists.varied(chosen.picks, count)
        if not await self.paused(playlist.member):
            ids = [pick.track.id for pick in picks]
            await self.store.remember_picks(playlist.member, ids, None, now, blend=chosen.blend)
        notes = (*self.notes, *(note for note in chosen.notes if not picks))
        return Answer(query=None, analysis=None, profile=None, picks=picks, notes=notes)

    # Members ----------------------------------------------------------------------------------

    async def paused(self, member: str) -> bool:
        """Whether a member asked that nothing new is kept of them."""
        chosen = await self.store.member(member)
        return chosen is not None and chosen.paused

    async def _may_keep(self, member: str) -> None:
        """Refuse to keep what a member asks to be kept while they paused."""
        if await self.paused(member):
            raise MusrecError(
                "You asked me to keep nothing new about you.",
                "`/privacy pause` switches that off again.",
            )

    async def about(self, member: str) -> dict[str, list[dict[str, Any]]]:
        """Return everything kept about a member: for each area of `musrec.privacy`, its rows."""
        from musrec.privacy import AREAS

        rows = await self.store.personal(member)
        return {area.name: rows[area.table] for area in AREAS}

    async def export(self, member: str, name: str) -> bytes:
        """Return everything kept about a member as one zip: JSON for each area, and pictures.

        Parameters
        ----------
        member : str
        name : str
            How the pictures call them.
        """
        from musrec import privacy

        kept = await self.about(member)
        songs = await self.store.tracks(privacy.songs_in(kept))
        pictures: dict[str, Picture] = {}
        if await self.liked(member):
            pictures["taste"] = (await self.taste(member, name))[1]
            pictures["map"] = (await self.map(member))[1]
        return await asyncio.to_thread(privacy.archive, kept, songs, pictures)

    # Weekly drops -----------------------------------------------------------------------------

    async def choose(self, job: Callable[[Recommender, Catalogue], T]) -> T:
        """Run what picks songs in the one thread where the recommender may be used."""
        engine = self._engine
        return await self._think(job, engine.recommender, engine.catalogue)

    async def heard(self, track: str) -> Heard | None:
        """Return a song with what was heard in it, from the store alone."""
        found, analysis = await self.store.track(track), await self.store.analysis(track)
        return self._heard(found, analysis) if found and analysis else None

    async def tick_drops(self, poster: Poster, clock: Clock | None = None) -> int:
        """Post the drops and mixtapes that are due; return how many. Call it every minute."""
        return await drops.tick(self, poster, clock or _now)

    async def drop_now(
        self, drop: Drop, poster: Poster, clock: Clock | None = None
    ) -> State | None:
        """Post this week's drop without waiting for its hour; None where it has come already.

        One that ended with questions is made from the answers, one that failed is tried again.
        """
        return await drops.drop_now(self, poster, drop, clock or _now)

    async def own_drop(self, member: str, **wishes: Any) -> Drop:
        """Return a member's drop with some wishes changed; one that is not kept yet stays off.

        Raises
        ------
        MusrecError
            The member paused.
        """
        await self._may_keep(member)
        kept = await self.store.drop_of(member)
        if kept is None:
            since, schedule = _now(), drops.FRIDAY_EVENING
            kept = drops.Drop(member, None, schedule, since, active=False)
            return await self.store.keep_drop(replace(kept, **wishes))
        return await self.store.keep_drop(replace(kept, **wishes)) if wishes else kept

    async def like_artists(self, member: str, artists: Iterable[str]) -> list[Track]:
        """Take liking some artists as liking their songs; return those that are liked now."""
        tracks = drops.songs_of(self.catalogue, artists)
        for track in tracks:
            await self.learn(member, track.id, FeedbackKind.LIKE)
        return tracks


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, eq=False)
class _Engine:
    """What answers are computed from; swapped as a whole, so that no reader sees half of it."""

    space: Space
    catalogue: Catalogue
    index: Index
    recommender: Recommender
    names: tuple[str, ...]


def _build(
    songs: Sequence[tuple[Track, Analysis]],
    feedback: Sequence[Feedback],
    served: Sequence[Served],
) -> _Engine:
    """Place every song; those heard without the tagger wait until they are heard again."""
    from musrec import space as spaces
    from musrec.audio import tagger
    from musrec.recommend import Recommender

    space = spaces.Space.load("full" if tagger.status().installed else "statistics")
    known = [song for song in songs if space.name != "full" or song[1].tag_mean is not None]
    catalogue = _catalogue([_heard(space, track, analysis) for track, analysis in known], space)
    index = spaces.Index(catalogue.vectors, details=catalogue.details)
    recommender = Recommender(catalogue, feedback, index.alike, served=served)
    return _Engine(space, catalogue, index, recommender, _names(catalogue.tracks))


def _heard(space: Space, track: Track, analysis: Analysis) -> Heard:
    from musrec.space import profile

    return Heard(track, analysis, profile(analysis), space.place(analysis))


def _catalogue(songs: Sequence[Heard], space: Space) -> Catalogue:
    import numpy as np

    # An empty catalogue still has columns: one made-up place lends its widths.
    shape = space.empty_place()
    return Catalogue(
        tracks=tuple(song.track for song in songs),
        profiles=tuple(song.profile for song in songs),
        vectors=np.stack([shape.vector, *(song.place.vector for song in songs)])[1:],
        facets={
            name: np.stack([values, *(song.place.facets[name] for song in songs)])[1:]
            for name, values in shape.facets.items()
        },
        details=None
        if shape.detail is None
        else np.stack([shape.detail, *(d for s in songs if (d := s.place.detail) is not None)])[1:],
    )


def _grown(engine: _Engine, fresh: Sequence[Heard]) -> _Engine:
    import numpy as np

    more = _catalogue(fresh, engine.space)
    catalogue = Catalogue(
        (*engine.catalogue.tracks, *more.tracks),
        (*engine.catalogue.profiles, *more.profiles),
        np.concatenate([engine.catalogue.vectors, more.vectors]),
        {
            name: np.concatenate([values, more.facets[name]])
            for name, values in engine.catalogue.facets.items()
        },
        None
        if engine.catalogue.details is None or more.details is None
        else np.concatenate([engine.catalogue.details, more.details]),
    )
    index = engine.index.extended(more.vectors, details=more.details)
    engine.recommender.extend(more, index.alike)
    names = (*engine.names, *_names(more.tracks))
    return _Engine(engine.space, catalogue, index, engine.recommender, names)


def _names(tracks: Iterable[Track]) -> tuple[str, ...]:
    """What `Service.suggest` searches, in the form that rapidfuzz compares."""
    from rapidfuzz import utils

    return tuple(utils.default_process(f"{track.title} {track.artist}") for track in tracks)


def _present(answer: P | Missing) -> P:
    """Raise what the services could not give as something a person can act on."""
    from musrec.sources import Missing

    if isinstance(answer, Missing):
        raise NotFound(answer.sentence, answer.hint)
    return answer


def _short(heard: Heard | None) -> tuple[str, ...]:
    if heard is None or heard.analysis.seconds >= WHOLE_SECONDS:
        return ()
    said = f"Only {heard.analysis.seconds:.1f} s were heard: too little for a sure tempo and key."
    return (f"{said} Ten seconds or more give a better answer.",)


def no_music(kind: SoundKind) -> str:
    """Say that something is no music, and what it is instead."""
    return f"I hear no music in this: {_NOT_MUSIC[kind]}."
