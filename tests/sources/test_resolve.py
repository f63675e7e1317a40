from __future__ import annotations

import pytest
from aiohttp import web

from musrec.model import Choices, Track
from musrec.sources import Deadline, Endpoints, Found, Missing, Sources, SourcesSettings, links
from tests.support.loopback import (
    ISRC,
    SPOTIFY_ID,
    VIDEO_ID,
    Loopback,
    deezer_track,
    itunes_track,
    stock,
)


def found(resolution: object) -> Track:
    assert isinstance(resolution, Found), resolution
    return resolution.track


@pytest.mark.parametrize(
    "text",
    [
        "daft punk one more time",
        "One More Time - Daft Punk",
        f"spotify:track:{SPOTIFY_ID}",
        "have you heard https://www.deezer.com/fr/track/3135553 ?",
        "https://music.apple.com/us/album/discovery/697194953?i=697195462",
        f"https://www.youtube.com/watch?v={VIDEO_ID}&list=RD{VIDEO_ID}",
        "https://soundcloud.com/daftpunk/one-more-time",
        "https://tidal.com/browse/track/1565229",
        "https://spotify.link/abc",
    ],
)
async def test_every_way_to_a_song_ends_at_the_same_song(
    stocked: Loopback, more_sources: Sources, soon: Deadline, text: str
) -> None:
    track = found(await more_sources.resolve(text, deadline=soon))
    assert (track.title, track.artists, track.isrc) == ("One More Time", ("Daft Punk",), ISRC)
    assert track.identities["deezer"] == "3135553"
    assert track.popularity == pytest.approx(0.85)
    assert track.genre
    named = {"title", "artists", "genre", "isrc", "duration", "popularity"}
    assert named <= set(track.provenance)
    assert track.provenance["popularity"] == "deezer"
    assert (
        track.id == found(await more_sources.resolve("daft punk one more time", deadline=soon)).id
    )


async def test_with_a_key_spotify_says_which_song_its_link_is(
    stocked: Loopback, keyed: Sources, soon: Deadline
) -> None:
    track = found(await keyed.resolve(f"spotify:track:{SPOTIFY_ID}", deadline=soon))
    assert track.provenance["title"] == "spotify"
    assert track.provenance["popularity"] == "deezer"
    assert track.links["spotify"] == f"https://open.spotify.com/track/{SPOTIFY_ID}"
    assert stocked.count("/reccobeats/track") == 0


async def test_a_spotify_link_that_no_service_opens_is_asked_about(
    stocked: Loopback, sources: Sources, soon: Deadline
) -> None:
    stocked.json("/reccobeats/track", {"content": []})
    stocked.json("/musicbrainz/url", {}, status=404)
    choices = await sources.resolve(f"spotify:track:{SPOTIFY_ID}", deadline=soon)
    assert isinstance(choices, Choices)
    assert "One More Time" in choices.why
    assert [track.title for track in choices.tracks] == ["One More Time"]
    assert choices.why == "That link says only “One More Time”; this song comes near."


async def test_a_wrong_version_is_never_taken_for_the_song(
    server: Loopback, sources: Sources, soon: Deadline
) -> None:
    rows = [
        deezer_track(1, "Hurt (Live at Home)", "Johnny Cash"),
        deezer_track(2, "Hurt (Karaoke Version)", "Sing Along"),
        deezer_track(3, "Hurt (Sped Up)", "Johnny Cash"),
        deezer_track(4, "Hurt", "Nine Inch Nails", rank=700_000),
        deezer_track(5, "Hurt", "Johnny Cash", rank=900_000, isrc="USDJ20200001"),
    ]
    server.json("/deezer/search", {"data": rows})
    track = found(await sources.resolve("johnny cash hurt", deadline=soon))
    assert track.identities["deezer"] == "5"
    live = found(await sources.resolve("johnny cash hurt live", deadline=soon))
    assert live.identities["deezer"] == "1"
    either = await sources.resolve("hurt", deadline=soon)
    assert isinstance(either, Choices)
    assert [track.artist for track in either.tracks[:2]] == ["Johnny Cash", "Nine Inch Nails"]


