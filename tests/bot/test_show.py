"""`/show`: everything heard in a song."""

from __future__ import annotations

import pytest

from musrec.model import Track
from tests.support.stores import store_of
from tests.support.world import World, options, parts, pressable, said, shown

pytestmark = pytest.mark.asyncio(loop_scope="session")

Tunes = list[tuple[str, bytes]]


async def test_a_clip_is_shown_with_all_that_was_heard(world: World, tunes: Tunes) -> None:
    answer = shown(await world.alice.slash(world.channel, "show", clip=tunes[0]))
    text = said(answer)
    assert "Composed waltz in C" in text
    for label in ("Tempo", "Key", "Genre", "Mood", "Sound", "Loudness"):
        assert f"**{label}** " in text, text
    assert "\u00a0BPM" in text
    assert "C\u00a0major" in text
    assert "\u00a0LUFS" in text
    assert "says" not in text
    picture = next(part for part in parts(answer) if part["type"] == 12)["items"][0]
    assert "Composed waltz in C" in picture["description"]
    assert "85% of its power" in picture["description"]
    assert not answer.ephemeral


async def test_other_services_stand_apart_and_every_page_is_a_link(world: World) -> None:
    pages = {name: f"https://{name}.example/1" for name in ("deezer", "spotify", "itunes")}
    track = world.service.catalogue.songs.tracks[0]
    async with store_of(world.service) as store:
        await store.tracks.add(Track(track.id, track.title, track.artists, links=pages))
        await store.foreign.keep(track.id, "reccobeats", {"energy": 0.81, "tempo": 122.7})
    result = await world.alice.slash(world.channel, "show", song=track.id, private=True)
    assert result.ephemeral
    ours, theirs = said(result.response).split("**ReccoBeats says** ")
    assert "energy" not in ours
    assert theirs.startswith("123\u00a0BPM · energy\u00a081%")
    assert "not heard this song itself" in ours
    assert not [part for part in parts(result.response) if part["type"] == 12]
    links = {part["label"]: part["url"] for part in parts(result.response) if "url" in part}
    assert links["Open in Spotify"] == pages["spotify"]
    assert set(links.values()) >= set(pages.values())


async def test_songs_of_one_name_are_for_the_asker_to_choose_from(world: World) -> None:
    asked = await world.alice.slash(world.channel, "show", song="Rhapsody in Blue")
    select = pressable(asked.response, "show:")
    chosen = [options(asked.response)[0]]
    other = await world.bob.select(asked.response.message, chosen, custom_id=select)
    assert "Only the member who asked" in said(other.response)
    await world.alice.select(asked.response.message, chosen, custom_id=select)
    assert "**Mood** " in said(asked.response)


async def test_without_a_song_or_music_it_says_what_it_needs(world: World) -> None:
    nothing = await world.alice.slash(world.channel, "show")
    assert "title, a link or a clip" in said(nothing.response)
    words = await world.alice.slash(world.channel, "show", clip=("notes.txt", b"only words"))
    assert words.followups[-1].ephemeral
