from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musrec.sources.links import HOPS, host, is_known, parse
from musrec.sources.provider import LinkKind

TRACK = "4uLU6hMCjMI75M1A2tKUQC"


@pytest.mark.parametrize(
    ("text", "provider", "identifier"),
    [
        (f"https://open.spotify.com/track/{TRACK}?si=abc", "spotify", TRACK),
        (f"https://open.spotify.com/intl-de/track/{TRACK}/", "spotify", TRACK),
        (f"https://open.spotify.com/intl-pt-BR/track/{TRACK}", "spotify", TRACK),
        (f"http://open.spotify.com/embed/track/{TRACK}", "spotify", TRACK),
        (f"spotify:track:{TRACK}", "spotify", TRACK),
        (f"listen: <https://open.spotify.com/track/{TRACK}>!", "spotify", TRACK),
        (f"[this one](https://open.spotify.com/track/{TRACK})", "spotify", TRACK),
        ("https://www.deezer.com/en/track/3135556", "deezer", "3135556"),
        ("deezer.com/track/3135556", "deezer", "3135556"),
        ("https://music.apple.com/us/album/x/1440904001?i=1440904006&l=en", "itunes", "1440904006"),
        ("https://music.apple.com/gb/song/one-more-time/697195462", "itunes", "697195462"),
        ("https://itunes.apple.com/us/album/id697194953?i=697195462", "itunes", "697195462"),
        ("https://youtu.be/dQw4w9WgXcQ?t=42", "youtube", "dQw4w9WgXcQ"),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ&list=RD1", "youtube", "dQw4w9WgXcQ"),
        ("https://music.youtube.com/watch?list=OL&v=dQw4w9WgXcQ", "youtube", "dQw4w9WgXcQ"),
        ("https://m.youtube.com/shorts/dQw4w9WgXcQ", "youtube", "dQw4w9WgXcQ"),
        ("https://soundcloud.com/forss/flickermood?in=a/b", "soundcloud", "forss/flickermood"),
        ("soundcloud.com/a/b/s-Secret", "soundcloud", "a/b/s-Secret"),
        ("https://tycho.bandcamp.com/track/awake", "bandcamp", "tycho/awake"),
        ("https://listen.tidal.com/track/77646168", "tidal", "77646168"),
        ("https://tidal.com/browse/track/77646168?u", "tidal", "77646168"),
        ("https://listen.tidal.com/album/77646164/track/77646168", "tidal", "77646168"),
        ("これhttps://youtu.be/dQw4w9WgXcQ。聞いて", "youtube", "dQw4w9WgXcQ"),
        ("_https://youtu.be/dQw4w9WgXc__", "youtube", "dQw4w9WgXc_"),
        ("||https://youtu.be/dQw4w9WgXcQ||", "youtube", "dQw4w9WgXcQ"),
        ("https://youtu.be/dQw4w9WgXcQ,https://youtu.be/aaaaaaaaaaa", "youtube", "dQw4w9WgXcQ"),
        (
            "https://music.apple.com/jp/album/夜に駆ける/1490256993?i=1490256995",
            "itunes",
            "1490256995",
        ),
    ],
)
def test_every_form_of_a_song_link_names_its_song(
    text: str, provider: str, identifier: str
) -> None:
    link = parse(text)
    assert link is not None
    assert (link.provider, link.kind, link.id) == (provider, LinkKind.TRACK, identifier)
    assert link.url.startswith("https://")
    assert "list=" not in link.url
    assert parse(link.url) == link


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"https://open.spotify.com/album/{TRACK}", LinkKind.ALBUM),
        (f"https://open.spotify.com/user/me/playlist/{TRACK}", LinkKind.PLAYLIST),
        (f"spotify:user:me:playlist:{TRACK}", LinkKind.PLAYLIST),
        (f"https://open.spotify.com/episode/{TRACK}", LinkKind.PODCAST),
        ("https://www.deezer.com/fr/artist/27", LinkKind.ARTIST),
        ("https://www.deezer.com/show/1", LinkKind.PODCAST),
        ("https://music.apple.com/us/album/discovery/697194953", LinkKind.ALBUM),
        ("https://music.apple.com/us/playlist/x/pl.f4d106fed2bd41149aaacabb233eb5eb", "playlist"),
        ("https://podcasts.apple.com/us/podcast/x/id1200361736", LinkKind.PODCAST),
        ("https://www.youtube.com/playlist?list=PL55713C70BA91BD6E", LinkKind.PLAYLIST),
        ("https://www.youtube.com/@daftpunk", LinkKind.ARTIST),
        ("https://soundcloud.com/forss/sets/soulhack", LinkKind.PLAYLIST),
        ("https://soundcloud.com/forss/likes", LinkKind.ARTIST),
        ("https://tycho.bandcamp.com/album/awake", LinkKind.ALBUM),
        ("https://tycho.bandcamp.com/", LinkKind.ARTIST),
        ("https://spotify.link/abc", LinkKind.SHORT),
        ("https://spoti.fi/35APzOZ", LinkKind.SHORT),
        ("spoti.fi/35APzOZ", LinkKind.SHORT),
        ("https://spotify.app.link/abc", LinkKind.SHORT),
        ("https://on.soundcloud.com/abc", LinkKind.SHORT),
        ("https://deezer.page.link/abc", LinkKind.SHORT),
        ("https://link.deezer.com/s/abc", LinkKind.SHORT),
    ],
)
def test_longer_things_and_short_links_are_told_apart(text: str, kind: LinkKind) -> None:
    link = parse(text)
    assert link is not None
    assert link.kind == kind


