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
from musrec.pictures.draw import MARGIN, READABLE, WIDTH, Box, Canvas, LookName

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

MOST_AXES = 3
MOST_GENRES = 4
MOST_ARTISTS = 3

WORD = 232
"""Width of the words on the left of a taste."""
HEADING, ROW, LINE = 66, 54, 46
"""Heights: of a heading, of a scale or a bar below it, and of a line of text."""

FARTHER = 60.0
"""Pixels that the name of a group may move to hide one hundredth less of all songs."""

WIDEST_NAME = 400
"""Pixels of a line of a group's name."""


def taste(portrait: Portrait, *, look: LookName = "dark") -> Picture:
    """Draw a taste: where it stands against another, its genres and its artists.

    The message around it says what the taste is in a few words.
    """
    axes, genres = _axes(portrait), list(portrait.genres.items())[:MOST_GENRES]
    artists = portrait.artists[:MOST_ARTISTS]
    scales = HEADING + (ROW * len(axes) if axes else LINE)
    below = HEADING + (ROW * len(genres) if genres else LINE)
    canvas = Canvas(scales + below + (HEADING + LINE * len(artists) if artists else 0) + 28, look)
    _places(canvas, axes, (portrait.name, portrait.against))
    _genres(canvas, scales, portrait.heading, genres)
    if artists:
        y = scales + below + 52
        canvas.text((MARGIN, y), "top artists", READABLE, weight="bold")
        for line, name in enumerate(artists, start=1):
            room = WIDTH - 2 * MARGIN
            canvas.text((MARGIN, y + 4 + LINE * line), name, READABLE, width=room)

    heard = f"learned from {portrait.songs} song{'s' if portrait.songs != 1 else ''}"
    if portrait.title:
        said = [f"{draw.shorten(portrait.title, 100)}, {heard}."]
    else:
        likes = f": into {draw.shorten(portrait.likes, 100)}" if portrait.likes else ""
        said = [f"The taste of {draw.shorten(portrait.name, 100)}, {heard}{likes}."]
    if axes:
        points = ", ".join(f"{word} {ours:.0f} ({theirs:.0f})" for word, ours, theirs in axes)
        against = draw.shorten(portrait.against, 80)
        said.append(f"On scales of 0 to 100, in brackets {against}: {points}.")
    if genres:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in genres)
        said.append(f"{portrait.heading.capitalize()}: {shares}.")
    if artists:
        said.append(f"Top artists: {'; '.join(artists)}.")
    return canvas.finish(" ".join([*said, portrait.changed]).strip())


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
    canvas = Canvas(WIDTH, look)
    colours = canvas.look
    area = Box(12, 12, WIDTH - 12, WIDTH - 12)
    canvas.rounded(area, colours.panel, 16)
    said = f"Map of {len(points):,} song{'s' if len(points) != 1 else ''}; neighbours sound alike."
    if mine.any():
        said += f" {int(mine.sum())} liked by you, ringed."
    if not len(points):
        return canvas.finish(said)

    place = _spread(points, area)
    radius = float(np.clip(120 / math.sqrt(len(points)), 3.0, 9.0))
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


def _axes(portrait: Portrait) -> list[tuple[str, float, float]]:
    """Return (word, member, other), those farthest apart first.

    A word is the end that the member leans to; 100 is as much of it as there is.
    """
    rows = []
    for name, descriptor in DEFINITIONS.items():
        ours = float(portrait.member.get(name, math.nan))
        theirs = float(portrait.server.get(name, math.nan))
        if ours >= 50:
            rows.append((descriptor.high, ours, theirs))
        else:
            rows.append((descriptor.low, 100 - ours, 100 - theirs))
    known = [row for row in rows if math.isfinite(row[1] + row[2])]
    return sorted(known, key=lambda row: -abs(row[1] - row[2]))[:MOST_AXES]


def _places(
    canvas: Canvas, axes: Sequence[tuple[str, float, float]], names: tuple[str, str]
) -> None:
    """Draw where two tastes stand, one scale per row, under their names."""
    look, left, y = canvas.look, MARGIN, 52
    if not axes:
        for line, words in enumerate(
            ("A few more likes, and I can", "draw how this taste sounds.")
        ):
            canvas.text((MARGIN, y + LINE * line), words, READABLE, colour=look.muted)
        return
    for colour, name in zip((look.query, look.pick), names, strict=True):
        canvas.dot((left + 12, y - 11), 12, colour)
        wide = canvas.text((left + 36, y), name, READABLE, colour=look.muted, width=320)
        left += 76 + round(wide)
    for position, (word, ours, theirs) in enumerate(axes):
        top = HEADING + ROW * position
        canvas.text((MARGIN, top + 38), word, READABLE, weight="bold", width=WORD)
        area = Box(MARGIN + WORD + 20, top + 2, WIDTH - MARGIN - 14, top + ROW - 2)
        canvas.scale(area, ours, theirs)


def _genres(canvas: Canvas, top: int, title: str, rows: Sequence[tuple[str, float]]) -> None:
    look = canvas.look
    canvas.text((MARGIN, top + 52), title, READABLE, weight="bold")
    if not rows:
        canvas.text((MARGIN, top + 100), "not known yet", READABLE, colour=look.muted)
        return
    # If all shares are small, the bars stay short.
    largest = max(rows[0][1], 0.25)
    left, right = MARGIN + WORD + 20, WIDTH - MARGIN
    for position, (name, share) in enumerate(rows):
        y = top + HEADING + ROW * position + 38
        canvas.text((MARGIN, y), name, READABLE, width=WORD)
        length = max(6, round((right - 100 - left) * share / largest))
        canvas.rounded(Box(left, y - 30, left + length, y + 6), look.query, 6)
        canvas.text((right, y), f"{share:.0%}", READABLE, colour=look.muted, anchor="right")


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
        lines = lettering.wrap(names[cluster], READABLE, "bold", WIDEST_NAME, 2)
        wide = max(round(lettering.measure(line, READABLE, "bold")) for line in lines) + 76
        high = 12 + 40 * len(lines)
        boxes = [
            Box(left, top, left + wide, top + high) for left, top in _corners(area, wide, high)
        ]
        free = [box for box in boxes if not any(_overlap(box, other) for other in taken)]
        if not free:
            continue

        def cost(box: Box, x: float = x, y: float = y) -> float:
            away = math.hypot((box.left + box.right) / 2 - x, (box.top + box.bottom) / 2 - y)
            return worth * _covered(box, hidden) + away

        plate = min(free, key=cost)
        taken.append(plate)
        canvas.rounded(plate, look.background, 26)
        canvas.dot((plate.left + 28, (plate.top + plate.bottom) / 2), 10, look.series[cluster % 8])
        for row, line in enumerate(lines):
            at = (plate.left + 50, plate.top + 37 + 40 * row)
            canvas.text(at, line, READABLE, weight="bold")


def _corners(area: Box, wide: int, high: int) -> list[tuple[int, int]]:
    """Return where the upper left corner of a plate may be in an area, on a grid."""
    return [
        (left, top)
        for left in range(area.left + 8, area.right - wide - 8, 22)
        for top in range(area.top + 8, area.bottom - high - 8, 22)
    ]


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
