"""Words for how a song sounds, each with a definition, a raw value and a percentile.

A raw value means little to people, so it is given as its place in a named reference population:
"brighter than 82% of 443 well-known songs". The populations, their quantiles and the weights of
`intensity` are data in ``reference.json``, which ``musrec train reference`` makes.

Everything is computed from what an `Analysis` keeps, so that songs known only from tables are
described like songs that were heard: a descriptor whose inputs are missing is left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy

from musrec.audio.features import STATISTIC_NAMES
from musrec.audio.tagger import TAGS
from musrec.model import Rhythm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from musrec.columns import Profiles
    from musrec.model import FloatArray

SONGS = "songs"
"""The population of descriptors that need only statistics and tags."""
CLIPS = "clips"
"""The population of descriptors that need audio: rhythm, loudness, changes of level."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What one word means.

    Attributes
    ----------
    name : str
    meaning : str
        One sentence for people.
    low, high : str
        What to call a song at the bottom and at the top.
    lower, higher : str
        What to call the song with less and the one with more of it, of two.
    unit : str
        Of the raw value; empty if it has none.
    method : str
        How the raw value is computed.
    population : str
        Which of `populations` its percentiles refer to.
    """

    name: str
    meaning: str
    low: str
    high: str
    lower: str
    higher: str
    unit: str
    method: str
    population: str


class Axis(NamedTuple):
    """Two groups of tags that pull a descriptor in opposite directions."""

    high: tuple[str, ...]
    low: tuple[str, ...]


AXES: Mapping[str, Axis] = MappingProxyType(
    {
        "acoustic": Axis(
            high=("acoustic", "folk", "country", "guitar", "jazz", "blues"),
            low=("electronic", "electronica", "electro", "House", "dance"),
        ),
        "vocal": Axis(
            high=("female vocalists", "female vocalist", "male vocalists"),
            low=("instrumental",),
        ),
        "mood": Axis(
            high=("happy", "party", "catchy", "dance", "funk"),
            low=("sad", "Mellow", "ambient"),
        ),
        "dreaminess": Axis(
            high=("ambient", "chillout", "chill", "beautiful", "experimental"),
            low=("party", "catchy", "Hip-Hop", "country", "punk", "classic rock"),
        ),
        "era": Axis(
            high=("90s", "00s"),
            low=("60s", "70s", "80s", "oldies"),
        ),
    }
)
"""Descriptors that rest on the tagger alone: the log ratio of two groups of tags."""

INTENSITY = Axis(
    high=("metal", "heavy metal", "hard rock", "punk", "party", "dance", "electro"),
    low=(
        "Mellow",
        "chillout",
        "chill",
        "ambient",
        "easy listening",
        "beautiful",
        "acoustic",
        "sad",
    ),
)
"""What `intensity` was trained to predict from statistics alone."""


def _tags(axis: Axis) -> str:
    return f"log of the summed tags {', '.join(axis.high)} over {', '.join(axis.low)}"


DEFINITIONS: Mapping[str, Descriptor] = MappingProxyType(
    {
        descriptor.name: descriptor
        for descriptor in (
            Descriptor(
                "brightness",
                "How much of the sound lies in the high frequencies.",
                *("dark", "bright", "darker", "brighter"),
                "Hz",
                "mean spectral centroid",
                SONGS,
            ),
            Descriptor(
                "noisiness",
                "How rough the sound is: distortion, cymbals and breath rather than clear notes.",
                *("clean", "noisy", "cleaner", "noisier"),
                "dB",
                "median spectral flatness, 0 dB is white noise",
                SONGS,
            ),
            Descriptor(
                "intensity",
                "How forcefully the song comes across, from lullaby to thrash.",
                *("calm", "intense", "calmer", "more intense"),
                "",
                f"linear in spectral statistics, fitted to the {_tags(INTENSITY)}",
                SONGS,
            ),
            Descriptor(
                "acoustic",
                "Whether acoustic instruments or electronic sounds make the music.",
                *("electronic", "acoustic", "more electronic", "more acoustic"),
                "",
                _tags(AXES["acoustic"]),
                SONGS,
            ),
            Descriptor(
                "vocal",
                "Whether singing or instruments carry the song.",
                *("instrumental", "vocal", "more instrumental", "more vocal"),
                "",
                _tags(AXES["vocal"]),
                SONGS,
            ),
            Descriptor(
                "mood",
                "The mood that listeners would name, from sad to happy.",
                *("sad", "happy", "sadder", "happier"),
                "",
                _tags(AXES["mood"]),
                SONGS,
            ),
            Descriptor(
                "dreaminess",
                "Whether it floats and drifts or keeps both feet on the ground.",
                *("earthy", "dreamy", "earthier", "dreamier"),
                "",
                _tags(AXES["dreaminess"]),
                SONGS,
            ),
            Descriptor(
                "era",
                "The decades whose sound it has, not the year it was made.",
                *("vintage", "modern", "more vintage", "more modern"),
                "",
                _tags(AXES["era"]),
                SONGS,
            ),
            Descriptor(
                "punch",
                "How hard notes and drums hit.",
                *("smooth", "punchy", "smoother", "punchier"),
                "dB",
                "standard deviation of onset strength over time",
                CLIPS,
            ),
            Descriptor(
                "dynamics",
                "How far apart loud and quiet passages are.",
                *("even", "dynamic", "more even", "more dynamic"),
                "",
                "standard deviation over mean of the level (RMS)",
                CLIPS,
            ),
            Descriptor(
                "steadiness",
                "How clear and regular the beat is, from free to machine-like.",
                *("free", "steady", "freer in rhythm", "steadier"),
                "",
                "evenness of the beats times the strength of the pulse",
                CLIPS,
            ),
            Descriptor(
                "tempo",
                "How fast the beat goes.",
                *("slow", "fast", "slower", "faster"),
                "beats per minute",
                "tempo, if a pulse is heard",
                CLIPS,
            ),
            Descriptor(
                "loudness",
                "How loud the recording is at the same volume setting.",
                *("quiet", "loud", "quieter", "louder"),
                "LUFS",
                "integrated loudness, ITU-R BS.1770-4",
                CLIPS,
            ),
        )
    }
)
"""Name to descriptor, in the order in which they are best shown."""

TAG_KINDS: Mapping[str, str] = MappingProxyType(
    {
        tag: kind
        for kind, tags in {
            "genre": (
                *("rock", "pop", "alternative", "indie", "electronic", "dance"),
                *("alternative rock", "jazz", "metal", "classic rock", "soul", "indie rock"),
                *("electronica", "folk", "punk", "blues", "hard rock", "ambient"),
                *("experimental", "Hip-Hop", "country", "funk", "electro", "heavy metal"),
                *("Progressive rock", "rnb", "indie pop", "House"),
            ),
            "mood": (
                *("beautiful", "chillout", "Mellow", "chill", "party", "easy listening"),
                *("sexy", "catchy", "sad", "happy"),
            ),
            "voice": ("female vocalists", "male vocalists", "female vocalist"),
            "instrument": ("instrumental", "acoustic", "guitar"),
            "era": ("60s", "70s", "80s", "90s", "00s", "oldies"),
        }.items()
        for tag in tags
    }
)
"""Tag to what it speaks of: ``genre``, ``mood``, ``voice``, ``instrument`` or ``era``."""

_SMOOTHING = 0.02
"""Added to both groups of an axis, so that hardly audible tags do not decide it."""

_SHORTEST = 0.4
"""Seconds: one gating block of BS.1770."""

_OFFSET, _GATE, _RELATIVE_GATE = -0.691, -70.0, 10.0
"""LU: of BS.1770's formula, below which a block is silence, and below the mean, is a pause."""

