"""Songs against songs: two in detail, or many in rows."""

from __future__ import annotations

from collections.abc import Sequence

from musrec import wording
from musrec.catalogue.model import Difference, GalleryRow
from musrec.model import Analysis, Closeness, Picture, Track
from musrec.pictures import draw, spectrograms
from musrec.pictures.draw import LEAST, MARGIN, WIDTH, Box, Canvas, LookName

STRIP = 150
ACROSS, MOST = 2, 4
"""Spectrograms side by side in a gallery, and under one label."""


def compare(
    ours: Track,
    our_analysis: Analysis,
    theirs: Track,
    their_analysis: Analysis,
    differences: Sequence[Difference] = (),
    closeness: Closeness | None = None,
    *,
    look: LookName = "dark",
) -> Picture:
    """Draw two songs, one above the other, how close they sound, and three measures of both.

    Parameters
    ----------
    ours, theirs : Track
    our_analysis, their_analysis : Analysis
    differences : sequence of Difference
        Of all measures; the two most alike and the one farthest apart are shown.
    closeness : Closeness or None
        The verdict; None if there is none.
    look : ``"dark"`` or ``"light"``
    """
    ranked = sorted(differences, key=lambda difference: difference.apart)
    alike, apart = ranked[:2], ranked[2:][-1:]
    rows = [*alike, *apart]
    height = 20 + 2 * (STRIP + 58)
    canvas = Canvas(height + (20 + 50 * len(rows) if rows else 0), look)
    colours = canvas.look
    heard = [a.spectrogram for a in (our_analysis, their_analysis) if a.spectrogram is not None]
    top_db = spectrograms.loudest(heard) if heard else 0.0
    seconds = max((spectrogram.seconds for spectrogram in heard), default=1.0)
    near = f", {wording.closeness(closeness)}" if closeness else ""
    said = [f"{draw.who(ours)} compared with {draw.who(theirs)}{near}."]
    for position, (track, analysis, colour) in enumerate(
        ((ours, our_analysis, colours.query), (theirs, their_analysis, colours.pick))
    ):
        top = 68 + position * (STRIP + 58)
        strip = Box(MARGIN, top, WIDTH - MARGIN, top + STRIP)
        room = strip.width - 30
        if closeness and not position:
            plate = canvas.plate((strip.right, top - 18), str(closeness), colours.text)
            room -= 24 + round(plate)
        canvas.dot((strip.left + 9, top - 27), 9, colour)
        canvas.title((strip.left + 30, top - 18), draw.named(track), (28, 26, 24), room)
        title = draw.shorten(track.title, 60)
        if analysis.spectrogram is None:
            canvas.rounded(strip, colours.panel)
            unheard, middle = "I have not heard this one yet.", WIDTH / 2
            at = (middle, top + STRIP // 2 + 8)
            canvas.text(at, unheard, LEAST, colour=colours.muted, anchor="middle")
            said.append(f"{title} was never heard here.")
        else:
            spectrograms.sound(canvas, strip, analysis.spectrogram, top_db, seconds)
            facts = [*_facts(analysis), f"{draw.clock(analysis.spectrogram.seconds)} long"]
            strongest = draw.hertz(spectrograms.strongest(analysis.spectrogram))
            said.append(f"{title}: {', '.join(facts)}, strongest around {strongest}.")
    for position, row in enumerate(rows):
        y = height + 40 + 50 * position
        canvas.text((MARGIN, y), row.name, 24, weight="bold", width=400)
        for right, value, colour in (
            (WIDTH - MARGIN - 164, row.ours, colours.query),
            (WIDTH - MARGIN, row.theirs, colours.pick),
        ):
            canvas.text((right, y), value, 24, colour=colour, anchor="right", width=150)
    for what, group in (("Most alike", alike), ("Farthest apart", apart)):
        if group:
            listed = "; ".join(f"{d.name} {d.ours} and {d.theirs}" for d in group)
            said.append(f"{what}: {listed}.")
    return canvas.finish(" ".join(said))


def gallery(title: str, rows: Sequence[GalleryRow], *, look: LookName = "dark") -> Picture:
    """Draw small spectrograms under their labels, on one loudness and one time scale.

    Parameters
    ----------
    title : str
    rows : sequence of GalleryRow
        For example the songs with the most and the least energy; four of each are shown.
    look : ``"dark"`` or ``"light"``
    """
    gap, cell = 20, 210
    pairs = [-(-len(row.songs[:MOST]) // ACROSS) for row in rows]
    height = 84 + sum(58 + cell * max(1, count) for count in pairs)
    canvas = Canvas(height, look)
    colours = canvas.look
    canvas.text((MARGIN, 58), title, 34, weight="bold", width=WIDTH - 2 * MARGIN)
    shown = [song for row in rows for song in row.songs[:MOST]]
    said = [f"{draw.shorten(title, 120)}."]
    if not shown:
        return canvas.finish(" ".join([*said, "Nothing heard yet."]))
    top_db = spectrograms.loudest([spectrogram for _, spectrogram, _ in shown])
    seconds = max(spectrogram.seconds for _, spectrogram, _ in shown)
    width = (WIDTH - 2 * MARGIN - (ACROSS - 1) * gap) // ACROSS
    top = 84
    for row, count in zip(rows, pairs, strict=True):
        canvas.text((MARGIN, top + 30), row.label, 26, weight="bold", width=WIDTH - 2 * MARGIN)
        for position, (track, spectrogram, why) in enumerate(row.songs[:MOST]):
            left = MARGIN + position % ACROSS * (width + gap)
            upper = top + 48 + position // ACROSS * cell
            panel = Box(left, upper, left + width, upper + 108)
            spectrograms.sound(canvas, panel, spectrogram, top_db, seconds)
            y = panel.bottom + 30
            canvas.text((left, y), draw.named(track), 24, weight="bold", width=width)
            y += 30
            room = width - 16
            room -= round(
                canvas.text((panel.right, y), why, LEAST, colour=colours.query, anchor="right")
            )
            canvas.text((left, y), track.artist, LEAST, colour=colours.muted, width=room)
        if not row.songs:
            canvas.text((MARGIN, top + 80), "none yet", 24, colour=colours.muted)
        top += 58 + cell * max(1, count)
        songs = "; ".join(
            f"{draw.who(track)} ({why})" if why else draw.who(track)
            for track, _, why in row.songs[:MOST]
        )
        said.append(f"{row.label}: {songs or 'none'}.")
    return canvas.finish(" ".join(said))


def _facts(analysis: Analysis) -> list[str]:
    facts = []
    if analysis.rhythm and analysis.rhythm.tempo:
        facts.append(wording.tempo(analysis.rhythm.tempo))
    if analysis.harmony:
        facts.append(wording.key(analysis.harmony))
    return facts
