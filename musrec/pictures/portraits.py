"""Portraits: one member's taste against that of others, and the whole catalogue as a map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import ImageDraw

from musrec.audio.descriptors import DEFINITIONS
from musrec.members.model import Portrait
from musrec.model import Picture
from musrec.pictures import draw, lettering
from musrec.pictures.draw import LEAST, MARGIN, WIDTH, Box, Canvas, LookName

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

MOST_AXES = 5
MOST_GENRES = 5
MOST_NAMES = 3

CLEAR = 80.0
"""Place, 0 to 100, from which on a taste is called by the word for 100."""

FARTHER = 40.0
"""Pixels that the name of a group may move to hide one hundredth less of all songs."""


def taste(portrait: Portrait, *, look: LookName = "dark") -> Picture:
    """Draw a taste: a headline, where it stands against another, genres, artists and songs."""
    axes, genres = _axes(portrait), list(portrait.genres.items())[:MOST_GENRES]
    lists = [
        (title, names)
        for title, names in (
            ("top artists", portrait.artists[:MOST_NAMES]),
            ("signature songs", [draw.named(t) for t in portrait.signature[:MOST_NAMES]]),
        )
        if names
    ]
    scales = 44 + 46 * len(axes) if axes else 60
    below = max(48 + 40 * len(genres), (48 + 34 * MOST_NAMES) * len(lists))
    # A title of its own stands over the picture in its message already.
    y = 46 if portrait.title else 104
    canvas = Canvas(y + 8 + scales + below, look)
    if not portrait.title:
        canvas.title((MARGIN, 62), headline(portrait), (40, 34, 30), WIDTH - 2 * MARGIN)
    _places(canvas, y, axes, (portrait.name, portrait.against))
    top = y + scales
    right = MARGIN + 350 if lists else WIDTH - MARGIN
    _genres(canvas, Box(MARGIN, top, right, top + below), portrait.heading, genres)
    for position, (title, names) in enumerate(lists):
        y = top + 26 + (48 + 34 * MOST_NAMES) * position
        canvas.text((MARGIN + 400, y), title, 24, weight="bold")
        for line, name in enumerate(names):
            canvas.text((MARGIN + 400, y + 38 + 34 * line), name, LEAST, width=344)

    heard = f"learned from {portrait.songs} song{'s' if portrait.songs != 1 else ''}"
    if portrait.title:
        said = [f"{draw.shorten(portrait.title, 100)}, {heard}."]
    else:
        name = draw.shorten(portrait.name, 100)
        said = [f"The taste of {name}, {heard}: {draw.shorten(headline(portrait), 100)}."]
    if axes:
        points = ", ".join(f"{high} {ours:.0f} ({theirs:.0f})" for _, high, ours, theirs in axes)
        against = draw.shorten(portrait.against, 80)
        said.append(f"On scales of 0 to 100, in brackets {against}: {points}.")
    if genres:
        said.append(
            f"{portrait.heading.capitalize()}: "
            + ", ".join(f"{name} {share:.0%}" for name, share in genres)
            + "."
        )
    for title, names in lists:
        said.append(f"{title.capitalize()}: {'; '.join(names)}.")
    return canvas.finish(" ".join([*said, portrait.changed]).strip())


def headline(portrait: Portrait) -> str:
    """Return what a taste is in a few words, such as "Into intense metal".

    A descriptor is named only where its mean over the songs liked is at least `CLEAR`, or at most
    as far from the other end.
    """
    places = [
        (abs(place - 50), DEFINITIONS[name].high if place >= 50 else DEFINITIONS[name].low)
        for name, place in portrait.member.items()
        if name in DEFINITIONS and abs(place - 50) >= CLEAR - 50
    ]
    word = max(places)[1] if places else ""
    leading = [genre for genre, share in portrait.genres.items() if genre and share >= 0.15]
    if word:
        return f"Into {word} {leading[0] if leading else 'music'}"
    if leading:
        return f"Into {' and '.join(leading[:2])}"
    return "Into a bit of everything"


def catalogue_map(
    points: FloatArray,
    clusters: NDArray[np.integer],
    names: Sequence[str],
    mine: NDArray[np.bool_],
    *,
    look: LookName = "dark",
) -> Picture:
    """Draw all songs in two dimensions; songs that sound alike are neighbours.

    Parameters
    ----------
    points : FloatArray, shape (n, 2)
        Any scale; finite.
    clusters : integer array, shape (n,)
        Index into `names` for each song.
    names : sequence of str
        What each cluster sounds like.
    mine : bool array, shape (n,)
        Which songs the member likes.
    look : ``"dark"`` or ``"light"``
    """
    canvas = Canvas(800, look)
    colours = canvas.look
    canvas.text((MARGIN, 58), "The catalogue by ear", 34, weight="bold")
    total = f"{len(points):,} song{'s' if len(points) != 1 else ''}; neighbours sound alike"
    area = Box(MARGIN, 118, WIDTH - MARGIN, 800 - MARGIN)
    canvas.rounded(area, colours.panel, 16)
    said = f"Map of {total}."
    room = WIDTH - 2 * MARGIN
    if mine.any():
        words = f"{int(mine.sum())} liked by you"
        wide = lettering.measure(words, LEAST, "medium")
        canvas.dot((WIDTH - MARGIN - wide - 22, 92), 11, colours.text)
        canvas.dot((WIDTH - MARGIN - wide - 22, 92), 8, colours.query)
        canvas.text((WIDTH - MARGIN, 100), words, LEAST, anchor="right")
        said += f" {words}, ringed."
        room -= round(wide) + 60
    canvas.text((MARGIN, 100), total, LEAST, colour=colours.muted, width=room)
    if not len(points):
        return canvas.finish(said)

    place = _spread(points, area)
    radius = float(np.clip(90 / math.sqrt(len(points)), 2.0, 6.0))
    for cluster in range(len(names)):
        chosen = (clusters == cluster) & ~mine
        _stamp(canvas, area, place[chosen], radius, colours.series[cluster % 8], 0.75)
    if mine.any():
        _stamp(canvas, area, place[mine], radius + 6.5, colours.panel, 1.0)
        _stamp(canvas, area, place[mine], radius + 4.5, colours.text, 1.0)
        for cluster in range(len(names)):
            chosen = (clusters == cluster) & mine
            _stamp(canvas, area, place[chosen], radius + 1.5, colours.series[cluster % 8], 1.0)
    sizes = [int((clusters == cluster).sum()) for cluster in range(len(names))]
    _name_clusters(canvas, area, place, clusters, names, mine)
    groups = "; ".join(
        f"{names[cluster]} ({sizes[cluster]}"
        + (f", {int((mine & (clusters == cluster)).sum())} yours)" if mine.any() else ")")
        for cluster in sorted(range(len(names)), key=lambda cluster: -sizes[cluster])
        if sizes[cluster]
    )
    return canvas.finish(f"{said} Groups, largest first: {groups}.")


def _axes(portrait: Portrait) -> list[tuple[str, str, float, float]]:
    """Return (word for 0, word for 100, member, other), those farthest apart first."""
    rows = [
        (
            descriptor.low,
            descriptor.high,
            float(portrait.member.get(name, math.nan)),
            float(portrait.server.get(name, math.nan)),
        )
        for name, descriptor in DEFINITIONS.items()
    ]
    known = [row for row in rows if math.isfinite(row[2] + row[3])]
    return sorted(known, key=lambda row: -abs(row[2] - row[3]))[:MOST_AXES]


def _places(
    canvas: Canvas,
    y: int,
    axes: Sequence[tuple[str, str, float, float]],
    names: tuple[str, str],
) -> None:
    """Draw where two tastes stand, one scale per row, under their names on the baseline `y`."""
    look, left = canvas.look, MARGIN
    if not axes:
        words = "A few more likes, and I can draw how this taste sounds."
        canvas.text((MARGIN, y + 24), words, 24, colour=look.muted, width=WIDTH - 2 * MARGIN)
        return
    for colour, name in zip((look.query, look.pick), names, strict=True):
        canvas.dot((left + 9, y - 8), 9, colour)
        wide = canvas.text((left + 28, y), name, LEAST, colour=look.muted, width=330)
        left += 70 + round(wide)
    for position, (low, high, ours, theirs) in enumerate(axes):
        middle = y + 42 + 46 * position
        canvas.text((MARGIN, middle + 8), low, LEAST, width=150)
        canvas.text((WIDTH - MARGIN, middle + 8), high, LEAST, anchor="right", width=150)
        area = Box(MARGIN + 170, middle - 20, WIDTH - MARGIN - 170, middle + 20)
        canvas.scale(area, ours, theirs)


def _genres(canvas: Canvas, area: Box, title: str, rows: Sequence[tuple[str, float]]) -> None:
    look = canvas.look
    canvas.text((area.left, area.top + 26), title, 24, weight="bold")
    if not rows:
        canvas.text((area.left, area.top + 64), "not known yet", LEAST, colour=look.muted)
        return
    # If all shares are small, the bars stay short.
    largest = max(rows[0][1], 0.25)
    bars = Box(area.left + 150, area.top, area.right - 66, area.bottom)
    for position, (name, share) in enumerate(rows):
        y = area.top + 64 + 40 * position
        canvas.text((area.left, y), name, LEAST, width=140)
        length = max(6, round(bars.width * share / largest))
        canvas.rounded(Box(bars.left, y - 20, bars.left + length, y + 4), look.query, 6)
        canvas.text((area.right, y), f"{share:.0%}", LEAST, colour=look.muted, anchor="right")


def _spread(points: FloatArray, area: Box) -> FloatArray:
    """Spread points over an area, each axis on its own scale; far outliers stay at the edge."""
    low, high = np.percentile(points, (0.1, 99.9), axis=0)
    room = np.array([area.width / 2 - 40, area.height / 2 - 40])
    share = 2 * (points - (low + high) / 2) / np.maximum(high - low, 1e-9)
    centre = (area.left + area.width / 2, area.top + area.height / 2)
    placed: FloatArray = (np.clip(share, -1, 1) * room * (1, -1) + centre).astype(np.float32)
    return placed


def _stamp(
    canvas: Canvas,
    area: Box,
    points: FloatArray,
    radius: float,
    colour: draw.Colour,
    opacity: float,
) -> None:
    """Draw many dots of one colour at once, so that overlapping ones do not add up."""

    def paint(pen: ImageDraw.ImageDraw, scale: int) -> None:
        far = radius * scale
        for x, y in (points - (area.left, area.top)) * scale:
            pen.ellipse((x - far, y - far, x + far, y + far), fill=255)

    if len(points):
        canvas.shape(area, colour, paint, opacity)


def _name_clusters(
    canvas: Canvas,
    area: Box,
    place: FloatArray,
    clusters: NDArray[np.integer],
    names: Sequence[str],
    mine: NDArray[np.bool_],
) -> None:
    """Write each name on a plate near the middle of its cluster, where it hides fewest songs.

    Plates never overlap. One of the member's songs counts as much as three others, and a place
    farther from the middle must hide enough songs fewer to be chosen.
    """
    look = canvas.look
    # A sample shows well enough where very many songs are crowded.
    step = -(-len(place) // 2000)
    hidden = np.concatenate([place[::step], *[place[mine][::step]] * 2])
    worth = 100 * FARTHER / len(place[::step])
    taken: list[Box] = []
    order = sorted(range(len(names)), key=lambda cluster: -int((clusters == cluster).sum()))
    for cluster in order:
        members = place[clusters == cluster]
        if not len(members):
            continue
        x, y = (float(value) for value in np.median(members, axis=0))
        text = lettering.fit(names[cluster], LEAST, "bold", 280)
        half = round(lettering.measure(text, LEAST, "bold") / 2) + 26
        x = min(max(x, area.left + half + 8), area.right - half - 8)
        y = min(max(y, area.top + 30), area.bottom - 30)
        boxes = [
            (Box(left - half, top - 19, left + half, top + 19), math.hypot(left - x, top - y))
            for left in range(round(x) - 264, round(x) + 265, 44)
            for top in range(round(y) - 220, round(y) + 221, 22)
        ]
        free = [
            (box, away)
            for box, away in boxes
            if area.left < box.left
            and area.top < box.top
            and box.right < area.right
            and box.bottom < area.bottom
            and not any(_overlap(box, other) for other in taken)
        ]
        if not free:
            continue
        plate, _ = min(free, key=lambda found: worth * _covered(found[0], hidden) + found[1])
        taken.append(plate)
        canvas.rounded(plate, look.background, 19)
        canvas.dot((plate.left + 20, plate.top + 19), 7, look.series[cluster % 8])
        canvas.text((plate.left + 35, plate.top + 27), text, LEAST, weight="bold")


def _covered(box: Box, points: FloatArray) -> int:
    """Return how many points a plate would hide, even in part."""
    low = points >= (box.left - 10, box.top - 10)
    high = points <= (box.right + 10, box.bottom + 10)
    return int((low & high).all(axis=1).sum())


def _overlap(one: Box, other: Box) -> bool:
    return (
        one.left < other.right
        and other.left < one.right
        and one.top < other.bottom
        and other.top < one.bottom
    )
