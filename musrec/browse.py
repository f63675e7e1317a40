"""Looking around the catalogue: as a map, song against song, in rows, and by what is asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from musrec.audio.descriptors import DEFINITIONS, TAG_KINDS
from musrec.audio.features import STATISTIC_NAMES
from musrec.model import Analysis, Catalogue, Constraints, Heard, NotFound, Place, Profile, Track
from musrec.recommend import variety
from musrec.recommend.taste import unit
from musrec.space import inputs
from musrec.space.index import DETAIL
from musrec.titles import fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray
    from musrec.pictures import Difference
    from musrec.space import Index, Space

MOST_GROUPS = 8
"""Colours that can be told apart on one map."""

SAMPLE = 20_000
"""Songs that groups are learned from; the others join the group they are nearest to."""

STANDS_OUT = 0.35
"""Mean probability from which a genre names a group alone."""


# The map ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Atlas:
    """The catalogue in two dimensions.

    Attributes
    ----------
    points : FloatArray, shape (n, 2)
        The two directions in which songs differ most (principal components of unit vectors).
    groups : NDArray of intp, shape (n,)
        Row of `names` for each song (k-means on all dimensions).
    names : tuple of str
        What is heard in each group more than elsewhere.
    share : float
        0 to 1: how much of all variance the two directions show.
    """

    points: FloatArray
    groups: NDArray[np.intp]
    names: tuple[str, ...]
    share: float


def atlas(catalogue: Catalogue) -> Atlas:
    """Lay the catalogue out; the same songs give the same map.

    Principal components: a millisecond, the same straight axes for every song, and distances over
    the whole map that mean something. Embeddings of neighbourhoods keep neighbours better and bend
    distances more: t-SNE has a trustworthiness of 0.99 against 0.87 and a rank correlation of
    distances of 0.65 against 0.74, for seconds of work at 443 songs and minutes at 20,000
    (``python -m benchmarks.taste``). That, or one more dependency for UMAP, is not worth it for a
    picture that shall be there when somebody asks.
    """
    n = len(catalogue)
    rows = unit(catalogue.vectors)
    if n < 2:
        everything = (_name(catalogue, np.ones(n, bool), {}, set()),) if n else ()
        return Atlas(np.zeros((n, 2), np.float32), np.zeros(n, np.intp), everything, 1.0)
    points, share = _plane(rows)
    groups = _groups(rows)
    taken: set[str] = set()
    count = int(groups.max()) + 1
    sizes = np.bincount(groups, minlength=count)
    names = [""] * count
    places = {name: _places(catalogue.profiles, name) for name in DEFINITIONS}
    for group in np.argsort(-sizes, kind="stable").tolist():
        names[group] = _name(catalogue, groups == group, places, taken)
        taken.add(names[group])
    return Atlas(points, groups, tuple(names), share)


def _plane(rows: FloatArray) -> tuple[FloatArray, float]:
    from sklearn.decomposition import PCA

    axes = min(2, *rows.shape)
    found = PCA(axes, svd_solver="covariance_eigh")
    centred = rows - rows.mean(axis=0)
    if np.abs(centred).max() < 1e-6:  # songs that are all the same
        return np.zeros((len(rows), 2), np.float32), 1.0
    points = np.zeros((len(rows), 2), np.float32)
    points[:, :axes] = found.fit_transform(centred)
    return points, float(found.explained_variance_ratio_.sum())


def _groups(rows: FloatArray) -> NDArray[np.intp]:
    from sklearn.cluster import KMeans

    sample = rows
    if len(rows) > SAMPLE:
        sample = rows[np.sort(np.random.default_rng(0).permutation(len(rows))[:SAMPLE])]
    wanted = min(MOST_GROUPS, max(1, round(math.sqrt(len(rows) / 2))))
    different: set[bytes] = set()
    for row in sample:
        if len(different) < wanted:
            different.add(row.tobytes())
    found = KMeans(len(different), n_init=4, random_state=0).fit(sample)
    return np.asarray(found.predict(rows), np.intp)


def _name(
    catalogue: Catalogue,
    inside: NDArray[np.bool_],
    places: Mapping[str, FloatArray],
    taken: set[str],
) -> str:
    """Name some songs by the genre they share and the word that sets them apart."""
    noun = _noun([catalogue.profiles[row] for row in np.flatnonzero(inside)])
    adjectives = _adjectives(places, inside)
    name = " ".join((*adjectives[:1], noun))
    for more in adjectives[1:]:
        if name not in taken:
            break
        name = f"{adjectives[0]}, {more} {noun}"
    suffix = 2
    whole = name
    while whole in taken:
        whole, suffix = f"{name} {suffix}", suffix + 1
    return whole


def _noun(profiles: Sequence[Profile]) -> str:
    heard = _mean([profile.genres for profile in profiles])
    if not heard:
        tags = _mean([profile.tags for profile in profiles])
        heard = {tag: share for tag, share in tags.items() if TAG_KINDS.get(tag) == "genre"}
    ranked = sorted(heard.items(), key=lambda item: (-item[1], item[0]))
    if not ranked:
        return "songs"
    (first, share), *rest = ranked
    if share < STANDS_OUT and rest:
        return f"{first} & {rest[0][0]}"
    return first


def _mean(many: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each name, over all: what is absent counts as 0."""
    sums: dict[str, float] = {}
    for values in many:
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + value
    return {name: total / len(many) for name, total in sums.items()}


