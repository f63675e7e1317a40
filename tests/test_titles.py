from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musrec.model import Track
from musrec.titles import (
    artists_agree,
    fold,
    main_artist,
    merge,
    read_file_name,
    read_title,
    recording_key,
    same_recording,
    song_title,
    versions,
    without_page_words,
)


def track(
    title: str, *artists: str, album: str | None = None, duration: float | None = None
) -> Track:
    return Track(title, title, artists, album=album, duration=duration)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  Ænima – TÖOL!  ", "aenima tool"),
        ("Sigur Rós", "sigur ros"),
        ("MØ", "mo"),
        ("Łona", "lona"),
        ("Łódź", "lodz"),
        ("Đorđe", "dorde"),
        ("Þórður", "thordur"),
        ("Œuvre", "oeuvre"),
        ("Straße", "strasse"),
        ("Motörhead", "motorhead"),
        ("Işık İstanbul", "isik istanbul"),
        ("Ёлка", "елка"),
        ("Ｆｕｌｌ Ｗｉｄｔｈ", "full width"),
        ("ｶﾞｷ", "ガキ"),
        ("مُحَمَّد", "محمد"),
        ("P!nk", "pink"),
        ("Ke$ha", "kesha"),
        ("A$AP", "asap"),
        ("R.E.M.", "rem"),
        ("N*E*R*D", "nerd"),
        ("J. S. Bach", "js bach"),
        ("Guns N’ Roses", "guns and roses"),
        ("Rock'n'Roll", "rock and roll"),
        ("Florence + The Machine", "florence and the machine"),
        ("Don´t", "dont"),
        ("!!!", "!!!"),
        ("÷", "÷"),
        ("", ""),
    ],
)
def test_a_text_is_folded_to_what_people_type(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(("one", "other"), [("かき", "がき"), ("мой", "мои"), ("दिल की", "दिल का")])
def test_a_mark_that_makes_another_letter_is_kept(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text(max_size=40) | st.text("an. '!$+*&bRⅡ´`№ß゙かи\u0306", max_size=14))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


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
        (("Stan", "Eminem"), ("Stan ft. Dido", "Eminem")),
        (("Stan feat. Dido", "Eminem"), ("Stan (feat. Dido)", "Eminem ft. Dido")),
        (("Stan featuring Dido - Live", "Eminem"), ("Stan (Live) ft. Dido", "Eminem")),
        (("Kamikaze", "MØ"), ("Kamikaze", "MO")),
        (("Hoppípolla", "Sigur Rós"), ("Hoppipolla", "Sigur Ros")),
        (("Song (Live)", "A Band"), ("Song (En vivo)", "A Band")),
        (("Song (Live)", "A Band"), ("Song (ライブ)", "A Band")),
        (("Song (Japanese Version)", "A Band"), ("Song -Japanese Ver.-", "A Band")),
        (("Song, Pt. 2", "A Band"), ("Song (Part II)", "A Band")),
    ],
)
def test_one_recording_under_two_names_is_recognised(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert same_recording(track(*one), track(*other))
    assert same_recording(track(*other), track(*one))


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
        (("Hello", "Adele"), ("Hello (Tribute to Adele)", "Adele")),
        (("かき", "A Band"), ("がき", "A Band")),
        (("Song (Take 1)", "A Band"), ("Song (Take 2)", "A Band")),
        (("Song (Spanish Version)", "A Band"), ("Song (French Version)", "A Band")),
        (("Song (Live 1999)", "A Band"), ("Song (Live 2003)", "A Band")),
        (("Hello", "Adele"), ("Hello", "Adele Tribute Band")),
    ],
)
def test_another_version_part_or_artist_is_another_recording(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert not same_recording(track(*one), track(*other))
    assert not same_recording(track(*other), track(*one))


@pytest.mark.parametrize(
    ("inside", "kind"),
    [
        ("Live at the BBC", "live"),
        ("Live from Paris", "live"),
        ("Recorded Live", "live"),
        ("Live-Version", "live"),
        ("In Concert", "live"),
        ("En Vivo", "live"),
        ("Versión en vivo", "live"),
        ("En Directo", "live"),
        ("Ao Vivo", "live"),
        ("Dal Vivo", "live"),
        ("En concert", "live"),
        ("Na żywo", "live"),
        ("Canlı", "live"),
        ("Uživo", "live"),
        ("Ζωντανά", "live"),
        ("концертная запись", "live"),
        ("живое выступление", "live"),
        ("ライブ", "live"),
        ("ライブ映像", "live"),
        ("LIVE版", "live"),
        ("라이브", "live"),
        ("现场版", "live"),
        ("現場", "live"),
        ("แสดงสด", "live"),
        ("लाइव", "live"),
        ("Tiësto Remix", "remix"),
        ("Club Edit", "remix"),
        ("리믹스", "remix"),
        ("Karaoke Version", "karaoke"),
        ("カラオケ", "karaoke"),
        ("伴奏", "karaoke"),
        ("노래방", "karaoke"),
        ("Tribute", "cover"),
        ("A Tribute to Queen", "cover"),
        ("Piano Cover", "cover"),
        ("Cover by a Fan", "cover"),
        ("歌ってみた", "cover"),
        ("翻唱", "cover"),
        ("кавер", "cover"),
        ("Acústico", "acoustic"),
        ("Version acoustique", "acoustic"),
        ("Akustik", "acoustic"),
        ("акустическая версия", "acoustic"),
        ("Inst.", "instrumental"),
        ("Strumentale", "instrumental"),
        ("纯音乐", "instrumental"),
        ("Sped Up", "sped up"),
        ("Nightcore", "sped up"),
        ("slowed + reverb", "slowed"),
        ("1 Hour", "loop"),
        ("TV Size", "short"),
        ("Spanish Version", "version"),
        ("日本語版", "version"),
    ],
)
def test_versions_are_read_in_many_languages(inside: str, kind: str) -> None:
    for title in (f"Song ({inside})", f"Song [{inside}]", f"Song - {inside}", f"歌【{inside}】"):
        assert versions(title) == {kind}
        assert song_title(title) in ("song", "歌")


@pytest.mark.parametrize(
    "title",
    [
        "Live and Let Die",
        "Live Forever",
        "Oasis - Live Forever",
        "Runnin' (Dying to Live)",
        "Immortal (We Live Forever)",
        "Demons",
        "Covered in Gold",
        "Song (Cover Me)",
        "Run for Cover",
        "Song (Fast Car)",
        "Volverte a Ver",
        "Te Quiero (Volver a Ver)",
        "Acoustic Motorbike",
        "Remix to Ignition",
        "Concert Hall",
        "Karaoke Queen",
        "Symphony No. 12",
        "Death and the Maiden - String Quartet No. 14",
        "6 ft. under",
        "(I Can't Get No) Satisfaction",
    ],
)
def test_words_that_are_ordinary_in_titles_make_no_version(title: str) -> None:
    assert versions(title) == frozenset()
    assert song_title(title) == fold(title)


def test_brackets_are_read_and_words_outside_them_are_not() -> None:
    assert versions("Live and Let Die (Live)") == {"live"}
    assert song_title("(I Can't Get No) Satisfaction") == "i cant get no satisfaction"
    assert song_title("(Live)") == "live"
    assert song_title("$$$ - Remix") == "$$$"
    assert versions("Song (Karaoke Versi") == {"karaoke"}
    assert read_title("Song (Live at Wembley, 1986) - 2011 Remaster").detail == "wembley 1986"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Heroes", "“Heroes” (Live at the BBC)"),
        ("Heroes", "Heroes - 2011 Remaster"),
        ("Heroes", "HEROES [Single Version] - Remastered 2017"),
        ("Heroes", "Heroes - Remastered 2017 - Live"),
        ("Heroes", "Heroes - Live at Wembley / 1986"),
        ("Heroes", "Heroes <Live>"),
        ("I <3 You", "I <3 You (Live)"),
        ("Déjà vu", "Deja Vu feat. Nobody"),
        ("Déjà vu", "Deja Vu ft. Nobody (Remix)"),
        ("Déjà vu", "Deja Vu featuring Nobody & Friends - Radio Edit"),
        ("Déjà vu", "Deja Vu feat.初音ミク"),
        ("Around the World", "Around the World (Radio Edit)"),
        ("Hurt", "Hurt (Acoustic) (Official Video)"),
        ("Hurt", "Hurt Official Music Video"),
        ("Love Story", "Love Story (Taylor's Version)"),
        ("Light My Fire", "Light My Fire - New Stereo Mix"),
        ("So What", "So What (En Vivo) [Remasterizado]"),
        ("晴天", "晴天（官方MV）"),
        ("紅蓮華", "紅蓮華 (TVアニメ「鬼滅の刃」主題歌)"),
        ("Gangnam Style", "GANGNAM STYLE(강남스타일)"),
    ],
)
def test_versions_of_a_song_share_a_title(first: str, second: str) -> None:
    assert song_title(first) == song_title(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("(I Can't Get No) Satisfaction", "Satisfaction"),
        ("Symphony No. 5 - I. Allegro", "Symphony No. 5 - II. Andante"),
        ("Live Forever", "Forever"),
        ("Untitled 1", "Untitled 2"),
        ("1999", "1979"),
        ("かき", "がき"),
        ("Song (第1部)", "Song (第2部)"),
    ],
)
def test_different_songs_keep_different_titles(first: str, second: str) -> None:
    assert song_title(first) != song_title(second)


