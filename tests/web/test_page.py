"""The page, asked as a browser without scripts asks."""

from __future__ import annotations

import html
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from musrec.members.model import OWNER, Role
from musrec.web.pages import LARGEST_CLIP
from tests.web.conftest import Page, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def filled(page: Page, member: str) -> dict[str, str]:
    """Return what the addresses of a member's pages are made of."""
    service = page.service
    song = service.catalogue.songs.tracks[0]
    kept = await service.playlists.create(member, f"Mine {len(await service.playlists.of(member))}")
    await service.playlists.add(kept, [t.id for t in service.catalogue.songs.tracks[:3]])
    answer = await service.answers.recommend(
        await service.songs.heard(song.id), member=member, online=False
    )
    return {"song": song.id, "playlist": str(kept.id), "answer": answer.id, "how": "csv"}


async def test_a_member_sees_own_things_alone(page: Page, member: Visitor) -> None:
    others = await filled(page, OWNER)
    assert (await member.get(f"/answers/{others['answer']}"))[0] == 404
    kept = await page.service.answers.kept(others["answer"])
    picture = f"/answers/{kept.id}/{kept.picks[0].track.id}.png"
    assert (await member.get(picture))[0] == 404
    for path in ("", "/export.csv"):
        assert (await member.get(f"/playlists/{others['playlist']}{path}"))[0] == 404
    status, _ = await member.post(f"/playlists/{others['playlist']}/change", do="delete")
    assert status == 404
    assert await page.service.playlists.get(int(others["playlist"]))


async def test_a_search_needs_no_script(owner: Visitor, page: Page) -> None:
    track = page.service.catalogue.songs.tracks[5]
    _, text = await owner.get(f"/library?text={track.title}")
    assert f'href="/songs/{track.id}"' in text
    # Each count is how many songs there are behind its link.
    _, text = await owner.get("/library")
    counted = re.findall(r'<a href="(\?[^"]+)">[^<]+</a> <span class="soft">(\d+)</span>', text)
    assert {re.sub("=.*", "", link) for link, _ in counted} >= {"?genre", "?mood"}
    for link, count in counted:
        _, text = await owner.get(f"/library{html.unescape(link)}&sort=title")
        found = re.search(r'id="found">([\d,]+)', text)
        assert found, link
        assert found[1] == count, link
    _, text = await owner.get("/library?tempo=fast")
    assert "is no tempo" in text


async def test_a_file_is_heard_and_a_thumb_changes_the_next_answer(
    owner: Visitor, page: Page, music: Path
) -> None:
    clip = (music / "alexander-ehlers--flags.ogg").read_bytes()
    status, text = await owner.post("/ask", clip=clip)
    assert status == 200, text
    first = re.findall(r'id="pick-(\w+)"', text)
    assert first
    await owner.post(f"/songs/{first[0]}/thumb", kind="dislike")
    assert (await page.service.members.thumb(OWNER, first[0])) == "dislike"
    _, text = await owner.post("/ask", clip=clip)
    assert first[0] not in re.findall(r'id="pick-(\w+)"', text)


async def test_a_clip_is_shown_to_its_sender_alone(
    owner: Visitor, member: Visitor, page: Page, music: Path
) -> None:
    clip = (music / "alexander-ehlers--flags.ogg").read_bytes()
    sent = await page.service.songs.hear_clip(clip, "clip.ogg")
    status, _ = await owner.post("/ask", clip=clip)
    assert status == 200
    id_ = sent.track.id
    assert (await owner.get(f"/songs/{id_}"))[0] == 200
    for path in (f"/songs/{id_}", f"/songs/{id_}/sheet.png", f"/compare?ours={id_}&theirs={id_}"):
        assert (await member.get(path))[0] == 404, path
    for path, fields in (
        (f"/songs/{id_}/thumb", {"kind": "like"}),
        ("/ask", {"song": id_}),
        ("/ask", {"text": id_}),
        ("/playlists/add", {"song": id_, "playlist": "Found"}),
    ):
        assert (await member.post(path, **fields))[0] == 404, path


