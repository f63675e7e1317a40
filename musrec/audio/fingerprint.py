"""Fingerprints: a recording is recognised re-encoded, shifted and softer.

One word of 32 bits every 46 ms says between which of 33 bands the level rises. Coding and volume
keep most of these signs. They are taken from the mel picture that is kept of every song, so that
songs heard before there were fingerprints have them too.

References
----------
J. Haitsma and T. Kalker, "A highly robust audio fingerprinting system", ISMIR 2002.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.model import Spectrogram

    Words = NDArray[np.uint32]

HOP = 1 / 21.5
"""Seconds from one word to the next: the usual width of a column of the picture."""

SAME = 0.76
"""Share of equal bits from which two clips are one recording.

Of 37 songs in nine codings, cuts and volumes the worst has 0.81; of 18,000 pairs of other songs the
best has 0.57.
"""

OVERLAP_SECONDS = 6.0
"""The least that two clips have to share."""

NAMED_OTHERWISE_SECONDS = 13.0
"""The same for files under different names: songs may share a sampled loop or an intro."""

NO_WORDS: Words = np.zeros(0, np.uint32)

_SMOOTHED = 8  # columns: 0.37 s, as in the paper
_BANDS = np.arange(4, 103, 3)  # 33 bands of three mel filters, about 150 Hz to 5 kHz
_DISTINCT = 32  # words: fewer are a steady tone or silence, which any other resembles
_KEPT = 8  # one half word in so many is a landmark


def words(picture: Spectrogram) -> Words:
    """Return the fingerprint of a clip.

    Returns
    -------
    uint32 array, shape (t,)
        One word every `HOP` seconds; empty for a clip too short or too uniform to be recognised.
    """
    columns, count = picture.mel.shape[1], int(picture.seconds / HOP)
    if count <= OVERLAP_SECONDS / HOP:
        return NO_WORDS
    power = 10 ** (picture.mel[: _BANDS[-1] + 3] * np.float32(9.6 / 255))
    bands = np.add.reduceat(power, _BANDS, axis=0)
    # The columns of short clips are narrower: bring all to one grid.
    there = (np.arange(columns) + 0.5) * picture.seconds / columns
    grid = (np.arange(count) + 0.5) * HOP
    window = np.hanning(_SMOOTHED + 2)[1:-1]
    smooth = [np.convolve(np.interp(grid, there, band), window, "valid") for band in bands]
    slope = np.diff(np.log(smooth), axis=0)
    rises = slope[:, 2:] > slope[:, :-2]
    places = np.uint32(1) << np.arange(len(rises), dtype=np.uint32)
    found: Words = (rises * places[:, None]).sum(axis=0, dtype=np.uint32)
    return found if np.unique(found).size >= _DISTINCT else NO_WORDS


def landmarks(words: Words) -> list[int]:
    """Return the values, below 2**21, that a fingerprint is looked up by: about 100 for 30 s.

    They are those 20 bits at either end of a word whose hash is small, so the same bits are chosen
    in every copy of a recording. At least 5 are common to the copies measured; `alike` decides.
    """
    low, high = words & np.uint32(0xFFFFF), (words >> np.uint32(12)) | np.uint32(1 << 20)
    values = np.unique(np.concatenate([low, high]))
    hashes = (values * np.uint32(2654435761)) >> np.uint32(16)  # Knuth's multiplicative hash
    kept: list[int] = values[hashes < 2**16 // _KEPT].tolist()
    return kept


def alike(one: Words, other: Words, overlap: float = OVERLAP_SECONDS) -> float:
    """Return the share of equal bits where two fingerprints agree best, 0 to 1.

    Every shift that leaves `overlap` seconds in common is tried, all at once by Fourier transform.
    """
    least = int(overlap / HOP) - _SMOOTHED
    if min(one.size, other.size) < least:
        return 0.0
    size = 2 ** int(np.ceil(np.log2(one.size + other.size)))
    products = np.fft.rfft(_signs(one), size) * np.fft.rfft(_signs(other), size).conj()
    agreement = np.fft.irfft(products.sum(axis=0), size)
    shift = np.arange(size)
    shift[shift >= one.size] -= size
    common = np.minimum(one.size - shift, other.size) - np.maximum(-shift, 0)
    share = (agreement / (32 * np.maximum(common, 1)) + 1) / 2
    return float(share[common >= least].max())


def _signs(words: Words) -> NDArray[np.float64]:
    """Return the bits as rows of 1 and -1, shape (32, t)."""
    bits = (words >> np.arange(32, dtype=np.uint32)[:, None]) & np.uint32(1)
    return bits.astype(np.float64) * 2 - 1