@given(st.text(max_size=60))
def test_any_title_has_a_name(title: str) -> None:
    assert song_title(title) or not title.strip()


def test_titles_of_any_length_are_read_quickly() -> None:
    for text in (
        "(" * 3000,
        "(live) " * 60,
        " - " * 150,
        "11111 " * 80,
        "feat. " * 80,
        "videoclip" * 50,
    ):
        assert song_title(text)


@pytest.mark.parametrize(
    ("credit", "artist"),
    [
        ("Eminem ft. Dido", "eminem"),
        ("Eminem feat. Dido", "eminem"),
        ("Eminem Featuring Dido", "eminem"),
        ("Eminem (feat. Dido)", "eminem"),
        ("PSY(싸이)", "psy"),
        ("The Beatles", "beatles"),
        ("The The", "the"),
        ("Little Feat", "little feat"),
        ("P!nk", "pink"),
        ("Tyler, The Creator", "tyler the creator"),
        ("Simon & Garfunkel", "simon and garfunkel"),
        ("10 Ft. Ganja Plant", "10 ft ganja plant"),
        ("!!!", "!!!"),
    ],
)
def test_the_main_artist_stands_without_guests(credit: str, artist: str) -> None:
    assert main_artist(track("Song", credit)) == artist
    assert main_artist(track("Song")) == ""