async def test_an_upload_that_is_too_large_or_no_music_gets_a_sentence(owner: Visitor) -> None:
    status, text = await owner.post("/ask", clip=b"RIFF" + bytes(3000))
    assert status == 400
    assert "<h1>" in text
    status, text = await owner.post("/ask", clip=bytes(LARGEST_CLIP + 200_000))
    assert status == 413
    assert "larger than 64" in text


async def test_a_link_works_once_and_showing_it_does_not_use_it_up(page: Page) -> None:
    secret = await page.service.visits.link("77", Role.MEMBER)
    first, second = await page.browser(), await page.browser()
    assert (await first.get(f"/enter/{secret}"))[0] == 200
    assert (await first.post(f"/enter/{secret}"))[0] == 200
    status, text = await second.post(f"/enter/{secret}")
    assert status == 404
    assert "has been used" in text
    await first.post("/sign-out")
    assert "<h1>Sign in</h1>" in (await first.get("/history"))[1]
    for visitor in (first, second):
        await visitor.http.close()


async def test_forms_of_other_sites_and_forged_cookies_are_refused(
    page: Page, owner: Visitor, stranger: Visitor
) -> None:
    status, _ = await owner.post("/playlists", origin="http://evil.example", name="x")
    assert status == 403
    headers = {"origin": page.address}
    async with owner.http.post("/playlists", data={"name": "x"}, headers=headers) as response:
        assert response.status == 400  # no token
    async with owner.http.get("/", headers={"host": "evil.example"}) as response:
        assert response.status == 421
    stranger.http.cookie_jar.update_cookies({"musrec": "forged.signature"})
    assert "<h1>Sign in</h1>" in (await stranger.get("/"))[1]


async def test_a_guest_chooses_a_password_and_signs_in_with_it(
    page: Page, owner: Visitor, stranger: Visitor
) -> None:
    _, text = await owner.post("/people", name="Zoë")
    link = re.search(r"<code>http://[^/]+(/enter/[\w-]+)", text)
    assert link
    guest = await page.browser()
    await guest.post(link[1])
    status, _ = await guest.post("/you/password", password="a long green tree")
    assert status == 200
    _, text = await stranger.post("/sign-in", name="ZOË", password="a wrong guess")
    assert "do not go together" in text
    _, text = await stranger.post("/sign-in", name="zoë", password="a long green tree")
    assert "What do you want to hear" in text
    await guest.http.close()


async def test_failed_sign_ins_are_limited_and_their_bodies_are_small(
    page: Page, stranger: Visitor
) -> None:
    for _ in range(5):
        status, _ = await stranger.post("/sign-in", name="Yan", password="a wrong guess")
        assert status == 403
    status, _ = await stranger.post("/sign-in", name="yan", password="a wrong guess")
    assert status == 503
    status, text = await stranger.post("/sign-in", name="Yan", password="x" * 20_000)
    assert status == 413
    assert "too large" in text


async def test_names_of_files_that_do_not_exist_are_not_found(owner: Visitor) -> None:
    for name in ("nothing.css", "%00", "..%2fapp.py", "x" * 300):
        assert (await owner.get(f"/static/{name}"))[0] == 404, name


async def test_a_playlist_is_made_ordered_shared_and_withdrawn(
    page: Page, owner: Visitor, stranger: Visitor
) -> None:
    songs = page.service.catalogue.songs.tracks[10:13]
    for song in songs:
        await owner.post("/playlists/add", playlist="On the road", song=song.id)
    kept = await page.service.playlists.named(OWNER, "On the road")
    await owner.post(f"/playlists/{kept.id}/change", do="up", song=songs[2].id)
    _, text = await owner.get(f"/playlists/{kept.id}")
    order = re.findall(r'/songs/(\w+)"', text)
    assert order == [songs[0].id, songs[2].id, songs[1].id]
    _, text = await owner.post(f"/playlists/{kept.id}/change", do="share")
    link = re.search(r"http://[^/]+(/shared/[\w-]+)", text)
    assert link
    assert songs[0].title in (await stranger.get(link[1]))[1].replace("&#39;", "'")
    await owner.post(f"/playlists/{kept.id}/change", do="withdraw")
    assert (await stranger.get(link[1]))[0] == 404


