"""Songs that sound like a song, and songs that lead from one to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musrec.catalogue.model import Near
from musrec.columns import Tracks
from musrec.model import Heard
from musrec.recommend.taste import directions, l2_normalise
from musrec.space import parts

if TYPE_CHECKING:
    from musrec.catalogue.engine import Engine


def nearest(engine: Engine, heard: Heard, count: int) -> list[Near]:
    """Return the songs that sound most like one, the most similar first, without that one."""
    place, tracks = heard.place, engine.catalogue.tracks
    own = parts.of_place(place)
    rows, alike = engine.index.nearest(place.vector, count + 1, place.fine, own)
    # A song that came a moment ago has a row already, and is part of the next engine.
    near = zip(rows.tolist(), alike.tolist(), strict=True)
    found = [(tracks[row], value) for row, value in near if row < len(tracks)]
    return [near for near in found if near[0].id != heard.track.id][:count]


def path(engine: Engine, start: Heard, end: Heard, count: int) -> list[Near]:
    """Return songs that lead from one to another in small steps, both ends included.

    The way is the arc between the two vectors: each of its points, evenly spaced, gives the song
    that is nearest to it and not on the way yet. Only songs between the two count, which are less
    far from either end than the ends are from each other (the lune of G. Toussaint, "The relative
    neighbourhood graph of a finite planar set", Pattern Recognition 12, 1980): where few are, the
    way is shorter than asked for.

    Parameters
    ----------
    count : int
        Most songs on the way, at least 2.

    Returns
    -------
    list of Near
        Each with its similarity to `start`.
    """
    if start.track.id == end.track.id:
        return [(start.track, 1.0)]
    catalogue = engine.catalogue
    rows = directions(catalogue)
    ours, theirs = l2_normalise(np.stack([start.place.vector, end.place.vector]))
    apart = float(ours @ theirs)
    free = np.minimum(rows @ ours, rows @ theirs) > apart
    free[Tracks.of(catalogue.tracks).rows((start.track.id, end.track.id))] = False
    inner = np.linspace(0, 1, max(2, count))[1:-1, None]
    angle = np.arccos(np.clip(apart, -1, 1))
    points = np.sin((1 - inner) * angle) * ours + np.sin(inner * angle) * theirs
    on_the_way: list[int] = []
    for near in points.astype(np.float32) @ rows.T:
        near[~free] = -np.inf
        row = int(near.argmax()) if len(near) else 0
        if not len(near) or not free[row]:
            break
        free[row] = False
        on_the_way.append(row)
    # Where songs are few, a point may only have been left one that lies before another's.
    along = rows[on_the_way] @ theirs - rows[on_the_way] @ ours
    on_the_way = [on_the_way[at] for at in np.argsort(along, kind="stable")]
    index = engine.index
    alike = index.alike(start.place)
    fine, own = end.place.fine, parts.of_place(end.place)
    assert own is not None  # every song that was heard has facets
    last = index.between(
        start.place, end.place.vector[None], None if fine is None else fine[None], own[None]
    )
    inside = [(catalogue.tracks[row], float(alike[row])) for row in on_the_way]
    return [(start.track, 1.0), *inside, (end.track, float(last[0]))]