def _adjectives(places: Mapping[str, FloatArray], inside: NDArray[np.bool_]) -> list[str]:
    """Return descriptor words that set a group apart from the whole, strongest first.

    Parameters
    ----------
    places : mapping of str to FloatArray, shape (n,)
        Descriptor to percentiles, NaN where not known.
    inside : bool array, shape (n,)
    """
    marks = []
    for name, everywhere in places.items():
        known = np.isfinite(everywhere)
        part = everywhere[inside & known]
        spread = float(everywhere[known].std()) if known.any() else 0.0
        # Where few songs have it, it says little of the group.
        if len(part) < max(1, inside.sum() / 2) or not spread:
            continue
        lean = float(part.mean() - everywhere[known].mean()) / spread
        if abs(lean) >= 0.3:
            definition = DEFINITIONS[name]
            marks.append((abs(lean), definition.high if lean > 0 else definition.low))
    return [word for _, word in sorted(marks, reverse=True)]


def _places(profiles: Sequence[Profile], name: str) -> FloatArray:
    return np.array([p.percentiles.get(name, np.nan) for p in profiles], np.float32)


# Two songs ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two songs feature by feature.

    Attributes
    ----------
    alike : float
        -1 to 1: the likeness of `musrec.space.Index`, before hubs are corrected: the cosine of
        their vectors, and of their details where both have one.
    match : int
        0 to 100: the share of the catalogue that sounds less like the first than the second does,
        as a recommendation has it.
    because : tuple of (str, float)
        Feature to what it adds to `alike`, largest first; together with what every song of the
        space has in common they sum to it.
    differences : tuple of Difference
        Everything that has a name and a unit for people, as a picture shows it.
    features : tuple of Feature
        Every statistic, tag and descriptor.
    """

    alike: float
    match: int
    because: tuple[tuple[str, float], ...]
    differences: tuple[Difference, ...]
    features: tuple[Feature, ...]


@dataclass(frozen=True, slots=True)
class Feature:
    """One number of two songs.

    Attributes
    ----------
    ours, theirs : float or None
        None where not known.
    apart : float or None
        In standard deviations of the catalogue, where those are known.
    """

    name: str
    ours: float | None
    theirs: float | None
    apart: float | None


def compare(
    space: Space, catalogue: Catalogue, index: Index, ours: Heard, theirs: Heard
) -> Comparison:
    """Compare two songs in everything that was heard.

    Parameters
    ----------
    index : Index
        Of the songs of the catalogue, in its order.
    """
    because = _because(space, ours, theirs)
    apart = _apart(catalogue, (ours.place, ours.profile), (theirs.place, theirs.profile))
    pair = ((ours.analysis, ours.profile), (theirs.analysis, theirs.profile))
    return Comparison(
        alike=_alike(ours.place, theirs.place),
        match=_match(catalogue, index, ours, theirs),
        because=tuple(because),
        differences=tuple(_differences(catalogue, *pair, apart)),
        features=tuple(_features(catalogue, *pair, apart)),
    )


def _match(catalogue: Catalogue, index: Index, ours: Heard, theirs: Heard) -> int:
    if not len(index):
        return 0
    similarities = index.alike(ours.place)
    rows = (row for row, track in enumerate(catalogue.tracks) if track.id == theirs.track.id)
    row = next(rows, None)
    if row is not None:
        similarity = similarities[row]
    else:
        details = None if theirs.place.detail is None else theirs.place.detail[None]
        joined = index.extended(theirs.place.vector[None], details=details)
        similarity = joined.alike(ours.place)[-1]
    # Rounded down: nothing is closer than all there is.
    return int(100 * float(np.mean(similarities < similarity)))


def _alike(ours: Place, theirs: Place) -> float:
    cosine = _cosine(ours.vector, theirs.vector)
    details = _details(ours, theirs)
    return cosine if details is None else (1 - DETAIL) * cosine + DETAIL * float(np.dot(*details))


def _cosine(one: FloatArray, other: FloatArray) -> float:
    rows = unit(np.stack([one, other]))
    return float(rows[0] @ rows[1])


def _details(ours: Place, theirs: Place) -> tuple[FloatArray, FloatArray] | None:
    """Return both details, of length 1, where both songs have one."""
    one, other = ours.detail, theirs.detail
    if one is None or other is None or not (np.isfinite(one).all() and np.isfinite(other).all()):
        return None
    return one, other


def _because(space: Space, ours: Heard, theirs: Heard) -> list[tuple[str, float]]:
    """Return what each feature adds to the likeness of two songs.

    A vector is linear in the standardised features, so its product with another is an exact sum
    over them: half from our features against their vector, half the other way round. A detail has
    two parts, and counts as a whole: what it is made of is in the vector as well.
    """
    rows, vectors = [], []
    for song in (ours, theirs):
        tags = None if song.analysis.tag_mean is None else song.analysis.tag_mean[None]
        matrix = inputs.matrix(space.name, song.analysis.statistics[None], tags)
        rows.append(inputs.standardised(matrix, space.mean, space.scale)[0])
        vectors.append(song.place.vector.astype(np.float64))
    lengths = float(np.linalg.norm(vectors[0]) * np.linalg.norm(vectors[1]))
    if not lengths:
        return []
    sums: dict[str, float] = {}
    share, details = 1.0, _details(ours.place, theirs.place)
    if space.detail is not None and details is not None:
        share, width = 1 - DETAIL, space.detail.embedding.shape[1]
        products = DETAIL * details[0] * details[1]
        sums["what the tagger hears"] = float(products[:width].sum())
        sums["fine timbre"] = float(products[width:].sum())
    parts = rows[0] * (space.projection @ vectors[1]) + rows[1] * (space.projection @ vectors[0])
    parts *= share / (2 * lengths)
    for name, part in zip(inputs.names(space.name), parts, strict=True):
        label = _label(name)
        sums[label] = sums.get(label, 0.0) + float(part)
    return sorted(sums.items(), key=lambda item: -item[1])


def _label(column: str) -> str:
    """Return the feature that a column of the space belongs to, for people."""
    from musrec.audio.tagger import TAGS

    if column.startswith("tag_"):
        return f"the tag {TAGS[int(column.rpartition('_')[2])]!r}"
    if column.startswith("tonnetz_"):
        return "harmony (tonnetz)"
    series = column.rpartition("_")[0]
    return _SERIES.get(series, "timbre (MFCC)" if series.startswith("mfcc") else series)


_SERIES = {
    "spectral_centroid": "spectral centroid",
    "spectral_flatness": "spectral flatness",
    "spectral_rolloff": "spectral roll-off",
}

_SHOWN = {
    "spectral_rolloff_mean": ("spectral roll-off", "Hz"),
    "spectral_bandwidth_mean": ("spectral bandwidth", "Hz"),
    "zero_crossing_rate_mean": ("zero crossings", "%"),
    "spectral_contrast_3_mean": ("spectral contrast, mids", "dB"),
    "rms_mean": ("level (RMS)", ""),
    "onset_strength_mean": ("onset strength", ""),
}
"""Statistics worth a line of their own beside the descriptors."""


def _apart(
    catalogue: Catalogue, ours: tuple[Place, Profile], theirs: tuple[Place, Profile]
) -> dict[str, float]:
    """Return how far apart two songs are in statistics and tags, in deviations of the catalogue."""
    whole = catalogue.facets["timbre"]
    known = whole[np.isfinite(whole).all(axis=1)]
    # The facet comes in deviations of the training population: a single song has no other.
    spread = known.std(axis=0) if len(known) > 1 else np.ones(len(inputs.STATISTICS), np.float32)
    steps = np.abs(ours[0].facets["timbre"] - theirs[0].facets["timbre"])
    steps = steps / np.where(spread > 0, spread, 1)
    found = {
        name: float(step)
        for name, step in zip(inputs.STATISTICS, steps, strict=True)
        if math.isfinite(step)
    }
    for tag, share in ours[1].tags.items():
        if tag in theirs[1].tags:
            shares = [p.tags[tag] for p in catalogue.profiles if tag in p.tags]
            deviation = float(np.std(shares)) if shares else 0.0
            found[tag] = abs(share - theirs[1].tags[tag]) / max(deviation, 0.01)
    return found


def _differences(
    catalogue: Catalogue,
    ours: tuple[Analysis, Profile],
    theirs: tuple[Analysis, Profile],
    apart: Mapping[str, float],
) -> list[Difference]:
    from musrec.pictures import Difference

    found = []
    pairs = (ours[0].descriptors, theirs[0].descriptors)
    for name, definition in DEFINITIONS.items():
        step = _descriptor_step(catalogue, name, ours[1], theirs[1])
        if step is None or name not in pairs[0] or name not in pairs[1]:
            continue
        one, other = (
            _written(values[name], profile.percentiles[name], definition.unit)
            for values, profile in zip(pairs, (ours[1], theirs[1]), strict=True)
        )
        found.append(Difference(name, one, other, step))
    statistics = [analysis.statistics for analysis, _ in (ours, theirs)]
    for column, (label, unit_) in _SHOWN.items():
        values = [float(row[STATISTIC_NAMES.index(column)]) for row in statistics]
        if column in apart and all(map(math.isfinite, values)):
            one, other = (_number(value, unit_) for value in values)
            found.append(Difference(label, one, other, apart[column]))
    for tag, step in apart.items():
        if tag in TAG_KINDS and tag in ours[1].tags and tag in theirs[1].tags:
            shares = ours[1].tags[tag], theirs[1].tags[tag]
            if max(shares) >= 0.1:
                found.append(
                    Difference(f"tag: {tag}", f"{shares[0]:.0%}", f"{shares[1]:.0%}", step)
                )
    if ours[1].key and theirs[1].key:
        steps = key_steps(ours[1].key, theirs[1].key)
        found.append(Difference("key", ours[1].key, theirs[1].key, steps / _KEY_SPREAD))
    return found


def _descriptor_step(
    catalogue: Catalogue, name: str, ours: Profile, theirs: Profile
) -> float | None:
    if name not in ours.percentiles or name not in theirs.percentiles:
        return None
    values = _places(catalogue.profiles, name)
    values = values[np.isfinite(values)]
    spread = float(values.std()) if len(values) > 1 else 0.0
    # Percentiles of the reference population are even from 0 to 100.
    return abs(ours.percentiles[name] - theirs.percentiles[name]) / (spread or 100 / math.sqrt(12))


def _written(value: float, place: float, unit_: str) -> str:
    if unit_ in ("Hz", "dB", "LUFS"):
        return _number(value, unit_)
    return f"{value:.0f} BPM" if unit_ == "beats per minute" else f"{place:.0f} of 100"


def _number(value: float, unit_: str) -> str:
    if unit_ == "%":
        return f"{value:.1%}"
    if unit_ == "Hz":
        return f"{value:,.0f} Hz"
    return f"{value:.1f} {unit_}" if unit_ else f"{value:.2f}"


_FIFTHS = ("C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#", "F")
_KEY_SPREAD = 1.8
"""Deviation of the steps between two keys drawn evenly from the circle of fifths."""


def key_steps(one: str, other: str) -> int:
    """Return how many fifths lie between two keys, 0 to 6; a minor key stands at its major.

    Parameters
    ----------
    one, other : str
        Such as ``"A minor"``.
    """
    places = []
    for key in (one, other):
        tonic, _, mode = key.partition(" ")
        places.append(_FIFTHS.index(tonic) - (3 if mode == "minor" else 0))
    steps = (places[0] - places[1]) % 12
    return min(steps, 12 - steps)


def _features(
    catalogue: Catalogue,
    ours: tuple[Analysis, Profile],
    theirs: tuple[Analysis, Profile],
    apart: Mapping[str, float],
) -> list[Feature]:
    found = []
    for name in DEFINITIONS:
        values = [analysis.descriptors.get(name) for analysis, _ in (ours, theirs)]
        step = _descriptor_step(catalogue, name, ours[1], theirs[1])
        found.append(Feature(name, values[0], values[1], step))
    for tag in TAG_KINDS:
        shares = [profile.tags.get(tag) for _, profile in (ours, theirs)]
        found.append(Feature(f"tag: {tag}", shares[0], shares[1], apart.get(tag)))
    for column, name in enumerate(STATISTIC_NAMES):
        numbers = [float(analysis.statistics[column]) for analysis, _ in (ours, theirs)]
        one, other = (value if math.isfinite(value) else None for value in numbers)
        found.append(Feature(name, one, other, apart.get(name)))
    return [one for one in found if one.ours is not None or one.theirs is not None]


# Rows of songs ------------------------------------------------------------------------------------


Ranked = tuple[Track, float]

GALLERY = "intensity"
"""The descriptor that a gallery is ordered by."""


def ranked(catalogue: Catalogue, genre: str, among: set[str]) -> list[Ranked]:
    """Return songs with their percentile of `GALLERY`, highest first.

    Parameters
    ----------
    genre : str
        Lower case; empty for any.
    among : set of str
        Ids of the songs to choose from.
    """
    keep, _ = variety.allowed(
        catalogue, Constraints(only_genres=frozenset((genre,) if genre else ()))
    )
    found = [
        (track, profile.percentiles[GALLERY])
        for track, profile, kept in zip(catalogue.tracks, catalogue.profiles, keep, strict=True)
        if kept and track.id in among and GALLERY in profile.percentiles
    ]
    return sorted(found, key=lambda pair: (-pair[1], pair[0].id))


def ends(songs: Sequence[Ranked], end: str, across: int = 4) -> list[tuple[str, Sequence[Ranked]]]:
    """Return labelled rows of the first and the last of some songs, none twice, none empty.

    Parameters
    ----------
    songs : sequence of (Track, float)
        From `ranked`.
    end : str
        ``"high"`` or ``"low"`` for two rows of one end; empty for a row of each.
    """
    low = songs[::-1]
    if end:
        first, ranked = ("The most intense", songs) if end == "high" else ("The calmest", low)
        rows = [(first, ranked[:across]), ("The next", ranked[across : 2 * across])]
    else:
        top = songs[: min(across, (len(songs) + 1) // 2)]
        rest = low[: min(across, len(songs) - len(top))]
        rows = [("The most intense", top), ("The calmest", rest)]
    return [row for row in rows if row[1]]


# Searching ----------------------------------------------------------------------------------------


def moods() -> tuple[str, ...]:
    """Return the words by which songs can be searched: descriptor words and mood tags."""
    words = [word for one in DEFINITIONS.values() for word in (one.low, one.high)]
    tags = [tag.casefold() for tag, kind in TAG_KINDS.items() if kind == "mood"]
    return tuple(sorted({*words, *tags}))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a song should be; empty means anything.

    Attributes
    ----------
    text : str
        Title, artist or both, nearly right.
    artist : str
        Part of an artist's name.
    mood : str
        One of `moods`.
    key : str
        Such as ``"A minor"``, or ``"A"`` for both modes.
    tempo : pair of float or None
        Beats per minute, both ends included.
    """

    text: str = ""
    artist: str = ""
    genre: str = ""
    mood: str = ""
    key: str = ""
    tempo: tuple[float, float] | None = None


