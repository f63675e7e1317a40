"""What answers are computed from: every song that was heard, placed in one space, in columns."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musrec import columns
from musrec import space as spaces
from musrec.audio import tagger
from musrec.audio.descriptors import DEFINITIONS
from musrec.audio.encoder import Encoder
from musrec.audio.features import STATISTIC_NAMES
from musrec.audio.instruments import WORDS
from musrec.audio.tagger import MTT_TAGS, TAGS
from musrec.catalogue import search
from musrec.catalogue.blocks import Blocks, Column
from musrec.columns import KEYS, Profiles, RowOf, Tracks
from musrec.model import Analysis, Catalogue, Feedback, Heard, Served, Track
from musrec.recommend import Recommender, closeness
from musrec.space import place
from musrec.space.index import STILL, Moments, Rows, Sums
from musrec.titles import main_artist, recording_key

if TYPE_CHECKING:
    from musrec.model import FloatArray

AT_ONCE = 50_000
"""Up to this many songs, all scales are computed again as soon as the catalogue has grown by a
hundredth; a larger one takes seconds, and waits for quiet."""

GENRES = spaces.genre_head().genres
TEXTS = ("id", "title", "artist", "track")
NAMES = (
    *TEXTS,
    *(f"{text}.{of}" for text in TEXTS for of in ("at", "size")),
    *("revision", "main_artist", "recording", "popularity", "stated", "year"),
    *("pairs", "length"),
    *("tag_mean", "percentiles", "genres", "tempi", "musical_key", "instruments", "voice"),
)
"""Columns that say which songs there are: what a search needs."""
_PLACES = ("vector", "direction", "key", "fine", "has_fine")
SCALES = ("slope", "intercept", "whole_slope", "whole_intercept")
PLACES_AND_SCALES = (*_PLACES, *SCALES, *(f"facet_{name}" for name in place.FACETS))
"""Columns that a recommendation needs beside those."""
_MADE_BY = ("model.py", "titles.py", "columns.py", "audio", "space", "catalogue")


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """Swapped as a whole, so that no reader sees half of it.

    Attributes
    ----------
    space : Space
        Where songs stand: the full space, or the one without tags.
    blocks : Blocks
        What `catalogue` and the index are views of.
    catalogue : Catalogue
        Everything that can be recommended.
    names : Names, length n
        What each song is found by.
    generation : str
        Of `blocks`, when this was made.
    """

    space: spaces.Space
    blocks: Blocks
    catalogue: Catalogue
    names: search.Names
    generation: str

    @property
    def index(self) -> spaces.Index:
        """What songs are compared with: a view, made in no time."""
        return _index(self.space, self.blocks)

    def heard(self, track: Track, analysis: Analysis) -> Heard:
        """Describe and place a song."""
        return Heard(track, analysis, spaces.profile(analysis), self.space.place(analysis))


# Opening ------------------------------------------------------------------------------------------


def space_of() -> spaces.Space:
    """Return the space that songs stand in on this machine."""
    return spaces.Space.load("full" if tagger.status().installed else "statistics")


def open_blocks(
    folder: Path | None, space: spaces.Space, encoder: Encoder | None, origins: Sequence[str]
) -> Blocks:
    """Return the columns of songs in a space; in memory without a folder.

    Parameters
    ----------
    origins : sequence of str
        Those whose songs are left out.
    """
    width = space.dimensions
    fine = space.empty_place().fine
    parts = sum(place.FACETS[name] for name in spaces.parts.NAMES)
    form = {
        "revision": Column("<i8"),
        "vector": Column("<f4", width),
        "direction": Column("<f4", width),
        "key": Column("<f4", width + parts),
        "fine": Column("<f4", 0 if fine is None else len(fine)),
        "has_fine": Column("|b1"),
        **{name: Column("<f4") for name in SCALES},
        **{f"facet_{name}": Column("<f4", length) for name, length in place.FACETS.items()},
        "tag_mean": Column("<f4", len(TAGS)),
        "percentiles": Column("<f8", len(DEFINITIONS)),
        "genres": Column("<f8", len(GENRES)),
        "tempi": Column("<f8", 2),
        "musical_key": Column("|i1"),
        "instruments": Column("<f4", len(WORDS)),
        "voice": Column("|i1"),
        "main_artist": Column("<u8"),
        "recording": Column("<u8"),
        "popularity": Column("<f4"),
        "stated": Column("<i4"),
        "year": Column("<i2"),
        "pairs": Column("<u8", search.WORDS),
        "length": Column("<i4"),
        "statistics": Column("<f4", len(STATISTIC_NAMES)),
    }
    if fine is None:
        del form["fine"]
    if folder is None:
        return Blocks(None, form, TEXTS)
    recipe = hashlib.blake2b(repr((form, space.name, encoder and encoder.digest, origins)).encode())
    if space.fine is not None:
        for values in (space.fine.embedding, space.fine.centre):
            recipe.update(np.ascontiguousarray(values).tobytes())
    for name in _MADE_BY:
        _digest(files("musrec") / name, recipe)
    return Blocks(folder / recipe.hexdigest()[:16], form, TEXTS)


def _digest(path: Any, into: Any) -> None:
    """Add the code and the models of this version: whatever changes them makes columns stale."""
    if path.is_dir():
        for each in sorted(path.iterdir(), key=lambda one: str(one.name)):
            if each.name.endswith((".py", ".json", ".npz")) or each.is_dir():
                _digest(each, into)
    else:
        into.update(path.read_bytes())


def view(space: spaces.Space, blocks: Blocks, before: Engine | None = None) -> Engine:
    """Return an engine over the valid rows; after one of the same generation, in no time."""
    n, texts = blocks.rows, blocks.bound()
    tracks = Tracks(
        lambda row: _track(texts.one("track", row)),
        RowOf(partial(texts.all, "id"), n, None if before is None else _row_of(before)),
        blocks["main_artist"],
        blocks["recording"],
        blocks["popularity"],
        blocks["stated"],
        blocks["year"],
        blocks.facts.get("genres", []),
    )
    profiles = Profiles(
        TAGS,
        tuple(DEFINITIONS),
        GENRES,
        KEYS,
        tuple(WORDS),
        *(blocks[name] for name in ("tag_mean", "percentiles", "genres", "tempi", "musical_key")),
        *(blocks[name] for name in ("instruments", "voice")),
    )
    catalogue = Catalogue(
        tracks,
        profiles,
        blocks["vector"],
        {name: blocks[f"facet_{name}"] for name in place.FACETS},
        None if space.fine is None else blocks["fine"],
        blocks["direction"],
    )
    names = search.Names(texts.some, blocks["pairs"], blocks["length"])
    return Engine(space, blocks, catalogue, names, blocks.generation)


def _row_of(engine: Engine) -> RowOf:
    return Tracks.of(engine.catalogue.tracks).row_of


def rows_of(blocks: Blocks, ids: Iterable[str], engine: Engine | None) -> dict[str, int]:
    """Return the rows of those ids that are here, given an engine over the first rows."""
    if engine is None:
        return {id_: row for row, id_ in enumerate(blocks.texts("id"))}
    known = _row_of(engine)
    found = {id_: known[id_] for id_ in ids if id_ in known}
    later = blocks.texts("id", len(known))
    return found | {id_: row for row, id_ in enumerate(later, start=len(known))}


def unknown(
    blocks: Blocks, changed: Iterable[tuple[str, int]], rows: dict[str, int]
) -> list[tuple[str, int]]:
    """Return those songs that have changed since they were written, or were left out."""
    revisions, left = blocks["revision"], _left(blocks)
    return [
        (id_, revision)
        for id_, revision in changed
        if left.get(id_) != revision and (id_ not in rows or revisions[rows[id_]] != revision)
    ]


def covers(blocks: Blocks, count: int, newest: int) -> bool:
    """Whether the columns hold what a store with so many songs and this newest revision holds."""
    known = blocks.rows + len(_left(blocks))
    return (known, blocks.facts.get("revision", -1)) == (count, newest)


def _left(blocks: Blocks) -> dict[str, int]:
    """Return the songs that cannot stand in this space, with their revisions."""
    return {**blocks.facts.get("waiting", {}), **blocks.facts.get("unreadable", {})}


def hearing(space: spaces.Space, encoder: Encoder, found: Sequence[FloatArray]) -> spaces.Space:
    """Return a space with an encoder's vectors, fitted to those found first.

    To so many that the fit stays until a tenth more are found: another fit makes all columns stale.
    """
    count = len(found)
    steps = math.floor(math.log(count, 1.1)) if count >= place.ENOUGH_VECTORS else 0
    return space.hearing_with(encoder, found[: int(1.1**steps)] if steps else [])


def _track(text: str) -> Track:
    values = json.loads(text)
    values["artists"] = tuple(values["artists"])
    return Track(**values)


def recommender(
    engine: Engine,
    feedback: Sequence[Feedback],
    served: Sequence[Served],
    fit: bytes | None = None,
) -> Recommender:
    """Return a recommender of the catalogue, fitted to all feedback unless a fit is given."""
    index = engine.index
    _row_of(engine).read()  # now, or the event loop would wait for it later
    return Recommender(
        engine.catalogue,
        feedback,
        index.alike,
        thresholds=closeness.shipped(engine.space.name),
        without=spaces.Without(engine.space, engine.catalogue, index),
        served=served,
        fit=fit,
    )


def extend(recommends: Recommender, engine: Engine) -> None:
    """Let a recommender know the songs that an engine has more."""
    index = engine.index
    without = recommends.without
    if isinstance(without, spaces.Without):
        without = without.grown(engine.catalogue, index)
    recommends.extend(engine.catalogue, index.alike, without)


# Columns ------------------------------------------------------------------------------------------


def _rows(blocks: Blocks, space: spaces.Space) -> Rows:
    fine = np.empty((blocks.rows, 0), np.float32) if space.fine is None else blocks["fine"]
    return Rows(blocks["key"], fine, blocks["has_fine"])


def _sums(blocks: Blocks, space: spaces.Space) -> Sums:
    if "every_first" not in blocks.arrays:
        return Sums.of(_rows(blocks, space).part(0, 0))
    return Sums(
        *(
            Moments(count, blocks.arrays[f"{name}_first"], blocks.arrays[f"{name}_second"])
            for name, count in zip(("every", "both"), blocks.facts["counts"], strict=True)
        )
    )


def _keep_sums(blocks: Blocks, sums: Sums) -> None:
    blocks.facts["counts"] = sums.counts
    for name, moments in zip(("every", "both"), sums, strict=True):
        blocks.arrays[f"{name}_first"] = moments.first
        blocks.arrays[f"{name}_second"] = moments.second


def _index(space: spaces.Space, blocks: Blocks) -> spaces.Index:
    parts = blocks["key"].shape[1] - space.dimensions
    scales = [blocks[name] for name in SCALES]
    return spaces.Index.over(_rows(blocks, space), _sums(blocks, space), scales, n_parts=parts)


def take_in(
    blocks: Blocks,
    space: spaces.Space,
    songs: Iterable[tuple[Track, Analysis]],
    revisions: dict[str, int],
    row_of: dict[str, int],
) -> None:
    """Write songs into the columns: new ones at the end, others over what they were.

    Songs that cannot stand in this space wait until they are heard again. The caller holds
    `Blocks.writing`, and commits.

    Parameters
    ----------
    songs : iterable of (Track, Analysis)
    revisions : dict of str to int
        Of all songs that were asked for: those that are not among `songs` cannot be read.
    row_of : dict of str to int
        Rows of the songs that are written already; new ones are added.
    """
    heard = {track.id: (track, analysis) for track, analysis in songs}
    waiting, unreadable = (blocks.facts.setdefault(of, {}) for of in ("waiting", "unreadable"))
    able = []
    for id_, revision in sorted(revisions.items()):
        waiting.pop(id_, None)
        unreadable.pop(id_, None)
        if id_ not in heard or not _fits(heard[id_][1]):
            unreadable[id_] = revision
        elif space.name == "full" and heard[id_][1].tag_mean is None:
            waiting[id_] = revision
        else:
            able.append((*heard[id_], revision))
    if not able:
        return
    numbers, texts = _values(able, space, blocks.facts.setdefault("genres", []))
    known = sorted((row_of[song[0].id], at) for at, song in enumerate(able) if song[0].id in row_of)
    fresh = np.array([at for at, song in enumerate(able) if song[0].id not in row_of], np.intp)
    sums, first = _sums(blocks, space), blocks.rows
    runs = _runs(known)
    for row, at in runs:
        sums = _less(sums, Sums.of(_rows(blocks, space).part(row, row + len(at))))
        written = {name: values[at] for name, values in numbers.items()}
        blocks.replace(
            row, written, {name: [of[each] for each in at] for name, of in texts.items()}
        )
        sums = _more(sums, Sums.of(_rows(blocks, space).part(row, row + len(at))))
    if len(fresh):
        blocks.append(
            {name: values[fresh] for name, values in numbers.items()},
            {name: [of[at] for at in fresh.tolist()] for name, of in texts.items()},
        )
        sums = _more(sums, Sums.of(_rows(blocks, space).part(first, blocks.rows)))
        row_of.update((able[at][0].id, first + n) for n, at in enumerate(fresh.tolist()))
    _keep_sums(blocks, sums)
    for row, stop in [(first, blocks.rows), *((row, row + len(at)) for row, at in runs)]:
        _rescale(blocks, space, row, stop)


def _runs(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, list[int]]]:
    """Return runs of consecutive rows: the first row, and what stands beside each of the run."""
    runs: list[tuple[int, list[int]]] = []
    for row, at in pairs:
        if runs and runs[-1][0] + len(runs[-1][1]) == row:
            runs[-1][1].append(at)
        else:
            runs.append((row, [at]))
    return runs


def _fits(analysis: Analysis) -> bool:
    """Whether all arrays have the lengths that this version works with."""
    arrays = (
        (analysis.statistics, len(STATISTIC_NAMES)),
        (analysis.tag_mean, len(TAGS)),
        (analysis.tag_std, len(TAGS)),
        (analysis.embedding, place.N_EMBEDDING),
        (analysis.mtt_mean, len(MTT_TAGS)),
    )
    return all(each is None or each.shape == (length,) for each, length in arrays)


def _less(sums: Sums, other: Sums) -> Sums:
    return Sums(sums.every - other.every, sums.both - other.both)


def _more(sums: Sums, other: Sums) -> Sums:
    return Sums(sums.every + other.every, sums.both + other.both)


def _values(
    songs: Sequence[tuple[Track, Analysis, int]], space: spaces.Space, genres: list[str]
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the values of every column; genres that are stated first here are added to a list."""
    tracks, analyses, revisions = zip(*songs, strict=True)
    places = space.places(analyses)
    profiles = Profiles.of(
        spaces.profiles(analyses), TAGS, tuple(DEFINITIONS), GENRES, tuple(WORDS)
    )
    fine = np.empty((len(songs), 0), np.float32) if places.fine is None else places.fine
    rows = Rows.of(places.vectors, fine, spaces.parts.of(places.facets))
    number_of = {genre: at for at, genre in enumerate(genres)}
    for track in tracks:
        if track.genre and track.genre not in number_of:
            number_of[track.genre] = len(genres)
            genres.append(track.genre)
    popularity = np.array([track.popularity or 0.0 for track in tracks], np.float32)
    names, everything = search.names(tracks), np.arange(len(tracks))
    numbers = {
        "revision": np.array(revisions, np.int64),
        "vector": places.vectors,
        "direction": rows.keys[:, : space.dimensions],
        "key": rows.keys,
        "has_fine": rows.has_fine,
        **{name: np.zeros(len(songs), np.float32) for name in SCALES},
        **{f"facet_{name}": values for name, values in places.facets.items()},
        "tag_mean": profiles.tags,
        "percentiles": profiles.percentiles,
        "genres": profiles.genres,
        "tempi": profiles.tempi,
        "musical_key": profiles.keys,
        "instruments": profiles.instruments,
        "voice": profiles.voices,
        "main_artist": columns.numbers(map(main_artist, tracks)),
        "recording": columns.numbers(map(recording_key, tracks)),
        "popularity": np.clip(np.nan_to_num(popularity), 0, 1),
        "stated": np.array([number_of.get(t.genre or "", -1) for t in tracks], np.int32),
        "year": np.array([track.year or 0 for track in tracks], np.int16),
        "pairs": names.pairs,
        "length": names.lengths,
        "statistics": np.stack([analysis.statistics for analysis in analyses]),
    }
    if places.fine is not None:
        numbers["fine"] = places.fine
    texts = {
        "id": [track.id for track in tracks],
        "title": names.titles(everything),
        "artist": names.artists(everything),
        "track": [json.dumps(_plain(track), ensure_ascii=False) for track in tracks],
    }
    return numbers, texts