MANY = """
    INSERT INTO tracks (id, title, artists, links, provenance, added_at)
    WITH RECURSIVE count(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM count WHERE n < 4999)
    SELECT 'many' || n, 'Song ' || n, artists, links, provenance, added_at
    FROM count, (SELECT * FROM tracks LIMIT 1)
"""


async def test_a_playlist_of_thousands_is_shown_ordered_and_exported(
    page: Page, owner: Visitor
) -> None:
    with closing(sqlite3.connect(page.service.settings.paths.data / "musrec.db")) as store, store:
        store.execute(MANY)
    kept = await page.service.playlists.create(OWNER, "All of it")
    await page.service.playlists.add(kept, [f"many{n}" for n in range(5_000)])
    status, text = await owner.get(f"/playlists/{kept.id}?page=50")
    assert status == 200
    assert "Page 50 of 50" in text
    await owner.post(f"/playlists/{kept.id}/change", do="move", song="many4999", to="0")
    first = (await page.service.playlists.songs(kept))[:2]
    assert [song.id for song in first] == ["many4999", "many0"]
    for to in ("-1", "5000", "1e9", "²"):
        await owner.post(f"/playlists/{kept.id}/change", do="move", song="many0", to=to)
    assert (await page.service.playlists.songs(kept))[1].id == "many0"
    for how in ("m3u8", "csv", "json"):
        status, text = await owner.get(f"/playlists/{kept.id}/export.{how}")
        assert status == 200
        assert "Song 4999" in text
    await page.service.playlists.delete(kept)


async def test_a_wish_is_answered_with_songs_that_are_so(page: Page, owner: Visitor) -> None:
    _, text = await owner.post("/ask", text="jazz, not loud")
    picks = re.findall(r'id="pick-(\w+)"', text)
    assert picks, text
    songs = page.service.catalogue.songs
    genres = {track.id: track.genre for track in songs.tracks}
    assert "jazz" in {genres[pick] for pick in picks}
    assert not {genres[pick] for pick in picks} & {"metal", "country", "disco"}
    status, text = await owner.post("/ask", text="jazz 0-0 bpm")
    assert status == 404
    _, text = await owner.post("/ask", genre="metal", tempo="soon")
    assert "is no tempo" in text


async def test_a_songs_page_keeps_nothing(page: Page, owner: Visitor) -> None:
    song = page.service.catalogue.songs.tracks[0]
    before = await page.service.members.about(OWNER)
    for query in ("", "?systems=1"):
        assert (await owner.get(f"/songs/{song.id}{query}"))[0] == 200
    assert await page.service.members.about(OWNER) == before


async def test_two_tastes_are_blended_if_both_agree(
    page: Page, owner: Visitor, member: Visitor, stranger: Visitor
) -> None:
    tracks = page.service.catalogue.songs.tracks
    for who, first in ((OWNER, 0), ("417711229900", 2)):
        await page.service.members.like_all(who, [t.id for t in tracks[first : first + 4]])
    _, text = await owner.post("/blend")
    link = re.search(r"http://[^/]+(/blend/[^\"]+)", text)
    assert link
    assert "<h1>Sign in</h1>" in (await stranger.get(link[1]))[1]
    assert (await owner.get(link[1]))[0] == 400  # one's own
    assert "Blend your taste" in (await member.get(link[1]))[1]
    status, text = await member.post(link[1])
    assert status == 200
    assert "You both like" in text
    await page.service.members.choose(OWNER, hidden=True)
    assert (await member.post(link[1]))[0] == 404
    await page.service.members.choose(OWNER, hidden=False)
    assert (await member.post(link[1] + "x"))[0] == 404
