"""From bytes to an `Analysis`: all that is heard, in one pass over one decoded clip."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from musrec.audio import (
    constant_q,
    decode,
    descriptors,
    features,
    harmony,
    kind,
    rhythm,
    tagger,
    voice,
)
from musrec.audio.encoder import Encoder
from musrec.audio.resample import narrow
from musrec.audio.tagger.run import PATCH_FRAMES, spectrogram_of
from musrec.audio.tags import Tags
from musrec.model import ANALYSER_VERSION, SAMPLE_RATE, Analysis, Encoded, ModelMissing, SoundKind

if TYPE_CHECKING:
    from musrec.audio.features import Spectra
    from musrec.audio.tagger import Tagging, weights
    from musrec.model import FloatArray

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Listened:
    """What a clip sounds like, and who it says it is."""

    analysis: Analysis
    tags: Tags


def listen(
    data: bytes,
    *,
    digest: str,
    seconds: float = 30.0,
    limit: float = 30.0,
    encoder: Encoder | None = None,
) -> Listened:
    """Hear a clip.

    It is decoded, transformed (librosa's short-time Fourier and constant-Q transforms, longer
    spectra for the key, the tagger's own) and measured: about half a second of processor time for
    30 s of music, with the tags of both networks and voices.

    Parameters
    ----------
    data : bytes
        A whole audio file, from anywhere.
    digest : str
        SHA-256 of `data`, hex.
    seconds : float
        How much to hear at most; the middle of a longer clip.
    limit : float
        Seconds that decoding may take; see `musrec.audio.decode.decode`.
    encoder : Encoder, optional
        An encoder of the owner's own, which hears the clip too.

    Returns
    -------
    Listened
        The analysis is finite throughout. Its `kind` says whether it is music at all. A clip
        shorter than three seconds has a tempo of 0, and what the tagger hears in the clip repeated;
        that is None if the tagger is not installed.

    Raises
    ------
    NotAudio
        Nothing can be decoded, or less than one second.
    """
    samples = decode.decode(data, seconds=seconds, limit=limit)
    return Listened(replace(_hear(samples.y, encoder), digest=digest), samples.tags)


def _hear(y: FloatArray, encoder: Encoder | None = None) -> Analysis:
    spectra = features.spectra(y)
    statistics = features.statistics(spectra, constant_q.tonnetz(spectra))
    samples = narrow(y)
    tagging, mtt_mean = _tag(samples)
    tag_mean = tagging.mean if tagging else None
    pulse = rhythm.pulse(
        rhythm.onsets(spectra.mel),
        sr=SAMPLE_RATE,
        hop_length=features.HOP_LENGTH,
        usual=rhythm.usual_tempo(statistics, tag_mean),
    )
    loudness = descriptors.loudness(y, SAMPLE_RATE)
    sung = voice.hear(samples)
    sound = kind.classify(spectra, rhythm=pulse, tag_mean=tag_mean, voice=sung)
    key = harmony.key(y, sr=SAMPLE_RATE) if sound is SoundKind.MUSIC else None
    return Analysis(
        version=ANALYSER_VERSION,
        digest="",
        seconds=y.size / SAMPLE_RATE,
        kind=sound,
        statistics=statistics,
        tag_mean=tag_mean,
        tag_std=tagging.std if tagging else None,
        taggram=tagging.taggram if tagging else None,
        embedding=tagging.embedding if tagging else None,
        rhythm=pulse,
        harmony=key if key and key.confidence >= harmony.CLAIMED else None,
        loudness=loudness,
        descriptors=descriptors.describe(
            statistics, tag_mean=tag_mean, rhythm=pulse, loudness=loudness
        ),
        spectrogram=features.spectrogram(spectra),
        encoded=_encode(spectra, encoder) if encoder else None,
        voice=sung,
        mtt_mean=mtt_mean,
    )


def prepare(encoder: Encoder | None = None) -> None:
    """Load what `listen` needs, so that the first clip is heard as fast as the others."""
    _tagger.cache_clear()  # another one may have been installed since
    decode.start()
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * SAMPLE_RATE).astype(np.float32)
    _hear(noise, encoder)


def _tag(samples: FloatArray) -> tuple[Tagging | None, FloatArray | None]:
    """Return what the two taggers hear: all of the first, and the means of the second."""
    first, second = (_tagger_or_none(name) for name in ("musicnn", "musicnn-mtt"))
    if first is None:
        return None, None
    frames = spectrogram_of(samples)
    mtt = second.tag_frames(frames, PATCH_FRAMES).mean if second else None
    return first.tag_frames(frames), mtt


def _tagger_or_none(name: weights.Name) -> tagger.Tagger | None:
    try:
        return _tagger(name)
    except ModelMissing:
        return None


def _encode(spectra: Spectra, encoder: Encoder) -> Encoded | None:
    try:
        return encoder.hear(spectra)
    except ModelMissing as error:  # the rest of what is heard serves without it
        _log.warning("heard without the encoder: %s", error)
        return None


@cache
def _tagger(name: weights.Name) -> tagger.Tagger:
    # Exceptions are not cached: a tagger that is installed later is found by the next clip.
    return tagger.load(name=name)
