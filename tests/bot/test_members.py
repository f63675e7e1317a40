"""What members see of themselves, and what happens when they want it gone."""

from __future__ import annotations

import io
import json
import re
import zipfile

import pytest
import sqlalchemy as sa

from musrec.members.privacy import AREAS
from musrec.store import schema
from tests.support.stores import store_of
from tests.support.world import World, featured, is_card, options, pressable, said

pytestmark = pytest.mark.asyncio(loop_scope="session")

SONG = "Boogie Nights"


async def test_history_shows_the_newest_first_in_the_servers_dates(world: World) -> None:
    empty = await world.alice.slash(world.channel, "history")
    assert "Nothing yet" in said(empty.response)
    card = await world.ask(song=SONG)
    await world.alice.click(card.message, custom_id=pressable(card, "like:"))
    owner = world.guild_owner()
    panel = await owner.slash(world.channel, "setup")
    await owner.select(panel.response.message, ["iso"], custom_id="setup:dates")
    shown = await world.alice.slash(world.channel, "history")
    assert shown.ephemeral
    assert "👍" in said(shown.response)
    assert "20" in said(shown.response)
    assert "<t:" not in said(shown.response)


async def test_search_knows_genre_mood_and_tempo(world: World) -> None:
    found = await world.alice.slash(world.channel, "search", genre="jazz", mood="calm")
    assert len(options(found.response)) == 10
    offered = await world.alice.autocomplete(world.channel, "search", "mood", "calm")
    assert [choice["value"] for choice in offered] == ["calm"]
    none = await world.alice.slash(world.channel, "search", mood="no such mood")
    assert "No song I know sounds" in said(none.response)


async def test_search_finds_a_song_and_goes_on_to_songs_like_it(world: World) -> None:
    found = await world.alice.slash(world.channel, "search", song="boogie nights")
    assert found.ephemeral
    assert "Heatwave" in said(found.response)
    await world.alice.select(
        found.response.message,
        [options(found.response)[0]],
        custom_id=pressable(found.response, "choose:"),
    )
    assert is_card(found.response)


async def test_everything_kept_is_shown_exported_and_deleted(world: World) -> None:
    card = await world.ask(song=SONG)
    await world.alice.click(card.message, custom_id=pressable(card, "like:"))
    await world.alice.react(card.message, "👍")
    shown = await world.alice.slash(world.channel, "privacy show")
    for area in AREAS:
        assert area.name in said(shown.response).lower()
    assert "**Feedback** · 1" in said(shown.response)

    export = await world.alice.slash(world.channel, "privacy export")
    (file,) = export.response.attachments
    with zipfile.ZipFile(io.BytesIO(await file.read())) as archive:
        names = set(archive.namelist())
        kept = json.loads(archive.read("feedback.json"))
    assert {f"{area.name.replace(' ', '-')}.json" for area in AREAS} <= names
    assert {"taste.png", "map.png", "README.txt"} <= names
    assert [row["track_id"] for row in kept] == [featured(card)]

    asked = await world.alice.slash(world.channel, "privacy delete")
    await world.alice.click(asked.response.message, custom_id=pressable(asked.response, "erase:"))
    assert "deleted" in said(asked.response)
    left = await world.service.members.about(str(world.alice.id))
    assert not any(left.values())


async def test_nothing_is_kept_of_who_only_reads(world: World) -> None:
    await world.alice.slash(world.channel, "help")
    await world.alice.slash(world.channel, "status")
    await world.alice.slash(world.channel, "listening status")
    await world.alice.slash(world.channel, "listening off")
    await world.alice.slash(world.channel, "privacy show")
    await world.alice.send(world.channel, "hello there")
    async with store_of(world.service) as store, store.database.read() as connection:
        assert await connection.scalar(sa.select(sa.func.count()).select_from(schema.members)) == 0


async def test_listening_is_off_until_a_member_says_on(world: World) -> None:
    status = await world.alice.slash(world.channel, "listening status")
    assert "**off**" in said(status.response)
    on = await world.alice.slash(world.channel, "listening on")
    assert "presence intent" in said(on.response)  # not configured in this world, and said
    assert set(await world.service.members.listeners()) == {str(world.alice.id)}
    await world.alice.slash(world.channel, "listening off")
    assert not await world.service.members.listeners()


async def test_help_fits_on_a_phone(world: World) -> None:
    shown = await world.alice.slash(world.channel, "help")
    lines = said(shown.response).splitlines()
    assert sum(1 + len(line) // 45 for line in lines) <= 24


async def test_status_says_what_is_off_and_to_managers_how_to_switch_it_on(world: World) -> None:
    shown = await world.alice.slash(world.channel, "status")
    text = said(shown.response)
    assert "All systems normal" in text
    assert "Clips in listening channels: mention me" in text
    assert "/listening: your thumbs teach me" in text
    assert "songs to recommend" in text
    assert "What counts in your answers" in text
    assert "sound" in text
    assert "intent" not in text
    assert not re.search(r"\w\.\w+ =|MUSREC_|`?musrec \w", text), "no configuration for members"
    managed = await world.guild_owner().slash(world.channel, "status")
    assert "message content intent is off" in said(managed.response)
    assert "presence intent is off" in said(managed.response)


async def test_setup_is_for_those_who_manage_the_server(world: World) -> None:
    panel = await world.guild_owner().slash(world.channel, "setup")
    assert panel.ephemeral
    command = next(
        request.json
        for request in world.env.http_requests
        if request.method == "PUT" and request.path.endswith("/commands")
    )
    setup = next(one for one in command if one["name"] == "setup")
    assert int(setup["default_member_permissions"]) == 1 << 5  # manage server