_STATISTICS: Mapping[str, tuple[str, ...]] = {
    "brightness": ("spectral_centroid_mean",),
    "noisiness": ("spectral_flatness_median",),
    "punch": ("onset_strength_std",),
    "dynamics": ("rms_std", "rms_mean"),
}
_TAG_COLUMNS = {tag: column for column, tag in enumerate(TAGS)}
_STATISTIC_COLUMNS = {name: column for column, name in enumerate(STATISTIC_NAMES)}


def describe(
    statistics: FloatArray,
    *,
    tag_mean: FloatArray | None = None,
    rhythm: Rhythm | None = None,
    loudness: float | None = None,
) -> dict[str, float]:
    """Return the raw value of every descriptor whose inputs are known.

    Parameters
    ----------
    statistics : FloatArray, shape (len(STATISTIC_NAMES),)
        NaN where not known.
    tag_mean : FloatArray or None, shape (50,)
        In the order of `musrec.audio.tagger.TAGS`.
    rhythm : Rhythm or None
    loudness : float or None
        LUFS.

    Returns
    -------
    dict of str to float
        In the units and the order of `DEFINITIONS`; finite values only.
    """
    raw = measure(statistics, rhythm=rhythm, loudness=loudness)
    raw["intensity"] = _intensity(statistics)
    if tag_mean is not None:
        raw |= {name: lean(tag_mean, axis) for name, axis in AXES.items()}
    return {name: raw[name] for name in DEFINITIONS if math.isfinite(raw.get(name, math.nan))}


