"""Descriptors describe sounds and songs as people would, and only by what is known."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
from numpy.typing import NDArray

from musrec.audio import descriptors, features, rhythm
from musrec.audio.decode import decode
from musrec.audio.tagger import TAGS
from musrec.model import SAMPLE_RATE
from tests.support import sounds

SPOTIFY = {
    *("acousticness", "danceability", "energy", "instrumentalness", "liveness"),
    *("speechiness", "valence"),
}


def heard(y: NDArray[np.float32], **tags: float) -> dict[str, float]:
    """Percentiles of a clip, with the given tags (underscores are spaces) if any."""
    sound = features.spectra(y)
    tag_mean = None
    if tags:
        tag_mean = np.full(len(TAGS), 0.01, dtype=np.float32)
        for tag, value in tags.items():
            tag_mean[TAGS.index(tag.replace("_", " "))] = value
    raw = descriptors.describe(
        features.statistics(sound),
        tag_mean=tag_mean,
        rhythm=rhythm.pulse(
            rhythm.onsets(sound.mel), sr=SAMPLE_RATE, hop_length=features.HOP_LENGTH
        ),
        loudness=descriptors.loudness(y, SAMPLE_RATE),
    )
    return descriptors.percentiles(raw)


def test_each_descriptor_has_a_definition_a_population_and_a_name_of_our_own() -> None:
    for name, descriptor in descriptors.DEFINITIONS.items():
        assert name not in SPOTIFY
        assert descriptor.name == name
        assert descriptor.population in descriptors.populations()
        assert all((descriptor.meaning, descriptor.low, descriptor.high, descriptor.method))
    low_and_high = [w for d in descriptors.DEFINITIONS.values() for w in (d.low, d.high)]
    assert len(set(low_and_high)) == len(low_and_high)


def test_every_tag_has_a_kind_and_every_axis_uses_known_tags() -> None:
    assert set(descriptors.TAG_KINDS) == set(TAGS)
    for axis in (*descriptors.AXES.values(), descriptors.INTENSITY):
        assert set(axis.high) | set(axis.low) <= set(TAGS)
        assert not set(axis.high) & set(axis.low)


def test_loudness_is_that_of_the_standard() -> None:
    """BS.1770: a 997 Hz sine at full scale in one channel reads -3.01 LUFS."""
    t = np.arange(5 * SAMPLE_RATE) / SAMPLE_RATE
    sine = np.sin(2 * np.pi * 997 * t).astype(np.float32)
    assert descriptors.loudness(sine, SAMPLE_RATE) == pytest.approx(-3.01, abs=0.1)
    assert descriptors.loudness(sine * np.float32(0.1), SAMPLE_RATE) == pytest.approx(
        -23.0, abs=0.1
    )


@pytest.mark.parametrize("sr", [SAMPLE_RATE, 44_100])
def test_pauses_are_left_out_of_the_loudness_as_pyloudnorm_leaves_them_out(sr: int) -> None:
    levels = np.repeat([0.3, 0.02, 0.0, 0.1, 0.3], sr)
    y = (np.random.default_rng(0).normal(size=levels.size) * levels).astype(np.float32)
    assert descriptors.loudness(y, sr) == pytest.approx(
        pyloudnorm.Meter(sr).integrated_loudness(y), abs=0.006
    )


@pytest.mark.filterwarnings("error")
def test_silence_and_short_clips_have_no_loudness() -> None:
    assert descriptors.loudness(sounds.silence(3.0), SAMPLE_RATE) is None
    assert descriptors.loudness(sounds.sine(440, 0.2), SAMPLE_RATE) is None


def test_percentiles_follow_the_raw_values() -> None:
    for name in descriptors.DEFINITIONS:
        places = [
            descriptors.percentiles({name: value})[name] for value in np.linspace(-60, 9e3, 400)
        ]
        assert places == sorted(places)
        assert places[0] >= 0
        assert places[-1] <= 100


def test_the_population_lies_evenly_in_its_own_percentiles(shared_data: Path) -> None:
    with gzip.open(shared_data / "gtzan" / "librosa_statistics.csv.gz", "rt") as lines:
        rows = list(csv.DictReader(lines))
    with (shared_data / "gtzan" / "clips.csv").open(encoding="utf-8", newline="") as lines:
        train = {row["clip"] for row in csv.DictReader(lines) if row["split"] == "train"}
    column = features.STATISTIC_NAMES.index("spectral_centroid_mean")
    places = []
    for row in rows:
        if row["clip"] in train:
            statistics = np.full(len(features.STATISTIC_NAMES), np.nan, dtype=np.float32)
            statistics[column] = float(row["spectral_centroid_mean"])
            raw = descriptors.describe(statistics)
            assert set(raw) == {"brightness"}, "nothing else is known about this song"
            places.append(descriptors.percentiles(raw)["brightness"])
    assert len(places) == 443
    assert np.histogram(places, bins=4, range=(0, 100))[0] == pytest.approx(443 / 4, abs=3)


def test_sounds_are_called_what_they_are() -> None:
    song = heard(sounds.song(sounds.MAJOR_SONG, 0, 10.0))
    hiss = heard(sounds.noise(10.0))
    beat = heard(sounds.clicks(120, 10.0))

    assert song["brightness"] < 20
    assert hiss["brightness"] > 95
    assert song["noisiness"] < 20
    assert hiss["noisiness"] > 95
    assert beat["steadiness"] > 90
    assert beat["punch"] > hiss["punch"]
    assert "tempo" not in hiss
    assert "mood" not in song, "only the tagger hears moods"


def test_tags_move_their_descriptors() -> None:
    y = sounds.song(sounds.MAJOR_SONG, 0, 5.0)
    party = heard(y, party=0.4, happy=0.3, dance=0.4, female_vocalists=0.5, electronic=0.4)
    ballad = heard(y, sad=0.4, Mellow=0.4, acoustic=0.5, folk=0.5, instrumental=0.4)

    assert party["mood"] > 80
    assert ballad["mood"] < 20
    assert party["vocal"] > 80
    assert ballad["vocal"] < 20
    assert ballad["acoustic"] > 70
    assert party["acoustic"] < 20


def test_real_music_is_called_what_it_is(music: Path) -> None:
    def listen(name: str) -> dict[str, float]:
        return heard(decode((music / name).read_bytes()).y)

    waltz = listen("setuniman--sweet-waltz.ogg")
    rock = listen("alexander-ehlers--doomed.wav")
    game = listen("johan-brodd-jobromedia--template.m4a")

    assert waltz["intensity"] < 40
    assert rock["intensity"] > 80
    assert waltz["noisiness"] < rock["noisiness"]
    assert waltz["loudness"] < rock["loudness"]
    assert game["steadiness"] > 75
