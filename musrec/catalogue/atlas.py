"""The catalogue as a map: two dimensions, and groups with names."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy

from musrec.audio.descriptors import DEFINITIONS, TAG_KINDS, strengths
from musrec.catalogue.model import Atlas
from musrec.columns import Profiles, Tracks
from musrec.model import Catalogue
from musrec.recommend.taste import directions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

MOST_GROUPS = 8
"""Colours that can be told apart on one map."""


SAMPLE = 20_000
"""Songs that groups are learned from; the others join the group they are nearest to."""


STARTS = 10


STANDS_OUT = 0.35
"""Mean probability from which a genre names a group alone."""


def atlas(catalogue: Catalogue) -> Atlas:
    """Lay the catalogue out; the same songs give the same map.

    Principal components: a millisecond, the same straight axes for every song, and distances over
    the whole map that mean something. Embeddings of neighbourhoods keep neighbours better and bend
    distances more: t-SNE has a trustworthiness of 0.99 against 0.87 and a rank correlation of
    distances of 0.65 against 0.74, for seconds of work at 443 songs and minutes at 20,000
    (``python -m benchmarks.taste``). That, or one more dependency for UMAP, is not worth it for a
    picture that has to be ready when a member asks.
    """
    n = len(catalogue)
    ids = "\n".join(Tracks.of(catalogue.tracks).row_of)
    key = f"{zlib.crc32(ids.encode()):08x}"
    rows = directions(catalogue)
    profiles = Profiles.of(catalogue.profiles)
    if n < 2:
        everything = (_name(profiles, np.ones(n, bool), {}, set()),) if n else ()
        return Atlas(np.zeros((n, 2), np.float32), np.zeros(n, np.intp), everything, 1.0, key)
    points, share = _plane(rows)
    groups = _groups(rows)
    taken: set[str] = set()
    count = int(groups.max()) + 1
    sizes = np.bincount(groups, minlength=count)
    names = [""] * count
    by_descriptor = {name: percentiles(profiles, name) for name in DEFINITIONS}
    for group in np.argsort(-sizes, kind="stable").tolist():
        names[group] = _name(profiles, groups == group, by_descriptor, taken)
        taken.add(names[group])
    return Atlas(points, groups, tuple(names), share, key)


def _plane(rows: FloatArray) -> tuple[FloatArray, float]:
    """Return the first two principal components, and their share of the variance."""
    centred = rows - rows.mean(axis=0)
    points = np.zeros((len(rows), 2), np.float32)
    if np.abs(centred).max() < 1e-6:  # songs that are all the same
        return points, 1.0
    variances, components = np.linalg.eigh(np.atleast_2d(np.cov(centred, rowvar=False)))
    axes = components[:, ::-1][:, :2]
    strongest = np.abs(axes).argmax(axis=0)
    axes = axes * np.sign(axes[strongest, np.arange(axes.shape[1])])  # a sign that stays the same
    points[:, : axes.shape[1]] = centred @ axes
    return points, float(variances[::-1][:2].sum() / variances.sum())


def _groups(rows: FloatArray) -> NDArray[np.intp]:
    """Return the group of each row, by k-means: the best of `STARTS` tries."""
    sample = rows
    if len(rows) > SAMPLE:
        sample = rows[np.sort(np.random.default_rng(0).permutation(len(rows))[:SAMPLE])]
    wanted = min(MOST_GROUPS, max(1, round(math.sqrt(len(rows) / 2))))
    different: set[bytes] = set()
    for row in sample:
        if len(different) < wanted:
            different.add(row.tobytes())
    rng = np.random.default_rng(0)
    centroids, _ = scipy.cluster.vq.kmeans(sample, len(different), iter=STARTS, rng=rng)
    return np.asarray(scipy.cluster.vq.vq(rows, centroids)[0], np.intp)


def _name(
    profiles: Profiles,
    inside: NDArray[np.bool_],
    places: Mapping[str, FloatArray],
    taken: set[str],
) -> str:
    """Name some songs by the genre they share and the word that sets them apart."""
    noun = _noun(profiles.take(np.flatnonzero(inside)))
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


def _noun(profiles: Profiles) -> str:
    heard = _mean(profiles.genre_names, profiles.genres)
    if not heard:
        genres = [tag for tag in profiles.tag_names if TAG_KINDS.get(tag) == "genre"]
        said = [np.where(strengths(tag, profiles) > 0, profiles.tag(tag), np.nan) for tag in genres]
        heard = _mean(genres, np.array(said).T) if genres else {}
    ranked = sorted(heard.items(), key=lambda item: (-item[1], item[0]))
    if not ranked:
        return "songs"
    (first, share), *rest = ranked
    if share < STANDS_OUT and rest:
        return f"{first} & {rest[0][0]}"
    return first


def _mean(names: Sequence[str], shares: NDArray[np.floating]) -> dict[str, float]:
    """Return the mean of each name that some song has, over all: what is absent counts as 0."""
    known = np.isfinite(shares)
    means = np.where(known, shares, 0).sum(axis=0, dtype=np.float64) / max(len(shares), 1)
    there = known.any(axis=0)
    return {name: float(m) for name, m, any_ in zip(names, means, there, strict=True) if any_}


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


def percentiles(profiles: Profiles, name: str) -> FloatArray:
    """Return (n,) percentiles of a descriptor, NaN where it is not known."""
    return profiles.percentile(name).astype(np.float32)
