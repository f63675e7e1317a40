"""One song in detail."""

from __future__ import annotations

import numpy as np

from musrec import wording
from musrec.model import Analysis, Picture, Track
from musrec.pictures import draw, lettering, spectrograms
from musrec.pictures.draw import LEAST, MARGIN, WIDTH, Box, Canvas, Colour, LookName

GUTTER = 78

# Over a spectrogram, whose colours are the same in every look.
_CYAN: Colour = (130, 236, 255)


def song(track: Track, analysis: Analysis, *, look: LookName = "dark") -> Picture | None:
    """Draw one song: waveform, spectrogram with roll-off and zero crossings, beats and notes.

    Parameters
    ----------
    track : Track
    analysis : Analysis
    look : ``"dark"`` or ``"light"``

    Returns
    -------
    Picture or None
        None for a song without a spectrogram, which was never heard here.
    """
    spectrogram = analysis.spectrogram
    if spectrogram is None:
        return None
    beats = analysis.rhythm.beats if analysis.rhythm else ()
    canvas = Canvas(712 if beats else 686, look)
    colours, seconds = canvas.look, spectrogram.seconds
    canvas.title((MARGIN, 48), draw.named(track), (32, 28, 25), WIDTH - 2 * MARGIN)
    canvas.text((MARGIN, 82), track.artist, 22, colour=colours.muted, width=WIDTH - 2 * MARGIN)
    strip = Box(MARGIN + GUTTER, 106, WIDTH - MARGIN, 186)
    panel = Box(strip.left, strip.bottom + 8, strip.right, strip.bottom + 308)
    notes = Box(strip.left, panel.bottom + 6, strip.right, panel.bottom + 66)
    top_db = spectrograms.loudest([spectrogram])
    spectrograms.wave(canvas, strip, spectrogram, seconds, colours.query)
    spectrograms.sound(canvas, panel, spectrogram, top_db, seconds)
    spectrograms.hertz_axis(canvas, panel, spectrogram)
    rolloff, crossings = spectrograms.rolloff(spectrogram), spectrograms.crossings(spectrogram)
    left = panel.left + 8
    for hertz, colour, name in (
        (rolloff, spectrograms.WHITE, "— 85% roll-off"),
        (crossings, _CYAN, "— zero crossings / 2, about"),
    ):
        if spectrograms.curve(canvas, panel, spectrogram, hertz, seconds, colour):
            wide = round(lettering.measure(name, LEAST, "medium")) + 20
            canvas.rounded(Box(left, panel.top + 8, left + wide, panel.top + 38), spectrograms.INK)
            canvas.text((left + 10, panel.top + 30), name, LEAST, colour=colour)
            left += wide + 8
    named = [(strip.top + 47, "wave")]
    if beats:
        beat = Box(strip.left, panel.bottom + 6, strip.right, panel.bottom + 26)
        notes = Box(strip.left, beat.bottom + 6, strip.right, beat.bottom + 66)
        spectrograms.beats(canvas, beat, beats, seconds, colours.query)
        named.append((beat.bottom - 3, "beat"))
    spectrograms.notes(canvas, notes, spectrogram, seconds, colours.query)
    spectrograms.time_axis(canvas, notes, seconds)
    for y, name in (*named, (notes.bottom - 23, "notes")):
        canvas.text((strip.left - 10, y), name, LEAST, colour=colours.muted, anchor="right")
    canvas.text((MARGIN, notes.bottom + 66), "   ·   ".join(_facts(analysis)), 23)
    spectrograms.legend(canvas, canvas.image.height - 18, top_db)
    what = f"waveform, mel spectrogram, {'beats and ' if beats else ''}notes"
    said = [f"{draw.who(track)}: {what} of {draw.clock(seconds)}, {', '.join(_facts(analysis))}."]
    said += [
        f"Half of the time, {what} {draw.hertz(float(np.median(hertz)))}."
        for hertz, what in (
            (rolloff, "85% of its power lies below"),
            (crossings, "it crosses zero about as often as a tone of at most"),
        )
        if hertz.any()
    ]
    return canvas.finish(" ".join(said))


def _facts(analysis: Analysis) -> list[str]:
    facts = []
    if analysis.rhythm and analysis.rhythm.tempo:
        facts.append(wording.tempo(analysis.rhythm.tempo))
    if analysis.harmony:
        facts.append(wording.key(analysis.harmony))
    if analysis.loudness is not None:
        facts.append(wording.loudness(analysis.loudness))
    return facts or ["neither a tempo nor a key is sure"]