@pytest.mark.parametrize(
    ("text", "songs"),
    [
        ("adele", [("Adele", "Someone Else"), ("Hello", "Adele")]),
        ("black sabbath", [("Black Sabbath", "Black Sabbath"), ("Paranoid", "Black Sabbath")]),
        ("song remix", [("Song (Tiësto Remix)", "A Band"), ("Song (Eric Prydz Remix)", "A Band")]),
    ],
)
async def test_an_ambiguous_search_asks_which_song_is_meant(
    server: Loopback,
    sources: Sources,
    soon: Deadline,
    text: str,
    songs: list[tuple[str, str]],
) -> None:
    rows = [deezer_track(n, *song) for n, song in enumerate(songs, start=1)]
    server.json("/deezer/search", {"data": rows})
    asked = await sources.resolve(text, deadline=soon)
    assert isinstance(asked, Choices)
    assert {(track.title, track.artist) for track in asked.tracks} == set(songs)


async def test_a_title_that_matches_nothing_or_everything_is_answered_with_words(
    stocked: Loopback, sources: Sources, soon: Deadline
) -> None:
    nothing = await sources.resolve("qwertz uiop asdf", deadline=soon)
    assert isinstance(nothing, Missing)
    assert "qwertz" in nothing.sentence
    assert "clip" in nothing.hint
    turned = await sources.resolve("\x00\u202eqwertz\ud800\nuiop", deadline=soon)
    assert isinstance(turned, Missing)
    assert turned.sentence == "I found no song called “qwertz uiop”."
    empty = await sources.resolve("   ", deadline=soon)
    assert isinstance(empty, Missing)
    stocked.json("/deezer/search", {"data": [deezer_track(n, "Love", f"A{n}") for n in range(40)]})
    love = await sources.resolve("love", deadline=soon)
    assert isinstance(love, Choices)
    assert len(love.tracks) == 10


async def test_unknown_sites_are_refused_with_what_works_and_without_a_request(
    server: Loopback, sources: Sources, soon: Deadline
) -> None:
    for text in (
        "https://vimeo.com/1234",
        "do you like https://vimeo.com/1234 ?",
        "http://169.254.169.254/latest/meta-data/",
        "x.com/a",
    ):
        refused = await sources.resolve(text, deadline=soon)
        assert isinstance(refused, Missing)
        assert "Bandcamp" in refused.hint
    for text in (
        "https://open.spotify.com/genre/rock",
        "https://www.youtube.com/feed/trending",
        "spotify:track:short",
    ):
        no_song = await sources.resolve(text, deadline=soon)
        assert isinstance(no_song, Missing)
        assert no_song.sentence == "That link leads to no song."
    assert server.asked == []


async def test_longer_things_offer_their_first_songs_or_say_what_to_send(
    server: Loopback, sources: Sources, soon: Deadline
) -> None:
    rows = {"data": [deezer_track(n, f"Track {n}", "Daft Punk") for n in range(1, 15)]}
    for kind, path in (("album", "tracks"), ("playlist", "tracks"), ("artist", "top")):
        server.json(f"/deezer/{kind}/9/{path}", rows)
        choices = await sources.resolve(f"https://www.deezer.com/{kind}/9", deadline=soon)
        assert isinstance(choices, Choices)
        assert (len(choices.tracks), kind in choices.why) == (10, True)
    songs = [itunes_track(n, f"Track {n}", "Daft Punk") for n in range(1, 4)]
    server.json("/itunes/lookup", {"results": [{"wrapperType": "collection"}, *songs]})
    album = await sources.resolve("https://music.apple.com/us/album/x/697194953", deadline=soon)
    assert isinstance(album, Choices)
    for text in (
        f"https://open.spotify.com/playlist/{SPOTIFY_ID}",
        f"https://open.spotify.com/episode/{SPOTIFY_ID}",
        "https://www.youtube.com/playlist?list=PL55713C70BA91BD6E",
        "https://soundcloud.com/forss/sets/soulhack",
    ):
        closed = await sources.resolve(text, deadline=soon)
        assert isinstance(closed, Missing)
        assert "song" in closed.hint


