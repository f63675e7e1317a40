from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musrec.model import Track
from musrec.sources.matching import Recordings, Wanted, core, fit, fold, readings, same, versions


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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("Bohemian Rhapsody", "Queen"), ("Bohemian Rhapsody - 2011 Remaster", "Queen")),
        (("Die With A Smile", "Lady Gaga & Bruno Mars"), ("Die with a Smile", "Bruno Mars")),
        (("Señorita", "Shawn Mendes"), ("Senorita (feat. Camila Cabello)", "SHAWN MENDES")),
        (("Don't Stop Me Now", "Queen"), ("Dont Stop Me Now (Official Video)", "Queen")),
        (("Rock & Roll", "Led Zeppelin"), ("Rock and Roll", "Led Zeppelin")),
        (("Hey Jude", "The Beatles"), ("Hey Jude", "Beatles")),
        (("Live Forever", "Oasis"), ("Live Forever (Remastered)", "Oasis")),
        (("Song (Live)", "A Band"), ("Song - Live at Wembley", "A Band")),
        (("Song - Tiesto Remix", "A Band"), ("Song (Tiësto Remix)", "A Band")),
        (("Hello", "Adele"), ("Hello (Official Music Video) [4K Remastered]", "Adele")),
        (("Hello", "Adele"), ("Hello | Official Video", "Adele")),
        (("Hello", "Adele"), ("Hello - Single Edit", "Adele")),
        (("夜に駆ける", "YOASOBI"), ("夜に駆ける（Official Video）【MV】", "Ayase / YOASOBI")),
        (("GANGNAM STYLE(강남스타일)", "PSY"), ("Gangnam Style", "PSY(싸이)")),
        (("Группа крови", "Кино"), ("Группа крови (Gruppa krovi)", "КИНО")),
        (("So What", "P!nk"), ("So What", "Pink")),
        (("Praise the Lord", "A$AP Rocky"), ("Praise the Lord", "ASAP Rocky")),
        (("Me and Giuliani", "!!!"), ("Me and Giuliani", "!!!")),
        (("Song", "Tyler, The Creator"), ("Song", "Tyler The Creator")),
        (("Song", "Marshmello x Bastille"), ("Song", "Bastille")),
    ],
)
def test_one_recording_under_two_names_is_recognised(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert same(Wanted(one[0], (one[1],)), track(other[0], other[1]))
    assert same(Wanted(other[0], (other[1],)), track(one[0], one[1]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("Hurt", "Johnny Cash"), ("Hurt (Live)", "Johnny Cash")),
        (("Hurt", "Johnny Cash"), ("Hurt", "Nine Inch Nails")),
        (("Blinding Lights", "The Weeknd"), ("Blinding Lights (Sped Up)", "The Weeknd")),
        (("One More Time", "Daft Punk"), ("One More Time (Someone Remix)", "Daft Punk")),
        (("One More Time", "Daft Punk"), ("One More Time (Mixed)", "Daft Punk")),
        (("Hello", "Adele"), ("Hello (Karaoke Version)", "Adele")),
        (("Love Story", "Taylor Swift"), ("Love Story (Taylor's Version)", "Taylor Swift")),
        (("Symphony No. 5", "Beethoven"), ("Symphony No. 9", "Beethoven")),
        (("Another Brick, Pt. 1", "Pink Floyd"), ("Another Brick, Pt. 2", "Pink Floyd")),
        (("Song", "A Band"), ("Song (Acoustic)", "A Band")),
        (("Intro", "The xx"), ("Outro", "The xx")),
        (("Kiss", "Prince"), ("Kiss", "Prince Royce")),
        (("Song", "Galaxie 500"), ("Song", "Galaxie 501")),
        (("Bohemian Rhapsody", "Queen"), ("Bohemian Rhapsody", "Queen Cover Project")),
        (("Song", "Simon & Garfunkel"), ("Song", "Paul Simon")),
        (("Song (Major Lazer Remix)", "A Band"), ("Song (Tiësto Remix)", "A Band")),
        (("Song (Live at Wembley)", "A Band"), ("Song (Live at Budokan)", "A Band")),
        (("Blinding Lights", "The Weeknd"), ("Blinding Lights [slowed + reverb]", "The Weeknd")),
        (("Blinding Lights", "The Weeknd"), ("Blinding Lights (1 Hour)", "The Weeknd")),
        (("Группа крови", "Кино"), ("Группа крови (Live)", "Кино")),
        (("दिल की", "A Band"), ("दिल का", "A Band")),
        (("Dynamite", "BTS"), ("Dynamite (日本語版)", "BTS")),
        (("夜に駆ける", "YOASOBI"), ("夜に駆ける【カラオケ】", "YOASOBI")),
        (("夜に駆ける", "YOASOBI"), ("夜に駆ける (ライブ映像)", "YOASOBI")),
        (("Группа крови", "Кино"), ("Группа крови (Кавер)", "Кино")),
        (("Группа крови", "Кино"), ("Группа крови (DJ ремикс)", "Кино")),
    ],
)
def test_another_version_part_or_artist_is_another_recording(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert not same(Wanted(one[0], (one[1],)), track(other[0], other[1]))


def test_durations_must_agree_within_three_seconds_where_both_are_known() -> None:
    wanted = Wanted("One More Time", ("Daft Punk",), duration=320.0)
    assert same(wanted, track("One More Time", "Daft Punk", duration=322.9))
    assert not same(wanted, track("One More Time", "Daft Punk", duration=235.0))
    assert same(wanted, track("One More Time", "Daft Punk"))
    by_code = Wanted("Anything", ("Anybody",), duration=1.0, isrc="GBDUW0000053")
    assert same(by_code, track("One More Time", "Daft Punk", duration=320, isrc="GBDUW0000053"))


def test_a_copy_gives_itself_away_by_its_artist_or_album() -> None:
    wanted = Wanted("Hello", ("Adele",))
    assert not same(wanted, track("Hello", "Adele Karaoke Band"))
    assert not same(wanted, track("Hello", "Adele", album="Lullaby Tribute to Adele"))


def test_brackets_are_read_and_words_outside_them_are_not() -> None:
    assert versions("Live and Let Die") == frozenset()
    assert versions("Live and Let Die (Live)") == {"live"}
    assert core("(I Can't Get No) Satisfaction") == "i cant get no satisfaction"
    assert core("(Live)") == "live"
    assert fold("  Ænima – TÖOL!  ") == "ænima tool"
    assert fold("がんばれ") != fold("かんはれ")


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
    ],
)
def test_headings_as_people_write_them(heading: str, author: str, title: str, artist: str) -> None:
    likeliest = readings(heading, author)[0]
    assert (likeliest.title, likeliest.artists) == (title, (artist,))


def test_a_search_names_whose_remix_is_wanted() -> None:
    wanted = Wanted("Midnight City (Eric Prydz Remix) [Official Audio]", ("M83",))
    assert wanted.query == "M83 Midnight City eric prydz remix"


def test_text_is_compared_as_it_is_written_everywhere() -> None:
    assert fit("夜に駆ける yoasobi", track("夜に駆ける", "YOASOBI")).exact
    part = fit("yoasobi 夜に", track("夜に駆ける", "YOASOBI"))
    assert part.score > 0.5
    assert not part.exact
    assert fit(
        "Queen - Bohemian Rhapsody (Remastered 2011)", track("Bohemian Rhapsody", "Queen")
    ).exact
    assert fit("lightning crashes live", track("Lightning Crashes", "Live")).exact
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
def test_no_title_however_strange_breaks_the_comparison(one: str, other: str) -> None:
    strange = track(other, one)
    assert 0 <= fit(one, strange).score <= 1
    assert isinstance(same(Wanted(one, (other,)), strange), bool)
    for reading in readings(one, other):
        assert len(reading.query) <= 200
