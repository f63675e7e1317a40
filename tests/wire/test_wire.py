"""What happens between the bot and Discord on the wire, the bad days included."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import discord
import pytest

from bot.admin.commands import details
from bot.serve import WrongToken, check
from musrec import __version__
from musrec.members.model import Card, Playing
from musrec.model import FeedbackKind, Track
from tests.support import bot_process
from tests.support.fake_discord import EPHEMERAL, INTENT, LOADING, PATIENCE, PRIVILEGED, FakeDiscord
from tests.support.stores import store_of
from tests.support.wire import Wire, ask, finished, is_final, told, until
from tests.support.world import featured_in, parts_of, settings_for, text_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

SONG = "Boogie Nights"
LIKE, DISLIKE = FeedbackKind.LIKE, FeedbackKind.DISLIKE
Tunes = list[tuple[str, str, bytes]]
J = dict[str, Any]


async def opinion(wire: Wire, who: J, card: J) -> FeedbackKind | None:
    return await wire.service.members.thumb(who["id"], featured_in(card["components"]))


@pytest.mark.parametrize("compress", [True, False], ids=["compressed", "plain"])
async def test_a_clip_becomes_a_card_with_a_picture(
    wire: Wire, tunes: Tunes, compress: bool
) -> None:
    wire.fake.compress = compress
    await wire.start()
    alice = wire.fake.user("alice")
    card = await ask(wire, alice, files={"clip": tunes[0]})
    assert not card["flags"] & LOADING
    (picture,) = [data for name, (_, data) in wire.fake.files.items() if "card.png" in name]
    assert picture.startswith(b"\x89PNG")
    assert [reaction["emoji"]["name"] for reaction in card["reactions"]] == ["👍", "👎"]


async def test_no_message_can_ping_anybody(wire: Wire, tunes: Tunes) -> None:
    await wire.start()
    await ask(wire, wire.fake.user("alice"), files={"clip": tunes[0]})
    messages = [body for _, _, body in wire.fake.bodies if "components" in body]
    assert messages
    assert all(body["allowed_mentions"] == {"parse": []} for body in messages)


async def test_buttons_reactions_and_selects_over_the_wire(wire: Wire) -> None:
    await wire.start()
    alice, bob = wire.fake.user("alice"), wire.fake.user("bob")
    card = await ask(wire, alice, song=SONG)
    track = featured_in(card["components"])

    answer = await wire.fake.click(bob, card, f"like:{track}")
    assert (await finished(wire, answer, "noted"))["flags"] & EPHEMERAL
    assert await opinion(wire, bob, card) is LIKE

    await wire.fake.react_as(bob, card, "👎")
    await until(lambda: _is(wire, bob, card, DISLIKE))
    await wire.fake.react_as(bob, card, "👎", add=False)
    await until(lambda: _is(wire, bob, card, None))


async def _is(wire: Wire, who: J, card: J, wanted: FeedbackKind | None) -> bool:
    return await opinion(wire, who, card) is wanted


async def test_a_storm_of_reactions_is_stored_whole(wire: Wire) -> None:
    await wire.start()
    card = await ask(wire, wire.fake.user("alice"), song=SONG)
    people = [wire.fake.user(f"fan{number}") for number in range(200)]
    for number, person in enumerate(people):
        await wire.fake.react_as(person, card, "👍" if number % 3 else "👎")
        if number % 10 == 0:
            await wire.fake.react_as(person, card, "👎", add=False)

    wanted = {person["id"]: _expected(number) for number, person in enumerate(people)}

    async with store_of(wire.service) as store:

        async def all_there() -> bool:
            thumbs = {event.member: event.kind for event in await store.feedback.events()}
            return {id_: thumbs.get(id_) for id_ in wanted} == wanted

        await until(all_there)
        assert await all_there()


def _expected(number: int) -> FeedbackKind | None:
    if number % 3:
        return LIKE
    return None if number % 10 == 0 else DISLIKE


# Losing the connection -----------------------------------------------------------------------


async def test_a_thumb_given_while_reconnecting_is_replayed(wire: Wire) -> None:
    await wire.start()
    bob = wire.fake.user("bob")
    card = await ask(wire, wire.fake.user("alice"), song=SONG)
    resumed = asyncio.create_task(wire.fake.wait("resumed"))
    await wire.fake.live()[0].send(7)
    await wire.fake.react_as(bob, card, "👍")
    await resumed
    await until(lambda: _is(wire, bob, card, LIKE))
    assert len(wire.bots) == 1  # the same client, resumed


async def test_a_socket_that_dies_without_a_word_is_resumed(wire: Wire) -> None:
    await wire.start()
    resumed = asyncio.create_task(wire.fake.wait("resumed"))
    request = wire.fake.live()[0].ws._req
    assert request is not None
    assert request.transport is not None
    request.transport.abort()
    await resumed
    assert len(wire.bots) == 1


async def test_thumbs_given_while_a_session_was_lost_are_read_back(wire: Wire) -> None:
    await wire.start()
    bob = wire.fake.user("bob")
    card = await ask(wire, wire.fake.user("alice"), song=SONG)
    again = asyncio.create_task(wire.fake.wait("ready"))
    connection = wire.fake.live()[0]
    wire.fake.sessions.clear()
    await wire.fake.react_as(bob, card, "👍")  # no session: nobody hears of it
    await connection.send(9, False)
    await again
    await until(lambda: _is(wire, bob, card, LIKE))
    assert len(wire.bots) == 1  # the same client, with a new session


async def test_what_happened_while_the_bot_was_off_is_read_back_exactly(wire: Wire) -> None:
    await wire.start()
    ann, bob, cid, dan = (wire.fake.user(name) for name in ("ann", "bob", "cid", "dan"))
    card = await ask(wire, ann, song=SONG)
    await wire.fake.react_as(bob, card, "👍")
    await wire.fake.react_as(cid, card, "👍")
    await until(lambda: _is(wire, cid, card, LIKE))
    await wire.end()

    await wire.fake.react_as(ann, card, "👎")
    await wire.fake.react_as(bob, card, "👍", add=False)
    await wire.service.members.learn(
        cid["id"], featured_in(card["components"]), DISLIKE
    )  # by button
    await wire.fake.react_as(dan, card, "🔥")
    await wire.start()

    await until(lambda: _is(wire, ann, card, DISLIKE))
    await until(lambda: _is(wire, bob, card, None))
    assert await opinion(wire, cid, card) is DISLIKE  # the reaction is old news
    assert await opinion(wire, dan, card) is None


async def test_reading_back_is_bounded_and_forgets_deleted_messages(wire: Wire) -> None:
    await wire.start()
    card = await ask(wire, wire.fake.user("ann"), song=SONG)
    await wire.end()
    track, channel = featured_in(card["components"]), card["channel_id"]
    old = Card(wire.fake.new_id(), channel, track, datetime.now(UTC) - timedelta(days=15))
    deleted = Card(wire.fake.new_id(), channel, track, datetime.now(UTC))
    await wire.service.cards.keep(old)
    await wire.service.cards.keep(deleted)
    await wire.start()

    async def forgotten() -> bool:
        return await wire.service.cards.get(deleted.message) is None

    await until(forgotten)
    assert not [path for _, path, _ in wire.fake.requests if old.message in path]
    assert await wire.service.cards.get(old.message) is not None


async def test_a_first_handshake_that_fails_is_tried_again(wire: Wire) -> None:
    wire.fake.failing_handshakes = 2
    await wire.start()
    assert not wire.fake.failing_handshakes
    assert is_final(await ask(wire, wire.fake.user("alice"), song=SONG))


async def test_buttons_and_selects_work_after_a_restart(wire: Wire) -> None:
    await wire.start()
    alice, bob = wire.fake.user("alice"), wire.fake.user("bob")
    card = await ask(wire, alice, song=SONG)
    unsure = await wire.fake.slash(alice, "recommend", song="Rhapsody in Blue")
    which = await finished(wire, unsure, "choose:")
    await wire.end()
    await wire.start()
    assert len(wire.bots) == 2

    async def press(start: str, says: str) -> J:
        name = next(id_ for id_ in custom_ids(card) if id_.startswith(start))
        return await finished(wire, await wire.fake.click(bob, card, name), says)

    noted = await press("like:", "noted")
    assert await opinion(wire, bob, card) is LIKE
    (undo,) = custom_ids(noted)
    await wire.fake.click(bob, noted, undo)
    await until(lambda: _is(wire, bob, card, None))
    await press("why:", "Without")
    await press("play:", "preview")
    assert featured_in((await press("next:", "like:"))["components"]) == offered(card)[0]

    name = next(id_ for id_ in custom_ids(card) if id_.startswith("feature:"))
    chosen = await wire.fake.choose(bob, card, name, offered(card)[1])
    assert featured_in((await finished(wire, chosen))["components"]) == offered(card)[1]

    (name,) = custom_ids(which)
    done = asyncio.create_task(wire.fake.wait("followup", lambda m: m is which and is_final(m)))
    await wire.fake.choose(alice, which, name, offered(which)[0])
    await done


def custom_ids(message: J) -> list[str]:
    return [part["custom_id"] for part in parts_of(message["components"]) if "custom_id" in part]


def offered(message: J) -> list[str]:
    select = next(part for part in parts_of(message["components"]) if part["type"] == 3)
    return [option["value"] for option in select["options"]]


async def test_a_client_that_dies_is_replaced(wire: Wire) -> None:
    await wire.start()
    ready = asyncio.create_task(wire.fake.wait("ready"))
    await wire.fake.live()[0].send(0, {"id": "no such thing"}, "GUILD_CREATE")
    await ready
    await wire.bot.wait_until_ready()
    assert len(wire.bots) == 2
    assert is_final(await ask(wire, wire.fake.user("alice"), song=SONG))


async def test_privileged_intents_that_discord_refuses_are_done_without(wire: Wire) -> None:
    wire.fake.approved = 0
    await wire.start(message_content=True, presences=True)
    assert not wire.bot.intents.message_content
    refused = [line for line in details(wire.bot) if "Discord refused the" in line]
    assert len(refused) == 2


async def test_a_wrong_token_is_said_and_not_tried_again(wire: Wire) -> None:
    with pytest.raises(WrongToken, match="does not know that token"):
        await wire.start(token="wrong")
    assert len(wire.bots) == 1


# Discord says no -----------------------------------------------------------------------------


async def test_rate_limits_are_waited_out(wire: Wire) -> None:
    wire.fake.rate["PUT /api/v10/channels/{c}/messages/{m}/reactions/{e}/@me"] = (1, 0.2)
    await wire.start()
    people = [wire.fake.user(f"asker{number}") for number in range(3)]
    cards = await asyncio.gather(*(ask(wire, person, song=SONG, count=1) for person in people))
    assert len({card["id"] for card in cards}) == 3
    assert all(len(card["reactions"]) == 2 for card in cards)


async def test_a_picture_that_is_too_large_is_left_out(wire: Wire) -> None:
    wire.fake.largest_upload = 1000
    await wire.start()
    card = await ask(wire, wire.fake.user("alice"), song=SONG)
    assert not card["attachments"]
    assert "🎯" in text_of(card["components"])


async def test_an_interaction_that_came_too_late_is_let_go(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    await wire.start()
    alice = wire.fake.user("alice")
    await wire.fake.slash(alice, "recommend", wait=False, late=PATIENCE + 1, song=SONG)
    card = await ask(wire, wire.fake.user("bob"), song=SONG)
    assert is_final(card)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(
    ("status", "says"), [(404, "no longer has that file"), (503, "did not send me that file")]
)
async def test_a_clip_that_discord_does_not_give_is_said(
    wire: Wire, status: int, says: str
) -> None:
    wire.fake.cdn_status = status
    await wire.start()
    alice = wire.fake.user("alice")
    message = await wire.fake.say(alice, "", [("gone.wav", "audio/wav", b"RIFF")])
    wire.fake.files.clear()
    answer = await wire.fake.message_command(alice, "Find similar", message)
    assert not is_final(await told(wire, says))
    await until(lambda: _gone(wire, answer))


async def _gone(wire: Wire, answer: J) -> bool:
    return answer["original"] not in wire.fake.messages


async def test_a_file_elsewhere_than_on_discord_is_not_fetched(wire: Wire) -> None:
    await wire.start()
    alice = wire.fake.user("alice")
    message = await wire.fake.say(alice, "", [("x.wav", "audio/wav", b"RIFF")])
    message["attachments"][0]["url"] = "http://169.254.169.254/latest/x.wav"
    await wire.fake.message_command(alice, "Find similar", message)
    assert not is_final(await told(wire, "not on Discord"))


async def test_a_question_deleted_before_the_reply_is_let_go(
    wire: Wire, tunes: Tunes, caplog: pytest.LogCaptureFixture
) -> None:
    await wire.start()
    alice = wire.fake.user("alice")
    mine = await wire.fake.say(alice, f"<@{wire.fake.app_id}>", [tunes[0]])
    del wire.fake.messages[mine["id"]]
    with caplog.at_level("INFO"):
        await until(lambda: _said(caplog, "the question is gone"))
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert not [m for m in wire.fake.messages.values() if m["author"]["bot"]]


async def _said(caplog: pytest.LogCaptureFixture, event: str) -> bool:
    return any(record.getMessage() == event for record in caplog.records)


async def test_a_server_that_bans_the_bot_in_the_middle_stops_nothing_else(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    await wire.start()
    alice = wire.fake.user("alice")
    wire.fake.banned = True
    await finished(wire, await wire.fake.slash(alice, "recommend", song=SONG))
    await wire.fake.dispatch("GUILD_DELETE", {"id": wire.fake.guild_id})
    wire.fake.banned = False
    room = wire.fake.dm(alice)
    reply = asyncio.create_task(
        wire.fake.wait("MESSAGE_UPDATE", lambda m: m["channel_id"] == room["id"] and is_final(m))
    )
    await wire.fake.say(alice, SONG, channel=room["id"])
    assert is_final(await reply)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_without_the_content_intent_only_who_speaks_to_it_is_answered(
    wire: Wire, tunes: Tunes
) -> None:
    wire.fake.approved = PRIVILEGED & ~INTENT["content"]
    await wire.start()
    alice = wire.fake.user("alice")
    await wire.fake.say(alice, "listen", [tunes[0]])
    done = asyncio.create_task(wire.fake.wait("MESSAGE_UPDATE", is_final))
    mine = await wire.fake.say(alice, f"<@{wire.fake.app_id}>", [tunes[0]])
    answer = await done
    assert answer["message_reference"]["message_id"] == mine["id"]
    replies = [m for m in wire.fake.messages.values() if m["author"]["bot"]]
    assert len(replies) == 1


async def test_a_voice_message_in_private_is_heard(wire: Wire, tunes: Tunes) -> None:
    await wire.start()
    alice = wire.fake.user("alice")
    room = wire.fake.dm(alice)
    reply = asyncio.create_task(
        wire.fake.wait("MESSAGE_UPDATE", lambda m: m["channel_id"] == room["id"] and is_final(m))
    )
    voice = ("voice-message.ogg", "audio/ogg", tunes[0][2])
    await wire.fake.say(alice, "", [voice], channel=room["id"], flags=1 << 13)
    assert "found for **Composed waltz in C**" in text_of((await reply)["components"])


# Listening -----------------------------------------------------------------------------------


def spotify(name: str, began: float, lasts: float = 200.0) -> J:
    start = (datetime.now(UTC) + timedelta(seconds=began)).timestamp() * 1000
    return {
        "type": 2,
        "name": "Spotify",
        "id": "spotify:1",
        "session_id": "s",
        "sync_id": name,
        "details": name.title(),
        "state": "Somebody; Else",
        "assets": {"large_text": "Album", "large_image": "spotify:x"},
        "timestamps": {"start": int(start), "end": int(start + lasts * 1000)},
        "party": {"id": "spotify:1"},
        "flags": 48,
        "created_at": int(start),
    }


async def test_listening_is_learned_of_those_who_agreed_and_of_nobody_else(wire: Wire) -> None:
    await wire.start(presences=True)
    ann, bob = wire.fake.user("ann"), wire.fake.user("bob")
    answer = await wire.fake.slash(ann, "listening", subcommand="on")
    await finished(wire, answer, "Listening is on")
    for person in (ann, bob):
        await wire.fake.plays(person, spotify("first", -195))
        await wire.fake.plays(person, spotify("first", -195))

    async def played() -> bool:
        return len(await wire.service.members.feedback(ann["id"])) == 1

    await until(played)
    (event,) = await wire.service.members.feedback(ann["id"])
    track = await wire.service.songs.get(event.track)
    assert event.kind is FeedbackKind.PLAY
    assert track.artists == ("Somebody", "Else")
    assert track.links["spotify"] == "https://open.spotify.com/track/first"
    assert await wire.service.members.get(bob["id"]) is None


async def test_what_was_on_before_a_pause_is_not_taken_as_heard_to_its_end(wire: Wire) -> None:
    await wire.start(presences=True)
    cat = wire.fake.user("cat")

    async def use(name: str, subcommand: str, says: str) -> None:
        answer = await wire.fake.slash(cat, name, subcommand=subcommand)
        await finished(wire, answer, says)

    async def did() -> list[str]:
        events = await wire.service.members.feedback(cat["id"])
        return [event.kind.value for event in events]

    async def played() -> bool:
        return "play" in await did()

    await use("listening", "on", "Listening is on")
    since, lasts = datetime.now(UTC) - timedelta(hours=1), timedelta(minutes=3)
    on = Playing(Track("x", "Unheard", ("Somebody",)), since, lasts)
    wire.service.members._listening.heard(cat["id"], on, since)  # as it was an hour ago
    await use("privacy", "pause", "Paused")
    await use("privacy", "pause", "Learning again")
    await wire.fake.plays(cat, spotify("another", -1))
    await until(played)
    assert await did() == ["play"]


# Stopping ------------------------------------------------------------------------------------


async def test_stopping_finishes_the_answer_at_work(wire: Wire, tunes: Tunes) -> None:
    await wire.start()
    answer = await wire.fake.slash(wire.fake.user("alice"), "recommend", files={"clip": tunes[1]})
    await wire.end()
    assert is_final(wire.fake.messages[answer["original"]])


async def test_a_thumb_pressed_while_an_answer_is_finished_is_kept(
    wire: Wire, tunes: Tunes
) -> None:
    await wire.start()
    alice, bob = wire.fake.user("alice"), wire.fake.user("bob")
    card = await ask(wire, alice, song=SONG)
    answer = await wire.fake.slash(alice, "recommend", files={"clip": tunes[3]})
    bot = wire.bot
    ending = asyncio.create_task(wire.end())
    while not bot.stopping:
        await asyncio.sleep(0)
    held = asyncio.Event()

    async def hold() -> None:
        with bot.working():
            await held.wait()

    slow = asyncio.create_task(hold())  # came when the answer was under way already
    refused = await wire.fake.slash(bob, "recommend", song=SONG)
    await finished(wire, answer)
    while bot.at_work != {slow}:
        await asyncio.sleep(0)
    pressed = await wire.fake.click(bob, card, f"like:{featured_in(card['components'])}")
    held.set()
    await asyncio.gather(slow, ending)
    assert is_final(wire.fake.messages[answer["original"]])
    assert await opinion(wire, bob, card) is LIKE
    assert "noted" in text_of(wire.fake.messages[pressed["original"]]["components"])
    assert "restarting" in text_of(wire.fake.messages[refused["original"]]["components"])


async def test_stopping_hands_back_what_would_take_too_long(wire: Wire, tunes: Tunes) -> None:
    await wire.start(grace=0.0)
    answer = await wire.fake.slash(wire.fake.user("alice"), "recommend", files={"clip": tunes[2]})
    await finished(wire, answer, "Listening")
    await wire.end()
    assert "Ask again" in text_of(wire.fake.messages[answer["original"]]["components"])


# Checking ------------------------------------------------------------------------------------


async def test_check_tells_whether_it_will_work(wire: Wire, tmp_path: Any) -> None:
    wire.fake.flags = discord.ApplicationFlags(gateway_presence_limited=True).value
    settings = settings_for(tmp_path, token=FakeDiscord.TOKEN, message_content=True, presences=True)
    findings = [finding async for finding in check(settings)]
    said = {finding.what: finding.good for finding in findings}
    assert said["the message content intent is wanted, but not granted"] is False
    assert said["the presence intent is on"] is True
    assert any("invite it with https://discord.com/oauth2" in what for what in said)
    assert not wire.fake.live()

    assert said["songs are heard by 1 process on this machine"] is True

    away = settings.workers.model_copy(update={"scheduler": "tcp://127.0.0.1:1"})
    for token, complaint in (
        ("wrong", "Discord does not know that token."),
        ("", "There is no bot token."),
    ):
        settings = settings_for(tmp_path, token=token).model_copy(update={"workers": away})
        discord_, songs, ears = [finding async for finding in check(settings)]
        assert songs.good
        assert not ears.good
        assert "cheduler" in ears.what
        assert (discord_.good, discord_.what) == (False, complaint)


async def test_check_names_a_missing_token_before_any_database_is_opened(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, token="")
    findings = check(settings)
    first = await anext(findings)
    assert (first.good, first.what) == (False, "There is no bot token.")
    assert "MUSREC_DISCORD__TOKEN" in first.hint
    assert not list(tmp_path.rglob("*.db"))
    await findings.aclose()


async def test_the_program_starts_prints_its_invitation_and_stops_on_a_signal(
    wire: Wire, tmp_path: Path
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as free,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        port, watching = free.getsockname()[1], other.getsockname()[1]
    shards = 'shard_count = 4\nshard_ids = "2"'
    program = await bot_process.start(
        wire.fake, tmp_path, page=port, metrics=watching, shards=shards
    )
    assert program.stderr is not None
    lines: list[str] = []
    async with asyncio.timeout(PATIENCE):
        for event in ("ready", "no tagger"):
            while not any(f'"event": "{event}"' in line for line in lines):
                line = await program.stderr.readline()
                assert line, lines
                lines.append(line.decode())
        address = f"http://127.0.0.1:{port}/sign-in"
        async with aiohttp.ClientSession() as http, http.get(address) as response:
            assert response.status == 200
        address = f"http://127.0.0.1:{watching}/readyz"
        async with aiohttp.ClientSession() as http, http.get(address) as response:
            assert (response.status, await response.text()) == (200, "ready\n")
        assert [2, 4] in [session.shard for session in wire.fake.live()]
        program.send_signal(signal.SIGTERM)
        lines += (await program.stderr.read()).decode().splitlines()
        assert await program.wait() == 0
    started = next(json.loads(line) for line in lines if '"event": "started"' in line)
    assert (started["version"], started["songs"]) == (__version__, 409)
    assert started["database"].endswith("musrec.db")
    assert "guild_messages" in started["intents"]
    ready = next(json.loads(line) for line in lines if '"event": "ready"' in line)
    assert ready["invite"].startswith("https://discord.com/oauth2/authorize?client_id=")
    untagged = next(json.loads(line) for line in lines if '"event": "no tagger"' in line)
    assert "pip could not fetch" in untagged["why"]
    assert not [line for line in lines if FakeDiscord.TOKEN in line]
    assert not [line for line in lines if '"level": "ERROR"' in line]