def search(catalogue: Catalogue, names: Sequence[str], wanted: Wanted) -> list[Track]:
    """Find the songs of the catalogue that are as wanted, best first.

    Parameters
    ----------
    names : sequence of str, length n
        Title and artist of each song as rapidfuzz compares them.

    Raises
    ------
    NotFound
        No song is; the message says which wish none meets.
    """
    mood = wanted.mood.casefold()
    if mood and mood not in moods():
        raise NotFound(
            f"I know no mood called {mood[:40]!r}.", f"Try one of: {', '.join(moods())}."
        )
    keep, reasons = variety.allowed(
        catalogue,
        Constraints(
            only_genres=frozenset((wanted.genre.casefold(),) if wanted.genre else ()),
            only_moods=frozenset((mood,) if mood else ()),
            keys=frozenset((wanted.key,) if wanted.key else ()),
            tempo=wanted.tempo,
        ),
    )
    if reasons:
        sentence = "; ".join(reasons)
        raise NotFound(f"{sentence[0].upper()}{sentence[1:]}.", "Ask for less.")
    rows = np.flatnonzero(keep)
    if wanted.artist:
        part = fold(wanted.artist)
        rows = np.array(
            [row for row in rows if part in fold(catalogue.tracks[row].artist)], np.intp
        )
    if wanted.text:
        rows = _named(catalogue, names, rows, wanted.text)
    elif mood:
        rows = _best(rows, [_strength(catalogue.profiles[row], mood) for row in rows], 0)
    if not len(rows):
        raise NotFound("No song I know is all of that.", "Ask for less, or spell it differently.")
    return [catalogue.tracks[row] for row in rows]


