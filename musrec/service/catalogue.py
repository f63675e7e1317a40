"""The catalogue: searching it, comparing songs, and the gallery."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from musrec import pictures
from musrec.audio.descriptors import DEFINITIONS, TAG_KINDS
from musrec.audio.instruments import least_shares
from musrec.catalogue import comparison, gallery, neighbours, search, shelf, systems, table, wish
from musrec.catalogue.model import (
    Atlas,
    By,
    Comparison,
    GalleryRow,
    Near,
    Order,
    Shelf,
    SongFilter,
    SystemPair,
)
from musrec.columns import Tracks
from musrec.model import Catalogue, Choices, Constraints, Heard, NotFound, Picture, Track
from musrec.service.live import Live
from musrec.service.songs import Songs
from musrec.store import Store, codec
from musrec.store.database import IN_CHUNK
from musrec.titles import fold

if TYPE_CHECKING:
    from musrec.catalogue.engine import Engine
    from musrec.pictures.draw import LookName
    from musrec.space import Space


class CatalogueView:
    """Everything that can be recommended, to browse."""

    def __init__(self, store: Store, live: Live, songs: Songs) -> None:
        self._store = store
        self._live = live
        self._songs = songs

    def __len__(self) -> int:
        return len(self.songs)

    @property
    def songs(self) -> Catalogue:
        """Everything that can be recommended now."""
        return self._live.engine.catalogue

    @property
    def space(self) -> Space:
        """Where songs stand now: the full space, or the one without tags."""
        return self._live.engine.space

    @property
    def encoded(self) -> int:
        """How many songs the owner's own encoder has heard; 0 without one."""
        fine = self.songs.fine
        if self.space.encoder is None or fine is None:
            return 0
        return int(np.isfinite(fine).all(axis=1).sum())

    def genres(self) -> tuple[str, ...]:
        """Return the genres that songs of the catalogue state, lower case, in order."""
        return tuple(sorted({name.lower() for name in Tracks.of(self.songs.tracks).genre_names}))

    async def moods(self) -> tuple[str, ...]:
        """Return the words for how songs sound that some song of the catalogue is."""
        return await self._live.once(_moods)

    def instruments(self) -> tuple[str, ...]:
        """Return the instruments and voices that can be told by ear."""
        return tuple(least_shares())

    async def wish(self, text: str) -> Constraints | None:
        """Read a wish for genres, moods, instruments, voice and tempo; None for a song's title.

        Raises
        ------
        NotFound
            Its tempo is none.
        """
        ends = {end for one in DEFINITIONS.values() for end in (one.low, one.high)}
        heard = {tag.casefold() for tag, kind in TAG_KINDS.items() if kind == "genre"}
        engine, genres = self._live.engine, heard.union(self.genres())

        def work() -> Constraints | None:
            moods = ends.union(search.moods(engine.catalogue, text))
            read = wish.read(text, genres, moods, least_shares())
            if read is None or search.titled(engine.catalogue, engine.names, text):
                return None
            return read

        return await asyncio.to_thread(work)

    async def first_steps(self) -> list[Track]:
        """Return one song of each genre, for members who have liked nothing yet."""
        return await self._live.once(_one_of_each)

    async def search(
        self, wanted: SongFilter, limit: int = 10, *, online: bool = False
    ) -> list[Track]:
        """Find songs by their names and by how they sound, best first.

        Parameters
        ----------
        online : bool
            Whether services are asked for a link, and for a name that no song here has.

        Raises
        ------
        NotFound
            No song is all of that.
        """
        named_alone = wanted == SongFilter(wanted.text)
        if not (online and named_alone and wanted.text.startswith("http")):
            engine = self._live.engine
            try:
                return await asyncio.to_thread(
                    search.search, engine.catalogue, engine.names, wanted, limit
                )
            except NotFound:
                if not (online and named_alone):
                    raise
        elsewhere = await self._songs.find(wanted.text)
        return list(elsewhere.tracks) if isinstance(elsewhere, Choices) else [elsewhere]

    async def browse(
        self,
        wanted: SongFilter,
        *,
        order: Order = "best",
        page: int = 0,
        size: int = 50,
    ) -> Shelf:
        """Return one page of the songs that are as wanted, with counts of what could narrow it."""
        while True:
            engine, known = self._live.engine, await self._live.once(shelf.facets)
            if engine is self._live.engine:  # it may have been replaced meanwhile
                break
        return await asyncio.to_thread(
            shelf.browse, engine.catalogue, engine.names, known, wanted, order, page, size
        )

    async def artists(self, text: str = "") -> list[tuple[str, int]]:
        """Return the artists whose names hold a text, and how many songs there are of each."""
        known, part = await self._live.once(shelf.artists), fold(text)

        def work() -> list[tuple[str, int]]:
            return [(name, songs) for folded, name, songs in known if part in folded]

        return await asyncio.to_thread(work)

    async def atlas(self) -> tuple[Atlas, Catalogue]:
        """Return the catalogue as a map, and the songs that its points stand for."""
        return await self._live.atlas()

    async def nearest(self, heard: Heard, count: int = 10) -> list[Near]:
        """Return the songs that sound most like one, with how alike they are, 0 to 1.

        Sound alone counts, nothing is kept, and no service is asked.
        """
        return await asyncio.to_thread(neighbours.nearest, self._live.engine, heard, count)

    async def path(self, start: Heard, end: Heard, count: int = 25) -> list[Near]:
        """Return songs that lead from one to another; see `musrec.catalogue.neighbours.path`."""
        return await asyncio.to_thread(neighbours.path, self._live.engine, start, end, count)

    async def compare(
        self, ours: Heard, theirs: Heard, *, look: LookName = "dark"
    ) -> tuple[Comparison, Picture]:
        """Compare two songs in everything that was heard, and draw them."""
        engine = self._live.engine

        def work() -> tuple[Comparison, Picture]:
            found = comparison.compare(engine.space, engine.catalogue, ours, theirs)
            drawn = pictures.compare(
                ours.track,
                ours.analysis,
                theirs.track,
                theirs.analysis,
                found.differences,
                found.closeness,
                look=look,
            )
            return found, drawn

        return await asyncio.to_thread(work)

    async def alike(self, heard: Heard, by: By) -> dict[str, float]:
        """Return how alike every other song is by one plain system, id to -1 to 1.

        Raises
        ------
        NotFound
            The song has no spectrogram to compare.
        """
        if by is By.FEATURES:
            rows, values = await self._live.statistics()

            def compare() -> dict[str, float]:
                alike = systems.by_features(heard.analysis.statistics, values)
                found = dict(zip(rows, alike.tolist(), strict=True))
                found.pop(heard.track.id, None)
                return found

            return await asyncio.to_thread(compare)
        picture = heard.analysis.spectrogram
        if picture is None:
            raise NotFound(
                f"I have no spectrogram of {heard.track}.", "Send me a clip of it, or its file."
            )
        ids = await asyncio.to_thread(lambda: set(Tracks.of(self.songs.tracks).row_of))
        packed = await self._store.analyses.packed_spectrograms(ids - {heard.track.id})

        def work() -> dict[str, float]:
            found = {id_: codec.spectrogram(blob) for id_, blob in packed.items()}
            others = {id_: image for id_, image in found.items() if image is not None}
            if not others:
                return {}
            alike = systems.by_spectrogram(picture, list(others.values()))
            return dict(zip(others, alike.tolist(), strict=True))

        return await asyncio.to_thread(work)

    async def compare_systems(self, heard: Heard, count: int = 10) -> SystemPair:
        """Compare what the spectrogram alone and the statistics alone find for a song.

        Raises
        ------
        NotFound
            The song has no spectrogram, or no other song has one.
        """
        images, features = await asyncio.gather(
            self.alike(heard, By.SPECTROGRAM), self.alike(heard, By.FEATURES)
        )
        if not images:
            raise NotFound(
                "No other song here has a spectrogram.",
                "The songs I came with have none: ask me about some of yours first.",
            )
        return await asyncio.to_thread(systems.pair, self.songs, images, features, count)

    async def export(self) -> bytes:
        """Return the catalogue as a file for `numpy.load`; docs/python.md describes its columns."""
        catalogue, store = self.songs, self._store.analyses
        ids = [track.id for track in catalogue.tracks]
        rows = {id_: row for row, id_ in enumerate(ids)}
        made = table.columns(catalogue.tracks, catalogue.vectors, await store.paths(ids))
        for start in range(0, len(ids), IN_CHUNK):
            for track, analysis in await store.some(ids[start : start + IN_CHUNK]):
                table.fill(made, rows[track.id], analysis)
        return await asyncio.to_thread(table.npz, made)

    async def gallery(
        self, genre: str = "", end: str = "", *, look: LookName = "dark"
    ) -> tuple[list[GalleryRow], Picture]:
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
        heard = await self._store.analyses.pictured()
        ranked = await asyncio.to_thread(gallery.ranked, self.songs, genre, heard)
        if not ranked:
            raise NotFound(
                f"I have heard no {genre} song yet." if genre else "I have heard no song yet.",
                "The songs I came with have no spectrogram: ask me about one of yours.",
            )
        rows = []
        for label, songs in gallery.ends(ranked, end):
            drawn = [
                (track, analysis.spectrogram, f"{gallery.GALLERY} {place:.0f}")
                for track, place in songs
                if (analysis := await self._store.analyses.get(track.id)) and analysis.spectrogram
            ]
            rows.append(GalleryRow(label, tuple(drawn)))
        title = f"{genre} by {gallery.GALLERY}" if genre else f"Songs by {gallery.GALLERY}"
        return rows, await asyncio.to_thread(pictures.gallery, title, rows, look=look)


def _moods(engine: Engine) -> tuple[str, ...]:
    return search.moods(engine.catalogue)


def _one_of_each(engine: Engine) -> list[Track]:
    return search.one_of_each(engine.catalogue)
