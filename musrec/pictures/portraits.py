"""Portraits: one member's taste against that of others, and the whole catalogue as a map."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import ImageDraw

from musrec.audio.descriptors import DEFINITIONS
from musrec.members.model import Portrait
from musrec.model import Picture
from musrec.pictures import draw, lettering
from musrec.pictures.draw import MARGIN, WIDTH, Anchor, Box, Canvas, LookName

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import FloatArray

MOST_AXES = 8
MOST_GENRES = 6

FARTHER = 40.0
"""Pixels that the name of a group may move to hide one hundredth less of all songs."""


def taste(portrait: Portrait, *, look: LookName = "dark") -> Picture:
    """Draw a member's taste: a radar against others, genres, decades and signature songs."""
    canvas = Canvas(780, look)
    colours = canvas.look
    title = portrait.title or f"The taste of {portrait.name}"
    canvas.text((MARGIN, 62), title, 40, weight="bold", width=WIDTH - 2 * MARGIN)
    heard = f"learned from {portrait.songs} song{'s' if portrait.songs != 1 else ''}"
    subtitle = "  ·  ".join(part for part in (heard, portrait.changed) if part)
    canvas.text((MARGIN, 104), subtitle, 24, colour=colours.muted, width=WIDTH - 2 * MARGIN)

    axes, names = _axes(portrait), (portrait.name, portrait.against)
    _genres(canvas, Box(620, 150, WIDTH - MARGIN, 470), portrait)
    below = Box(620, 480, WIDTH - MARGIN, 744)
    # If no years are known the signature songs take their place, and the radar grows.
    if portrait.decades:
        _decades(canvas, below, portrait.decades)
        _radar(canvas, axes, names, (304, 372), 165)
        _signature(canvas, Box(MARGIN, 632, 580, 780), portrait)
    else:
        _signature(canvas, Box(620, 540, WIDTH - MARGIN, 744), portrait)
        _radar(canvas, axes, names, (304, 430), 190)

    said = [f"{draw.shorten(title, 100)}, {heard}."]
    if axes:
        points = ", ".join(f"{word} {ours:.0f} ({theirs:.0f})" for word, ours, theirs in axes)
        against = draw.shorten(portrait.against, 80)
        said.append(f"On scales of 0 to 100, in brackets {against}: {points}.")
    if portrait.genres:
        top = sorted(portrait.genres.items(), key=lambda item: -item[1])[:MOST_GENRES]
        said.append(
            f"{portrait.headings[0].capitalize()}: "
            + ", ".join(f"{name} {share:.0%}" for name, share in top)
            + "."
        )
    if portrait.decades:
        counts = sorted(portrait.decades.items())
        said.append("Decades: " + ", ".join(f"{year}s {count}" for year, count in counts) + ".")
    if portrait.signature:
        said.append(
            f"{portrait.headings[1].capitalize()}: "
            + "; ".join(str(t) for t in portrait.signature[:3])
            + "."
        )
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
    canvas = Canvas(940, look)
    colours = canvas.look
    canvas.text((MARGIN, 62), "The catalogue by ear", 40, weight="bold")
    total = f"{len(points):,} song{'s' if len(points) != 1 else ''}; neighbours sound alike"
    canvas.text((MARGIN, 104), total, 24, colour=colours.muted)
    area = Box(MARGIN, 130, WIDTH - MARGIN, 940 - MARGIN)
    canvas.rounded(area, colours.panel, 16)
    said = f"Map of {total}."
    if not len(points):
        return canvas.finish(said)

    place = _spread(points, area)
    radius = float(np.clip(110 / math.sqrt(len(points)), 2.2, 7.0))
    for cluster in range(len(names)):
        chosen = (clusters == cluster) & ~mine
        _stamp(canvas, area, place[chosen], radius, colours.series[cluster % 8], 0.75)
    if mine.any():
        _stamp(canvas, area, place[mine], radius + 6.5, colours.panel, 1.0)
        _stamp(canvas, area, place[mine], radius + 4.5, colours.text, 1.0)
        for cluster in range(len(names)):
            chosen = (clusters == cluster) & mine
            _stamp(canvas, area, place[chosen], radius + 1.5, colours.series[cluster % 8], 1.0)
        count = int(mine.sum())
        words = f"{count} liked by you" if count != 1 else "1 liked by you"
        left = WIDTH - MARGIN - lettering.measure(words, 24, "medium") - 26
        canvas.dot((left, 96), radius + 4.5, colours.text)
        canvas.dot((left, 96), radius + 1.5, colours.query)
        canvas.text((WIDTH - MARGIN, 104), words, 24, anchor="right")
        said += f" {words}, ringed."
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
    """Return (word for 100, member, server) of the descriptors known of both."""
    rows = [
        (
            descriptor.high,
            float(portrait.member.get(name, math.nan)),
            float(portrait.server.get(name, math.nan)),
        )
        for name, descriptor in DEFINITIONS.items()
    ]
    return [row for row in rows if math.isfinite(row[1] + row[2])][:MOST_AXES]


