"""Every reason is good English, whatever the words, and its numbers are right."""

import re

import pytest

from musrec.audio.descriptors import DEFINITIONS, TAG_KINDS
from musrec.model import Closeness, Profile
from musrec.recommend import explain

SYLLABLE = re.compile(r"[aeiou]+|y(?=\b)")


def said(query: Profile, pick: Profile) -> str:
    near = explain.near_evidence(Closeness.CLOSE, 0.6, "your song")
    return explain.sound_evidence(query, pick, {}, near)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_comparative_of_every_descriptor_is_english(name: str) -> None:
    meaning = DEFINITIONS[name]
    for word, compared, place in (
        (meaning.low, meaning.lower, 18.0),
        (meaning.high, meaning.higher, 82.0),
    ):
        # Words of one syllable, or of two ending in y, take -er: dark, sad, free, noisy; not even.
        short = len(SYLLABLE.findall(word.removesuffix("e"))) == 1 or word.endswith("y")
        stem = re.sub("y$", "i", word).rstrip("e")
        ending = re.compile(rf"{stem}{word[-1] if word == 'sad' else ''}e?er( in \w+)?")
        assert ending.fullmatch(compared) if short else compared == f"more {word}"
        sentence = said(Profile(percentiles={name: place}), Profile(percentiles={name: place}))
        assert sentence == (
            f"it sounds close to your song (0.60 of 1), both {compared} than 82% of songs"
        )


@pytest.mark.parametrize("tag", TAG_KINDS)
def test_every_tag_reads_after_both_sound(tag: str) -> None:
    sentence = said(Profile(tags={tag: 0.5}), Profile(tags={tag: 0.4}))
    read = re.fullmatch(r"both sound (.+) \(50% and 40%\)", sentence)
    assert read is not None
    words = read[1]
    adjectives = {
        *("alternative", "indie", "electronic", "ambient", "experimental", "instrumental"),
        *("acoustic", "beautiful", "mellow", "chill", "chilled-out", "sexy", "catchy", "sad"),
        *("happy", "female-voiced", "male-voiced", "guitar-led"),
    }
    assert words in adjectives or words.startswith(("like ", "made for "))


def test_adjectives_come_before_genres_and_nothing_is_said_twice() -> None:
    tags = {"jazz": 0.6, "sad": 0.3, "classic rock": 0.2, "rock": 0.15}
    assert said(Profile(tags=tags), Profile(tags=tags)) == (
        "both sound sad (30% and 30%) and like jazz (60% and 60%)"
    )
    tags = {"classic rock": 0.6, "rock": 0.5, "happy": 0.2}
    assert said(Profile(tags=tags), Profile(tags=tags)) == (
        "both sound happy (20% and 20%) and like classic rock (60% and 60%)"
    )


def test_tempo_and_key_follow() -> None:
    query = Profile(tags={"punk": 0.5}, tempo=119.0, key="A minor")
    pick = Profile(tags={"punk": 0.5}, tempo=121.0, key="A minor")
    assert said(query, pick) == (
        "both sound like punk (50% and 50%), at 119 and 121\u00a0BPM and both in A minor"
    )


def test_a_descriptor_read_off_a_tag_is_not_said_after_that_tag() -> None:
    song = Profile(tags={"electronic": 0.5}, percentiles={"acoustic": 2.0, "brightness": 80.0})
    assert said(song, song) == (
        "both sound electronic (50% and 50%), both brighter than 80% of songs"
    )


def test_the_two_most_extreme_descriptors_are_named() -> None:
    song = Profile(percentiles={"intensity": 88.0, "brightness": 96.0, "noisiness": 76.0})
    more = f"{DEFINITIONS['brightness'].higher} than 96% and {DEFINITIONS['intensity'].higher}"
    assert said(song, song).endswith(f", both {more} than 88% of songs")


def test_a_stretch_is_not_called_close() -> None:
    assert explain.near_evidence(Closeness.VERY_CLOSE, 0.7, "“Blue”") == (
        "it sounds very close to “Blue” (0.70 of 1)"
    )
    for word in (Closeness.STRETCH, None):
        told = explain.near_evidence(word, -0.2, "your 3 songs")
        assert told == "its likeness in sound to your 3 songs is 0.00 of 1"
