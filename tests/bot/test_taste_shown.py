"""Taste, blends, the map, comparisons, galleries and playlists as members meet them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from musrec.members.taste import VERDICTS
from musrec.model import FeedbackKind, Track
from musrec.pictures.draw import WIDTH
from musrec.service import Service
from tests.support.stores import store_of
from tests.support.world import World, is_card, options, parts, pressable, said

pytestmark = pytest.mark.asyncio(loop_scope="session")


def songs(world: World, genre: str, count: int) -> list[Track]:
    return [t for t in world.service.catalogue.songs.tracks if t.genre == genre][:count]


async def like(world: World, who: Any, genre: str, count: int = 5) -> list[Track]:
    tracks = songs(world, genre, count)
    for track in tracks:
        await world.service.members.learn(str(who.id), track.id, FeedbackKind.LIKE)
    return tracks


async def picture(response: Any) -> tuple[Image.Image, str]:
    """Return the picture of a message and its words."""
    [gallery] = [part for part in parts(response) if part["type"] == 12]
    [item] = gallery["items"]
    name = item["media"]["url"].removeprefix("attachment://").rpartition("/")[2].partition("?")[0]
    [file] = [one for one in response.attachments if one.filename == name]
    return Image.open(io.BytesIO(await file.read())), item["description"]


# Taste and blends ---------------------------------------------------------------------------------


async def test_a_taste_is_private_until_its_member_shows_it(world: World) -> None:
    await like(world, world.alice, "metal")
    shown = await world.alice.slash(world.channel, "taste")
    assert shown.ephemeral
    image, alt = await picture(shown.response)
    assert image.width == WIDTH
    assert "alice" in alt.lower()
    assert "metal" in alt
    shared = await world.alice.click(
        shown.response.message, custom_id=pressable(shown.response, "share:")
    )
    assert not shared.ephemeral
    assert (await picture(shared.response))[1] == alt


async def test_a_taste_is_seen_against_the_members_of_this_server(world: World) -> None:
    await like(world, world.alice, "metal")
    crowd = [world.guild.add_member(world.env.create_user(f"calm {n}")) for n in range(6)]
    for member in crowd:
        await like(world, member, "classical")
    outside = [world.env.create_user(f"loud {n}") for n in range(7)]
    for user in outside:
        for track in songs(world, "metal", 5):
            await world.service.members.learn(str(user.id), track.id, FeedbackKind.LIKE)
    shown = await world.alice.slash(world.channel, "taste")
    _, alt = await picture(shown.response)
    here = [str(member.id) for member in (*crowd, world.alice)]
    _, expected = await world.service.members.taste(str(world.alice.id), "alice", among=here)
    assert "in brackets the server" in alt
    assert alt == expected.alt
    alone = await world.alice.user.slash("taste")
    assert "in brackets everybody" in (await picture(alone.response))[1]
    for who in (*crowd, *outside):
        await world.service.members.delete(str(who.id))


async def test_nobody_with_nothing_is_told_what_to_do(world: World) -> None:
    shown = await world.alice.slash(world.channel, "taste")
    assert "nothing that alice likes" in said(shown.response)
    assert "👍" in said(shown.response)


async def test_a_blend_needs_both(world: World) -> None:
    await like(world, world.alice, "metal")
    await like(world, world.bob, "rock")
    eve = world.guild.add_member(world.env.create_user("eve"))
    asked = await world.alice.slash(world.channel, "blend", member=world.bob)
    assert not asked.ephemeral
    assert f"<@{world.bob.id}>" in said(asked.response)
    assert [user.id for user in asked.response.message.mentions] == [world.bob.id]
    agree = pressable(asked.response, "agree:")
    for other in (world.alice, eve):
        refused = await other.click(asked.response.message, custom_id=agree)
        assert refused.ephemeral
        assert "Only the member who was asked" in said(refused.response)
    await world.bob.click(asked.response.message, custom_id=agree)
    text = said(asked.response)
    assert "alice and bob: " in text
    assert any(verdict in text for verdict in (*dict(VERDICTS).values(), "worlds apart"))
    assert "of 100" not in text
    assert "suits" in text
    assert "For both of you" in text
    _, alt = await picture(asked.response)
    assert "bob" in alt
    assert not [part for part in parts(asked.response) if part["type"] == 2]


@pytest.mark.parametrize("who", ["bob", "alice"])
async def test_no_is_an_answer_and_a_question_can_be_taken_back(world: World, who: str) -> None:
    await like(world, world.bob, "rock")
    asked = await world.alice.slash(world.channel, "taste", member=world.bob)
    decline = pressable(asked.response, "decline:")
    await getattr(world, who).click(asked.response.message, custom_id=decline)
    assert ("Kept private" if who == "bob" else "taken back") in said(asked.response)
    assert not [part for part in parts(asked.response) if part["type"] in (2, 12)]


async def test_a_refusal_lasts_until_its_member_takes_it_back(world: World) -> None:
    eve = world.guild.add_member(world.env.create_user("eve"))
    asked = await world.alice.slash(world.channel, "taste", member=world.bob)
    no = await world.bob.click(
        asked.response.message, custom_id=pressable(asked.response, "decline:")
    )
    assert "/privacy taste" in said(no.followups[0])
    for command in ("taste", "blend"):
        refused = await eve.slash(world.channel, command, member=world.bob)
        assert refused.ephemeral
        assert "keeps their taste private" in said(refused.response)
    assert "can ask" in said((await world.bob.slash(world.channel, "privacy taste")).response)
    assert not (await eve.slash(world.channel, "taste", member=world.bob)).ephemeral
    await world.bob.slash(world.channel, "privacy taste")
    assert (await eve.slash(world.channel, "blend", member=world.bob)).ephemeral


async def test_the_same_member_is_not_asked_again_at_once(world: World) -> None:
    eve = world.guild.add_member(world.env.create_user("eve"))
    await world.alice.slash(world.channel, "taste", member=world.bob)
    again = await world.alice.slash(world.channel, "blend", member=world.bob)
    assert again.ephemeral
    assert "You can ask again in 10 minutes" in said(again.response)
    assert not (await world.alice.slash(world.channel, "taste", member=eve)).ephemeral
    assert not (await eve.slash(world.channel, "taste", member=world.bob)).ephemeral
    await world.env.advance_time(601)
    assert not (await world.alice.slash(world.channel, "taste", member=world.bob)).ephemeral


async def test_a_taste_is_shown_to_who_asked_once_its_member_agrees(world: World) -> None:
    await like(world, world.bob, "jazz")
    asked = await world.alice.slash(world.channel, "taste", member=world.bob)
    await world.bob.click(
        asked.response.message, custom_id=pressable(asked.response, "agree:taste:")
    )
    assert "bob is into " in said(asked.response)
    assert "jazz" in (await picture(asked.response))[1]


async def test_bots_oneself_and_those_who_left_cannot_be_asked(world: World) -> None:
    robot = world.guild.add_member(world.env.create_user("robot", bot=True))
    gone = world.env.create_user("gone")
    for who, sentence in (
        (robot, "Bots like nothing"),
        (world.alice, "You already agree with yourself"),
        (gone, "not here any more"),
    ):
        refused = await world.alice.slash(world.channel, "blend", member=who)
        assert refused.ephemeral
        assert sentence in said(refused.response)


@pytest.mark.parametrize("who", ["alice", "bob"])
async def test_a_member_without_likes_is_named_once_the_other_agreed(
    world: World, who: str
) -> None:
    await like(world, world.bob if who == "alice" else world.alice, "jazz")
    asked = await world.alice.slash(world.channel, "blend", member=world.bob)
    answer = await world.bob.click(
        asked.response.message, custom_id=pressable(asked.response, "agree:")
    )
    assert f"nothing that {who} likes" in said(answer.followups[0])


# The catalogue ------------------------------------------------------------------------------------


async def test_the_map_marks_ones_own_songs(world: World) -> None:
    await like(world, world.alice, "blues", 3)
    shown = await world.alice.slash(world.channel, "map")
    assert shown.ephemeral
    _, alt = await picture(shown.response)
    assert "3 liked by you" in alt
    assert "metal" in alt
    assert "your likes are ringed" in said(shown.response)


@pytest_asyncio.fixture(loop_scope="session")
async def heard(service: Service, tunes: list[tuple[str, bytes]]) -> AsyncIterator[list[Track]]:
    """The composed tunes as songs of the catalogue, which uploads are not."""
    found = [
        (await service.songs.hear_clip(data, name, origin="file")).track for name, data in tunes
    ]
    await service.reload()
    yield found
    for name, data in tunes:
        song = await service.songs.hear_clip(data, name)
        async with store_of(service) as store:
            await store.analyses.add(song.track, song.analysis, "upload")
    await service.reload()


async def test_songs_are_compared_in_a_picture_and_any_member_sees_all_measures(
    world: World, heard: list[Track]
) -> None:
    one, other = heard[:2]
    shown = await world.alice.slash(world.channel, "compare", a=one.id, b=other.title)
    _, alt = await picture(shown.response)
    assert one.title in alt
    assert other.title in alt
    assert " sound. " in alt
    assert not [one for one in shown.response.attachments if one.filename == "features.csv"]
    pressed = await world.bob.click(
        shown.response.message, custom_id=pressable(shown.response, "measures:")
    )
    assert pressed.response.message.flags.ephemeral
    assert "**Alike in**" in said(pressed.response)
    assert "- intensity: **" in said(pressed.response)
    [table] = [one for one in pressed.response.attachments if one.filename == "features.csv"]
    rows = list(csv.DictReader(io.StringIO((await table.read()).decode())))
    assert len(rows) > 400
    assert {"tempo", "spectral_rolloff_mean", "zero_crossing_rate_mean"} <= {
        row["feature"] for row in rows
    }


async def test_a_gallery_leads_on_to_songs_like_its_own(world: World, heard: list[Track]) -> None:
    shown = await world.alice.slash(world.channel, "gallery")
    _, alt = await picture(shown.response)
    assert all(track.title in alt for track in heard)
    await world.alice.select(
        shown.response.message,
        [options(shown.response)[0]],
        custom_id=pressable(shown.response, "choose:"),
    )
    assert is_card(shown.response)
    none = await world.alice.slash(world.channel, "gallery", genre="polka")
    assert "no polka song" in said(none.followups[-1])


# History ------------------------------------------------------------------------------------------


async def test_a_page_of_history_can_be_narrowed_to_a_song(world: World) -> None:
    liked = await like(world, world.alice, "reggae", 14)
    narrowed = await world.alice.slash(world.channel, "history", song=liked[0].title[:30])
    assert liked[0].title.split()[0] in said(narrowed.response)
    first = await world.alice.slash(world.channel, "history", kind="liked")
    lines = said(first.response)
    await world.alice.click(
        first.response.message, custom_id=pressable(first.response, "history:liked:1:")
    )
    assert said(first.response) != lines
    nothing = await world.alice.slash(world.channel, "history", kind="skipped")
    assert "Nothing matches" in said(nothing.response)


# Playlists ----------------------------------------------------------------------------------------

NAME = "@everyone *party* 🎉"


async def ask(world: World, command: str, who: Any | None = None, **given: Any) -> Any:
    return await (who or world.alice).slash(world.channel, f"playlist {command}", **given)


async def test_a_playlist_from_its_making_to_its_end(world: World) -> None:
    made = await ask(world, "create", name=NAME)
    assert made.ephemeral
    assert "@everyone" not in said(made.response)
    assert "party" in said(made.response)
    tracks = songs(world, "disco", 4)
    for track in tracks:
        added = await ask(world, "add", playlist=NAME.upper(), song=track.id)
    assert "4 songs now" in said(added.response)
    again = await ask(world, "add", playlist=NAME, song=tracks[0].id)
    assert "already" in said(again.response)

    own = await ask(world, "show")
    assert "4 songs" in said(own.response)
    shown = await ask(world, "show", playlist=NAME)
    assert shown.ephemeral
    places = [said(shown.response).index(track.title) for track in tracks]
    assert places == sorted(places)
    shared = await ask(world, "share", playlist=NAME)
    assert not shared.ephemeral
    assert tracks[0].title in said(shared.response)
    assert not shared.response.message.mention_everyone

    await ask(world, "remove", playlist=NAME, song=tracks[1].title)
    missing = await ask(world, "remove", playlist=NAME, song=tracks[1].id)
    assert "is not in" in said(missing.response)
    offered = await world.alice.autocomplete(
        world.channel, "playlist remove", "song", "", playlist=NAME
    )
    assert [choice["value"] for choice in offered] == [
        track.id for track in (tracks[0], *tracks[2:])
    ]
    await ask(world, "delete", playlist=NAME)
    assert "no playlist yet" in said((await ask(world, "show")).response)


async def test_playlists_leave_as_files(world: World) -> None:
    await ask(world, "create", name="Late Night: été")
    track = songs(world, "jazz", 1)[0]
    await ask(world, "add", playlist="Late Night: été", song=track.id)
    for form, name in (("csv", "late-night-ete.csv"), ("json", "late-night-ete.json")):
        answer = await ask(world, "export", playlist="late night: été", format=form)
        [file] = answer.response.attachments
        assert file.filename == name
        assert track.title in (await file.read()).decode("utf-8-sig")
        if form == "json":
            assert json.loads(await file.read())["name"] == "Late Night: été"
    # Nobody has said yet where the songs that came with the package can be heard.
    answer = await ask(world, "export", playlist="late night: été", format="spotify")
    assert "I have no link for 1 song" in said(answer.response)
    assert not answer.response.attachments
    await world.service.songs.keep(
        (replace(track, identities={"spotify": "4uLU6hMCjMI75M1A2tKUQC"}),)
    )
    answer = await ask(world, "export", playlist="late night: été", format="spotify")
    [file] = answer.response.attachments
    assert await file.read() == b"spotify:track:4uLU6hMCjMI75M1A2tKUQC\n"
    assert "desktop app" in said(answer.response)


async def test_what_continues_a_playlist_can_be_put_into_it(world: World) -> None:
    await ask(world, "create", name="Loud")
    for track in songs(world, "metal", 5):
        await ask(world, "add", playlist="Loud", song=track.id)
    offered = await ask(world, "continue", playlist="Loud", count=5)
    assert said(offered.response).count("-# ") >= 5
    into = pressable(offered.response, "into:")
    chosen = options(offered.response)[:2]
    added = await world.alice.select(offered.response.message, chosen, custom_id=into)
    assert "7 songs now" in said(added.response)
    card = await world.alice.select(
        offered.response.message,
        [options(offered.response)[2]],
        custom_id=pressable(offered.response, "feature:"),
    )
    assert is_card(card.response)


async def test_somebody_elses_playlist_is_out_of_reach(world: World) -> None:
    await ask(world, "create", name="Mine")
    for track in songs(world, "pop", 17):
        await ask(world, "add", playlist="Mine", song=track.id)
    other = await ask(world, "show", world.bob, playlist="Mine")
    assert "no playlist yet" in said(other.response)
    offered = await world.bob.autocomplete(world.channel, "playlist show", "playlist", "")
    assert offered == []
    # A shared one can be leafed through by everybody, and by nobody changed.
    shared = await ask(world, "share", playlist="Mine")
    assert "page 1 of 2" in said(shared.response)
    await world.bob.click(
        shared.response.message, custom_id=pressable(shared.response, "leaf:shared:")[:-1] + "1"
    )
    assert "page 2 of 2" in said(shared.response)
    await ask(world, "delete", playlist="Mine")
    gone = await world.bob.click(
        shared.response.message, custom_id=pressable(shared.response, "leaf:shared:")
    )
    assert "no longer there" in said(gone.followups[0])


async def test_forty_playlists_are_listed_and_found(world: World) -> None:
    member = str(world.alice.id)
    for number in range(45):
        await world.service.playlists.create(member, f"list {number:02d} {'_' * 60}")
    shown = await ask(world, "show")
    text = said(shown.response)
    assert len(text) <= 4000
    assert "list 00" in text
    left = 45 - text.count("📃")
    assert 0 < left < 45
    assert f"and {left} more" in text
    offered = await world.alice.autocomplete(world.channel, "playlist show", "playlist", "44")
    assert [choice["name"][:7] for choice in offered] == ["list 44"]
