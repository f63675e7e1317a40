"""Every reason is good English, whatever the words, and its numbers are right."""

import re

import pytest

from musrec.audio import descriptors
from musrec.audio.descriptors import DEFINITIONS, TAG_KINDS
from musrec.model import Closeness, Profile, Track
from musrec.recommend import explain

SYLLABLE = re.compile(r"[aeiou]+|y(?=\b)")


def said(query: Profile, pick: Profile) -> str:
    near = explain.near_evidence(Closeness.CLOSE, "your song")
    return explain.sound_evidence(query, pick, {}, near)


def told(query: Profile, pick: Profile, **more: object) -> list[str]:
    """Return what may be said of a pick that was found by its sound."""
    given: dict[str, object] = {
        "track": Track("a", "Blue Monday", ("New Order",)),
        "asked": "“Song”",
        "like": None,
        "profiles": (query, pick),
        "years": (None, None),
        "traits": explain.shared_traits(query, pick, {}),
        "closeness": Closeness.CLOSE,
        "fans": 0,
        "causes": ("sound",),
    }
    return explain.sentences(explain.Pair(**(given | more)))  # type: ignore[arg-type]


def test_a_song_that_may_be_counted_as_slow_is_not_called_faster() -> None:
    slow = Profile(percentiles={"intensity": 5.0}, tempo=80.0)
    either = Profile(percentiles={"intensity": 9.0}, tempo=150.0, other_tempo=75.0)
    fast = Profile(percentiles={"intensity": 9.0}, tempo=210.0, other_tempo=105.0)
    assert not any("faster" in sentence for sentence in told(slow, either))
    assert not any("slower" in sentence for sentence in told(either, slow))
    assert "As calm as “Song”, but faster." in told(slow, fast)
    assert "As calm as “Song”, but slower." in told(fast, slow)


@pytest.mark.parametrize("name", [name for name in DEFINITIONS if name != "tempo"])
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
        assert sentence == (f"it sounds close to your song; both are {compared} than 82% of songs")


def test_a_word_is_said_only_where_both_songs_are_clearly_on_that_side() -> None:
    for ours, theirs in ((79.0, 95.0), (21.0, 3.0), (5.0, 95.0)):
        one = Profile(percentiles={"brightness": ours})
        assert not explain.shared_traits(one, Profile(percentiles={"brightness": theirs}), {})
    both = Profile(percentiles={"brightness": 20.0}), Profile(percentiles={"brightness": 2.0})
    assert explain.shared_traits(*both, {}) == [("descriptor", "brightness")]


def test_a_tag_below_its_measured_share_is_not_said() -> None:
    schubert = Profile(tags={"jazz": 0.68, "instrumental": 0.12})
    assert not explain.shared_traits(schubert, schubert, {})
    assert explain.shared_traits(Profile(tags={"jazz": 0.9}), Profile(tags={"jazz": 0.8}), {}) == [
        ("tag", "jazz")
    ]


def test_tempo_within_six_percent_and_the_key() -> None:
    query = Profile(tempo=100.0, key="A minor")
    assert explain.shared_traits(query, Profile(tempo=106.0, key="A minor"), {}) == [
        ("tempo", ""),
        ("key", ""),
    ]
    assert not explain.shared_traits(query, Profile(tempo=107.0, key="A major"), {})


def test_a_sentence_names_nothing_that_did_not_count_and_no_number() -> None:
    song = Profile(
        tags={"jazz": 0.9}, percentiles={"brightness": 95.0, "intensity": 5.0}, tempo=90.0
    )
    for sentence in told(song, song, traits=()):
        assert not re.search(r"jazz|bright|calm|tempo|\d", sentence)
    assert any("Bright jazz" in sentence for sentence in told(song, song))
    assert not any(re.search(r"\d", sentence) for sentence in told(song, song))


def test_contrast_decade_and_long_titles() -> None:
    slow = Profile(percentiles={"intensity": 5.0}, tempo=80.0)
    fast = Profile(percentiles={"intensity": 9.0}, tempo=140.0)
    assert "As calm as “Song”, but faster." in told(slow, fast)
    assert "Like “Song”, the same calm mood, but from the 1990s." in told(
        slow, fast, years=(1972, 1994)
    )
    assert len(explain.title(Track("a", "So " * 40))) <= explain.LONGEST_TITLE + 2


@pytest.mark.parametrize("name", [name for name in DEFINITIONS if name != "tempo"])
@pytest.mark.parametrize("place", [5.0, 95.0])
def test_only_what_has_degrees_is_compared(name: str, place: float) -> None:
    song = Profile(percentiles={name: place}, tempo=80.0)
    fast = Profile(percentiles={name: place}, tempo=140.0)
    word = descriptors.word(name, place)
    kinds = {
        *("acoustic", "electronic", "instrumental", "vocal", "vintage", "modern"),
        *("clean", "even", "free", "steady"),
    }
    compared = [
        s for s in told(song, fast) if re.search(r"\bas \w+ as\b|how \w+ ", s, re.IGNORECASE)
    ]
    assert bool(compared) == (word not in kinds)
    assert any("but faster" in sentence for sentence in told(song, fast))


def test_no_two_picks_of_an_answer_have_the_same_sentence() -> None:
    song = Profile(percentiles={"intensity": 5.0})
    options = [told(song, song, track=Track("a", f"Song {n}", ("A",))) for n in range(10)]
    chosen = explain.tell_apart(options)
    assert len(set(chosen)) == 10
    assert len({sentence.split()[0] for sentence in chosen[:5]}) == 5


@pytest.mark.parametrize("tag", TAG_KINDS)
def test_every_tag_reads_in_the_details(tag: str) -> None:
    song = Profile(tags={tag: 0.99})
    words = said(song, song).removeprefix("it sounds close to your song; both sound ")
    adjectives = {
        *("alternative", "indie", "electronic", "ambient", "experimental", "instrumental"),
        *("acoustic", "beautiful", "mellow", "chill", "chilled-out", "sexy", "catchy", "sad"),
        *("happy", "female-voiced", "male-voiced", "guitar-led"),
    }
    assert words in adjectives or words.startswith(("like ", "made for "))


def test_a_stretch_is_not_called_close() -> None:
    assert explain.near_evidence(Closeness.VERY_CLOSE, "“Blue”") == (
        "it sounds very close to “Blue”"
    )
    assert "close" not in explain.near_evidence(Closeness.STRETCH, "“Blue”")
    for sentence in told(Profile(), Profile(), closeness=Closeness.STRETCH):
        assert "lose to" not in sentence