def test_credits_share_an_artist_however_they_are_written() -> None:
    assert artists_agree(("Eminem ft. Dido",), ("Dido",))
    assert artists_agree(("P!nk",), ("Pink",))
    assert artists_agree(("AC/DC",), ("ACDC",))
    assert not artists_agree(("Prince",), ("Prince Royce",))


def test_a_copy_gives_itself_away_by_its_artist_or_album() -> None:
    hello = track("Hello", "Adele")
    assert not same_recording(hello, track("Hello", "Adele Karaoke Band"))
    assert not same_recording(hello, track("Hello", "Adele", album="Lullaby Tribute to Adele"))
    copy = track("Hello", "Adele Karaoke Band", album="Karaoke Hits")
    assert same_recording(copy, copy)
    own = track("Love Me Again", "John Newman", album="Tribute")
    assert same_recording(own, track("Love Me Again", "John Newman"))


def test_the_same_title_by_another_artist_is_another_song() -> None:
    assert recording_key(track("Hurt", "Nine Inch Nails")) != recording_key(
        track("Hurt", "Johnny Cash")
    )
    assert recording_key(Track("a", "Hurt")) != recording_key(Track("b", "Hurt"))
    assert recording_key(track("So What", "P!nk")) == recording_key(track("So What", "Pink"))


NEUTRAL = st.sampled_from(
    (
        "{} (Remastered 2011)",
        "{} - 2009 Remaster",
        "{} (Official Video)",
        "{} [Official Music Video]",
        "{} feat. A Guest",
        "{} (ft. A Guest)",
        "{} (Radio Edit)",
        "{} (Lyrics)",
    )
)
NAMES = st.from_regex(r"[A-Z][a-z]{3,9}( [A-Z][a-z]{3,9}){0,2}", fullmatch=True)


@given(NAMES, NAMES, st.lists(NEUTRAL, max_size=3))
def test_decorations_leave_a_recording_the_same(title: str, artist: str, how: list[str]) -> None:
    decorated = title
    for pattern in how:
        decorated = pattern.format(decorated)
    one, other = track(title, artist), track(decorated, artist)
    assert recording_key(one) == recording_key(other)
    assert same_recording(one, other)


@given(NAMES, NAMES, st.sampled_from(("(Live)", "- Remix", "[Karaoke]", "(En vivo)", "(カバー)")))
def test_versions_are_one_song_and_other_recordings(title: str, artist: str, version: str) -> None:
    one, other = track(title, artist), track(f"{title} {version}", artist)
    assert recording_key(one) == recording_key(other)
    assert not same_recording(one, other)


TRACKS = st.builds(
    Track,
    st.just("a"),
    st.sampled_from(("", "Song")),
    st.sampled_from(((), ("A Band",))),
    album=st.none() | st.text(min_size=1, max_size=3),
    genre=st.none() | st.text(min_size=1, max_size=3),
    year=st.none() | st.integers(1900, 2030),
    duration=st.none() | st.floats(1, 999),
    identities=st.dictionaries(st.sampled_from(("deezer", "isrc")), st.text(max_size=3)),
    links=st.dictionaries(st.sampled_from(("deezer", "spotify")), st.text(max_size=3)),
    provenance=st.dictionaries(st.sampled_from(("genre", "year", "album")), st.text(max_size=3)),
)