def _plain(track: Track) -> dict[str, Any]:
    return {name: value for name, value in asdict(track).items() if value not in (None, {})}


def is_settled(blocks: Blocks) -> bool:
    """Whether the catalogue has hardly grown since all scales were computed."""
    counts = blocks.facts.get("counts", (0, 0))
    return all(
        now <= STILL * then
        for now, then in zip(counts, blocks.facts.get("settled", (0, 0)), strict=True)
    )


def settle(blocks: Blocks, space: spaces.Space, *, again: bool = False) -> None:
    """Compute the scales of all rows again; `again`, from sums of all rows.

    The caller holds `Blocks.writing`, and commits.
    """
    if again:
        _keep_sums(blocks, Sums.of(_rows(blocks, space)))
    _rescale(blocks, space, 0, blocks.rows)
    blocks.facts["settled"] = blocks.facts.get("counts", (0, 0))


def _rescale(blocks: Blocks, space: spaces.Space, first: int, last: int) -> None:
    index = _index(space, blocks)
    if last > first and len(index):
        found = index.scales(first, last)
        blocks.replace(first, dict(zip(SCALES, found, strict=True)), {})


def forget(blocks: Blocks, space: spaces.Space, there: Collection[str]) -> None:
    """Keep only the songs with these ids; the caller holds `Blocks.writing`, and commits."""
    for left in ("waiting", "unreadable"):
        known = blocks.facts.get(left, {})
        blocks.facts[left] = {id_: known[id_] for id_ in known if id_ in there}
    keep = np.array([id_ in there for id_ in blocks.texts("id")], bool)
    if not keep.all():
        blocks.keep(np.flatnonzero(keep))
        settle(blocks, space, again=True)