def measure(
    statistics: FloatArray, *, rhythm: Rhythm | None = None, loudness: float | None = None
) -> dict[str, float]:
    """Return the raw values that need neither tags nor a model, NaN where not known.

    Parameters as for `describe`.
    """
    raw = {
        "brightness": _statistic(statistics, "spectral_centroid_mean"),
        "noisiness": _decibels(_statistic(statistics, "spectral_flatness_median")),
        "punch": _statistic(statistics, "onset_strength_std"),
        "dynamics": _ratio(_statistic(statistics, "rms_std"), _statistic(statistics, "rms_mean")),
    }
    if rhythm is not None:
        raw["steadiness"] = rhythm.steadiness
        if rhythm.tempo > 0:
            raw["tempo"] = rhythm.tempo
    if loudness is not None:
        raw["loudness"] = loudness
    return raw


def percentiles(raw: Mapping[str, float]) -> dict[str, float]:
    """Return the place of raw values in their reference populations.

    Parameters
    ----------
    raw : mapping of str to float
        From `describe`.

    Returns
    -------
    dict of str to float
        0 to 100: the share of the population that has less of it.
    """
    quantiles = _reference().quantiles
    return {
        name: round(float(_rank(value, quantiles[name])), 1)
        for name, value in raw.items()
        if name in quantiles
    }


def statistics_of(name: str) -> tuple[str, ...]:
    """Return the statistics that a descriptor is computed from; none if it rests on tags."""
    if name == "intensity":
        return tuple(_reference().weights)
    return _STATISTICS.get(name, ())


def populations() -> Mapping[str, str]:
    """Return a description of each reference population, by `Descriptor.population`."""
    return _reference().populations


