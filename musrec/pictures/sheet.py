"""One song in detail."""

from __future__ import annotations

import numpy as np

from musrec import wording
from musrec.model import Analysis, Picture, Track
from musrec.pictures import draw, spectrograms
from musrec.pictures.draw import MARGIN, READABLE, WIDTH, Box, Canvas, Colour, LookName

GUTTER = 118

# Over a spectrogram, whose colours are the same in every look.
_CYAN: Colour = (130, 236, 255)


def song(track: Track, analysis: Analysis, *, look: LookName = "dark") -> Picture | None:
    """Draw one song: waveform, spectrogram with roll-off and zero crossings, beats and notes.

    The message around it names the song, its tempo and its key.

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
    canvas = Canvas(800 if beats else 750, look)
    colours, seconds = canvas.look, spectrogram.seconds
    left, right = MARGIN + GUTTER, WIDTH - MARGIN
    strip = Box(left, 28, right, 128)
    panel = Box(left, strip.bottom + 60, right, strip.bottom + 400)
    top_db = spectrograms.loudest([spectrogram])
    spectrograms.wave(canvas, strip, spectrogram, seconds, colours.query)
    spectrograms.sound(canvas, panel, spectrogram, top_db, seconds)
    spectrograms.hertz_axis(canvas, panel, spectrogram)
    rolloff, crossings = spectrograms.rolloff(spectrogram), spectrograms.crossings(spectrogram)
    key = Box(left, panel.top - 52, right, panel.top)
    canvas.rectangle(key, spectrograms.INK)
    x = key.left + 16.0
    for hertz, colour, name in (
        (rolloff, spectrograms.WHITE, "roll-off"),
        (crossings, _CYAN, "zero crossings"),
    ):
        if spectrograms.curve(canvas, panel, spectrogram, hertz, seconds, colour):
            canvas.line([(x, key.top + 27), (x + 44, key.top + 27)], colour, 4)
            x += 100 + canvas.text((x + 60, key.top + 38), name, READABLE, colour=colour)
    named = [(strip.top + 62, "wave")]
    top = panel.bottom + 8
    if beats:
        beat = Box(left, top, right, top + 42)
        spectrograms.beats(canvas, beat, beats, seconds, colours.query)
        named.append((beat.bottom - 9, "beat"))
        top = beat.bottom + 8
    notes = Box(left, top, right, top + 84)
    spectrograms.notes(canvas, notes, spectrogram, seconds, colours.query)
    spectrograms.time_axis(canvas, notes, seconds)
    for y, name in (*named, (notes.bottom - 31, "notes")):
        canvas.text((left - 14, y), name, READABLE, colour=colours.muted, anchor="right")
    spectrograms.legend(canvas, canvas.image.height - 24, top_db)
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
        facts.append(wording.tempo(analysis.rhythm.tempo, analysis.rhythm.alternative))
    if analysis.harmony:
        facts.append(wording.key(analysis.harmony))
    if analysis.loudness is not None:
        facts.append(wording.loudness(analysis.loudness))
    return facts or ["neither a tempo nor a key is sure"]