def _radar(
    canvas: Canvas,
    axes: Sequence[tuple[str, float, float]],
    names: tuple[str, str],
    centre: tuple[float, float],
    reach: float,
) -> None:
    look = canvas.look
    x, y = centre

    def at(position: int, value: float) -> tuple[float, float]:
        angle = 2 * math.pi * position / len(axes) - math.pi / 2
        far = reach * max(0.0, min(100.0, value)) / 100
        return x + far * math.cos(angle), y + far * math.sin(angle)

    if len(axes) < 3:
        canvas.text((MARGIN, 380), "Too few songs heard so far to draw a taste.", 24, width=500)
        return
    canvas.polygon([at(n, 100) for n in range(len(axes))], look.panel)
    for ring in (25, 50, 75, 100):
        points = [at(n, ring) for n in range(len(axes))]
        canvas.line([*points, points[0]], look.line, 1.5)
    for n in range(len(axes)):
        canvas.line([(x, y), at(n, 100)], look.line, 1.5)
    server = [at(n, axis[2]) for n, axis in enumerate(axes)]
    member = [at(n, axis[1]) for n, axis in enumerate(axes)]
    canvas.polygon(member, look.query, 0.30)
    canvas.line([*server, server[0]], look.pick, 3.5)
    canvas.line([*member, member[0]], look.query, 4.5)
    for point in member:
        canvas.dot(point, 7, look.query)
    for n, (word, _, _) in enumerate(axes):
        px, py = at(n, 100)
        px, py = x + (px - x) * 1.10, y + (py - y) * 1.12
        side: Anchor = "middle" if abs(px - x) < 20 else "left" if px > x else "right"
        canvas.text((px, py + 8), word, 22, anchor=side)
    left, bottom = x - 150, y + reach + 68
    for colour, word in zip((look.query, look.pick), names, strict=True):
        canvas.rounded(
            Box(round(left), round(bottom) - 12, round(left) + 30, round(bottom) - 4), colour, 4
        )
        left += 70 + canvas.text((left + 40, bottom), word, 22, colour=look.muted, width=140)


def _genres(canvas: Canvas, area: Box, portrait: Portrait) -> None:
    look = canvas.look
    canvas.text((area.left, area.top + 18), portrait.headings[0], 24, weight="bold")
    rows = sorted(portrait.genres.items(), key=lambda item: -item[1])[:MOST_GENRES]
    if not rows:
        canvas.text((area.left, area.top + 56), "not known yet", 22, colour=look.muted)
        return
    # If all shares are small, the bars stay short.
    largest = max(rows[0][1], 0.25)
    bars = Box(area.left + 150, area.top, area.right - 76, area.bottom)
    for position, (name, share) in enumerate(rows):
        y = area.top + 56 + 44 * position
        canvas.text((area.left, y), name, 22, width=140)
        length = max(6, round(bars.width * share / largest))
        canvas.rounded(Box(bars.left, y - 20, bars.left + length, y + 4), look.query, 6)
        canvas.text((area.right, y), f"{share:.0%}", 22, colour=look.muted, anchor="right")


def _decades(canvas: Canvas, area: Box, decades: Mapping[int, int]) -> None:
    look = canvas.look
    canvas.text((area.left, area.top + 18), "decades", 24, weight="bold")
    span = range(min(decades), max(decades) + 10, 10)[-10:]
    step = area.width / len(span)
    largest = max(1, *decades.values())
    floor, room = area.bottom - 34, area.height - 110
    for position, year in enumerate(span):
        middle = area.left + (position + 0.5) * step
        width = min(28.0, step * 0.35)
        count = decades.get(year, 0)
        top = floor - max(3, round(room * count / largest))
        bar = Box(round(middle - width), top, round(middle + width), floor)
        canvas.rounded(bar, look.query if count else look.line, 5)
        if count:
            canvas.text((middle, top - 8), str(count), 20, colour=look.muted, anchor="middle")
        canvas.text((middle, area.bottom - 4), f"{year % 100:02d}s", 20, anchor="middle")


def _signature(canvas: Canvas, area: Box, portrait: Portrait) -> None:
    if not portrait.signature:
        return
    look = canvas.look
    canvas.text((area.left, area.top + 18), portrait.headings[1], 24, weight="bold")
    for position, track in enumerate(portrait.signature[:3]):
        y = area.top + 54 + 34 * position
        taken = canvas.text((area.left, y), track.title, 22, width=area.width * 0.62)
        canvas.text(
            (area.left + taken + 12, y),
            track.artist,
            22,
            colour=look.muted,
            width=area.width - taken - 12,
        )


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
        text = lettering.fit(names[cluster], 22, "bold", 300)
        half = round(lettering.measure(text, 22, "bold") / 2) + 26
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
        canvas.text((plate.left + 35, plate.top + 27), text, 22, weight="bold")


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