@pytest.mark.parametrize(
    "text",
    [
        f"https://openXspotify.com/track/{TRACK}",
        f"https://open.spotify.com.evil.example/track/{TRACK}",
        f"https://open.spotify.com@evil.example/track/{TRACK}",
        f"https://evil.example/https://open.spotify.com/track/{TRACK}",
        f"https://open.spotify.com:8443/track/{TRACK}",
        f"ftp://open.spotify.com/track/{TRACK}",
        "https://open.spotify.com/track/short",
        "https://www.deezer.com/track/../../admin",
        "https://evil.bandcamp.com.example/track/x",
        "https://127.0.0.1/track/1",
        "https://soundcloud.com/discover",
        "https://[::1/track",
        "https://youtu.be/dQw4w9WgXcQdQw4w9WgXcQ",
        "https://www.youtube.com/embed/videoseries?list=PL55713C70BA91BD6E",
        f"https://open.spotify.com。evil.example/track/{TRACK}",
        f"https://xn--open-spotify.com/track/{TRACK}",
        f"https://оpen.spotify.com/track/{TRACK}",
        "Live and Let Die",
        "",
    ],
)
def test_look_alikes_and_plain_titles_are_not_links(text: str) -> None:
    assert parse(text) is None


@given(st.text() | st.from_regex(r"(https?://)?[a-z.]{0,20}(spotify|youtu|deezer)\S{0,40}"))
def test_no_text_breaks_the_link_parser(text: str) -> None:
    link = parse(text)
    assert link is None or parse(link.url) == link


def test_an_address_is_told_from_a_title() -> None:
    assert host("https://vimeo.com/1234") == "vimeo.com"
    assert host("www.example.com/song") == "www.example.com"
    assert host("look at https://vimeo.com/1234 please") == "vimeo.com"
    assert host("https://[::1/song") == ""
    for title in ("AC/DC", "Mr. Brightside", "will.i.am/fergie song", "Where Is the Love?", "http"):
        assert host(title) is None
    assert is_known("open.spotify.com")
    assert is_known("www.youtube.com")
    assert is_known("bandcamp.com")
    assert not is_known("evilbandcamp.com")
    assert not is_known("vimeo.com")


def test_short_links_may_only_lead_through_hosts_of_music() -> None:
    ends = (".com", ".link", "://spoti.fi", "www.spoti.fi")
    assert all(origin.startswith("https://") and origin.endswith(ends) for origin in HOPS)
    assert not any(part in origin for origin in HOPS for part in ("*", "127", "localhost"))
