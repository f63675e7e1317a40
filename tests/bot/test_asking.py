"""Asking for songs, as members do."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import discord
import numpy as np
import pytest
from discord import app_commands

from bot import policy
from musrec import demo
from musrec.audio.decode import decode
from musrec.model import FeedbackKind, Track
from tests.support.stores import store_of
from tests.support.world import (
    World,
    featured,
    is_card,
    labels,
    options,
    parts,
    pressable,
    said,
    shown,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

Tunes = list[tuple[str, bytes]]
SONG = "Boogie Nights"


async def test_a_clip_becomes_a_card_with_picture_reason_and_buttons(
    world: World, tunes: Tunes
) -> None:
    card = await world.ask(clip=tunes[0])

    picture = next(part for part in parts(card) if part["type"] == 12)["items"][0]
    assert picture["media"]["content_type"] == "image/png"
    assert "Mel spectrogram of Composed waltz in C" in picture["description"]
    assert len(picture["description"]) <= 1024
    verdict = r"(very close in|close in|a stretch by) sound"
    assert re.search(verdict, picture["description"])
    assert not re.search(verdict, said(card)), "the picture says it"
    assert not re.search(r"\d%(?![0-9A-F]{2})", said(card)), "no statistics"
    assert "found for **Composed waltz in C**" in said(card)
    buttons = [part["custom_id"].partition(":")[0] for part in parts(card) if part["type"] == 2]
    assert buttons == ["like", "dislike", "play", "keep", "why", "next"]
    assert len(options(card)) == 4


async def test_one_message_features_one_track_and_is_remembered_as_that(
    world: World, tunes: Tunes
) -> None:
    card = await world.ask(clip=tunes[0])
    track = featured(card)
    assert pressable(card, "dislike:") == f"dislike:{track}"
    kept = await world.service.cards.get(str(card.id))
    assert kept is not None
    assert kept.track == track
    assert [str(reaction.emoji) for reaction in card.message.reactions] == ["👍", "👎"]


async def test_nothing_the_bot_sends_can_mention_anybody(world: World, tunes: Tunes) -> None:
    name, data = "@everyone **big** [x](http://evil.example) <@1>.wav", tunes[1][1]
    card = await world.ask(clip=(name, data + b"\0"))
    assert "@everyone" not in said(card)
    assert "](http://evil" not in said(card)
    for request in world.env.http_requests:
        body = request.json
        if isinstance(body, dict) and "components" in body:
            assert body["allowed_mentions"] == {"parse": []}


async def test_a_title_is_completed_while_it_is_typed_and_then_answered(world: World) -> None:
    offered = await world.alice.autocomplete(world.channel, "recommend", "song", "boogie nig")
    assert 1 <= len(offered) <= 25
    assert offered[0]["name"] == "Boogie Nights — Heatwave"
    card = await world.ask(song=offered[0]["value"])
    assert "found for [**Boogie Nights**]" in said(card)


async def test_before_anything_is_typed_what_was_asked_in_the_channel_comes_after_what_was_liked(
    world: World,
) -> None:
    songs = {song.title: song for song in world.service.catalogue.songs.tracks}
    asked, other = songs[SONG].id, next(s.id for t, s in songs.items() if t != SONG)

    async def offered(who: Any) -> list[str]:
        return [c["value"] for c in await who.autocomplete(world.channel, "recommend", "song", "")]

    await world.ask(song=SONG, private=True)
    assert await offered(world.bob) == [], "what was asked in private is no one else's business"
    await world.ask(song=SONG)
    await world.ask(song=SONG)
    assert await offered(world.bob) == [asked]
    await world.service.members.learn(str(world.bob.id), other, FeedbackKind.LIKE)
    assert await offered(world.bob) == [other, asked]
    await world.service.members.learn(str(world.bob.id), asked, FeedbackKind.LIKE)
    assert await offered(world.bob) == [asked, other], "each is offered once"

    here, world.channel = world.channel, world.guild.create_text_channel("elsewhere")
    assert asked not in await offered(world.alice)
    world.channel = here
    assert await offered(world.alice) == [asked]


async def test_before_anything_is_typed_what_the_member_liked_last_is_offered(
    world: World,
) -> None:
    async def offered(who: Any) -> list[str]:
        return [c["value"] for c in await who.autocomplete(world.channel, "recommend", "song", "")]

    assert await offered(world.alice) == []
    first, second = (track.id for track in world.service.catalogue.songs.tracks[:2])
    for id_ in (first, second):
        await world.service.members.learn(str(world.alice.id), id_, FeedbackKind.LIKE)
    assert await offered(world.alice) == [second, first]
    assert await offered(world.bob) == []


async def test_the_picks_are_as_many_and_of_the_genre_that_was_asked_for(world: World) -> None:
    offered = await world.alice.autocomplete(world.channel, "recommend", "genre", "ja")
    assert [choice["value"] for choice in offered] == ["jazz"]
    card = await world.ask(song=SONG, count=3, genre="jazz", adventurous=10)
    picked = [featured(card), *options(card)]
    assert len(picked) == 3
    stated = {track.genre for track in world.service.catalogue.songs.tracks if track.id in picked}
    assert "jazz" in stated
    assert stated <= {"jazz", "blues", "classical"}  # or heard as jazz, whatever is stated

    question = await world.ask(song="Rhapsody in Blue", count=2, genre="R&B/Soul")
    result = await world.alice.select(
        question.message, [options(question)[0]], custom_id=pressable(question, "choose:")
    )
    assert "r&b/soul" in said(shown(result))
    assert "broke" not in said(shown(result))


async def test_without_song_or_clip_it_starts_from_what_the_member_likes(world: World) -> None:
    card = await world.ask(song=SONG)
    await world.alice.click(card.message, custom_id=pressable(card, "like:"))
    again = await world.ask()
    assert is_card(again)
    assert "found for" not in said(again)
    assert featured(again) != featured(card)


async def test_a_private_answer_is_seen_by_one_and_has_no_reactions(world: World) -> None:
    card = await world.ask(song=SONG, private=True)
    assert card.ephemeral
    assert is_card(card)
    assert not card.message.reactions
    assert await world.service.cards.get(str(card.id)) is None


async def test_songs_of_one_name_are_for_the_asker_to_choose_from(world: World) -> None:
    question = await world.ask(song="Rhapsody in Blue", count=2)
    assert not is_card(question)
    assert len(labels(question)) == 2
    name = pressable(question, "choose:")

    stranger = await world.bob.select(question.message, [options(question)[0]], custom_id=name)
    assert "Only the member who asked" in said(stranger.response)
    assert not is_card(question)

    await world.alice.select(question.message, [options(question)[0]], custom_id=name)
    assert is_card(question)
    assert len(options(question)) == 1


async def test_a_song_that_nobody_knows_is_said_in_a_sentence(world: World) -> None:
    answer = await world.ask(song="zxqj no such song at all")
    assert not is_card(answer)
    assert "clip" in said(answer)


async def test_a_slip_in_a_title_is_met_with_what_was_meant(world: World) -> None:
    question = await world.ask(song="Boogy Nigts Heatwave", count=2)
    assert "Did you mean" in said(question)
    assert "Boogie Nights — Heatwave" in labels(question)
    chosen = options(question)[0]
    await world.alice.select(question.message, [chosen], custom_id=pressable(question, "choose:"))
    assert "found for [**Boogie Nights**]" in said(question)


async def test_without_likes_and_without_a_song_the_first_step_is_shown(world: World) -> None:
    question = await world.ask()
    assert not is_card(question)
    assert "one song you love" in said(question)
    assert len(labels(question)) > 5
    chosen = options(question)[3]
    await world.alice.select(question.message, [chosen], custom_id=pressable(question, "choose:"))
    assert is_card(question)
    assert is_card(await world.ask(world.bob, genre="jazz")), "a genre is enough to start from"


def _unheard(number: int) -> bytes:
    """Compose a tune that no song of the catalogue is, and none of another number."""
    tune = demo.TUNES[number % len(demo.TUNES)]
    faster = tune.bpm + 11 * (1 + number // len(demo.TUNES))
    return demo.wav(demo.compose(replace(tune, title=f"Other {number}", bpm=faster)))


@pytest.mark.parametrize(
    ("name", "number"), [("audio.wav", 0), ("VID_20261127_0815.wav", 1), ("1764230400.wav", 5)]
)
async def test_a_clip_without_a_name_is_its_senders(world: World, name: str, number: int) -> None:
    card = await world.ask(clip=(name, _unheard(number)))
    assert f"found for a clip by <@{world.alice.id}>" in said(card)
    why = await world.bob.click(card.message, custom_id=pressable(card, "next:"))
    assert "found for **Clip**" in said(why.response)


@pytest.mark.parametrize(
    ("name", "number", "title"),
    [
        ("\u202e3pm.\nmoonlight\r\0\u2066 sonata.wav", 2, "3pm. moonlight sonata"),
        ("lalala " * 570 + ".wav", 3, "lalala " * 11 + "la…"),
        ("\U00010000\U00010001 \U00012000.wav", 4, "\U00010000\U00010001 \U00012000"),
    ],
    ids=["turned around", "4,000 characters", "a script of no font"],
)
async def test_a_clip_of_an_odd_name_is_answered_and_named_on_one_line(
    world: World, name: str, number: int, title: str
) -> None:
    card = await world.ask(clip=(name, _unheard(number)))
    assert is_card(card)
    assert f"found for **{title}**" in said(card)
    picture = next(part for part in parts(card) if part["type"] == 12)["items"][0]
    assert len(picture["description"]) <= 1024
    assert not set(picture["description"]) & set("\u202e\u2066\n\r\0")


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "not music")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("song.mp3", _zip(), "zip|not audio|hear"),
        ("song.mp3", b"", "empty"),
        ("song.wav", b"\0" * (26 * 2**20), "26 MiB"),
        ("notes.txt", b"just words, many of them", "audio|hear"),
    ],
    ids=["a zip named mp3", "an empty file", "too large", "text"],
)
async def test_a_bad_clip_is_answered_with_what_is_wrong(
    world: World, name: str, data: bytes, sentence: str
) -> None:
    answer = await world.ask(clip=(name, data))
    assert not is_card(answer)
    text = said(answer).lower()
    assert any(word.lower() in text for word in sentence.split("|")), text
    assert "broke" not in text


async def test_another_pick_is_shown_to_whoever_chose_it_until_they_share_it(
    world: World,
) -> None:
    card = await world.ask(song=SONG)
    assert not any("post:" in part.get("custom_id", "") for part in parts(card))
    chosen = options(card)[2]
    result = await world.bob.select(card.message, [chosen], custom_id=pressable(card, "feature:"))
    other = result.response
    assert result.ephemeral
    assert other.id != card.id
    assert featured(other) == chosen
    assert await world.service.cards.get(str(other.id)) is None
    assert featured(card) != chosen

    shared = (await world.bob.click(other.message, custom_id=pressable(other, "post:"))).response
    assert not shared.ephemeral
    assert featured(shared) == chosen
    assert f"shared by <@{world.bob.id}>" in said(shared)
    assert "found for [**Boogie Nights**]" in said(shared)
    assert [str(reaction.emoji) for reaction in shared.message.reactions] == ["👍", "👎"]
    kept = await world.service.cards.get(str(shared.id))
    assert kept is not None
    assert kept.track == chosen


async def test_a_question_costs_a_channel_one_card(world: World) -> None:
    card = await world.ask(song=SONG)
    first = (await world.alice.click(card.message, custom_id=pressable(card, "next:"))).response
    second = (await world.alice.click(first.message, custom_id=pressable(first, "next:"))).response
    assert second.ephemeral
    assert featured(second) == options(card)[1]
    public = [m for m in world.channel.history(viewer=world.bob) if not m.flags.ephemeral]
    assert [m.id for m in public if is_card(m)] == [card.id]


async def test_what_went_wrong_is_told_to_the_asker_alone(world: World) -> None:
    before = len(world.channel.history(viewer=world.bob))
    for command, given in (
        ("recommend", {"song": "zxqj no such song at all"}),
        ("compare", {"a": "zxqj no such song at all", "b": SONG}),
    ):
        result = await world.alice.slash(world.channel, command, **given)
        assert result.response is None, "nothing is left in the channel"
        assert result.followups[-1].ephemeral
        assert "cannot look for titles" in said(result.followups[-1])
    assert len(world.channel.history(viewer=world.bob)) == before


async def test_next_goes_on_to_the_last_and_is_an_opinion(world: World) -> None:
    card = await world.ask(song=SONG, count=2)
    result = await world.alice.click(card.message, custom_id=pressable(card, "next:"))
    assert featured(result.response) == options(card)[0]
    last = next(p for p in parts(result.response) if p.get("custom_id", "").startswith("next:"))
    assert last["disabled"]
    events = await world.service.members.feedback(str(world.alice.id))
    assert [(event.track, event.kind.value) for event in events] == [(featured(card), "next")]


async def test_why_shows_every_part_of_the_score_to_whoever_asks(world: World) -> None:
    card = await world.ask(song=SONG)
    result = await world.bob.click(card.message, custom_id=pressable(card, "why:"))
    assert result.ephemeral
    picture = next(part for part in parts(result.response) if part["type"] == 12)["items"][0]
    assert "sound" in picture["description"]
    assert "Without" in said(result.response)


async def test_why_adds_what_other_services_say_when_it_comes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = await world.ask(song=SONG)
    before: list[str] = []

    async def foreign(track: Track, *, online: bool = True) -> dict[str, dict[str, float]]:
        [message] = [m for m in world.channel.history(viewer=world.bob) if m.flags.ephemeral]
        before.append(said(message))
        return {"reccobeats": {"energy": 0.81, "tempo": 122.7}} if online else {}

    monkeypatch.setattr(world.service.songs, "foreign", foreign)
    result = await world.bob.click(card.message, custom_id=pressable(card, "why:"))
    assert "Without" in before[-1], "the answer does not wait for other services"
    assert "says" not in before[-1]
    assert "ReccoBeats says** 123\u00a0BPM · energy\u00a081%" in said(result.response)
    assert f"ReccoBeats says of {SONG}** 123\u00a0BPM" in said(result.response)
    assert "Without" in said(result.response)
    assert any(part["type"] == 12 for part in parts(result.response))


async def test_why_shows_at_once_what_other_services_said_before(world: World) -> None:
    card = await world.ask(song=SONG)
    async with store_of(world.service) as store:
        await store.foreign.keep(featured(card), "spotify", {"valence": 0.4})
    result = await world.bob.click(card.message, custom_id=pressable(card, "why:"))
    assert "Spotify says** happy\u00a040%" in said(result.response)


async def test_a_preview_that_nobody_has_is_said_with_a_place_to_hear_it(world: World) -> None:
    card = await world.ask(song=SONG)
    result = await world.alice.click(card.message, custom_id=pressable(card, "play:"))
    assert result.ephemeral
    assert "Boogie" not in said(card).split("found for")[0]
    assert said(result.response)
    assert await world.service.members.feedback(str(world.alice.id)) == []


async def test_the_song_of_a_card_goes_into_a_playlist_and_out_again(world: World) -> None:
    card = await world.ask(song=SONG)
    service, member = world.service, str(world.bob.id)

    async def offer() -> Any:
        result = await world.bob.click(card.message, custom_id=pressable(card, "keep:"))
        assert result.ephemeral
        return result.response

    question = await offer()
    assert labels(question) == ["New playlist…"]
    name = pressable(question, "which:")
    asked = await world.bob.select(question.message, ["new"], custom_id=name)
    await world.bob.submit_modal(asked, {"name": "Late"})
    assert "to **Late**; it holds 1 song now" in said(question)
    [late] = await service.playlists.of(member)
    assert [track.id for track in await service.playlists.songs(late)] == [featured(card)]

    again = await offer()
    assert labels(again) == ["New playlist…", "Late"]
    await world.bob.select(again.message, [str(late.id)], custom_id=name)
    assert "already" in said(again)

    await world.bob.click(question.message, custom_id=pressable(question, "out:"))
    assert "Removed" in said(question)
    assert await service.playlists.songs(late) == []


async def test_buttons_of_an_answer_that_is_gone_say_so(world: World) -> None:
    card = await world.ask(song=SONG)
    await world.service.members.delete(str(world.alice.id))
    for start in ("why:", "next:"):
        result = await world.bob.click(card.message, custom_id=pressable(card, start))
        assert "no longer have" in said(result.response)


# Messages in chat ----------------------------------------------------------------------------


async def test_find_similar_hears_the_clip_of_any_message(world: World, tunes: Tunes) -> None:
    message = await world.bob.send(world.channel, "listen", attachments=[tunes[1]])
    result = await world.alice.context_menu(world.channel, "Find similar", message)
    assert "found for **Composed slow waltz in C**" in said(result.response)


async def test_a_forwarded_clip_is_heard_like_one_that_was_sent(world: World, tunes: Tunes) -> None:
    elsewhere = world.guild.create_text_channel("elsewhere")
    sent = await world.bob.send(elsewhere, "my new song", attachments=[tunes[1]])
    forwarded = await world.bob.forward(sent, world.channel)
    assert not forwarded.attachments
    result = await world.alice.context_menu(world.channel, "Find similar", forwarded)
    assert "found for **Composed slow waltz in C**" in said(result.response)
    assert is_card(result.response)


async def test_a_forwarded_title_or_link_is_asked_for_by_its_text(world: World) -> None:
    elsewhere = world.guild.create_text_channel("elsewhere")
    sent = await world.bob.send(elsewhere, "hear this: https://open.spotify.com/track/0")
    forwarded = await world.bob.forward(sent, world.channel)
    result = await world.alice.context_menu(world.channel, "Find similar", forwarded)
    assert "neither a clip nor a link" not in said(shown(result))
    talk = await world.bob.forward(await world.bob.send(elsewhere, "nice"), world.channel)
    result = await world.alice.context_menu(world.channel, "Find similar", talk)
    assert "neither a clip nor a link" in said(shown(result))


async def test_find_similar_on_a_card_means_its_track(world: World) -> None:
    card = await world.ask(song=SONG)
    track = await world.service.songs.get(featured(card))
    result = await world.bob.context_menu(world.channel, "Find similar", card.message)
    assert f"found for [**{track.title.split()[0]}" in said(result.response)
    events = await world.service.members.feedback(str(world.bob.id))
    assert [(event.track, event.kind.value) for event in events] == [(track.id, "more")]


async def test_find_similar_on_talk_says_what_it_needs(world: World) -> None:
    message = await world.bob.send(world.channel, "nice weather")
    result = await world.alice.context_menu(world.channel, "Find similar", message)
    assert "neither a clip nor a link" in said(shown(result))


async def test_a_clip_in_a_direct_message_is_answered(world: World, tunes: Tunes) -> None:
    room = world.alice.user.dm_channel
    attachments = world.env.backend.store_attachments(room.id, [tunes[0]])
    await world.alice.send_dm("", attachments=attachments)
    reply = room.last_message
    assert reply is not None
    assert is_card(reply)
    assert [str(reaction.emoji) for reaction in reply.reactions] == ["👍", "👎"]


async def test_a_clip_forwarded_to_the_bot_is_answered(world: World, tunes: Tunes) -> None:
    sent = await world.alice.send(world.channel, "", attachments=[tunes[0]])
    room = world.alice.user.dm_channel
    stored = world.env.backend.create_message(
        room.id,
        world.alice.id,
        reference={"type": 1, "channel_id": str(world.channel.id), "message_id": str(sent.id)},
    )
    await world.env.settle()
    assert room.last_message.id != stored.id
    assert "found for **Composed waltz in C**" in said(room.last_message)


def _video(sound: bytes | None) -> bytes:
    """An mp4 with a picture, and with ten seconds of sound or none."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        picture = container.add_stream("mpeg4", rate=1)
        picture.width = picture.height = 64
        aac = container.add_stream("aac", rate=22_050, layout="mono") if sound else None
        for shade in range(10):
            grey = np.full((64, 64, 3), 20 * shade, np.uint8)
            container.mux(picture.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(picture.encode(None))
        if sound and aac:
            y = decode(sound, seconds=10).y
            frame = av.AudioFrame.from_ndarray(y[None], format="fltp", layout="mono")
            frame.sample_rate = 22_050
            resampler = av.AudioResampler(aac.format.name, "mono", 22_050, aac.frame_size)
            for part in [*resampler.resample(frame), *resampler.resample(None), None]:
                container.mux(aac.encode(part))
    return out.getvalue()


@pytest.mark.discord_settings(message_content=True)
async def test_a_video_in_chat_is_heard_for_its_sound(world: World) -> None:
    panel = await world.guild_owner().slash(world.channel, "setup")
    await world.guild_owner().select(
        panel.response.message, [world.channel], custom_id="setup:channels"
    )
    await world.alice.send(world.channel, "", attachments=[("gig.mp4", _video(_unheard(8)))])
    card = world.channel.last_message
    assert is_card(card)
    assert "found for **Gig**" in said(card)

    await world.alice.send(world.channel, "", attachments=[("silent.mp4", _video(None))])
    answer = world.channel.last_message
    assert not is_card(answer)
    assert "no sound track" in said(answer)


async def test_a_clip_with_a_mention_is_answered_without_any_privileged_intent(
    world: World, tunes: Tunes
) -> None:
    assert not world.bot.intents.message_content
    mention = world.bot.user.mention
    await world.alice.send(world.channel, f"{mention} what is like this?", attachments=[tunes[0]])
    assert is_card(world.channel.last_message)


@pytest.mark.discord_settings(message_content=True)
async def test_a_mention_in_reply_to_somebodys_clip_means_that_clip(
    world: World, tunes: Tunes
) -> None:
    clip = await world.bob.send(world.channel, "my new song", attachments=[tunes[0]])
    await world.alice.send(world.channel, world.bot.user.mention, reply_to=clip)
    assert "Composed waltz in C" in said(world.channel.last_message)


async def test_a_mention_without_anything_gets_help(world: World) -> None:
    await world.alice.send(world.channel, world.bot.user.mention)
    assert "/recommend" in said(world.channel.last_message)


@pytest.mark.discord_settings(message_content=True)
async def test_talk_in_reply_to_a_card_is_no_question_but_a_clip_is(
    world: World, tunes: Tunes
) -> None:
    card = await world.ask(song=SONG)
    talk = await world.bob.send(world.channel, "oh, I love that one", reply_to=card.message)
    assert world.bot.user in talk.mentions
    assert world.channel.last_message.id == talk.id
    await world.bob.send(world.channel, "", reply_to=card.message, attachments=[tunes[0]])
    assert "found for **Composed waltz in C**" in said(world.channel.last_message)


@pytest.mark.discord_settings(message_content=True)
async def test_clips_are_answered_in_listening_channels_only(world: World, tunes: Tunes) -> None:
    quiet = world.guild.create_text_channel("quiet")
    panel = await world.guild_owner().slash(world.channel, "setup")
    await world.guild_owner().select(
        panel.response.message, [world.channel], custom_id="setup:channels"
    )
    await world.alice.send(quiet, "", attachments=[tunes[0]])
    assert quiet.last_message.author.id == world.alice.id
    await world.alice.send(world.channel, "just talk")
    assert world.channel.last_message.author.id == world.alice.id
    await world.alice.send(world.channel, "", attachments=[tunes[0]])
    assert is_card(world.channel.last_message)


async def test_a_deleted_question_is_dropped_in_silence(world: World, tunes: Tunes) -> None:
    world.env.inject_error(
        "PATCH", "/webhooks/*/messages/@original", status=404, code=10008, times=9
    )
    await world.alice.slash(world.channel, "recommend", clip=tunes[0])
    assert not world.env.errors


async def test_without_the_right_to_react_the_card_still_comes(world: World, tunes: Tunes) -> None:
    world.env.inject_error("PUT", "/channels/*/reactions/*", status=403, code=50013, times=2)
    card = await world.ask(clip=tunes[0])
    assert is_card(card)
    assert not card.message.reactions


# Turns ---------------------------------------------------------------------------------------


@pytest.mark.discord_settings(member_cooldown_seconds=5)
async def test_a_member_waits_between_questions_and_is_told_how_long(world: World) -> None:
    assert is_card(await world.ask(song=SONG))
    second = await world.ask(song=SONG)
    assert second.ephemeral
    assert "again in" in said(second)
    assert is_card(await world.ask(world.bob, song=SONG))
    await world.env.advance_time(6)
    assert is_card(await world.ask(song=SONG))


@pytest.mark.discord_settings(guild_commands_per_minute=2)
async def test_a_server_has_a_limit_of_its_own(world: World) -> None:
    for _ in range(2):
        assert is_card(await world.ask(song=SONG))
    assert "Everyone here" in said(await world.ask(world.bob, song=SONG))


async def test_questions_take_turns_and_what_is_ones_own_is_open_to_everybody(
    world: World,
) -> None:
    menu = discord.AppCommandType.message
    every = [*world.bot.tree.walk_commands(), *world.bot.tree.walk_commands(type=menu)]
    found = [command for command in every if not isinstance(command, app_commands.Group)]
    questions = {one.qualified_name for one in found if policy.holds(policy.COSTLY, one)}
    assert questions == {"recommend", "search", "show", "compare", "Find similar"}
    everybodys = {one.qualified_name for one in found if policy.holds(policy.FOR_EVERYBODY, one)}
    assert everybodys == {
        *(f"privacy {name}" for name in ("show", "export", "delete", "pause", "taste")),
        *(f"listening {name}" for name in ("on", "off", "status")),
        "help",
        "setup",
    }


async def test_a_server_can_keep_the_bot_to_roles(world: World) -> None:
    role = world.guild.create_role("listeners")
    carol = world.guild.add_member(world.env.create_user("carol"), roles=[role])
    owner = world.guild_owner()
    panel = await owner.slash(world.channel, "setup")
    await owner.select(panel.response.message, [role], custom_id="setup:roles")
    assert "certain roles" in said(await world.ask(song=SONG))
    card = await world.ask(carol, song=SONG)
    assert is_card(card)
    assert is_card(await world.ask(owner, song=SONG))
    pressed = await world.alice.click(card.message, custom_id=pressable(card, "next:"))
    assert "certain roles" in said(pressed.response)
    thumb = await world.alice.click(card.message, custom_id=pressable(card, "like:"))
    assert "noted" in said(thumb.response)
    told = await world.alice.slash(world.channel, "privacy show")
    assert "What I keep" in said(told.response)


async def test_one_plain_system_alone_is_asked_and_two_are_compared(
    world: World, tunes: Tunes, tmp_path: Path
) -> None:
    card = await world.ask(clip=tunes[0], by="features")
    assert "By its measured features, it is the closest to your song" in said(card)
    why = await world.alice.click(card, custom_id=pressable(card, "why:"))
    compared = pressable(why.response, "systems:")
    none = await world.alice.click(why.response, custom_id=compared)
    assert "No other song here has a spectrogram" in said(none.response)

    (tmp_path / tunes[1][0]).write_bytes(tunes[1][1])
    [added] = [one async for one in world.service.songs.add([tmp_path])]
    assert added.track
    pictured = await world.ask(clip=tunes[0], by="spectrogram")
    assert "its spectrogram is the closest to that of your song" in said(pictured)
    assert "songs have no spectrogram here" in said(pictured)
    systems = await world.alice.click(why.response, custom_id=compared)
    assert systems.ephemeral
    assert "By its spectrogram as a picture" in said(systems.response)
    assert "1 of 1 songs are in both lists" in said(systems.response)
