"""Songs: found by id, link or title; heard from clips, files and previews."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import math
import os
import secrets
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musrec import pictures, wording
from musrec.audio import fingerprint, tagger
from musrec.audio.cluster import Deaf
from musrec.audio.decode import WHOLE_SECONDS
from musrec.audio.descriptors import DEFINITIONS, Descriptor, marks, populations, said_tags
from musrec.audio.features import STATISTIC_NAMES
from musrec.audio.tags import Tags
from musrec.audio.transcode import Encoding, transcode
from musrec.audio.workers import QUESTION_SECONDS
from musrec.catalogue import files, search
from musrec.catalogue.model import Added, FileStamp, Job, JobKind, Reheard, path_of, stored
from musrec.model import (
    ANALYSER_VERSION,
    Analysis,
    Busy,
    Choices,
    Heard,
    MusrecError,
    NotAudio,
    NotFound,
    Picture,
    SettingsError,
    SoundKind,
    StoreError,
    Track,
)
from musrec.service import folders
from musrec.service.live import Live
from musrec.service.measures import measured
from musrec.service.outside import Outside, present
from musrec.settings import Settings
from musrec.sources import Cover, Deadline, Missing, Preview, links
from musrec.sources.hear import AFTERWARDS, explore, hear_candidates
from musrec.sources.provider import LinkKind
from musrec.space import genre_said, guesses
from musrec.store import Store
from musrec.store.analyses import NotCompared
from musrec.titles import fold

if TYPE_CHECKING:
    from musrec.pictures.draw import LookName

CANDIDATES = 30
"""Songs heard on the fly for one question: a few seconds for two workers."""

NEAR = 5
"""Songs offered for a name that is spelt nearly like theirs."""

LISTENING = 20.0
"""Seconds within which a song that is shown already may still be heard."""
COVER = 3.0
"""Seconds within which a cover must open."""

_DRIVE = "Is its drive there?"

GIVE_UP = 3
"""Files in a row that do not answer, after which their drive is taken to be gone."""
GROWN = 500
"""Newly heard songs that wait, at most, until they can be recommended."""

LAST = 3
"""Urgency of songs that no member asked for: see `Jobs.plan`."""

TRIED_AGAIN = 7 * 86_400.0
"""Seconds after which a song that gave nothing to recommend is tried again."""

ASIDE = timedelta(seconds=5)
"""How long a song stays with a question whose time is up, before another process may hear it."""

ASK_SECONDS = 0.25
"""How often a question that waits for a song asks whether another has heard it."""

MOST_CONVERTED = 4
"""Files played in another encoding at once: a process each, idle while its listener pauses."""

_log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with how many songs are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Description:
    """What the numbers of a song mean.

    Attributes
    ----------
    genre : str or None
        The genre to name; None where the genre head is unsure, or no genre is known.
    genres : mapping of str to float
        Genre to probability, likeliest first; guesses where there is no genre to name.
    tags : mapping of str to float
        The tags that may be said of it, largest share first.
    sound : tuple of str
        A word for each descriptor by which it is clearly marked, such as "very calm".
    definitions : mapping of str to Descriptor
        Of each of the song's percentiles.
    populations : mapping of str to str
        Each population that percentiles refer to, and what it is.
    statistics : mapping of str to float
        By name; NaN where not known.
    labels : mapping of str to float
        Chances that the owner's own encoder gives its labels; empty without one.
    """

    genre: str | None
    genres: Mapping[str, float]
    tags: Mapping[str, float]
    sound: tuple[str, ...]
    definitions: Mapping[str, Descriptor]
    populations: Mapping[str, str]
    statistics: Mapping[str, float]
    labels: Mapping[str, float]


class _Round:
    """One look through some folders, shared by those who look and those who hear."""

    def __init__(self, paths: list[Path], progress: Progress | None) -> None:
        self.paths = paths
        self.late = 0  # files in a row that could not be read in time
        self.waiting: asyncio.Queue[Path | None] = asyncio.Queue()
        self.jobs: list[asyncio.Task[None]] = []
        self.hearing = 0  # jobs that hear one file after the other
        self.deaf: MusrecError | None = None  # why nothing hears any more
        self.listened = False  # to any file
        self.heard = 0
        self.there: set[str] = set()
        self.unread: list[str] = []
        self.former: dict[str, str] = {}  # changed files, and the songs that were in them
        self._progress = progress
        self._found = self._done = 0
        self.count()

    def count(self, *, found: int = 0, done: int = 0) -> None:
        """Count files, and tell of it."""
        self._found += found
        self._done += done
        if self._progress:
            self._progress(self._done, self._found)

    def any_below(self, path: Path) -> bool:
        """Whether a file was found there."""
        name = stored(path)
        return any(one == name or one.startswith(name + os.sep) for one in self.there)


class Songs:
    """Every song that can be asked about."""

    def __init__(self, settings: Settings, store: Store, live: Live, outside: Outside) -> None:
        self._settings = settings
        self._store = store
        self._live = live
        self._outside = outside
        # Two copies of one recording, heard side by side, must not both be the first.
        self._keeping = asyncio.Lock()
        self._converted = 0
        self._hears_instruments = False  # until `waiting` looks

    # Finding ----------------------------------------------------------------------------------

    @measured("resolve")
    async def find(self, text: str, *, online: bool = True) -> Track | Choices:
        """Find the song that an id, a link or a title means.

        Ids, links and titles that are known here are tried first, then the services of
        `musrec.sources`. Songs to choose from are kept, so that their ids can be asked for.

        Raises
        ------
        NotFound
            No song matches; the message says what to try.
        """
        # No database takes lone surrogates or nulls.
        text = text.encode(errors="replace").decode().replace("\0", " ").strip()
        if not text:
            raise NotFound("You named no song.", "Send a title, a link or a clip.")
        if track := await self._store.tracks.get(text) or await self._linked(text):
            return track
        engine = self._live.engine
        if found := await asyncio.to_thread(search.titled, engine.catalogue, engine.names, text):
            return found
        if not online:
            if near := await self._near(text):
                return near
            raise NotFound(
                f"No song in the catalogue is called “{text}”.",
                "Try `musrec search`, or add your own music with `musrec add FOLDER`.",
            )
        sources = await self._outside.sources()
        answer = await sources.resolve(text, deadline=self._outside.deadline())
        if isinstance(answer, Choices):
            offered = await self.keep(answer.tracks)
            return replace(answer, tracks=tuple({track.id: track for track in offered}.values()))
        if isinstance(answer, Missing) and links.host(text) is None:
            near = await self._near(text)
            if near:
                return near
        return await self._store.tracks.add(present(answer).track)

    async def _near(self, text: str) -> Choices | None:
        """Return songs of the catalogue whose names are spelt nearly like a text."""
        engine = self._live.engine
        found = await asyncio.to_thread(search.near, engine.catalogue, engine.names, text, NEAR)
        why = f"I found no song called “{text[:80]}”. Did you mean one of these?"
        return Choices(tuple(found), why) if found else None

    async def find_one(self, text: str, *, online: bool = True) -> Track:
        """Find the one song that a text means.

        Raises
        ------
        NotFound
            No song matches, or several do; the message lists them with their ids.
        """
        found = await self.find(text, online=online)
        if isinstance(found, Choices):
            lines = "\n".join(f"  {track.id}  {track}" for track in found.tracks)
            raise NotFound(f"{found.why}\n{lines}", "Say which one by its id or with its artist.")
        return found

    async def _linked(self, text: str) -> Track | None:
        """Return the song of a link that was met before."""
        link = links.parse(text)
        if link is None or link.kind is not LinkKind.TRACK:
            return None
        return await self._store.tracks.identified(link.provider, link.id)

    async def suggest(self, text: str, limit: int = 25) -> list[Track]:
        """Complete what is being typed with songs of the catalogue, best first; no network."""
        engine = self._live.engine
        return await asyncio.to_thread(search.suggest, engine.catalogue, engine.names, text, limit)

    async def get(self, id_: str) -> Track:
        """Return the song of that id.

        Raises
        ------
        NotFound
            It is not kept here, or no longer.
        """
        if (track := await self._store.tracks.get(id_)) is None:
            raise NotFound("I no longer have that song.", "Ask for it by its name.")
        return track

    async def shown_to(self, id_: str, member: str) -> Track:
        """Return the song of that id if a member may see it: clips are their senders' alone.

        Raises
        ------
        NotFound
            It is not kept here, or it is a clip that another member sent.
        """
        track = await self.get(id_)
        if await self._store.analyses.is_upload(id_) and not await self._store.answers.asked_about(
            member, id_
        ):
            raise NotFound("I no longer have that song.", "Ask for it by its name.")
        return track

    async def many(self, ids: Iterable[str]) -> dict[str, Track]:
        """Return the songs of those ids that exist."""
        return await self._store.tracks.many(ids)

    async def keep(self, tracks: Iterable[Track]) -> list[Track]:
        """Keep songs that were met elsewhere, so that they can be asked for by their ids."""
        return [await self._store.tracks.add(track) for track in tracks]

    # Hearing ----------------------------------------------------------------------------------

    @measured("hear")
    async def hear_clip(self, data: bytes, name: str, *, origin: str = "upload") -> Heard:
        """Hear a clip; bytes that were heard before are not heard again.

        A recording that is known is the known song, however this copy is coded, cut or named.

        Parameters
        ----------
        data : bytes
            From anywhere: they are decoded in a process with limits.
        name : str
            File name, from which title and artist are read if the tags do not state them.
        origin : str
            ``upload`` (kept with title and artists for thumbs and cards, never recommended to
            others; heard within `QUESTION_SECONDS`) or ``file``.

        Raises
        ------
        NotAudio
            Nothing in it can be heard.
        """
        return self._heard(*await self._hear_clip(data, name, origin))

    async def _hear_clip(
        self, data: bytes, name: str, origin: str, file: FileStamp | None = None
    ) -> tuple[Track, Analysis]:
        digest = hashlib.sha256(data).hexdigest()
        if (known := await self._store.analyses.by_digest(digest)) and self._complete(known[1]):
            track, analysis = known
            if origin != "file":
                return track, analysis
            # One that was only sent by a member so far is heard again, for the rest of its tags.
            if await self._store.analyses.paths([track.id]):
                track = await self._store.analyses.add(track, analysis, origin, file)
                return track, analysis
        ears = await self._outside.ears()
        limit = math.inf if origin == "file" else QUESTION_SECONDS
        listened = await ears.hear(data, limit=limit)
        analysis, said = listened.analysis, listened.tags
        if origin != "file":
            said = Tags(said.title, said.artists)
        track = files.track_of(said, name, digest)
        if analysis.kind is SoundKind.MUSIC and (origin != "file" or _recommendable(analysis)):
            track, analysis = await self._keep(track, analysis, origin, file)
        return track, analysis

    @measured("hear")
    async def hear_track(self, track: Track) -> Heard:
        """Hear a song that is known by name: from the store, else from a preview.

        Several that ask for the same new song, in whatever processes, cause one hearing.

        Raises
        ------
        NotFound
            No service has a preview of it; a clip would do.
        Busy
            Another question has it heard, and that takes longer than this one may.
        """
        deadline = self._outside.deadline()
        while True:
            if (analysis := await self._store.analyses.get(track.id)) is not None:
                return self._heard(track, analysis)
            async with self._hearing(track, deadline) as mine:
                if mine:
                    heard = await self._hear_preview(track, deadline)
                    if _recommendable(heard.analysis):
                        await self._live.grow()
                    return heard
            await self._until_heard(track, deadline)

    @contextlib.asynccontextmanager
    async def _hearing(self, track: Track, deadline: Deadline) -> AsyncIterator[bool]:
        """Let no other process hear a song meanwhile; False if one does already.

        If it is cancelled, because its time is up, some process hears the song later.
        """
        token, lease = secrets.token_hex(8), timedelta(seconds=deadline.left) + ASIDE
        if not await self._store.jobs.take(JobKind.HEAR, [(track.id, track)], token, lease):
            yield False
            return
        try:
            yield True
        except asyncio.CancelledError:
            await asyncio.shield(self._store.jobs.release(token))
            raise
        except BaseException:
            await self._store.jobs.done(token)
            raise
        await self._store.jobs.done(token)

    async def _until_heard(self, track: Track, deadline: Deadline) -> None:
        """Wait while another process hears a song."""
        while await self._store.jobs.is_running(JobKind.HEAR, track.id):
            if not deadline.left:
                raise Busy("I am listening to this song already.", "Ask again in a few seconds.")
            await asyncio.sleep(min(ASK_SECONDS, deadline.left))

    async def listen(self, track: Track, *, seconds: float = LISTENING) -> Heard | None:
        """Hear a song that is known by its numbers alone, such as a starter song, from a preview.

        Its numbers in the catalogue are replaced when that is next read.

        Returns
        -------
        Heard or None
            None if it was heard before, is being heard, or cannot be heard within so many seconds.
        """
        known = await self._store.analyses.get(track.id)
        if known is None or known.spectrogram is not None:
            return None
        deadline = Deadline.within(seconds)
        try:
            async with self._hearing(track, deadline) as mine, asyncio.timeout(seconds):
                return await self._hear_preview(track, deadline, music=True) if mine else None
        except (MusrecError, TimeoutError) as error:
            _log.info("%s could not be heard (%s)", track, type(error).__name__)
            return None

    async def _hear_preview(
        self, track: Track, deadline: Deadline, *, music: bool = False
    ) -> Heard:
        """Hear a song from a preview, and keep what was heard; `music` refuses anything else."""
        sources = await self._outside.sources()
        if track.isrc is None:  # chosen from a list, which tells less than a song's own page
            track = await sources.finish(track, deadline=deadline)
        preview = present(await sources.preview(track, deadline=deadline))
        analysis = await self._listen(preview.data)
        if music and not _recommendable(analysis):
            raise NotAudio(_unsuited(analysis))
        origin = f"preview:{preview.provider}"
        return self._heard(*await self._keep(preview.track, analysis, origin))

    async def heard(self, track: str) -> Heard | None:
        """Return a song with what was heard in it, from the store alone."""
        found = await self._store.tracks.get(track)
        analysis = await self._store.analyses.get(track)
        return self._heard(found, analysis) if found and analysis else None

    @staticmethod
    def describe(heard: Heard) -> Description:
        """Return what the numbers of a song mean."""
        analysis, profile = heard.analysis, heard.profile
        return Description(
            genre=genre_said(profile.genres, tagged=analysis.tag_mean is not None),
            genres=profile.genres or guesses(analysis),
            tags=said_tags(profile.tags),
            sound=marks(profile.percentiles),
            definitions={name: DEFINITIONS[name] for name in profile.percentiles},
            populations=populations(),
            statistics=dict(zip(STATISTIC_NAMES, analysis.statistics.tolist(), strict=True)),
            labels=analysis.encoded.labels if analysis.encoded else {},
        )

    async def sheet(self, heard: Heard, *, look: LookName = "dark") -> Picture | None:
        """Draw one song in detail; None for a song that was never heard here."""
        return await asyncio.to_thread(pictures.song, heard.track, heard.analysis, look=look)

    async def preview(self, track: Track) -> Preview:
        """Fetch half a minute of a song to be played once; it is never stored.

        Raises
        ------
        NotFound
            No service has a preview of it.
        """
        sources = await self._outside.sources()
        return present(await sources.preview(track, deadline=self._outside.deadline()))

    async def cover(self, track: Track) -> Cover | None:
        """Return where a service serves the song's cover, to be shown beside a link to its page.

        None if no service has one that opens. Nothing of it is stored.
        """
        sources = await self._outside.sources()
        return await sources.cover(track, deadline=Deadline.within(COVER))

    async def artist_genres(self, track: Track) -> tuple[str, ...]:
        """Return the genres of a song's artist, as a service says: to be shown, nothing else."""
        sources = await self._outside.sources()
        return await sources.artist_genres(track, deadline=Deadline.within(COVER))

    async def _listen(self, data: bytes) -> Analysis:
        """Hear bytes, or recall what was heard in the same ones under another name."""
        known = await self._store.analyses.by_digest(hashlib.sha256(data).hexdigest())
        if known and self._complete(known[1]):
            return known[1]
        ears = await self._outside.ears()
        return (await ears.hear(data, limit=QUESTION_SECONDS)).analysis

    async def _keep(
        self, track: Track, analysis: Analysis, origin: str, file: FileStamp | None = None
    ) -> tuple[Track, Analysis]:
        """Keep a song that was heard, or recognise it: one recording is one song."""
        words, marks = await asyncio.to_thread(_fingerprint, analysis)
        add = self._store.analyses.add
        async with self._keeping:
            others: set[str] = set()
            while (known := await self._recognised(track, words, marks, origin, others)) is None:
                with contextlib.suppress(NotCompared):
                    kept = await add(track, analysis, origin, file, marks=marks, compared=others)
                    return kept, analysis
            kept, heard, heard_in = known
            better = heard_in == "upload" or (origin == "file" and heard_in != "file")
            if origin == "upload" or not (better or file):
                return kept, heard if self._complete(heard) else analysis
            track = replace(track, id=kept.id)
            if better or not self._complete(heard):
                return await add(track, analysis, origin, file, marks=marks), analysis
            return await add(track, heard, heard_in, file), heard

    async def _recognised(
        self,
        track: Track,
        words: fingerprint.Words,
        marks: list[int],
        origin: str,
        others: set[str],
    ) -> tuple[Track, Analysis, str] | None:
        """Return the song that a recording is, what was heard in it, and where; None if new.

        The songs that it was found to be none of are added to `others`.
        """
        for id_, heard_in in await self._store.analyses.sharing(marks):
            if id_ in others:
                continue
            others.add(id_)
            found = await self._store.tracks.get(id_)
            analysis = await self._store.analyses.get(id_)
            if found is None or analysis is None or id_ == track.id:
                continue
            theirs, _ = await asyncio.to_thread(_fingerprint, analysis)
            named_alike = fold(found.title) == fold(track.title)
            overlap = (
                fingerprint.OVERLAP_SECONDS
                if origin == "upload" or named_alike
                else fingerprint.NAMED_OTHERWISE_SECONDS
            )
            alike = await asyncio.to_thread(fingerprint.alike, words, theirs, overlap)
            if alike >= fingerprint.SAME:
                return found, analysis, heard_in
        return None

    async def fingerprint_older(self) -> None:
        """Let songs be recognised that were kept before there were fingerprints."""
        for id_ in await self._store.analyses.unmarked():
            if analysis := await self._store.analyses.get(id_):
                _, marks = await asyncio.to_thread(_fingerprint, analysis)
                await self._store.analyses.mark(id_, marks)

    def _complete(self, analysis: Analysis) -> bool:
        """Whether hearing it again would add nothing: the tagger or encoder may be new since."""
        tagged = analysis.tag_mean is not None or self._live.engine.space.name != "full"
        encoder = self._live.encoder
        instruments = analysis.mtt_mean is not None or not self._hears_instruments
        encoded = encoder is None or encoder.vector_of(analysis) is not None
        return tagged and instruments and encoded

    def _heard(self, track: Track, analysis: Analysis) -> Heard:
        return self._live.engine.heard(track, analysis)

    # Files of this machine --------------------------------------------------------------------

    async def hear_path_or_name(self, text: str, *, online: bool = True) -> Heard:
        """Hear the file that a text names, else the one song that it means.

        For the owner of this machine: a text that a member sent must never name a file here.

        Raises
        ------
        NotFound
            There is no such file or song, or several songs match.
        NotAudio
            Nothing in it can be heard.
        """
        limit = self._settings.workers.timeout_seconds
        try:
            clip = await folders.in_thread(lambda: files.clip_at(text), limit)
        except TimeoutError:
            raise NotFound(f"{text} did not answer within {limit:.0f} s.", _DRIVE) from None
        if clip:
            return await self.hear_clip(*clip)
        return await self.hear_track(await self.find_one(text, online=online))

    async def look_at(self, paths: Sequence[Path]) -> None:
        """Look whether there is anything at some paths.

        Raises
        ------
        NotFound
            There is nothing at one of them, or it cannot be read, or does not answer.
        """
        limit = self._settings.workers.timeout_seconds
        for path in paths:
            try:
                await folders.in_thread(path.expanduser().stat, limit)
            except TimeoutError:
                raise NotFound(f"{path} did not answer within {limit:.0f} s.", _DRIVE) from None
            except FileNotFoundError:
                raise NotFound(f"There is nothing at {path}.", "Check the path.") from None
            except (OSError, RuntimeError) as error:
                why = getattr(error, "strerror", None) or str(error)
                raise NotFound(f"{path} cannot be read: {why}.", "Check the path.") from None

    async def add(
        self, paths: Iterable[Path], progress: Progress | None = None, *, prune: bool = False
    ) -> AsyncIterator[Added]:
        """Index files and folders, as many side by side as there are workers.

        Workers of a cluster may come and go meanwhile. If all have gone, or its scheduler, the
        files that are left are named, and the next run goes on with them.

        Yields one step per file, in the order in which they are done. A file that was heard before
        and has not changed is passed over, so an interrupted run goes on where it stopped. Nothing
        that is wrong with one file stops the others. At the end come the files that were heard in
        these folders before and have gone; those that were moved are not among them. A song whose
        file holds another one now is taken out of the catalogue.

        A store on PostgreSQL may be shared by machines, and a path does not say whose it is: there
        nothing is taken out, and what has gone is not named.

        Parameters
        ----------
        progress : callable, optional
            Called with how many files are done, and of how many found so far, from the start on.
        prune : bool
            Take songs out of the catalogue whose files have gone.

        Raises
        ------
        SettingsError
            There is no such cluster as ``workers.scheduler`` names.
        Busy
            Nothing hears, and no file was heard.
        NotFound
            `prune`, and the store is on PostgreSQL.
        """
        if prune and self._store.database.is_postgres:
            raise NotFound(
                "Machines may share a store on PostgreSQL, so I cannot tell whose files have gone.",
                "Leave out --prune; `musrec remove PATH` takes out the songs of one path.",
            )
        limit = self._settings.workers.timeout_seconds
        named = list(paths)
        try:
            roots = await folders.in_thread(lambda: [*map(files.normalised, named)], limit)
        except TimeoutError:
            yield Added(named[0], problem=self._late)
            return
        round_ = _Round(roots, progress)
        steps: asyncio.Queue[Added | Exception | None] = asyncio.Queue()
        round_.jobs.append(asyncio.create_task(self._look(round_, steps)))
        self._staff(round_, steps)
        ended = 0
        try:
            while ended < len(round_.jobs):
                step = await steps.get()
                if step is None:
                    ended += 1
                elif isinstance(step, Exception):
                    raise step
                else:
                    yield step
        finally:
            for task in round_.jobs:
                task.cancel()
            await asyncio.gather(*round_.jobs, return_exceptions=True)
            await self._live.grow()
        if round_.deaf and not round_.listened:
            raise round_.deaf
        if round_.late >= GIVE_UP:
            why = f"{GIVE_UP} files in a row did not answer: is the drive there? The rest is left."
            yield Added(round_.paths[0], problem=why)
        for step in await self._gone(round_, prune=prune):
            yield step

    async def _look(self, round_: _Round, steps: asyncio.Queue[Added | Exception | None]) -> None:
        """Sort what is below the paths of a round into what is known and what is to be heard."""
        digest = self._live.encoder.digest if self._live.encoder else None
        try:
            async for batch in folders.walk(round_.paths, self._settings.workers.timeout_seconds):
                stamps = [found.stamp for found in batch if found.stamp]
                known = await self._store.files.known(stamps, digest)
                refused = await self._store.files.refused(stamps, self._ears)
                fresh = [one.path for one in stamps if one.path not in known]
                round_.former |= await self._store.files.songs(fresh)
                round_.there |= {stamp.path for stamp in stamps}
                for found in batch:
                    if found.stamp is None:
                        round_.unread.append(stored(found.name))
                        steps.put_nowait(Added(found.path, problem=found.problem))
                    elif found.stamp.path in known:
                        steps.put_nowait(Added(found.path, known=True))
                    elif problem := refused.get(found.stamp.path):
                        steps.put_nowait(Added(found.path, problem=problem, known=True))
                    else:
                        round_.waiting.put_nowait(found.path)
                passed = sum(one.path in known or one.path in refused for one in stamps)
                round_.count(found=len(stamps), done=passed)
        except folders.Unanswered as silent:
            round_.unread += map(stored, round_.paths)
            steps.put_nowait(Added(silent.folder, problem=self._late))
        except Exception as error:  # noqa: BLE001 - `add` raises it
            steps.put_nowait(error)
        round_.waiting.put_nowait(None)
        steps.put_nowait(None)

    def _staff(self, round_: _Round, steps: asyncio.Queue[Added | Exception | None]) -> None:
        """Start jobs, one more than clips are heard side by side: it reads while they hear."""
        while round_.hearing <= self._outside.places:
            round_.hearing += 1
            round_.jobs.append(asyncio.create_task(self._work(round_, steps)))

    async def _work(self, round_: _Round, steps: asyncio.Queue[Added | Exception | None]) -> None:
        """Add one file after the other, while there are workers for so many jobs."""
        try:
            while round_.hearing <= self._outside.places + 1:
                if (path := await round_.waiting.get()) is None:
                    round_.waiting.put_nowait(None)  # for the other jobs
                    break
                if round_.late >= GIVE_UP:
                    continue
                step = await self._add_if_heard(path, round_)
                self._staff(round_, steps)
                round_.late = round_.late + 1 if step.problem == self._late else 0
                round_.count(done=1)
                steps.put_nowait(step)
                if step.track is not None:
                    round_.heard += 1
                    if round_.heard % GROWN == 0:
                        await self._live.grow()
        except Exception as error:  # noqa: BLE001 - `add` raises it
            steps.put_nowait(error)
        round_.hearing -= 1
        steps.put_nowait(None)

    async def _add_if_heard(self, path: Path, round_: _Round) -> Added:
        """Add a file, unless nothing hears any more: then it is left for the next run."""
        if not round_.deaf:
            try:
                step = await self._add_file(path)
            except (Deaf, SettingsError) as error:
                round_.deaf = error
            else:
                round_.listened = True
                return step
        return Added(path, problem=f"It is left for the next run. {round_.deaf}")

    async def _gone(self, round_: _Round, *, prune: bool) -> list[Added]:
        """Return which files of a round's folders have gone, and take their songs out if asked to.

        A song whose file holds another one now is taken out in any case.
        """
        store, gone, steps = self._store.files, dict[str, str](), list[Added]()
        unread = tuple(name + os.sep for name in round_.unread)
        for path in round_.paths:
            known = await store.below(stored(path))
            missing = {
                name: song
                for name, song in known.items()
                if name not in round_.there and not (name + os.sep).startswith(unread)
            }
            if missing and len(missing) == len(known) and not round_.any_below(path):
                # More likely a drive that is not there than a folder that lost everything.
                why = "It holds no music any more. If that is right, `musrec remove` it."
                steps.append(Added(path, problem=why))
            else:
                gone |= missing
        elsewhere = await self._store.analyses.paths(gone.values(), gone.keys())
        await store.forget([name for name, song in gone.items() if song in elsewhere])
        if self._store.database.is_postgres:  # the others may be another machine's
            return steps
        lost = {name: song for name, song in gone.items() if song not in elsewhere}
        names = await self._store.tracks.many(lost.values())
        now = await store.songs(round_.former.keys() - gone.keys())
        out = {song for name, song in round_.former.items() if now.get(name, song) != song}
        if prune:
            await store.forget(lost)
            out |= set(lost.values())
        if out := await store.without_file(out):
            await self._store.analyses.remove(out)
            await self._live.reload()
        steps += [Added(path_of(name), names.get(song), gone=True) for name, song in lost.items()]
        return steps

    async def remove(self, text: str) -> list[Track]:
        """Take songs out of the catalogue: one, or those of a file or folder; return them.

        What members did with them is kept, and so are the files.

        Raises
        ------
        NotFound
            There is no such song, or it came with the package.
        """
        path = await asyncio.to_thread(lambda: files.normalised(Path(text)))
        if below := await self._store.files.below(stored(path)):
            await self._store.files.forget(below)
            ids = await self._store.files.without_file(below.values())
        else:
            ids = {(await self.find_one(text, online=False)).id}
        for id_ in ids:
            if await self._store.analyses.origin(id_) == "starter":
                raise NotFound(
                    "That song came with me, so it would be back at the next start.",
                    "Set `starter = false` under [catalogue] to leave out all such songs.",
                )
        found = await self._store.tracks.many(ids)
        await self._store.analyses.remove(ids)
        await self._live.reload()
        return list(found.values())

    @property
    def _ears(self) -> str:
        """What hears files now, as far as it decides whether they are music."""
        return f"{ANALYSER_VERSION} {self._live.engine.space.name}"

    @property
    def _late(self) -> str:
        return folders.late(self._settings.workers.timeout_seconds)

    async def _add_file(self, path: Path) -> Added:
        stamp = None
        try:
            data, stamp = await folders.in_thread(
                lambda: files.read_clip(path), self._settings.workers.timeout_seconds
            )
            # Not placed here: new songs are, many together.
            track, analysis = await self._hear_clip(data, path.name, "file", stamp)
        except (StoreError, Deaf, SettingsError):
            raise
        except TimeoutError:
            return Added(path, problem=self._late)
        except Exception as error:  # noqa: BLE001 - one file must not stop the others
            problem = _problem(path, error)
            lasting = isinstance(error, NotAudio)
        else:
            if _recommendable(analysis):
                return Added(path, track)
            problem, lasting = _unsuited(analysis), True
        if stamp and lasting:
            await self._store.files.refuse(stamp, self._ears, problem)
        return Added(path, problem=problem)

    async def file_of(self, track: str) -> Path:
        """Return where the file of a song is, if it still is the one that was added.

        Raises
        ------
        NotFound
            The song came from no file of this machine, or the file has gone.
        """
        known = (await self._store.analyses.paths([track])).get(track)
        if known is None:
            raise NotFound("I have no file of this song.")
        path = await asyncio.to_thread(path_of, known)
        if not await asyncio.to_thread(path.is_file):
            raise NotFound(
                "The file of this song has gone.", "Add its new place with `musrec add`."
            )
        return path

    async def files_of(self, tracks: Iterable[str]) -> dict[str, Path]:
        """Return where the file of each of those songs that has one was when it was added."""
        found = await self._store.analyses.paths(tracks)
        return {track: path_of(path) for track, path in found.items()}

    async def converted(self, track: str, to: Encoding) -> AsyncIterator[bytes]:
        """Yield the sound of a song's file in an encoding that a browser plays.

        Raises
        ------
        Busy
            Too many are being played like that.
        NotFound
            There is no file, it has gone, or it cannot be read.
        NotAudio
            Nothing in it can be decoded.
        """
        file = await self.file_of(track)
        if self._converted >= MOST_CONVERTED:
            raise Busy("Too many songs are being converted now.", "Try again in a minute.")
        self._converted += 1
        try:
            async for chunk in transcode(file, to):
                yield chunk
        except OSError as error:
            raise NotFound(f"The file of this song cannot be read: {error.strerror}.") from None
        finally:
            self._converted -= 1

    # Songs of other services ------------------------------------------------------------------

    @measured("candidates")
    async def hear_around(self, track: Track, progress: Progress | None = None) -> None:
        """Hear what services name as similar; what arrives late counts next time."""
        if not track.artists:
            return  # a clip without a name: no service could say what is similar
        deadline = self._outside.deadline()
        sources = await self._outside.sources()
        found = await sources.candidates(track, deadline=deadline)
        fresh = [one for one in found if not await self._analysed(one)][:CANDIDATES]
        token, lease = secrets.token_hex(8), timedelta(seconds=deadline.left + AFTERWARDS) + ASIDE
        mine = await self._store.jobs.take(
            JobKind.HEAR, [(one.id, one) for one in fresh], token, lease
        )
        fresh = [one for one in fresh if one.id in mine]
        tasks: list[asyncio.Task[None]] = []
        done: list[str] = []
        kept: list[Heard] = []

        def spawn(job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            tasks.append(self._live.spawn(job))
            return tasks[-1]

        async def keep(track: Track, analysis: Analysis, provider: str) -> None:
            if heard := await self._keep_candidate(track, analysis, provider):
                kept.append(heard)

        async def afterwards() -> None:
            """Leave what was not heard to any process that has nothing else to do."""
            try:
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._live.grow()
            finally:
                await self._store.jobs.done(token, done)
                await self._store.jobs.release(token)

        try:
            await hear_candidates(
                fresh,
                sources=sources,
                hear=self._listen,
                deadline=deadline,
                spawn=spawn,
                on_heard=keep,
                on_done=lambda one: done.append(one.id),
                on_progress=progress,
            )
        finally:
            self._live.spawn(afterwards())
        if kept:
            await self._live.grow()

    async def _analysed(self, track: Track) -> bool:
        """Whether this recording was analysed before, even if it turned out not to be music."""
        if await self._store.lookups.get(f"no music:{track.id}"):
            return True
        pairs = track.identities.items()
        kept = [await self._store.tracks.identified(*pair) for pair in pairs]
        ids = {track.id, *(one.id for one in kept if one)}
        return any([await self._store.analyses.get(id_) is not None for id_ in ids])

    async def _keep_candidate(
        self, track: Track, analysis: Analysis, provider: str
    ) -> Heard | None:
        if not _recommendable(analysis):
            await self._store.lookups.put(f"no music:{track.id}", "1", TRIED_AGAIN)
            return None
        return self._heard(*await self._keep(track, analysis, f"preview:{provider}"))

    # Quiet times ------------------------------------------------------------------------------

    async def do(self, job: Job) -> None:
        """Do a job of `Jobs.plan`, or one that a question left.

        Raises
        ------
        MusrecError
            It failed; the message says why.
        """
        match job.kind:
            case JobKind.EXPLORE:
                await self._explore_likes()
            case JobKind.AGAIN:
                assert job.track is not None
                await self._hear_again(job.track)
            case JobKind.HEAR:
                assert job.track is not None
                await self._hear_later(job.track)
        if job.kind is not JobKind.EXPLORE:
            await self._live.grow()

    async def _hear_later(self, track: Track) -> None:
        """Hear a song that nobody waits for, unless that was done meanwhile."""
        known = await self._store.analyses.get(track.id)
        if known is not None and known.spectrogram is not None:
            return
        deadline = Deadline.within(LISTENING)
        sources = await self._outside.sources()
        preview = present(await sources.preview(track, deadline=deadline))
        async with asyncio.timeout(LISTENING):
            analysis = await self._listen(preview.data)
        await self._keep_candidate(preview.track, analysis, preview.provider)

    async def rehear(
        self, progress: Progress | None = None, *, online: bool = True
    ) -> AsyncGenerator[Reheard, None]:
        """Hear what an older analyser or encoder heard, as many side by side as there are workers.

        Yields one step per song, in the order in which they are done. What was heard before serves
        until then; a run that was stopped goes on where it stopped.

        Parameters
        ----------
        progress : callable, optional
            Called with how many songs are done, and of how many, from the start on.
        online : bool
            Whether previews are fetched; without them, songs that have no file here stay.
        """
        waiting = await self.waiting()
        if waiting:
            await self._outside.ears()  # a cluster tells how many it hears only once it is asked
        left, steps = iter(waiting), asyncio.Queue[Reheard | Exception | None]()
        if progress:
            progress(0, len(waiting))
        workers, done = self._outside.places + 1, 0
        tasks = [
            asyncio.create_task(self._hear_waiting(left, steps, online=online))
            for _ in range(workers)
        ]
        try:
            while workers:
                step = await steps.get()
                if isinstance(step, Exception):
                    raise step
                if step is None:
                    workers -= 1
                    continue
                done += 1
                if progress:
                    progress(done, len(waiting))
                if done % GROWN == 0:
                    await self._live.grow()
                yield step
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._live.grow()

    async def _hear_waiting(
        self,
        left: Iterator[tuple[str, str, str | None]],
        steps: asyncio.Queue[Reheard | Exception | None],
        *,
        online: bool,
    ) -> None:
        """Hear one song after the other again."""
        try:
            for id_, origin, path in left:
                if track := await self._store.tracks.get(id_):
                    problem = await self._again(track, origin, path, online=online)
                    steps.put_nowait(Reheard(track, problem))
        except Exception as error:  # noqa: BLE001 - `rehear` raises it
            steps.put_nowait(error)
        steps.put_nowait(None)

    async def waiting(self) -> list[tuple[str, str, str | None]]:
        """Return the songs to be heard again: id, origin, and the file if one is known."""
        second = await asyncio.to_thread(tagger.status, name="musicnn-mtt")
        self._hears_instruments = second.installed
        encoder = self._live.encoder
        found = await self._store.analyses.outdated(
            None if encoder is None else encoder.digest, instruments=second.installed
        )
        paths = await self._store.analyses.paths(id_ for id_, _ in found)
        return [(id_, origin, paths.get(id_)) for id_, origin in found]

    async def _again(self, track: Track, origin: str, path: str | None, *, online: bool) -> str:
        """Hear one song again; return why it could not be heard, or nothing."""
        if path is not None:
            problem = (await self._add_file(path_of(path))).problem
        elif not origin.startswith("preview:"):
            problem = "I have no file of it."
        elif not online:
            problem = "I know it from a preview alone, and fetch none now."
        else:
            try:
                await self._hear_preview(track, Deadline.within(LISTENING), music=True)
            except (StoreError, Deaf, SettingsError):
                raise
            except TimeoutError:
                problem = "No preview came in time."
            except MusrecError as error:
                problem = str(error)
            else:
                problem = ""
        if problem:
            _log.info("%s could not be heard again (%s)", track.id, problem)
        return problem

    async def _hear_again(self, track: Track) -> None:
        """Hear what an older analyser or encoder heard, from its file or a preview."""
        path = (await self._store.analyses.paths([track.id])).get(track.id)
        if problem := await self._again(track, "preview:", path, online=True):
            raise MusrecError(problem)

    async def _explore_likes(self) -> None:
        """Let an hour's share of ``catalogue.explore_per_day`` songs around likes be heard."""
        lookups = self._store.lookups
        today = datetime.now(UTC).date()
        tried = int(await lookups.get(f"explored:{today}") or 0)
        day = self._settings.catalogue.explore_per_day
        budget = min(day - tried, -(-day // 24))
        liked = await self._store.feedback.liked_lately(limit=20)
        if budget <= 0 or not liked:
            return

        async def passed_over(track: Track) -> bool:
            known = await self._store.jobs.known(JobKind.HEAR, [track.id])
            return bool(known) or await self._analysed(track)

        found = await explore(
            liked,
            sources=await self._outside.sources(),
            passed_over=passed_over,
            budget=budget,
            deadline=Deadline.within(1800),
        )
        await self._store.jobs.add(JobKind.HEAR, [(one.id, one) for one in found], urgency=LAST)
        await lookups.put(f"explored:{today}", str(tried + len(found)), 2 * 86_400)

    async def foreign(self, track: Track, *, online: bool = True) -> dict[str, dict[str, float]]:
        """Return other services' numbers for a song by their origin: to be shown, nothing else.

        Their terms forbid models and profiles made from them, so nothing here reads them again.
        """
        kept = await self._store.foreign.of(track.id)
        if kept or not online:
            return kept
        sources = await self._outside.sources()
        found = await sources.foreign_features(track, deadline=self._outside.deadline())
        if found is None:
            return {}
        await self._store.foreign.keep(track.id, found.origin, found.values)
        return {found.origin: dict(found.values)}


def _problem(path: Path, error: Exception) -> str:
    """Return why a file could not be added, in a sentence."""
    if isinstance(error, OSError):
        return f"It cannot be read: {error.strerror}."
    if isinstance(error, MusrecError):
        return str(error)
    _log.error("%r could not be added", str(path), exc_info=error)
    return "It could not be added; the log says why."


def _fingerprint(analysis: Analysis) -> tuple[fingerprint.Words, list[int]]:
    picture = analysis.spectrogram
    words = fingerprint.NO_WORDS if picture is None else fingerprint.words(picture)
    return words, fingerprint.landmarks(words)


def _unsuited(analysis: Analysis) -> str:
    """Return why a clip is not to be recommended, in a sentence."""
    if analysis.kind is not SoundKind.MUSIC:
        return wording.no_music(analysis.kind)
    return (
        f"It lasts {analysis.seconds:.1f} s, which is too short to recommend: "
        f"{WHOLE_SECONDS:.0f} s are needed."
    )


def _recommendable(analysis: Analysis) -> bool:
    """Whether a song may be recommended: it is music, and long enough to have a tempo."""
    return analysis.kind is SoundKind.MUSIC and analysis.seconds >= WHOLE_SECONDS