def loudness(y: FloatArray, sr: int) -> float | None:
    """Return integrated loudness in LUFS (ITU-R BS.1770-4, one channel).

    Parameters
    ----------
    y : FloatArray, shape (n,)
        Mono samples, full scale at 1.
    sr : int
        Samples per second.

    Returns
    -------
    float or None
        None below the gate of -70 LUFS (silence), or for less than 0.4 seconds.
    """
    hop = round(sr * _SHORTEST / 4)  # blocks overlap by three quarters
    if y.size < 4 * hop:
        return None
    heard = _k_weighted(y, sr)
    hops = heard[: heard.size // hop * hop].reshape(-1, hop)
    power = np.einsum("hn,hn->h", hops, hops)
    blocks = np.lib.stride_tricks.sliding_window_view(power, 4).mean(axis=1) / hop
    level = _OFFSET + 10.0 * np.log10(np.maximum(blocks, 1e-12))
    gated = level >= _GATE
    if not gated.any():
        return None
    relative = _OFFSET + 10.0 * math.log10(blocks[gated].mean()) - _RELATIVE_GATE
    loud = blocks[gated & (level > relative)].mean()
    return round(_OFFSET + 10.0 * math.log10(loud), 2)


def _k_weighted(y: FloatArray, sr: int) -> FloatArray:
    """Return samples through both filters, in the frequency domain, block after block.

    What each block begins with rings out in it and is dropped. ``scipy.signal.sosfilt`` would do,
    but takes a second of processor time to be imported.
    """
    response = _k_response(sr)
    size = 2 * (len(response) - 1)
    ringing = size // 4
    step = size - ringing
    padded = np.zeros(ringing + -(-y.size // step) * step, np.float32)
    padded[ringing : ringing + y.size] = y
    blocks = np.lib.stride_tricks.sliding_window_view(padded, size)[::step]
    heard = scipy.fft.irfft(scipy.fft.rfft(blocks) * response, overwrite_x=True)
    return np.asarray(heard[:, ringing:].reshape(-1)[: y.size])


@cache
def _k_response(sr: int) -> NDArray[np.complex64]:
    """Return the response of both filters at the frequencies of a block's transform.

    A block lasts for more than two thirds of a second. In a quarter of that the filters ring out,
    to a part in 10^20.
    """
    size = 4 * 2 ** math.ceil(math.log2(sr / 6))
    delay = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    response = np.ones(len(delay), np.complex128)
    for b0, b1, b2, a0, a1, a2 in _k_weighting(sr):
        response *= (b0 + delay * (b1 + delay * b2)) / (a0 + delay * (a1 + delay * a2))
    return response.astype(np.complex64)


@cache
def _k_weighting(sr: int) -> NDArray[np.float64]:
    """Return the two filters of BS.1770 as second-order sections (2, 6), for any sampling rate.

    A high shelf of 4 dB at 1,500 Hz and a high-pass at 38 Hz, from R. Bristow-Johnson's "Cookbook
    formulae for audio equalizer biquad filter coefficients".
    """
    gain, turn = 10.0 ** (4.0 / 40.0), 2.0 * math.pi * 1500.0 / sr
    cosine, slope = math.cos(turn), math.sqrt(2.0 * gain) * math.sin(turn)
    more, less = gain + 1.0, gain - 1.0
    shelf = (
        gain * (more + less * cosine + slope),
        -2.0 * gain * (less + more * cosine),
        gain * (more + less * cosine - slope),
        more - less * cosine + slope,
        2.0 * (less - more * cosine),
        more - less * cosine - slope,
    )
    turn = 2.0 * math.pi * 38.0 / sr
    cosine, sine = math.cos(turn), math.sin(turn)
    half = (1.0 + cosine) / 2.0
    high_pass = (half, -2.0 * half, half, 1.0 + sine, -2.0 * cosine, 1.0 - sine)
    sections = np.array([shelf, high_pass])
    return np.asarray(sections / sections[:, 3:4])


def lean(tag_mean: FloatArray, axis: Axis) -> float:
    """Return the natural log ratio of two groups of tags; positive leans towards ``axis.high``."""
    high, low = (
        sum(float(tag_mean[_TAG_COLUMNS[tag]]) for tag in group) + _SMOOTHING for group in axis
    )
    return math.log(high / low)


def _statistic(statistics: FloatArray, name: str) -> float:
    return float(statistics[_STATISTIC_COLUMNS[name]])


def _intensity(statistics: FloatArray) -> float:
    reference = _reference()
    return reference.intercept + sum(
        weight * _statistic(statistics, name) for name, weight in reference.weights.items()
    )


def _decibels(power: float) -> float:
    return 10.0 * math.log10(power) if power > 0 else math.nan


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


def _rank(value: float, quantiles: NDArray[np.float64]) -> float:
    """Return the percentile of a value, in the middle of its equals if there are many."""
    below, upto = np.searchsorted(quantiles, (value, np.nextafter(value, np.inf)))
    last = quantiles.size - 1
    if below < upto:
        return 50.0 * float(below + upto - 1) / last
    return float(np.interp(value, quantiles, np.linspace(0.0, 100.0, quantiles.size)))


class _Reference(NamedTuple):
    populations: Mapping[str, str]
    quantiles: Mapping[str, NDArray[np.float64]]
    weights: Mapping[str, float]
    intercept: float


@cache
def _reference() -> _Reference:
    data = json.loads(files("musrec.audio").joinpath("reference.json").read_text("utf-8"))
    return _Reference(
        data["populations"],
        {name: np.array(values) for name, values in data["quantiles"].items()},
        data["intensity"]["weights"],
        data["intensity"]["intercept"],
    )


@cache
def _least_shares() -> Mapping[str, float]:
    text = files("musrec.audio").joinpath("said.json").read_text("utf-8")
    shares: dict[str, float] = json.loads(text)
    return shares


def said_tags(tags: Mapping[str, float]) -> dict[str, float]:
    """Return the tags that may be said of a song, largest share first.

    Each has at least the share that ``musrec evaluate tags`` measured to be right on labelled
    clips; a tag that no labels can check needs half of the clip.

    Parameters
    ----------
    tags : mapping of str to float
        Tag to its share of the clip, 0 to 1.
    """
    least = _least_shares()
    said = {tag: share for tag, share in tags.items() if share >= least.get(tag, 1.0)}
    return dict(sorted(said.items(), key=lambda item: -item[1]))


MARKED = 80.0
"""Percentile from which a song is called by the high word of a descriptor; by the low word from
100 less this, down."""

FAR_APART = 45.0
"""Percentiles from the middle from which a song is "very" calm, dark ..."""

MOODS = ("mood", "intensity", "dreaminess", "acoustic", "vocal", "brightness")
"""Descriptors whose words `mood` chooses from."""


def word(name: str, place: float) -> str:
    """Return the word for a place, 0 to 100, of a descriptor; empty in the middle."""
    if place >= MARKED:
        return DEFINITIONS[name].high
    return DEFINITIONS[name].low if place <= 100 - MARKED else ""


def marks(percentiles: Mapping[str, float]) -> tuple[str, ...]:
    """Return a word for each descriptor by which a song is clearly marked, such as "very calm"."""
    said = ((word(name, place), abs(place - 50)) for name, place in percentiles.items())
    return tuple(f"very {each}" if apart >= FAR_APART else each for each, apart in said if each)


def strengths(mood: str, profiles: Profiles) -> NDArray[np.float64]:
    """Return how clearly each song is of a mood, (n,), 0 to 100; 0 if the word may not be said.

    Parameters
    ----------
    mood : str
        A tag or a word of a descriptor, in any case.
    """
    wanted, least = mood.casefold(), _least_shares()
    found = np.zeros(len(profiles))
    for tag in profiles.tag_names:
        if tag.casefold() == wanted:
            shares = profiles.tag(tag).astype(np.float64)
            found = np.fmax(found, np.where(shares >= least.get(tag, 1.0), 100 * shares, 0))
    for name in profiles.percentile_names:
        ends = DEFINITIONS.get(name)
        if ends is None or wanted not in (ends.low, ends.high):
            continue
        places = profiles.percentile(name)
        said = np.zeros(len(profiles), bool)
        if ends.high == wanted:
            said |= places >= MARKED
        if ends.low == wanted:
            said |= places <= 100 - MARKED
        found = np.fmax(found, np.where(said, 50 + np.abs(places - 50), 0))
    return found


def mood_words(profiles: Profiles) -> set[str]:
    """Return each word, of descriptors and mood tags, that may be said of a song."""
    words = {tag.casefold() for tag in profiles.tag_names if TAG_KINDS.get(tag) == "mood"}
    for name in profiles.percentile_names:
        if name in DEFINITIONS:
            words |= {DEFINITIONS[name].high, DEFINITIONS[name].low}
    return words


def moods(profiles: Profiles) -> dict[str, NDArray[np.bool_]]:
    """Return each word, of descriptors and mood tags, that is said of some song, and of which."""
    said = {word: strengths(word, profiles) > 0 for word in sorted(mood_words(profiles))}
    return {word: which for word, which in said.items() if which.any()}


def mood(percentiles: Mapping[str, float], most: int = 2) -> tuple[str, ...]:
    """Return the words that set a song apart most, such as ``("calm", "acoustic")``.

    Parameters
    ----------
    percentiles : mapping of str to float
        Descriptor to its place, 0 to 100, in the reference population.
    most : int

    Returns
    -------
    tuple of str
        Empty if the song is in the middle of everything.
    """
    marked = sorted(
        (-abs(place - 50), MOODS.index(name), word(name, place))
        for name, place in percentiles.items()
        if name in MOODS and word(name, place)
    )
    return tuple(each for *_, each in marked[:most])
