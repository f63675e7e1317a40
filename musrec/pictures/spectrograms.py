"""Sound drawn over time: spectrogram, waveform, beats, notes and their axes.

Each drawing function takes the `Box` of its strip and the number of seconds it spans, so that
strips and songs side by side share one time scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from musrec.model import Spectrogram
from musrec.pictures import draw
from musrec.pictures.draw import READABLE, Anchor, Box, Canvas, Colour

if TYPE_CHECKING:
    from musrec.model import ByteArray, FloatArray

FLOOR_DB = -96.0
"""The level of byte 0 of `Spectrogram.mel`; byte 255 is 0 dB."""

RANGE_DB = 70.0
"""How far below the loudest sound of a picture the colour scale reaches."""


# Drawn over a spectrogram, whose colours are the same in every look.
INK: Colour = (10, 8, 20)
WHITE: Colour = (255, 255, 255)


def loudest(spectrograms: Sequence[Spectrogram]) -> float:
    """Return the top of the common colour scale: the loudest 0.1%, rounded up to 5 dB."""
    level = max(float(np.percentile(spectrogram.mel, 99.9)) for spectrogram in spectrograms)
    decibels = level / 255 * -FLOOR_DB + FLOOR_DB
    return min(0.0, max(FLOOR_DB + RANGE_DB, math.ceil(decibels / 5) * 5.0))


def colours_of(top_db: float) -> ByteArray:
    """Return the colour of each byte of `Spectrogram.mel` on a scale that ends at `top_db`."""
    decibels = np.arange(256) / 255 * -FLOOR_DB + FLOOR_DB
    share = np.clip((decibels - (top_db - RANGE_DB)) / RANGE_DB, 0, 1)
    return draw.MAGMA[np.rint(share * 255).astype(np.uint8)]


def power(spectrogram: Spectrogram) -> FloatArray:
    """Return the power of each mel band over time, full scale 1, shape (n_mels, t)."""
    decibels = spectrogram.mel.astype(np.float32) / 255 * -FLOOR_DB + FLOOR_DB
    return np.power(np.float32(10), decibels / 10, dtype=np.float32)


def level(spectrogram: Spectrogram) -> float:
    """Return the mean power of all bands in dB."""
    return float(10 * np.log10(power(spectrogram).mean()))


def strongest(spectrogram: Spectrogram) -> float:
    """Return the frequency in Hz of the band with the most power."""
    row = int(np.argmax(power(spectrogram).mean(axis=1)))
    return float(bands(spectrogram)[row])


def rolloff(spectrogram: Spectrogram, share: float = 0.85) -> FloatArray:
    """Return the frequency in Hz below which `share` of the power lies, shape (t,).

    Measured on mel bands, so coarser than librosa's roll-off of the full spectrum; 0 in silence.
    """
    energy = np.cumsum(power(spectrogram), axis=0)
    rows = np.argmax(energy >= share * energy[-1], axis=0)
    hertz: FloatArray = bands(spectrogram)[rows]
    hertz[spectrogram.mel.max(axis=0) == 0] = 0.0
    return hertz


def crossings(spectrogram: Spectrogram) -> FloatArray:
    """Return half the zero crossings per second, in Hz, shape (t,); 0 in silence.

    That is the frequency of the one sine that crosses zero as often. The samples are not kept, so
    it is estimated as Rice's expected rate [1]_ for the power in the mel bands: exact for a sine.
    On seven recordings its mean was 0.77 to 1.15 times that of the samples, and its course followed
    theirs with correlations of 0.65 to 0.93.

    References
    ----------
    .. [1] S. O. Rice, "Mathematical analysis of random noise", Bell System Technical Journal 24
       (1945), equation 3.3-11.
    """
    energy = power(spectrogram)
    mean_square = bands(spectrogram).astype(np.float64) ** 2 @ energy / energy.sum(axis=0)
    hertz: FloatArray = np.sqrt(mean_square).astype(np.float32)
    hertz[spectrogram.mel.max(axis=0) == 0] = 0.0
    return hertz


def bands(spectrogram: Spectrogram) -> FloatArray:
    """Return the frequency in Hz at which each mel filter peaks, shape (n_mels,)."""
    low, high = float(draw.mel(spectrogram.fmin)), float(draw.mel(spectrogram.fmax))
    count = spectrogram.mel.shape[0]
    points = low + (high - low) * np.arange(1, count + 1) / (count + 1)
    above = 1000.0 * np.power(6.4, (points - 15.0) / 27.0)
    hertz: FloatArray = np.where(points < 15.0, points * 200.0 / 3.0, above).astype(np.float32)
    return hertz


def sound(
    canvas: Canvas, panel: Box, spectrogram: Spectrogram, top_db: float, seconds: float
) -> None:
    """Draw a spectrogram; the part of `panel` beyond the end of the clip stays empty."""
    canvas.rectangle(panel, canvas.look.panel)
    canvas.heat(_heard(panel, spectrogram, seconds), spectrogram.mel, colours_of(top_db))


def curve(
    canvas: Canvas,
    panel: Box,
    spectrogram: Spectrogram,
    hertz: FloatArray,
    seconds: float,
    colour: Colour = WHITE,
) -> bool:
    """Draw a frequency over its spectrogram, as medians of about half a second.

    Parameters
    ----------
    hertz : FloatArray, shape (t,)
        0 where there is none.

    Returns
    -------
    bool
        Whether there was enough of it to draw.
    """
    steps = max(1, round(spectrogram.seconds * 2))
    parts = np.array_split(hertz, min(steps, hertz.size))
    points = []
    for position, part in enumerate(parts):
        known = part[part > 0]
        if not known.size:
            continue
        height = draw.height_of(
            float(np.median(known)), spectrogram.mel.shape[0], spectrogram.fmin, spectrogram.fmax
        )
        time = (position + 0.5) / len(parts) * spectrogram.seconds
        x = panel.left + time / seconds * panel.width
        points.append((x, panel.bottom - max(0.0, min(1.0, height)) * panel.height))
    if len(points) < 2:
        return False
    canvas.line(points, INK, 6)
    canvas.line(points, colour, 3)
    return True


def hertz_axis(canvas: Canvas, panel: Box, spectrogram: Spectrogram) -> None:
    """Write the frequencies on the left of a spectrogram."""
    look, x = canvas.look, panel.left - 14
    for hertz, name in draw.hertz_ticks(spectrogram.fmin, spectrogram.fmax):
        height = draw.height_of(hertz, spectrogram.mel.shape[0], spectrogram.fmin, spectrogram.fmax)
        y = round(panel.bottom - height * panel.height)
        canvas.rectangle(Box(panel.left - 6, y - 1, panel.left, y + 1), look.line)
        canvas.text((x, y + 12), name, READABLE, colour=look.muted, anchor="right")


def time_axis(canvas: Canvas, strip: Box, seconds: float) -> None:
    """Write the times under a strip."""
    look = canvas.look
    for time in draw.clock_ticks(seconds):
        x = strip.left + time / seconds * strip.width
        canvas.rectangle(Box(round(x) - 1, strip.bottom, round(x) + 1, strip.bottom + 6), look.line)
        anchor: Anchor = "left" if time == 0 else "right" if x > strip.right - 36 else "middle"
        label = (x, strip.bottom + 40)
        canvas.text(label, draw.clock(time), READABLE, colour=look.muted, anchor=anchor)


def beats(
    canvas: Canvas, strip: Box, times: Sequence[float], seconds: float, colour: Colour
) -> None:
    """Draw one tick per beat."""
    canvas.rectangle(strip, canvas.look.panel)
    for time in times:
        if 0 <= time < seconds:
            x = strip.left + round(time / seconds * strip.width)
            left, right = max(strip.left, x - 1), min(strip.right, x + 2)
            canvas.rectangle(Box(left, strip.top + 3, right, strip.bottom - 3), colour)


def notes(
    canvas: Canvas, strip: Box, spectrogram: Spectrogram, seconds: float, colour: Colour
) -> None:
    """Draw the chroma: one row per pitch class, from C at the bottom to B at the top."""
    canvas.rectangle(strip, canvas.look.panel)
    colours = draw.ramp(canvas.look.panel, colour)
    canvas.heat(_heard(strip, spectrogram, seconds), spectrogram.chroma, colours, smooth=16)


def wave(
    canvas: Canvas, strip: Box, spectrogram: Spectrogram, seconds: float, colour: Colour
) -> None:
    """Draw the waveform: from the smallest to the largest sample in each column."""
    canvas.rectangle(strip, canvas.look.panel)
    area = _heard(strip, spectrogram, seconds)
    at = (np.arange(area.width) * spectrogram.waveform.shape[1] / max(1, area.width)).astype(int)
    middle = (strip.top + strip.bottom) / 2
    for x, (low, high) in enumerate(spectrogram.waveform[:, at].T / 127 * strip.height / 2):
        top, bottom = math.floor(middle - high), math.ceil(middle - low)
        canvas.rectangle(Box(area.left + x, top, area.left + x + 1, max(bottom, top + 2)), colour)


def legend(canvas: Canvas, y: int, top_db: float) -> None:
    """Draw the colour scale, its labels with their baseline at `y`."""
    middle = canvas.image.width // 2
    bar = Box(middle - 110, y - 22, middle + 110, y)
    canvas.heat(bar, np.arange(256, dtype=np.uint8)[None, :], draw.MAGMA, smooth=86)
    quiet, loud = f"quiet {top_db - RANGE_DB:.0f} dB", f"{top_db:.0f} dB loud"
    muted, size = canvas.look.muted, READABLE
    canvas.text((bar.left - 16, y), quiet.replace("-", "−"), size, colour=muted, anchor="right")
    canvas.text((bar.right + 16, y), loud.replace("-", "−"), size, colour=muted)


def _heard(strip: Box, spectrogram: Spectrogram, seconds: float) -> Box:
    width = max(1, round(strip.width * spectrogram.seconds / seconds))
    return Box(strip.left, strip.top, strip.left + width, strip.bottom)
