from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musrec.model import Track
from musrec.sources.matching import Recordings, Wanted, fit, readings, same


def track(title: str, *artists: str, duration: float | None = None, **more: str) -> Track:
    isrc = more.get("isrc")
    identities = {"isrc": isrc} if isrc else {}
    return Track(
        "",
        title,
        artists,
        album=more.get("album"),
        duration=duration,
        isrc=isrc,
        identities=identities,
    )


def test_durations_must_agree_within_three_seconds_where_both_are_known() -> None:
    wanted = Wanted("One More Time", ("Daft Punk",), duration=320.0)
    assert same(wanted, track("One More Time", "Daft Punk", duration=322.9))
    assert not same(wanted, track("One More Time", "Daft Punk", duration=235.0))
    assert same(wanted, track("One More Time", "Daft Punk"))
    by_code = Wanted("Anything", ("Anybody",), duration=1.0, isrc="GBDUW0000053")
    assert same(by_code, track("One More Time", "Daft Punk", duration=320, isrc="GBDUW0000053"))


def test_headings_are_read_both_ways_round() -> None:
    first, second, third = readings("Daft Punk - One More Time (Official Video)", "DaftPunkVEVO")
    assert (first.title, first.artists) == ("One More Time", ("Daft Punk",))
    assert second.artists == ("One More Time",)
    assert third.artists == ("DaftPunk",)
    assert first.query == "Daft Punk One More Time"
    (topic,) = readings("One More Time", "Daft Punk - Topic")
    assert (topic.title, topic.artists) == ("One More Time", ("Daft Punk",))


@pytest.mark.parametrize(
    ("heading", "author", "title", "artist"),
    [
        ("YOASOBI「夜に駆ける」 Official Music Video", "Ayase / YOASOBI", "夜に駆ける", "YOASOBI"),
        ('Eminem "Mockingbird"', "a fan", "Mockingbird", "Eminem"),
        ("Adele: Hello", "a fan", "Hello", "Adele"),
        ("a-ha - Take On Me (Official Video) [4K]", "a-ha", "Take On Me", "a-ha"),
        ("Linkin Park - Numb // lyrics", "a fan", "Numb", "Linkin Park"),
        ("Stand by Me", "Ben E. King - Topic", "Stand by Me", "Ben E. King"),
        ("One More Time by Daft Punk", "a fan", "One More Time", "Daft Punk"),
        ("Madonna - Music", "a fan", "Music", "Madonna"),
    ],
)
def test_headings_as_people_write_them(heading: str, author: str, title: str, artist: str) -> None:
    likeliest = readings(heading, author)[0]
    assert (likeliest.title, likeliest.artists) == (title, (artist,))


def test_guests_are_read_with_brackets_or_without() -> None:
    stan = track("Stan", "Eminem", duration=404.0)
    for heading in (
        "Eminem - Stan ft. Dido",
        "Eminem - Stan (feat. Dido)",
        "Eminem feat. Dido - Stan",
    ):
        reading = readings(heading, "EminemVEVO")[0]
        assert same(replace(reading, duration=404.0), stan)
        assert reading.query == "Eminem Stan"
        assert fit(heading, stan).exact
    assert fit("stan ft. dido eminem", stan).artist_named


def test_a_track_always_matches_itself() -> None:
    karaoke = track("Hello", "Adele Karaoke Band", album="Karaoke Hits")
    assert same(Wanted.of(karaoke), karaoke)


def test_a_search_names_whose_remix_is_wanted() -> None:
    wanted = Wanted("Midnight City (Eric Prydz Remix) [Official Audio]", ("M83",))
    assert wanted.query == "M83 Midnight City eric prydz remix"
    assert Wanted("Song (Live at Wembley)", ("A Band",)).query == "A Band Song live"


def test_text_is_compared_as_it_is_written_everywhere() -> None:
    assert fit("夜に駆ける yoasobi", track("夜に駆ける", "YOASOBI")).exact
    part = fit("yoasobi 夜に", track("夜に駆ける", "YOASOBI"))
    assert part.score > 0.5
    assert not part.exact
    assert fit(
        "Queen - Bohemian Rhapsody (Remastered 2011)", track("Bohemian Rhapsody", "Queen")
    ).exact
    assert fit("lightning crashes live", track("Lightning Crashes", "Live")).exact
    assert fit("madonna - music", track("Music", "Madonna")).exact
    assert fit("夜に駆ける ライブ", track("夜に駆ける (ライブ)", "YOASOBI")).exact
    assert not fit("夜に駆ける", track("夜に駆ける (ライブ)", "YOASOBI")).exact
    assert not fit("hurt live", track("Hurt", "Johnny Cash")).exact


def test_recordings_keep_one_of_each_and_what_every_service_knows_of_it() -> None:
    recordings = Recordings()
    first = Track("a", "Song", ("A Band",), duration=200.0, identities={"deezer": "1"})
    again = Track(
        "b",
        "Song (Remastered 2009)",
        ("A Band",),
        duration=201.0,
        genre="Rock",
        identities={"itunes": "2"},
        provenance={"genre": "itunes"},
    )
    live = Track("c", "Song (Live)", ("A Band",), identities={"deezer": "3"})
    by_id = Track("d", "Song Renamed", ("A Band",), identities={"itunes": "2"})
    assert [recordings.add(one) for one in (first, again, live, by_id)] == [0, 0, 1, 0]
    merged = recordings.tracks[0]
    assert merged.identities == {"deezer": "1", "itunes": "2"}
    assert (merged.genre, merged.provenance["genre"]) == ("Rock", "itunes")


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_title_breaks_the_comparison(one: str, other: str) -> None:
    strange = track(other, one)
    assert 0 <= fit(one, strange).score <= 1
    assert isinstance(same(Wanted(one, (other,)), strange), bool)
    for reading in readings(one, other):
        assert len(reading.query) <= 200
