"""Completing the name of a song."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from musrec.catalogue import search
from musrec.catalogue.model import SongFilter
from musrec.catalogue.search import Names
from musrec.model import Catalogue, NotFound, Profile, Track

TRACKS = tuple(
    Track(title, title, (artist,))
    for title, artist in (
        ("Moonlight Shadow", "Mike Oldfield"),
        ("Blue Moon", "The Marcels"),
        ("Moon", "Kid Francescoli"),
        ("Boogie Nights", "Heatwave"),
        ("Honeymoon", "Lana Del Rey"),
        ("Harvest Moon", "Neil Young"),
    )
)


def catalogue_of(tracks: Sequence[Track]) -> Catalogue:
    return Catalogue(tracks, (Profile(),) * len(tracks), np.zeros((len(tracks), 2), np.float32), {})


def suggested(typed: str, limit: int = 25) -> list[str]:
    found = search.suggest(catalogue_of(TRACKS), search.names(TRACKS), typed, limit)
    return [track.title for track in found]


def test_starts_of_names_come_before_starts_of_words_before_slips() -> None:
    found = suggested("moon")
    assert found[:4] == ["Moon", "Moonlight Shadow", "Blue Moon", "Harvest Moon"]
    assert suggested("moon", 3) == found[:3]


@pytest.mark.parametrize("typed", ["boogie nigths", "Bogie Nights", "heatwave boogie", "HEATW"])
def test_slips_artists_and_either_order_are_understood(typed: str) -> None:
    assert suggested(typed)[0] == "Boogie Nights"


def test_what_is_like_no_name_completes_to_nothing() -> None:
    assert suggested("zxqjw") == []


# More names than are compared letter by letter ---------------------------------------------------


@pytest.fixture(scope="module")
def many() -> tuple[Catalogue, Names]:
    """The songs above, in the middle of a crowd of made-up ones."""
    rng = np.random.default_rng(1)
    syllables = ["ka", "ri", "mo", "zu", "tel", "vin", "sha", "qo"]
    drawn = rng.integers(len(syllables), size=(search.COMPARED + 2_000, 9)).tolist()
    crowd = [
        Track(str(number), " ".join((word[:5], word[5:11])).title(), (word[11:].title(),))
        for number, word in enumerate("".join(syllables[at] for at in row) for row in drawn)
    ]
    half = len(crowd) // 2
    tracks = [*crowd[:half], *TRACKS, Track("é", "Été 𝄞 夜", ("Zoë",)), *crowd[half:]]
    return catalogue_of(tracks), search.names(tracks)


@pytest.mark.parametrize(
    "typed", ["moonlight sh", "boogie nigths", "Bogie Nights", "heatwave boogie", "HEATW", "été"]
)
def test_a_name_is_completed_among_many_as_among_few(
    many: tuple[Catalogue, Names], typed: str
) -> None:
    found = [track.title for track in search.suggest(*many, typed, 25)]
    assert found[0] == (suggested(typed)[:1] or ["Été \U0001d11e 夜"])[0]


def test_all_that_start_with_a_text_come_first_and_the_shortest_of_them_before_others(
    many: tuple[Catalogue, Names],
) -> None:
    catalogue, names = many
    everything = np.arange(len(catalogue))
    both = list(zip(names.titles(everything), names.artists(everything), strict=True))
    for typed in ("", "k", "mozu", "tel r"):
        starts = [
            len(f"{title} {artist}")
            for title, artist in both
            if f"{title} {artist}".startswith(typed) or artist.startswith(typed)
        ]
        found = search.names(search.suggest(catalogue, names, typed, 25))
        assert found.lengths[: len(starts)].tolist() == sorted(starts)[:25]


@pytest.mark.parametrize("text", ["Blue Moon", "the marcels blue moon", "夜", "Été \U0001d11e 夜"])
def test_an_exact_title_is_found_among_many(many: tuple[Catalogue, Names], text: str) -> None:
    found = search.titled(*many, text)
    assert isinstance(found, Track) == (text != "夜")


def test_songs_are_found_among_many_by_nearly_their_name_or_part_of_their_artist(
    many: tuple[Catalogue, Names],
) -> None:
    for text, title in (
        ("blu moon marcels", "Blue Moon"),
        ("moonlight shadov", "Moonlight Shadow"),
        ("neil young harvest", "Harvest Moon"),
        ("zoe 夜", "Été \U0001d11e 夜"),
    ):
        assert search.search(*many, SongFilter(text), 10)[0].title == title
    assert [t.title for t in search.search(*many, SongFilter(artist="a del r"), 10)] == [
        "Honeymoon"
    ]
    with pytest.raises(NotFound):
        search.search(*many, SongFilter(artist="del ry"), 10)
    nearly = search.near(*many, "Bogie Nights", 5)
    assert [track.title for track in nearly] == ["Boogie Nights"]
