"""Members' playlists: made, filled, continued and exported."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from musrec import wording
from musrec.catalogue.model import path_of
from musrec.model import Answer, Constraints, Heard, NotAudio, NotFound, SoundKind, Track
from musrec.playlists import continuation, export, names
from musrec.playlists.model import (
    MOST_AROUND,
    MOST_PLAYLISTS,
    MOST_SONGS,
    Export,
    Format,
    Playlist,
    PlaylistError,
)
from musrec.recommend import Request, Seed
from musrec.service.answers import Answers
from musrec.service.live import Live
from musrec.service.members import Members
from musrec.service.outside import Outside
from musrec.service.songs import Songs
from musrec.settings import Settings
from musrec.store import Store
from musrec.titles import fold


class Playlists:
    """Playlists, each of one member."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        live: Live,
        outside: Outside,
        songs: Songs,
        answers: Answers,
        members: Members,
    ) -> None:
        self._settings = settings
        self._store = store
        self._live = live
        self._outside = outside
        self._songs = songs
        self._answers = answers
        self._members = members

    async def create(self, member: str, name: str, song: Track | None = None) -> Playlist:
        """Make a playlist, empty or with its first song in it.

        Raises
        ------
        PlaylistError
            The name cannot be used or is used already, or there are too many.
        Paused
            The member did.
        """
        name = names.clean_name(name)
        key = names.key(name)
        made = await self._store.playlists.create(
            member, name, key, MOST_PLAYLISTS, song.id if song else None
        )
        if made is None:
            if await self._store.playlists.named(member, key):
                raise PlaylistError(
                    f"You already have a playlist called {name}.", "Choose another name."
                )
            raise PlaylistError(
                f"You have {MOST_PLAYLISTS} playlists, and that is the limit.", "Delete one first."
            )
        return made

    async def named(self, member: str, name: str) -> Playlist:
        """Return a member's playlist of that name, however its letters are written.

        Raises
        ------
        NotFound
            There is none; the message names those there are.
        """
        if found := await self._store.playlists.named(member, names.key(names.visible(name))):
            return found
        own = await self.of(member)
        if not own:
            raise NotFound(
                "You have no playlist yet.", "`playlist create` makes one: it needs only a name."
            )
        known = ", ".join(playlist.name for playlist in own[:5])
        raise NotFound(f"You have no playlist called {name[:80]}.", f"You have: {known}.")

    async def get(self, id_: int) -> Playlist | None:
        """Return the playlist with that id, whichever member's it is."""
        return await self._store.playlists.get(id_)

    async def of(self, member: str) -> list[Playlist]:
        """Return a member's playlists by name."""
        return await self._store.playlists.of_member(member)

    async def songs(self, playlist: Playlist) -> list[Track]:
        """Return the songs of a playlist in their order."""
        return await self._store.playlists.songs(playlist.id)

    async def add(self, playlist: Playlist, tracks: Iterable[str]) -> int:
        """Put songs at the end of a playlist; return how many were not in it yet.

        Raises
        ------
        PlaylistError
            It is full.
        NotFound
            It was deleted meanwhile.
        Paused
            Its member did.
        """
        if playlist.songs >= MOST_SONGS:
            raise PlaylistError(
                f"{playlist.name} is full: it holds {playlist.songs:,} songs.", "Start another one."
            )
        added = await self._store.playlists.add(playlist, list(tracks), MOST_SONGS)
        if added is None:
            raise NotFound("That playlist is no longer there.", "`/playlist show` lists yours.")
        return added

    async def remove_song(self, playlist: Playlist, song: str) -> Track:
        """Take a song out of a playlist, named by its id or its title; return that song.

        Raises
        ------
        NotFound
            It is not in the playlist.
        """
        wanted = fold(song)
        for track in await self.songs(playlist):
            if track.id == song or fold(track.title) == wanted:
                await self._store.playlists.remove_song(playlist.id, track.id)
                return track
        raise NotFound(
            f"{song[:80]} is not in {playlist.name}.", "`playlist show` lists its songs."
        )

    async def order(self, playlist: Playlist, tracks: Iterable[str]) -> None:
        """Put the songs of a playlist in another order; those that are not named go to the end."""
        await self._store.playlists.order(playlist, list(tracks))

    async def share(self, playlist: Playlist) -> str:
        """Share a playlist with whoever has its link; return the last part of its address.

        Raises
        ------
        NotFound
            The playlist was deleted meanwhile.
        """
        token = await self._store.playlists.share(playlist, secrets.token_urlsafe(16))
        if token is None:
            raise NotFound("That playlist is no longer there.")
        return token

    async def shared_as(self, playlist: Playlist) -> str | None:
        """Return the last part of the address under which a playlist is shared."""
        return await self._store.playlists.shared_as(playlist.id)

    async def shared(self, token: str) -> Playlist:
        """Return the playlist that is shared under a link.

        Raises
        ------
        NotFound
            None is, or no longer.
        """
        if (found := await self._store.playlists.shared(token)) is None:
            raise NotFound("This playlist is no longer shared.", "Ask for a new link.")
        return found

    async def withdraw(self, playlist: Playlist) -> None:
        """End the sharing of a playlist: its link no longer works."""
        await self._store.playlists.withdraw(playlist.id)

    async def delete(self, playlist: Playlist) -> bool:
        """Delete a playlist; return whether it was still there."""
        return await self._store.playlists.remove(playlist.id)

    async def export(self, playlist: Playlist, how: Format, *, local: bool = False) -> Export:
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
        tracks = await self.songs(playlist)
        if not tracks:
            raise NotFound(
                f"There is nothing in {playlist.name} yet.", "`playlist add` puts songs in it."
            )
        unknown = [track for track in tracks if "spotify" not in track.identities]
        if how == "spotify" and unknown:
            sources, deadline = await self._outside.sources(), self._outside.deadline()
            await self._songs.keep(await sources.known_by("spotify", unknown, deadline=deadline))
            tracks = await self.songs(playlist)
        paths = await self._paths(tracks) if local else {}
        return await asyncio.to_thread(export.export, playlist.name, tracks, how, paths)

    async def around(
        self, heard: Heard, *, count: int = 25, member: str | None = None
    ) -> tuple[Track, ...]:
        """Return a song and others that sound like it, at most two by an artist.

        Parameters
        ----------
        count : int
            How many songs, the first included, 1 to `MOST_AROUND`.
        member : str, optional
            Whose thumbs count.

        Raises
        ------
        NotAudio
            There is no music in what was heard.
        PlaylistError
            So many songs are too many, or none.
        """
        if not 1 <= count <= MOST_AROUND:
            raise PlaylistError(f"A playlist from a song holds 1 to {MOST_AROUND} songs.")
        if heard.analysis.kind is not SoundKind.MUSIC:
            raise NotAudio(wording.no_music(heard.analysis.kind), "Choose a song.")
        request = Request(
            member=member,
            seeds=(Seed(heard.place, heard.track, heard.profile),),
            count=count * continuation.ASKED_FOR,
            constraints=Constraints(same_artist=True, repeats=True),
            now=datetime.now(UTC),
        )
        recommender = await self._live.recommender()
        chosen = await self._live.think(recommender.recommend, request)
        others = continuation.varied(chosen.picks, count - 1)
        return (heard.track, *(pick.track for pick in others))

    async def as_file(self, name: str, tracks: Sequence[Track], to: Path) -> Export:
        """Write songs as a file of the kind that its ending says; for this machine's owner alone.

        Raises
        ------
        NotFound
            No format has that ending.
        """
        endings: dict[str, Format] = {
            ".m3u8": "m3u8",
            ".m3u": "m3u8",
            ".csv": "csv",
            ".json": "json",
        }
        if (how := endings.get(to.suffix.lower())) is None:
            raise NotFound(f"I cannot tell a format from {to.name}.", "End it in .m3u8 or .csv.")
        paths = await self._paths(tracks)
        return await asyncio.to_thread(export.export, name, tracks, how, paths)

    async def _paths(self, tracks: Sequence[Track]) -> dict[str, str]:
        """Return where the files of songs are, by id, as this system names them."""
        kept = await self._store.analyses.paths(track.id for track in tracks)
        return await asyncio.to_thread(
            lambda: {id_: str(path_of(path)) for id_, path in kept.items()}
        )

    async def continued(self, playlist: Playlist, *, count: int = 10) -> Answer:
        """Recommend songs for a whole playlist, none of which is in it.

        Raises
        ------
        NotFound
            Nothing in it was heard.
        """
        since = await self._members.meet(playlist.member)
        tracks = await self.songs(playlist)
        heard = [await self._songs.heard(track.id) for track in continuation.spread(tracks)]
        seeds = [Seed(song.place, song.track, song.profile) for song in heard if song]
        if not seeds:
            raise NotFound(
                f"I have heard no song of {playlist.name} yet.", "Add one that I know first."
            )
        member, now = playlist.member, datetime.now(UTC)
        lately = await self._answers.recent(member, now)
        request = Request(
            member=member,
            seeds=tuple(seeds),
            count=count * continuation.ASKED_FOR,
            adventurous=self._settings.recommend.adventurous,
            constraints=Constraints(same_artist=True),
            now=now,
            recent=frozenset(lately | {track.id for track in tracks}),
        )
        recommender = await self._live.recommender()
        chosen = await self._live.think(recommender.recommend, request)
        picks = continuation.varied(chosen.picks, count)
        notes = (*self._live.notes, *(note for note in chosen.notes if not picks))
        answer = Answer(query=None, analysis=None, profile=None, picks=picks, notes=notes)
        return await self._answers.keep(answer, now, member=member, since=since, arm=chosen.arm)