async def test_dead_and_private_links_say_so(
    server: Loopback, sources: Sources, soon: Deadline
) -> None:
    server.json("/deezer/track/1", {"error": {"type": "DataException", "code": 800}})
    server.raw("/oembed/youtube", b"Unauthorized", status=401)
    server.raw("/oembed/soundcloud", b"", status=403)
    for text in (
        "https://www.deezer.com/track/1",
        f"https://youtu.be/{VIDEO_ID}",
        "https://soundcloud.com/a/b/s-Secret",
    ):
        gone = await sources.resolve(text, deadline=soon)
        assert isinstance(gone, Missing)
        assert "no song behind that link" in gone.sentence
        assert gone.hint


async def test_a_song_that_only_exists_on_its_own_page_is_taken_at_its_word(
    server: Loopback, sources: Sources, soon: Deadline
) -> None:
    server.json("/oembed/soundcloud", {"title": "Basement Tape by moth", "author_name": "moth"})
    track = found(await sources.resolve("https://soundcloud.com/moth/basement", deadline=soon))
    assert (track.title, track.artists) == ("Basement Tape", ("moth",))
    assert track.provenance == {"title": "soundcloud", "artists": "soundcloud"}
    missing = await sources.preview(track, deadline=soon)
    assert isinstance(missing, Missing)
    assert "clip" in missing.hint


async def test_a_short_link_is_followed_hop_by_hop_and_only_to_music(
    server: Loopback, sources: Sources, soon: Deadline
) -> None:
    stock(server)
    server.redirect("/short/on.soundcloud.com/a", f"{server.address}/hop")
    server.redirect("/hop", "https://soundcloud.com/daftpunk/one-more-time?utm=x")
    assert found(await sources.resolve("https://on.soundcloud.com/a", deadline=soon)).isrc == ISRC
    for where in ("http://169.254.169.254/", "https://evil.example/", "/short/spotify.link/loop"):
        server.redirect("/short/spotify.link/loop", where)
        lost = await sources.resolve("https://spotify.link/loop", deadline=soon)
        assert isinstance(lost, Missing)
        assert "Open it" in lost.hint

    async def dead_end(request: web.Request) -> web.Response:
        assert request.transport
        request.transport.abort()
        return web.Response()

    server.set("/short/spotify.link/loop", dead_end)
    assert isinstance(lost, Missing)
    for _ in range(4):  # and dead ones do not keep the others from being followed
        dead = await sources.resolve("https://spotify.link/loop", deadline=soon)
        assert dead == Missing("That short link does not answer.", lost.hint)
    assert found(await sources.resolve("https://on.soundcloud.com/a", deadline=soon)).isrc == ISRC


@pytest.mark.parametrize(
    ("short", "page"),
    [
        ("https://spoti.fi/35APzOZ", f"https://open.spotify.com/track/{SPOTIFY_ID}?si=1"),
        ("https://spotify.link/abc", f"https://open.spotify.com/intl-de/track/{SPOTIFY_ID}"),
        ("https://spotify.app.link/abc", f"https://open.spotify.com/track/{SPOTIFY_ID}"),
        ("https://deezer.page.link/abc", "https://www.deezer.com/track/3135553?utm_source=x"),
        ("https://dzr.page.link/abc", "https://deezer.com/en/track/3135553"),
        ("https://link.deezer.com/s/abc", "https://www.deezer.com/track/3135553"),
        ("https://apple.co/3abc", "https://music.apple.com/us/album/discovery/1?i=697195462"),
        ("https://itun.es/us/fP3ab", "https://geo.itunes.apple.com/us/album/x/id1?i=697195462"),
        ("https://on.soundcloud.com/abc", "https://soundcloud.com/daftpunk/one-more-time"),
    ],
)
async def test_every_short_link_is_followed_within_the_list_of_hosts(
    stocked: Loopback,
    soon: Deadline,
    monkeypatch: pytest.MonkeyPatch,
    short: str,
    page: str,
) -> None:
    """The stand-in takes the place of the short links' hosts alone; the list is the real one."""
    monkeypatch.setattr(links, "HOPS", links.HOPS | {stocked.address})
    endpoints = Endpoints(stocked.address, trusted=False)
    way = f"/short/{short.removeprefix('https://')}"
    settings = SourcesSettings(ytdlp=False, musicbrainz=False)
    async with Sources(settings, endpoints=endpoints) as sources:
        stocked.redirect(way, "/hop")
        stocked.redirect("/hop", page)
        assert found(await sources.resolve(short, deadline=soon)).isrc == ISRC
        asked = stocked.asked.count("/beyond")
        for where in (
            f"http://localhost:{stocked.address.rpartition(':')[2]}/beyond",
            page.replace("https://", "http://user@"),
            "https://evil.example/" + page,
        ):
            stocked.redirect("/hop", where)
            lost = await sources.resolve(short, deadline=soon)
            assert isinstance(lost, Missing)
            assert "leads to no song" in lost.sentence
        assert stocked.asked.count("/beyond") == asked


