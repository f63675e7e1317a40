"""Songs against songs: two in detail, or many in rows."""

from __future__ import annotations

from collections.abc import Sequence

from musrec import wording
from musrec.catalogue.model import Difference, GalleryRow
from musrec.model import Analysis, Closeness, Picture, Track
from musrec.pictures import draw, lettering, spectrograms
from musrec.pictures.draw import MARGIN, READABLE, WIDTH, Box, Canvas, LookName

STRIP = 150
LOW_STRIP = 84
"""Height of a spectrogram in a gallery."""


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
        room = strip.width - 34
        if closeness and not position:
            plate = canvas.plate((strip.right, top - 18), str(closeness), colours.text)
            room -= 24 + round(plate)
        canvas.dot((strip.left + 10, top - 30), 10, colour)
        canvas.title((strip.left + 34, top - 18), draw.named(track), (36, READABLE), room)
        title = draw.shorten(track.title, 60)
        if analysis.spectrogram is None:
            canvas.rounded(strip, colours.panel)
            unheard, middle = "I have not heard this one yet.", WIDTH / 2
            at = (middle, top + STRIP // 2 + 8)
            canvas.text(at, unheard, READABLE, colour=colours.muted, anchor="middle")
            said.append(f"{title} was never heard here.")
        else:
            spectrograms.sound(canvas, strip, analysis.spectrogram, top_db, seconds)
            facts = [*_facts(analysis), f"{draw.clock(analysis.spectrogram.seconds)} long"]
            strongest = draw.hertz(spectrograms.strongest(analysis.spectrogram))
            said.append(f"{title}: {', '.join(facts)}, strongest around {strongest}.")
    for position, row in enumerate(rows):
        y = height + 40 + 50 * position
        canvas.text((MARGIN, y), row.name, READABLE, weight="bold", width=390)
        for right, value, colour in (
            (WIDTH - MARGIN - 176, row.ours, colours.query),
            (WIDTH - MARGIN, row.theirs, colours.pick),
        ):
            canvas.text((right, y), value, READABLE, colour=colour, anchor="right", width=160)
    for what, group in (("Most alike", alike), ("Farthest apart", apart)):
        if group:
            listed = "; ".join(f"{d.name} {d.ours} and {d.theirs}" for d in group)
            said.append(f"{what}: {listed}.")
    return canvas.finish(" ".join(said))


def gallery(title: str, rows: Sequence[GalleryRow], *, look: LookName = "dark") -> Picture:
    """Draw spectrograms one below the other under their labels, on one loudness and time scale.

    Parameters
    ----------
    title : str
        For the alternative text; the message around the picture says it.
    rows : sequence of GalleryRow
        For example the songs with the most and the least energy. An artist is named where there is
        room for the whole name.
    look : ``"dark"`` or ``"light"``
    """
    label, song, said = 78, 60 + LOW_STRIP, [f"{draw.shorten(title, 120)}."]
    songs = [song for row in rows for song in row.songs]
    height = sum(label + song * max(1, len(row.songs)) for row in rows)
    canvas = Canvas(max(height, label) + 20, look)
    muted = canvas.look.muted
    if not songs:
        said.append("Nothing heard yet.")
    top_db = spectrograms.loudest([heard for _, heard, _ in songs]) if songs else 0.0
    seconds = max((heard.seconds for _, heard, _ in songs), default=1.0)
    top = 0
    for row in rows:
        canvas.title((MARGIN, top + 60), row.label, (42, READABLE), WIDTH - 2 * MARGIN)
        top += label
        for track, heard, _ in row.songs:
            y, room = top + 36, WIDTH - 2 * MARGIN
            name = draw.named(track)
            room -= round(canvas.text((MARGIN, y), name, READABLE, weight="bold", width=room)) + 24
            if lettering.measure(lettering.clean(track.artist), READABLE, "medium") <= room:
                right = WIDTH - MARGIN
                canvas.text((right, y), track.artist, READABLE, colour=muted, anchor="right")
            strip = Box(MARGIN, top + 50, WIDTH - MARGIN, top + 50 + LOW_STRIP)
            spectrograms.sound(canvas, strip, heard, top_db, seconds)
            top += song
        if not row.songs:
            canvas.text((MARGIN, top + 36), "none yet", READABLE, colour=muted)
            top += song
        listed = "; ".join(
            f"{draw.who(track)} ({why})" if why else draw.who(track) for track, _, why in row.songs
        )
        said.append(f"{row.label}: {listed or 'none'}.")
    return canvas.finish(" ".join(said))


def _facts(analysis: Analysis) -> list[str]:
    facts = []
    if analysis.rhythm and analysis.rhythm.tempo:
        facts.append(wording.tempo(analysis.rhythm.tempo, analysis.rhythm.alternative))
    if analysis.harmony:
        facts.append(wording.key(analysis.harmony))
    return facts
