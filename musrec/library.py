"""The front door for Python: ``musrec.open()``, and ``musrec.aopen()`` inside an event loop.

Both open the same store as the command line, so that what one adds the other recommends.
`docs/python.md` shows them at work.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import wraps
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from musrec.catalogue.model import Added, By, SongFilter, tempo_range
from musrec.members.model import Portrait
from musrec.model import (
    Answer,
    Constraints,
    FeedbackKind,
    Heard,
    MusrecError,
    NotFound,
    Picture,
    Track,
)
from musrec.service import Service
from musrec.settings import load

if TYPE_CHECKING:
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")

Song = str | PathLike[str] | bytes | Heard | Track
"""A file, title, link or id; the content of a file; a song as another call returned it."""


class AsyncLibrary:
    """The engine, opened for programs with an event loop: see `aopen`.

    Everything here may be awaited side by side. Errors that a person can act on are `MusrecError`s.
    """

    def __init__(self, service: Service, *, online: bool) -> None:
        self._service = service
        self._online = online

    async def hear(self, song: Song) -> Heard:
        """Hear a song.

        Parameters
        ----------
        song : str, Path, bytes, Track or Heard
            A file, a title, a link, an id or the content of a file. A song that is known by name is
            heard from a preview, unless it was heard before.

        Returns
        -------
        Heard
            `Heard.analysis` is everything heard, `Heard.profile` the same in words and percentiles,
            `Heard.place` its vector.

        Raises
        ------
        NotFound
            There is no such file or song, or several songs have that name.
        NotAudio
            Nothing in it can be heard.
        """
        songs = self._service.songs
        if isinstance(song, Heard):
            return song
        if isinstance(song, Track):
            return await songs.hear_track(song)
        if isinstance(song, bytes):
            return await songs.hear_clip(song, "clip")
        return await songs.hear_path_or_name(fspath(song), online=self._online)

    async def recommend(
        self,
        song: Song | None = None,
        *,
        count: int = 5,
        member: str | None = None,
        by: str = By.SOUND,
        adventurous: float | None = None,
        constraints: Constraints | None = None,
    ) -> Answer:
        """Recommend songs that sound like one, suit a member, or both.

        Parameters
        ----------
        song : optional
            As in `hear`; without it, songs are chosen by what the member likes alone.
        count : int
            How many.
        member : str, optional
            Whose thumbs count, and who gets no song twice within a month.
        by : str
            ``"sound"`` compares by everything; ``"spectrogram"`` and ``"features"`` by one alone.
        adventurous : float, optional
            0 for the closest songs, 1 for the most adventurous.
        constraints : Constraints, optional
            Such as ``Constraints(only_genres={"jazz"}, tempo=(90, 120))``.

        Returns
        -------
        Answer
            Its picks, best first: iterate over it.

        Raises
        ------
        NotFound
            Neither a song nor a member is given, or the song is not found.
        NotAudio
            There is no music in it.
        """
        if song is None and member is None:
            raise NotFound("Recommend for what?", "Give a song, a member, or both.")
        if by not in list(By):
            raise NotFound(f"Songs cannot be compared by {by!r}.", f"Choose {', '.join(By)}.")
        with self._service.budget():
            return await self._service.answers.recommend(
                None if song is None else await self.hear(song),
                by=By(by),
                member=member,
                count=count,
                adventurous=adventurous,
                constraints=constraints,
                online=self._online,
            )

    async def search(
        self,
        text: str = "",
        *,
        artist: str = "",
        genre: str = "",
        mood: str = "",
        key: str = "",
        tempo: str | tuple[float, float] | None = None,
        instrument: str = "",
        voice: str = "",
        limit: int = 10,
    ) -> list[Track]:
        """Search the catalogue by names and by sound, best first.

        Parameters
        ----------
        text : str
            Title, artist or both, nearly right.
        artist, genre, mood, key : str
            Such as ``"mercury"``, ``"jazz"``, ``"calm"`` and ``"A minor"``.
        tempo : str or pair of float, optional
            Beats per minute: ``"120"``, ``"100-120"`` or ``(100, 120)``.
        instrument : str
            Such as ``"piano"`` or ``"female voice"``.
        voice : str
            ``"sung"`` or ``"instrumental"``.

        Raises
        ------
        NotFound
            No song is all of that; the message says why.
        """
        bpm = tempo_range(tempo) if isinstance(tempo, str) else tempo
        wanted = SongFilter(text, artist, genre, mood, key, bpm, instrument, voice)
        return await self._service.catalogue.search(wanted, limit)

    async def add(
        self,
        *paths: str | PathLike[str],
        prune: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Added]:
        """Index audio files and folders, so that their songs can be recommended.

        Files that were heard before and have not changed are passed over.

        Parameters
        ----------
        prune : bool
            Take songs out of the catalogue whose files have gone.
        progress : callable, optional
            Called with how many files are done, and of how many found so far.

        Returns
        -------
        list of Added
            One step per file: its track, or the problem with it.
        """
        places = [Path(path) for path in paths]
        for place in places:
            if not await asyncio.to_thread(place.exists):
                raise NotFound(f"There is nothing at {place}.", "Check the path.")
        return [step async for step in self._service.songs.add(places, progress, prune=prune)]

    async def remove(self, song: str | PathLike[str]) -> list[Track]:
        """Take songs out of the catalogue, and return them; no file is deleted.

        Parameters
        ----------
        song : str or Path
            A title or id; a file or folder, which may be gone, for the songs heard there.
        """
        return await self._service.songs.remove(fspath(song))

    async def export(self, to: str | PathLike[str]) -> int:
        """Write the catalogue to a file for `numpy.load`; return how many songs it holds.

        `docs/python.md` describes its columns.
        """
        data = await self._service.catalogue.export()
        await asyncio.to_thread(Path(to).write_bytes, data)
        return len(self)

    async def like(self, song: Song, *, member: str = "me") -> Track:
        """Give a song a thumbs-up; it counts in the member's next answer. Return the song."""
        return await self._thumb(song, member, FeedbackKind.LIKE)

    async def dislike(self, song: Song, *, member: str = "me") -> Track:
        """Give a song a thumbs-down; it and songs that sound like it stay away. Return the song."""
        return await self._thumb(song, member, FeedbackKind.DISLIKE)

    async def unthumb(self, song: Song, *, member: str = "me") -> Track:
        """Take back a thumbs-up or thumbs-down. Return the song."""
        return await self._thumb(song, member, None)

    async def _thumb(self, song: Song, member: str, kind: FeedbackKind | None) -> Track:
        members, track = self._service.members, await self._track(song)
        if kind is None:
            await members.forget(member, track.id, FeedbackKind.LIKE, FeedbackKind.DISLIKE)
        else:
            await members.learn(member, track.id, kind, name=member)
        return track

    async def _track(self, song: Song) -> Track:
        """Return which song is meant; only a file's content needs to be heard for that."""
        match song:
            case Track():
                return song
            case Heard():
                return song.track
            case str():
                return await self._service.songs.find_one(song, online=self._online)
            case _:
                return (await self.hear(song)).track

    async def playlist(
        self, song: Song, *, count: int = 25, to: str | PathLike[str] | None = None
    ) -> list[Track]:
        """Make a playlist that starts from a song: that song, and others that sound like it.

        Parameters
        ----------
        count : int
            How many songs, at most 200, of which two by an artist.
        to : path, optional
            Write it there; the ending says how: m3u8, csv or json.
        """
        heard = await self.hear(song)
        tracks = await self._service.playlists.around(heard, count=count)
        if to is not None:
            made = await self._service.playlists.as_file(heard.track.title, tracks, Path(to))
            await asyncio.to_thread(Path(to).write_bytes, made.data)
        return list(tracks)

    async def taste(self, member: str = "me") -> Portrait:
        """Return what a member likes, in numbers.

        Raises
        ------
        NotFound
            They have liked too few songs so far.
        """
        return (await self._service.members.taste(member, member))[0]

    async def card(self, answer: Answer, place: int = 0) -> Picture:
        """Draw the song asked about and one pick of an answer side by side.

        Parameters
        ----------
        place : int
            Of the pick, from 0.
        """
        if place >= len(answer.picks):
            raise NotFound(f"This answer has {len(answer.picks)} picks.", "Choose one of them.")
        return await self._service.answers.card(answer, answer.picks[place])

    @property
    def notes(self) -> tuple[str, ...]:
        """What limits every answer now, in sentences; empty if nothing does."""
        return self._service.answers.notes

    def __len__(self) -> int:
        return len(self._service.catalogue)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self):,} songs, {self._service.store_address}>"