@given(TRACKS, TRACKS)
def test_merging_keeps_what_is_known_and_fills_the_gaps(known: Track, new: Track) -> None:
    merged = merge(known, new)
    for name in ("title", "artists", "album", "genre", "year", "duration"):
        ours = getattr(known, name)
        assert getattr(merged, name) == (getattr(new, name) if ours in (None, "", ()) else ours)
    assert {**new.identities, **known.identities} == merged.identities
    assert {**new.links, **known.links} == merged.links
    assert merge(merged, new) == merged
    assert merge(known, known) == known


def test_what_fills_a_gap_keeps_its_origin() -> None:
    known = Track("a", "Song", genre="Rock", provenance={"genre": "deezer"})
    new = Track(
        "b",
        "Song (Remastered)",
        ("A Band",),
        genre="Pop",
        year=1999,
        provenance={"artists": "itunes", "genre": "itunes", "year": "itunes"},
    )
    merged = merge(known, new)
    assert (merged.id, merged.title, merged.artists, merged.genre) == (
        "a",
        "Song",
        ("A Band",),
        "Rock",
    )
    assert merged.provenance == {"genre": "deezer", "artists": "itunes", "year": "itunes"}


@pytest.mark.parametrize(
    ("name", "artist", "title"),
    [
        ("Artist - Title.mp3", "Artist", "Title"),
        ("Artist – Title.mp3", "Artist", "Title"),
        ("Artist — Title.mp3", "Artist", "Title"),
        ("artist-name--the-title.wav", "Artist Name", "The Title"),
        ("03 - Song.mp3", "", "Song"),
        ("12 - Song.mp3", "", "Song"),
        ("03. Song.flac", "", "Song"),
        ("3. Song.flac", "", "Song"),
        ("03 Song.flac", "", "Song"),
        ("1-03 Song.flac", "", "Song"),
        ("01 - Artist - Title.mp3", "Artist", "Title"),
        ("01. Artist - Title.mp3", "Artist", "Title"),
        ("101 - Artist - Title.mp3", "Artist", "Title"),
        ("01_-_Daft_Punk_-_One_More_Time.mp3", "Daft Punk", "One More Time"),
        ("01-daft_punk-one_more_time.mp3", "daft punk", "one more time"),
        ("Artist - Album - 03 - Title.mp3", "Artist", "Title"),
        ("Artist - 03 Title.mp3", "Artist", "Title"),
        ("Daft_Punk_-_One_More_Time.mp3", "Daft Punk", "One More Time"),
        ("Artist - Title [Official Video] [dQw4w9WgXcQ].webm", "Artist", "Title"),
        ("Artist_-_Title_(Official_Music_Video)_[dQw4w9WgXcQ].webm", "Artist", "Title"),
        ("Artist - Title-dQw4w9WgXcQ.mp4", "Artist", "Title"),
        ("Artist - Title (Live) [Alternative].mp3", "Artist", "Title (Live) [Alternative]"),
        ("AC⧸DC - T.N.T..mp3", "AC/DC", "T.N.T."),
        ("a-ha - Take On Me.mp3", "a-ha", "Take On Me"),
        ("Madonna - Music.mp3", "Madonna", "Music"),
        ("Taylor Swift - 22 - Live.mp3", "Taylor Swift", "22 - Live"),
        ("Jay-Z - 99 Problems.mp3", "Jay-Z", "99 Problems"),
        ("50 Cent - In da Club.mp3", "50 Cent", "In da Club"),
        ("112 - Cupid.mp3", "112", "Cupid"),
        ("99 Problems.mp3", "", "99 Problems"),
        ("1979.mp3", "", "1979"),
        ("01.mp3", "", "01"),
        ("one-more-time.mp3", "", "One More Time"),
        ("04 夜に駆ける.mp3", "", "夜に駆ける"),
        ("Mr. Blue Sky", "", "Mr. Blue Sky"),
        ("folder/Artist - Title.mp3", "Artist", "Title"),
        (".mp3", "", "untitled"),
        ("", "", "untitled"),
    ],
)
def test_a_file_name_tells_artist_and_title(name: str, artist: str, title: str) -> None:
    assert read_file_name(name) == (artist, title)


@given(st.text(max_size=40) | st.text("01-_ .[]()aA–", max_size=20))
def test_any_file_name_gives_a_title(name: str) -> None:
    artist, title = read_file_name(name)
    assert title.strip()
    assert artist == artist.strip()


def test_words_about_the_video_are_no_part_of_a_heading() -> None:
    assert without_page_words("Artist - Song (Official Video) [4K]") == "Artist - Song"
    assert without_page_words("Artist - Song // lyrics") == "Artist - Song"
    assert without_page_words("Madonna - Music") == "Madonna - Music"
    assert without_page_words("Song (Live) (Remastered 2009)") == "Song (Live) (Remastered 2009)"