async def test_a_failing_service_is_not_reported_as_not_found(
    server: Loopback, more_sources: Sources, soon: Deadline
) -> None:
    server.raw("", b"<html>", status=503)
    answer = await more_sources.resolve("daft punk one more time", deadline=soon)
    assert isinstance(answer, Missing)
    assert answer.sentence.startswith("I cannot look for titles now: Deezer asks for patience")
    assert "Try again" in answer.hint


async def test_a_service_that_could_not_be_asked_is_named_beside_those_that_found_nothing(
    server: Loopback, sources: Sources, soon: Deadline
) -> None:
    server.raw("/deezer/search", b"", status=503)
    server.json("/itunes/search", {"results": []})
    answer = await sources.resolve("a title", deadline=soon)
    assert isinstance(answer, Missing)
    assert answer.sentence == (
        "I found no song called “a title”, and could not ask every service: "
        "Deezer asks for patience (HTTP 503)."
    )


async def test_a_sites_word_on_its_own_link_counts(
    server: Loopback, more_sources: Sources, soon: Deadline
) -> None:
    server.json("/deezer/track/1", {"error": {"code": 800}})
    server.raw("/musicbrainz/url", b"", status=503)
    gone = await more_sources.resolve("https://www.deezer.com/track/1", deadline=soon)
    assert gone == Missing(
        "There is no song behind that link: Deezer has no such thing.",
        "Send me the title and artist, or a clip of it as a file.",
    )
    kept = await more_sources.resolve("https://www.deezer.com/track/1", deadline=soon)
    assert kept == gone
    server.json("/reccobeats/track", {"content": []})
    server.raw("/oembed/spotify", b"", status=404)
    page = await more_sources.resolve(f"spotify:track:{SPOTIFY_ID}", deadline=soon)
    assert isinstance(page, Missing)
    assert page.sentence == "There is no song behind that link: the page is private or gone."


async def test_an_apple_link_of_another_country_is_asked_for_there(
    server: Loopback, sources: Sources, soon: Deadline
) -> None:
    async def lookup(request: web.Request) -> web.Response:
        songs = (
            [itunes_track(7, "Ein Lied", "Eine Band")] if request.query["country"] == "DE" else []
        )
        return web.json_response({"results": songs})

    server.set("/itunes/lookup", lookup)
    track = found(await sources.resolve("https://music.apple.com/de/song/x/7", deadline=soon))
    assert track.title == "Ein Lied"


async def test_an_apple_link_to_something_else_is_not_a_song(
    server: Loopback, sources: Sources, soon: Deadline
) -> None:
    song = itunes_track(8, "First of an Album", "Somebody")
    server.json("/itunes/lookup", {"results": [{"wrapperType": "collection"}, song]})
    gone = await sources.resolve("https://music.apple.com/us/song/x/7", deadline=soon)
    assert isinstance(gone, Missing)
