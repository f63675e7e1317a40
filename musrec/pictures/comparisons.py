"""Songs against songs: two in detail, or many in rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from musrec import wording
from musrec.audio.features import STATISTIC_NAMES
from musrec.catalogue.model import Difference, GalleryRow
from musrec.model import Analysis, Picture, Spectrogram, Track
from musrec.pictures import draw, spectrograms
from musrec.pictures.draw import MARGIN, WIDTH, Anchor, Box, Canvas, Colour, LookName

MOST_ALIKE = 5
MOST_APART = 5
GUTTER = 60
BETWEEN = 28
ACROSS = 4
"""Spectrograms in a row of a gallery."""


def compare(
    ours: Track,
    our_analysis: Analysis,
    theirs: Track,
    their_analysis: Analysis,
    differences: Sequence[Difference] = (),
    *,
    look: LookName = "dark",
) -> Picture:
    """Draw two songs in detail: waveform, spectrogram with roll-off, beats, notes and features.

    Parameters
    ----------
    ours, theirs : Track
    our_analysis, their_analysis : Analysis
    differences : sequence of Difference
        Of all features; those most alike and those farthest apart are shown.
    look : ``"dark"`` or ``"light"``
    """
    apart = sorted(differences, key=lambda difference: -difference.apart)
    half = (len(apart) + 1) // 2
    unlike = apart[: min(MOST_APART, half)]
    alike = apart[::-1][: min(MOST_ALIKE, len(apart) - len(unlike))]
    rows = max(len(unlike), len(alike))
    canvas = Canvas(760 + (76 + 44 * rows if rows else 0), look)
    colours = canvas.look
    sides = (
        (ours, our_analysis, colours.query, MARGIN),
        (theirs, their_analysis, colours.pick, (WIDTH + BETWEEN) // 2),
    )
    heard = [a.spectrogram for a in (our_analysis, their_analysis) if a.spectrogram is not None]
    top_db = spectrograms.loudest(heard) if heard else 0.0
    seconds = max((spectrogram.seconds for spectrogram in heard), default=1.0)
    said = [f"{_who(ours)} compared with {_who(theirs)}."]
    for track, analysis, colour, left in sides:
        area = Box(left, 0, left + (WIDTH - 2 * MARGIN - BETWEEN) // 2, 760)
        canvas.dot((area.left + 9, 46), 9, colour)
        canvas.title((area.left + 30, 58), track.title, (34, 31, 28), area.width - 30)
        canvas.text((area.left, 98), track.artist, 25, colour=colours.muted, width=area.width)
        outer: Anchor = "left" if left == MARGIN else "right"
        if analysis.spectrogram is None:
            panel = Box(area.left, 124, area.right, 664)
            canvas.rounded(panel, colours.panel)
            canvas.text((area.left + 24, 400), "Never heard here", 24, colour=colours.muted)
            said.append(f"{draw.shorten(track.title, 60)} was never heard here.")
        else:
            strip = Box(
                area.left + (GUTTER if outer == "left" else 0),
                124,
                area.right - (GUTTER if outer == "right" else 0),
                204,
            )
            _strips(canvas, strip, analysis, analysis.spectrogram, (top_db, seconds), colour, outer)
            rolloff = float(np.median(spectrograms.rolloff(analysis.spectrogram)))
            said.append(
                f"{draw.shorten(track.title, 60)}: {' · '.join(_facts(analysis))}; "
                f"half of the time, 85% of its power lies below {draw.hertz(rolloff)}."
            )
        canvas.text((area.left, 700), "   ·   ".join(_facts(analysis)), 23, width=area.width)
    if heard:
        spectrograms.legend(canvas, 740, top_db)
    _table(canvas, Box(MARGIN, 760, 536, canvas.image.height), "most alike", alike)
    _table(canvas, Box(564, 760, WIDTH - MARGIN, canvas.image.height), "farthest apart", unlike)
    for what, group in (("Most alike", alike), ("Farthest apart", unlike)):
        if group:
            listed = "; ".join(f"{d.name} {d.ours} and {d.theirs}" for d in group)
            said.append(f"{what}: {listed}.")
    return canvas.finish(" ".join(said))


def gallery(title: str, rows: Sequence[GalleryRow], *, look: LookName = "dark") -> Picture:
    """Draw rows of small spectrograms on one loudness and one time scale.

    Parameters
    ----------
    title : str
    rows : sequence of GalleryRow
        For example the songs with the most and the least energy; four per row are shown.
    look : ``"dark"`` or ``"light"``
    """
    row_height, gap = 312, 20
    canvas = Canvas(100 + row_height * len(rows) + 50, look)
    colours = canvas.look
    canvas.text((MARGIN, 64), title, 40, weight="bold", width=WIDTH - 2 * MARGIN)
    shown = [song for row in rows for song in row.songs[:ACROSS]]
    said = [f"{draw.shorten(title, 120)}."]
    if not shown:
        canvas.text((MARGIN, 110), "Nothing heard yet.", 24, colour=colours.muted)
        return canvas.finish(" ".join([*said, "Nothing heard yet."]))
    top_db = spectrograms.loudest([spectrogram for _, spectrogram, _ in shown])
    seconds = max(spectrogram.seconds for _, spectrogram, _ in shown)
    width = (WIDTH - 2 * MARGIN - (ACROSS - 1) * gap) // ACROSS
    for position, row in enumerate(rows):
        top = 100 + row_height * position
        canvas.text((MARGIN, top + 30), row.label, 26, weight="bold", width=WIDTH - 2 * MARGIN)
        for column, (track, spectrogram, why) in enumerate(row.songs[:ACROSS]):
            left = MARGIN + column * (width + gap)
            panel = Box(left, top + 48, left + width, top + 208)
            spectrograms.sound(canvas, panel, spectrogram, top_db, seconds)
            canvas.text((left, panel.bottom + 30), track.title, 23, weight="bold", width=width)
            canvas.text(
                (left, panel.bottom + 58), track.artist, 21, colour=colours.muted, width=width
            )
            canvas.text((left, panel.bottom + 86), why, 20, colour=colours.query, width=width)
        if not row.songs:
            canvas.text((MARGIN, top + 80), "none", 24, colour=colours.muted)
        songs = "; ".join(
            f"{_who(track)} ({why})" if why else _who(track) for track, _, why in row.songs[:ACROSS]
        )
        said.append(f"{row.label}: {songs or 'none'}.")
    spectrograms.legend(canvas, canvas.image.height - 26, top_db)
    return canvas.finish(" ".join(said))


def _strips(
    canvas: Canvas,
    strip: Box,
    analysis: Analysis,
    spectrogram: Spectrogram,
    scale: tuple[float, float],
    colour: Colour,
    outer: Anchor,
) -> None:
    """Draw one song, top to bottom: waveform, spectrogram with roll-off, beats, notes, time."""
    top_db, seconds = scale
    look = canvas.look
    panel = Box(strip.left, strip.bottom + 8, strip.right, strip.bottom + 308)
    beat = Box(strip.left, panel.bottom + 6, strip.right, panel.bottom + 26)
    notes = Box(strip.left, beat.bottom + 6, strip.right, beat.bottom + 66)
    spectrograms.wave(canvas, strip, spectrogram, seconds, colour)
    spectrograms.sound(canvas, panel, spectrogram, top_db, seconds)
    spectrograms.hertz_axis(canvas, panel, spectrogram, outer)
    if spectrograms.curve(canvas, panel, spectrogram, spectrograms.rolloff(spectrogram), seconds):
        label = Box(panel.left + 8, panel.top + 8, panel.left + 162, panel.top + 36)
        canvas.rounded(label, spectrograms.INK, 8)
        at = (label.left + 10, label.bottom - 8)
        canvas.text(at, "— 85% roll-off", 18, colour=spectrograms.WHITE)
    rhythm = analysis.rhythm.beats if analysis.rhythm else ()
    spectrograms.beats(canvas, beat, rhythm, seconds, colour)
    spectrograms.notes(canvas, notes, spectrogram, seconds, colour)
    spectrograms.time_axis(canvas, notes, seconds)
    x = strip.left - 10 if outer == "left" else strip.right + 10
    anchor: Anchor = "right" if outer == "left" else "left"
    for y, name in (
        (strip.top + 46, "wave"),
        (beat.bottom - 3, "beat"),
        (notes.bottom - 24, "notes"),
    ):
        canvas.text((x, y), name, 18, colour=look.muted, anchor=anchor)


def _facts(analysis: Analysis) -> list[str]:
    facts = []
    if analysis.rhythm and analysis.rhythm.tempo:
        facts.append(wording.tempo(analysis.rhythm.tempo))
    if analysis.harmony:
        facts.append(wording.key(analysis.harmony))
    crossings = float(analysis.statistics[STATISTIC_NAMES.index("zero_crossing_rate_mean")])
    if np.isfinite(crossings):
        facts.append(f"{crossings:.1%} zero crossings")
    return facts or ["nothing more is known"]


def _table(canvas: Canvas, area: Box, title: str, differences: Sequence[Difference]) -> None:
    if not differences:
        return
    look = canvas.look
    canvas.text((area.left, area.top + 38), title, 26, weight="bold")
    for position, difference in enumerate(differences):
        y = area.top + 82 + 44 * position
        canvas.text((area.left, y), difference.name, 22, width=area.width - 250)
        canvas.text(
            (area.right - 126, y), difference.ours, 22, colour=look.query, anchor="right", width=116
        )
        canvas.text(
            (area.right, y), difference.theirs, 22, colour=look.pick, anchor="right", width=116
        )


def _who(track: Track) -> str:
    return f"{draw.shorten(track.title, 80)} by {draw.shorten(track.artist, 60)}"
