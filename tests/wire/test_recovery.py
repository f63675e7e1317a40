"""No card is deaf and no reaction is lost, whatever dies, fails or is missed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import pytest

from musrec.model import FeedbackKind
from musrec.store import Store
from tests.support.bot_process import MortalBot
from tests.support.fake_discord import EPHEMERAL, PATIENCE, FakeDiscord
from tests.support.wire import Wire, ask, finished, is_final, until
from tests.support.world import featured_in

pytestmark = pytest.mark.asyncio(loop_scope="session")

SONG = "Boogie Nights"
LIKE = FeedbackKind.LIKE
KILLS = 3
J = dict[str, Any]


async def likes(wire: Wire, who: J, card: J) -> bool:
    return await wire.service.members.thumb(who["id"], featured_in(card["components"])) is LIKE


async def thumbs(wire: Wire, card: J) -> dict[FeedbackKind, int]:
    return await wire.service.cards.thumbs(card["id"])


def in_silence(wire: Wire) -> dict[str, Any]:
    """Let events happen that nobody hears of; return the sessions to be put back."""
    sessions = dict(wire.fake.sessions)
    wire.fake.sessions.clear()
    return sessions


def cards_of(fake: FakeDiscord) -> list[J]:
    return [m for m in fake.messages.values() if is_final(m) and not m["flags"] & EPHEMERAL]


async def test_no_card_is_deaf_and_no_thumb_lost_after_kills(tmp_path: Path) -> None:
    rng, fake = Random(13), FakeDiscord()
    fake.answered_within = PATIENCE
    await fake.start()
    bot = MortalBot(fake, tmp_path, rng)
    fans: dict[str, str] = {}

    async def everyone_reacts(name: str) -> None:
        for number, card in enumerate(cards_of(fake)):
            fan = fake.user(f"{name} {number}")
            await fake.react_as(fan, card, "👍")
            fans[fan["id"]] = featured_in(card["components"])

    try:
        for number in range(KILLS):
            await bot.live()
            asker = fake.user(f"asker {number}")
            room = fake.dm(asker)
            bot.doom(3, 9)
            await fake.slash(asker, "recommend", wait=False, song=SONG)
            await fake.say(asker, f"<@{fake.app_id}> {SONG}")
            await fake.say(asker, SONG, channel=room["id"])
            await bot.dead()
            await everyone_reacts(f"fan {number}")  # while nobody hears of it
        await bot.live()
        assert cards_of(fake)
        await everyone_reacts("fan at last")
        store = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'musrec.db'}")
        try:

            async def all_counted() -> bool:
                events = {(e.member, e.track) for e in await store.feedback.events()}
                return set(fans.items()) <= events

            await until(all_counted)
            noted = [await store.cards.get(card["id"]) for card in cards_of(fake)]
            assert all(noted)
            assert {e.member for e in await store.feedback.events()} == set(fans)
        finally:
            await store.close()

        async def all_offered() -> bool:
            cards = [fake.reactions[card["id"]] for card in cards_of(fake)]
            return all(fake.app_id in who["👍"] for who in cards)

        await until(all_offered)
    finally:
        bot.kill()
        await bot.dead()
        await fake.stop()


async def test_one_card_that_fails_stops_no_other_and_is_tried_again(wire: Wire) -> None:
    await wire.start()
    bob = wire.fake.user("bob")
    people = [wire.fake.user(f"asker {number}") for number in range(3)]
    cards = [await ask(wire, person, song=SONG) for person in people]
    await wire.end()
    for card in cards:
        await wire.fake.react_as(bob, card, "👍")
    wire.fake.failures = [(cards[1]["id"], None), (cards[0]["id"], 503), (cards[0]["id"], 403)]
    await wire.start()
    for card in cards:
        await until(lambda card=card: thumbs(wire, card))
    assert [await thumbs(wire, card) for card in cards] == [{LIKE: 1}] * 3


async def test_a_new_session_while_cards_are_read_has_them_read_again(wire: Wire) -> None:
    await wire.start()
    bob, eve = wire.fake.user("bob"), wire.fake.user("eve")
    card = await ask(wire, wire.fake.user("alice"), song=SONG)
    await wire.end()
    await wire.fake.react_as(bob, card, "👍")
    users = f"/messages/{card['id']}/reactions/👍"
    wire.fake.held[users] = asyncio.Event()
    held = asyncio.create_task(wire.fake.wait("held"))
    await wire.start()
    await held
    ready = asyncio.create_task(wire.fake.wait("ready"))
    connection = wire.fake.live()[0]
    wire.fake.sessions.clear()
    wire.fake.held.pop(users).set()
    await until(lambda: likes(wire, bob, card))
    await wire.fake.react_as(eve, card, "👍")
    await connection.send(9, False)
    await ready
    await until(lambda: likes(wire, eve, card))
    assert await thumbs(wire, card) == {LIKE: 2}


async def test_what_a_resumed_session_did_not_replay_is_read_back(wire: Wire) -> None:
    await wire.start()
    bob = wire.fake.user("bob")
    card = await ask(wire, wire.fake.user("alice"), song=SONG)
    sessions = in_silence(wire)
    await wire.fake.react_as(bob, card, "👍")
    wire.fake.sessions.update(sessions)
    resumed = asyncio.create_task(wire.fake.wait("resumed"))
    await wire.fake.live()[0].send(7)
    await resumed
    await until(lambda: likes(wire, bob, card))
    assert await thumbs(wire, card) == {LIKE: 1}


async def test_what_was_lost_without_a_trace_is_read_back_within_the_hour(wire: Wire) -> None:
    await wire.start()
    bob = wire.fake.user("bob")
    card = await ask(wire, wire.fake.user("alice"), song=SONG)
    sessions = in_silence(wire)
    await wire.fake.react_as(bob, card, "👍")
    wire.fake.sessions.update(sessions)
    reactions: Any = wire.bot.get_cog("Reactions")
    assert (reactions._hourly.hours, reactions._hourly.is_running()) == (1, True)
    await reactions._hourly()
    await until(lambda: likes(wire, bob, card))
    assert await thumbs(wire, card) == {LIKE: 1}


async def test_what_changes_while_a_card_is_read_is_newer_than_what_was_read(wire: Wire) -> None:
    await wire.start()
    ann, bob = wire.fake.user("ann"), wire.fake.user("bob")
    card = await ask(wire, ann, song=SONG)
    await wire.end()
    await wire.fake.react_as(ann, card, "👍")
    await wire.fake.react_as(bob, card, "👍")
    users = f"/messages/{card['id']}/reactions/👎"
    await wire.fake.react_as(ann, card, "👎")  # so that these are asked for, after the others
    wire.fake.held[users] = asyncio.Event()
    held = asyncio.create_task(wire.fake.wait("held"))
    await wire.start()
    await held
    await wire.fake.react_as(bob, card, "👍", add=False)
    # What follows it is taken in: so was it.
    other = await wire.fake.click(bob, card, f"like:{featured_in(card['components'])}")
    undo = await finished(wire, other, "undo:")
    await wire.fake.click(bob, undo, f"undo:like:{featured_in(card['components'])}")
    wire.fake.held.pop(users).set()

    async def read() -> bool:
        known = await wire.service.cards.accounted(card["id"])
        return {member for member, _ in known.counted} == {ann["id"]}

    await until(read)
    assert not await likes(wire, bob, card)


async def test_a_reaction_given_before_the_message_is_a_card_counts_once_it_is(
    wire: Wire, tunes: list[tuple[str, str, bytes]]
) -> None:
    await wire.start()
    alice, bob = wire.fake.user("alice"), wire.fake.user("bob")
    first = asyncio.create_task(
        wire.fake.wait("MESSAGE_CREATE", lambda m: m["author"]["bot"] and not is_final(m))
    )
    await wire.fake.say(alice, f"<@{wire.fake.app_id}>", [tunes[0]])
    card = await first
    await wire.fake.react_as(bob, card, "👍")
    if not is_final(card):
        await wire.fake.wait("MESSAGE_UPDATE", lambda m: m is card and is_final(m))
    await until(lambda: likes(wire, bob, card))
    assert await thumbs(wire, card) == {LIKE: 1}


async def test_a_card_that_a_restored_store_does_not_know_is_heard_again(wire: Wire) -> None:
    await wire.start()
    bob = wire.fake.user("bob")
    card = await ask(wire, wire.fake.user("alice"), song=SONG)
    await wire.service.cards.remove(card["id"])
    wire.fake.failures = [(f"/messages/{card['id']}", 503)]
    await wire.fake.react_as(bob, card, "👍")
    await until(lambda: likes(wire, bob, card))
    assert await thumbs(wire, card) == {LIKE: 1}


async def test_reading_back_learns_nothing_of_who_paused_or_had_all_deleted(wire: Wire) -> None:
    await wire.start()
    ann, bob, cid = (wire.fake.user(name) for name in ("ann", "bob", "cid"))
    card = await ask(wire, wire.fake.user("alice"), song=SONG)
    await wire.service.members.choose(bob["id"], paused=True)
    for person in (ann, bob):
        await wire.fake.react_as(person, card, "👍")
    await until(lambda: likes(wire, ann, card))

    async def heard() -> bool:
        return bool((await wire.service.cards.accounted(card["id"])).uncounted)

    await until(heard)
    await wire.end()
    await wire.service.members.delete(ann["id"])
    await wire.service.members.choose(bob["id"], paused=False)
    await wire.fake.react_as(cid, card, "👍")
    await wire.start()
    await until(lambda: likes(wire, cid, card))
    assert not await likes(wire, ann, card)
    assert not await likes(wire, bob, card)
    assert not any((await wire.service.members.about(ann["id"])).values())