def _strength(profile: Profile, mood: str) -> float:
    """Return how much a song has of a mood, 0 to 100."""
    found = [100 * share for tag, share in profile.tags.items() if tag.casefold() == mood]
    for name, definition in DEFINITIONS.items():
        if name in profile.percentiles and mood in (definition.low, definition.high):
            place = profile.percentiles[name]
            found.append(place if mood == definition.high else 100 - place)
    return max(found, default=0.0)


def _best(
    rows: NDArray[np.intp], scores: Sequence[float] | FloatArray, least: float
) -> NDArray[np.intp]:
    values = np.array(scores, np.float64)
    order = np.argsort(-values, kind="stable")
    return rows[[at for at in order if values[at] >= least]]


def _named(
    catalogue: Catalogue, names: Sequence[str], rows: NDArray[np.intp], text: str
) -> NDArray[np.intp]:
    """Return the rows whose title, or title and artist, are nearly that text, best first."""
    from rapidfuzz import fuzz, process, utils

    wanted = utils.default_process(text)
    titles = [utils.default_process(catalogue.tracks[row].title) for row in rows]
    whole = process.cdist([wanted], [names[row] for row in rows], scorer=fuzz.WRatio)[0]
    alone = process.cdist([wanted], titles, scorer=fuzz.ratio)[0]
    # Of songs that hold the words alike, the one with that very title comes first.
    return _best(rows, np.maximum(whole, alone) + alone / 1000, 60)


def tempo_range(text: str) -> tuple[float, float]:
    """Read ``"120"`` (a little either way) or ``"100-120"`` in beats per minute.

    Raises
    ------
    NotFound
        It is neither.
    """
    low, dash, high = text.replace("–", "-").replace(" ", "").partition("-")
    try:
        first = float(low)
        last = float(high) if dash else first
    except ValueError:
        first = last = math.nan
    if not (0 < first <= last < 1000):
        raise NotFound(f"{text[:40]!r} is no tempo.", "Write it as 120, or as 100-120.")
    return (first, last) if dash else (first * 0.97, first * 1.03)