def _waiting(
    method: Callable[Concatenate[AsyncLibrary, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Library, P], T]:
    """Return a method that does the same and waits for it."""

    @wraps(method)
    def wait(self: Library, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._wait(method(self._inner, *args, **kwargs))

    return wait


class Library:
    """The engine, opened: see `open`. Everything that takes time is waited for.

    It works in a plain script, in a thread and in a notebook: what it does runs on an event loop in
    a thread of its own, and hearing in processes of their own.
    """

    def __init__(self, opening: AbstractAsyncContextManager[AsyncLibrary]) -> None:
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        opened: Future[AsyncLibrary] = Future()
        self._thread = threading.Thread(
            target=self._live, args=(opening, opened), name="musrec", daemon=True
        )
        self._thread.start()
        _OPEN.add(self)
        try:
            self._inner = opened.result()
        except KeyboardInterrupt:
            self.close()
            raise

    hear = _waiting(AsyncLibrary.hear)
    recommend = _waiting(AsyncLibrary.recommend)
    search = _waiting(AsyncLibrary.search)
    add = _waiting(AsyncLibrary.add)
    remove = _waiting(AsyncLibrary.remove)
    export = _waiting(AsyncLibrary.export)
    like = _waiting(AsyncLibrary.like)
    dislike = _waiting(AsyncLibrary.dislike)
    unthumb = _waiting(AsyncLibrary.unthumb)
    playlist = _waiting(AsyncLibrary.playlist)
    taste = _waiting(AsyncLibrary.taste)
    card = _waiting(AsyncLibrary.card)

    @property
    def notes(self) -> tuple[str, ...]:
        """What limits every answer now, in sentences; empty if nothing does."""
        return self._inner.notes

    def close(self) -> None:
        """End everything that was started; closing it again does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._inner)

    def __repr__(self) -> str:
        if not self._thread.is_alive():
            return "<Library, closed>"
        return repr(self._inner).replace("AsyncLibrary", "Library")

    def _live(
        self, opening: AbstractAsyncContextManager[AsyncLibrary], opened: Future[AsyncLibrary]
    ) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._stay(opening, opened))

    async def _stay(
        self, opening: AbstractAsyncContextManager[AsyncLibrary], opened: Future[AsyncLibrary]
    ) -> None:
        try:
            async with opening as inner:
                opened.set_result(inner)
                await self._closing.wait()
        except BaseException as error:
            if opened.done():
                raise
            opened.set_exception(error)

    def _wait(self, job: Coroutine[Any, Any, T]) -> T:
        if not self._thread.is_alive():
            job.close()
            raise MusrecError("This library was closed.", "Open it again with musrec.open().")
        future = asyncio.run_coroutine_threadsafe(job, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C ends the work, too
            raise


_OPEN: weakref.WeakSet[Library] = weakref.WeakSet()


def _close_all() -> None:
    for library in list(_OPEN):
        library.close()


# A program that ends without closing would wait for the database's thread for ever. Only this hook
# of the standard library's own runs before threads are waited for; `concurrent.futures` has it too.
threading._register_atexit(_close_all)  # type: ignore[attr-defined]


def open(  # noqa: A001 - as in `gzip.open`
    folder: str | PathLike[str] | None = None,
    *,
    config: str | PathLike[str] | None = None,
    offline: bool = False,
) -> Library:
    """Open the engine. Use it as a context manager, or close it at the end.

    Parameters
    ----------
    folder : path, optional
        Where everything is kept; by default where the configuration says, as on the command line.
    config : path, optional
        The TOML file to read; by default as on the command line.
    offline : bool
        Ask no service on the network: songs by name are found in the catalogue alone.

    Raises
    ------
    SettingsError
        The configuration is wrong.
    StoreError
        The database cannot be used.

    Examples
    --------
    >>> import musrec
    >>> with musrec.open() as m:  # doctest: +SKIP
    ...     for pick in m.recommend("clip.mp3"):
    ...         print(pick.track, pick.explanation.sentence)
    """
    return Library(aopen(folder, config=config, offline=offline))


@asynccontextmanager
async def aopen(
    folder: str | PathLike[str] | None = None,
    *,
    config: str | PathLike[str] | None = None,
    offline: bool = False,
) -> AsyncIterator[AsyncLibrary]:
    """Open the engine for a program with an event loop, as an asynchronous context manager.

    Parameters and errors are those of `open`.

    Examples
    --------
    >>> async with musrec.aopen() as m:  # doctest: +SKIP
    ...     heard = await m.hear("clip.mp3")
    """
    settings = load(None if config is None else Path(config))
    if folder is not None:
        data = await asyncio.to_thread(lambda: Path(folder).expanduser().absolute())
        paths = settings.paths.model_copy(update={"data": data})
        # A folder that is named beats a configured address of a database.
        settings = settings.model_copy(update={"paths": paths, "store": type(settings.store)()})
    async with Service.open(settings) as service:
        yield AsyncLibrary(service, online=not offline)
