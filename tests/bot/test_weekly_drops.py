"""Drops and mixtapes as members meet them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from bot.drops.commands import DropCommands
from bot.drops.posting import Messages
from musrec.drops.model import Drop, Part, Post, Schedule, State
from musrec.model import FeedbackKind
from musrec.store import schema
from tests.support.stores import store_of
from tests.support.world import World, featured, is_card, options, parts, pressable, said

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIKED = ("Boogie Nights", "Heartless")


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def no_old_drops(world: World) -> None:
    """Servers' mixtapes of other tests are gone; members' drops went with the members."""
    async with store_of(world.service) as store, store.database.write() as connection:
        await connection.execute(sa.delete(schema.drops))


async def like_something(world: World, who: Any, genre: str = "disco", count: int = 3) -> None:
    tracks = [t for t in world.service.catalogue.songs.tracks if t.genre == genre][:count]
    for track in tracks:
        await world.service.members.learn(str(who.id), track.id, FeedbackKind.LIKE)


def posted(channel: Any, viewer: Any) -> list[Any]:
    """What stands in a channel for everybody."""
    return [m for m in channel.history(viewer=viewer) if not m.flags.ephemeral]


def nonces(world: World) -> list[str]:
    """The numbers under which drops were posted, each one for Discord to refuse twice."""
    path = f"/channels/{world.channel.id}/messages"
    sent = [r.json for r in world.env.http_requests if (r.method, r.path) == ("POST", path)]
    bodies = [body for body in sent if isinstance(body, dict)]
    assert all(body["enforce_nonce"] for body in bodies)
    return [body["nonce"] for body in bodies]


async def drop_of(world: World, who: Any) -> Drop:
    drop = await world.service.drops.of_member(str(who.id))
    assert drop is not None
    return drop


class Later:
    """Just after a drop is due."""

    def __init__(self, drop: Drop, weeks: int = 0) -> None:
        since = drop.since + timedelta(weeks=weeks)
        self.now = drop.following(since) + timedelta(seconds=1)

    def __call__(self) -> datetime:
        return self.now


async def tick(world: World, drop: Drop, weeks: int = 0) -> int:
    done = await world.service.drops.tick(Messages(world.bot), Later(drop, weeks))
    await world.env.settle()
    return done


async def test_a_drop_is_set_changed_shown_and_switched_off(world: World) -> None:
    alice, channel = world.alice, world.channel
    none = await alice.slash(channel, "drops settings")
    assert "You have no weekly drop" in said(none.response)
    offered = await alice.autocomplete(channel, "drops on", "zone", "kathm")
    assert [choice["value"] for choice in offered] == ["Asia/Kathmandu"]
    shown = await alice.slash(
        channel, "drops on", day="Sunday", hour=9, zone="Asia/Kathmandu", size=3, adventurous=7
    )
    assert shown.ephemeral
    for words in ("Sunday, 09:00, Asia/Kathmandu", "direct messages", "3 songs", "7 of 10"):
        assert words in said(shown.response)
    changed = await alice.slash(channel, "drops on", place="this channel")
    assert "Sunday, 09:00" in said(changed.response)
    assert f"<#{channel.id}>" in said(changed.response)
    drop = await drop_of(world, alice)
    assert drop.schedule == Schedule(6, 9, "Asia/Kathmandu")
    assert (drop.channel, drop.home) == (str(channel.id), str(channel.id))
    await alice.slash(channel, "drops off")
    assert "⏸️ off" in said((await alice.slash(channel, "drops settings")).response)
    assert await tick(world, drop) == 0


async def test_an_unknown_zone_and_a_paused_member_are_answered(world: World) -> None:
    wrong = await world.alice.slash(world.channel, "drops on", zone="Berlim")
    assert "There is no time zone called “Berlim”" in said(wrong.response)
    assert "Europe/Berlin" in said(wrong.response)
    await world.alice.slash(world.channel, "privacy pause")
    paused = await world.alice.slash(world.channel, "drops on")
    assert "You paused learning" in said(paused.response)
    assert await world.service.drops.of_member(str(world.alice.id)) is None


async def test_a_drop_now_features_each_song_in_a_message_of_its_own(world: World) -> None:
    await like_something(world, world.alice)
    told = await world.alice.slash(world.channel, "drops now")
    assert told.ephemeral
    assert f"Posted in <#{world.channel.id}>" in said(told.response)

    opening, *cards = posted(world.channel, world.alice)
    assert f"<@{world.alice.id}>, your weekly drop" in said(opening)
    assert "👍" in said(opening)
    assert len(cards) == 5
    assert all(is_card(card) for card in cards)
    assert len({featured(card) for card in cards}) == 5
    assert "Around “" in said(cards[0])
    assert "The brave one" in said(cards[-1])
    for card in cards:
        kept = await world.service.cards.get(str(card.id))
        assert kept is not None
        assert kept.track == featured(card)
        assert [str(reaction.emoji) for reaction in card.reactions] == ["👍", "👎"]
        names = [part["custom_id"].partition(":")[0] for part in parts(card) if part["type"] == 2]
        assert names == ["like", "dislike", "play", "keep", "why"]
        assert any(part["type"] == 12 for part in parts(card))
    for request in world.env.http_requests:
        if isinstance(request.json, dict) and "components" in request.json:
            assert request.json["allowed_mentions"] == {"parse": []}

    await world.alice.click(cards[1], custom_id=pressable(cards[1], "like:"))
    thumbs = await world.service.members.thumb(str(world.alice.id), featured(cards[1]))
    assert thumbs is FeedbackKind.LIKE
    why = await world.alice.click(cards[0], custom_id=pressable(cards[0], "why:"))
    assert "Why" in said(why.response)

    again = await world.alice.slash(world.channel, "drops now")
    assert "This week's has come already" in said(again.response)
    assert len(posted(world.channel, world.alice)) == 6


async def test_when_its_hour_comes_it_is_in_the_direct_messages(world: World) -> None:
    await like_something(world, world.alice)
    await world.alice.slash(world.channel, "drops on", size=2)
    drop = await drop_of(world, world.alice)
    assert await tick(world, drop) == 1
    assert await tick(world, drop) == 0
    messages = posted(world.alice.user.dm_channel, world.alice.user)
    assert [is_card(message) for message in messages] == [False, True, True]
    assert not posted(world.channel, world.alice)
    change = pressable(messages[0], "drop:")
    shown = await world.alice.user.click(messages[0], custom_id=change)
    assert "2 songs" in said(shown.response)


async def test_without_history_three_questions_come_first(world: World) -> None:
    await world.alice.slash(world.channel, "drops on", place="this channel", size=2)
    told = await world.alice.slash(world.channel, "drops now")
    assert "I have some questions first" in said(told.response)
    [asked] = posted(world.channel, world.alice)
    selects = [part for part in parts(asked) if part["type"] == 3]
    assert [len(select["options"]) for select in selects] == [25, 25, 25]

    other = await world.bob.select(asked, [options(asked)[0]], custom_id=pressable(asked, "ask:0"))
    assert "That drop belongs to another member" in said(other.response)
    early = await world.alice.click(asked, custom_id=pressable(asked, "asked:"))
    assert "Pick at least one artist" in said(early.response)

    for number in range(3):
        [asked] = posted(world.channel, world.alice)[:1]
        chosen = options(asked)[:2]
        await world.alice.select(asked, chosen, custom_id=pressable(asked, f"ask:{number}"))
        liked = await world.service.members.feedback(str(world.alice.id))
        tracks = await world.service.songs.many([event.track for event in liked])
        assert set(chosen) <= {track.artists[0] for track in tracks.values()}
    await world.env.settle()
    asked, opening, *cards = posted(world.channel, world.alice)
    assert "Noted. Posted in <#" in said(asked)
    assert "weekly drop" in said(opening)
    assert [is_card(card) for card in cards] == [True, True]
    # All this within minutes, in which Discord takes no number twice.
    numbers = nonces(world)
    assert len(set(numbers)) == len(numbers) == 4


async def test_closed_messages_are_told_where_it_was_set_up_and_it_stops(world: World) -> None:
    await like_something(world, world.alice)
    await world.alice.slash(world.channel, "drops on", size=2)
    dm = f"/channels/{world.alice.user.dm_channel.id}/messages"
    world.env.inject_error("POST", dm, status=403, code=50007, times=None)
    drop = await drop_of(world, world.alice)
    for week in range(3):
        assert await tick(world, drop, week) == 0
    [told] = posted(world.channel, world.alice)
    assert f"<@{world.alice.id}> I paused your weekly drop" in said(told)
    assert "I cannot send you direct messages" in said(told)
    assert sum(request.path == dm for request in world.env.http_requests) == 1
    shown = await world.alice.slash(world.channel, "drops settings")
    assert "off: I cannot send you direct messages" in said(shown.response)


async def test_a_channel_that_is_gone_is_told_directly(world: World) -> None:
    await like_something(world, world.alice)
    gone = world.guild.create_text_channel("soon gone")
    await world.alice.slash(gone, "drops on", place="this channel", size=2)
    real = world.bot.get_channel(gone.id)
    await real.delete()
    await world.env.settle()
    assert await tick(world, await drop_of(world, world.alice)) == 0
    [told] = posted(world.alice.user.dm_channel, world.alice.user)
    assert "The channel it was posted in is gone" in said(told)
    assert not (await drop_of(world, world.alice)).active


async def test_who_left_the_server_gets_no_drop_in_it(world: World) -> None:
    await like_something(world, world.alice)
    await world.alice.slash(world.channel, "drops on", place="this channel", size=2)
    world.guild.remove_member(world.alice)
    drop = await drop_of(world, world.alice)
    assert await tick(world, drop) == 0
    assert not any(is_card(message) for message in posted(world.channel, world.bob))
    assert (await drop_of(world, world.alice)).trouble.startswith("You left the server")
    assert not posted(world.channel, world.bob)  # where they would not read it
    [told] = posted(world.alice.user.dm_channel, world.alice.user)
    assert "You left the server" in said(told)


async def test_trouble_is_told_directly_where_there_is_no_server(world: World) -> None:
    await world.alice.user.slash("drops on")
    for week in range(3):
        await tick(world, await drop_of(world, world.alice), week)
    *asked, told = posted(world.alice.user.dm_channel, world.alice.user)[-3:]
    assert all("What do you like?" in said(message) for message in asked)
    assert "I paused your weekly drop: My questions got no answer" in said(told)


async def test_now_answers_truly_after_trouble(world: World) -> None:
    await like_something(world, world.alice)
    await world.alice.slash(world.channel, "drops on", size=2)
    dm = f"/channels/{world.alice.user.dm_channel.id}/messages"
    world.env.inject_error("POST", dm, status=403, code=50007)
    failed = await world.alice.slash(world.channel, "drops now")
    assert "I could not post it" in said(failed.response)
    [told] = posted(world.channel, world.alice)
    assert [user.id for user in told.mentions] == [world.alice.id]
    opened = await world.alice.slash(world.channel, "drops now")
    assert "Posted in our direct messages" in said(opened.response)
    assert [is_card(m) for m in posted(world.alice.user.dm_channel, world.alice.user)] == [
        False,
        True,
        True,
    ]
    again = await world.alice.slash(world.channel, "drops now")
    assert "has come already" in said(again.response)
    assert "next" not in said(again.response)  # it is still off


async def test_what_was_posted_before_a_crash_is_found_and_a_doubt_is_said(world: World) -> None:
    await like_something(world, world.alice)
    await world.alice.slash(world.channel, "drops now")
    drop = await drop_of(world, world.alice)
    issue = await world.service.drops.this_week(drop)
    assert issue is not None
    # Discord's clock is a simulated one here.
    began = world.env.now() - timedelta(minutes=5)
    issue = replace(issue, posts=tuple(replace(post, began=began) for post in issue.posts))
    poster = Messages(world.bot)
    there = posted(world.channel, world.alice)
    for post, message in zip(issue.posts, there, strict=True):
        assert await poster.find(issue, post) == str(message.id)
    opening = replace(issue.posts[0], answer=None)
    assert await poster.find(replace(issue, id=issue.id + 1), opening) == ""
    # A number that begins like another's is another all the same.
    long = replace(issue, id=10 * issue.id)
    mine = await poster.post(long, opening, None, again=False)
    assert await poster.find(long, opening) == mine
    real = world.bot.get_channel(world.channel.id)
    await (await real.fetch_message(int(there[0].id))).delete()
    assert await poster.find(issue, opening) == ""
    assert await poster.find(issue, replace(issue.posts[1], answer="another")) == ""

    path = f"/channels/{world.channel.id}/messages"
    world.env.inject_error("GET", path, status=403, code=50001)
    assert await poster.find(issue, issue.posts[1]) is None
    answer = await world.service.answers.kept(str(issue.posts[1].answer))
    await poster.post(issue, replace(issue.posts[1], position=9), answer, again=True)
    assert "you may see this twice" in said(posted(world.channel, world.alice)[-1])


async def test_discord_itself_is_told_which_message_it_is(world: World) -> None:
    await like_something(world, world.alice)
    await world.alice.slash(world.channel, "drops now")
    numbers = nonces(world)
    assert len(set(numbers)) == len(numbers) == 6
    assert all(len(number) <= 25 for number in numbers)


async def test_a_mixtape_is_for_those_who_joined_and_says_whom_each_song_is_for(
    world: World,
) -> None:
    assert not [name for name in world.alice.available_commands(world.channel) if "mixtape" in name]
    owner = world.guild_owner()
    shown = await owner.slash(world.channel, "mixtape on", day="Monday", hour=20, zone="UTC")
    assert "Monday, 20:00, UTC" in said(shown.response)
    told = await owner.slash(world.channel, "mixtape now")
    assert "I have some questions first" in said(told.response)
    [invitation] = posted(world.channel, world.alice)
    assert "A mixtape for you all" in said(invitation)

    await like_something(world, world.alice, "disco")
    await like_something(world, world.bob, "metal")
    for who in (world.alice, world.bob):
        joined = await who.click(invitation, custom_id=pressable(invitation, "mix:"))
        assert joined.ephemeral
        assert "made from your likes too" in said(joined.response)
    drop = await world.service.drops.of_server(str(world.guild.id))
    assert drop is not None
    assert await tick(world, drop, weeks=1) == 1
    _, opening, *cards = posted(world.channel, world.alice)
    both = sorted((f"<@{world.alice.id}>", f"<@{world.bob.id}>"))
    assert f"For {', '.join(both)}" in said(opening)
    assert len(cards) == 5
    assert "What you agree on. For" in said(cards[0])
    assert "What you do not agree on. For" in said(cards[-1])
    assert sum(name in said(cards[-1]) for name in both) == 1

    left = await world.bob.click(opening, custom_id=pressable(opening, "mix:"))
    assert "left out from now on" in said(left.response)
    assert await world.service.drops.mixtape_members(drop) == [str(world.alice.id)]


async def test_only_a_mixtape_of_this_server_can_be_joined(world: World) -> None:
    owner = world.guild_owner()
    await owner.slash(world.channel, "mixtape on", day="Monday", hour=20, zone="UTC")
    await owner.slash(world.channel, "mixtape now")
    [invitation] = posted(world.channel, world.alice)
    count_me_in = pressable(invitation, "mix:")
    drop = await world.service.drops.of_server(str(world.guild.id))
    assert drop is not None
    await world.service.drops.turn_off(drop)
    joined = await world.alice.click(invitation, custom_id=count_me_in)
    assert "switched off for now" in said(joined.response)
    assert await world.service.drops.mixtape_members(drop) == [str(world.alice.id)]

    async with store_of(world.service) as store, store.database.write() as connection:
        await connection.execute(sa.update(schema.drops).values(guild_id="4711"))
    for member in (world.alice, world.bob):
        refused = await member.click(invitation, custom_id=count_me_in)
        assert "no longer made" in said(refused.response)
    assert await world.service.drops.mixtape_members(drop) == [str(world.alice.id)]


async def test_the_clock_runs_with_the_bot_and_floods_nobody(world: World) -> None:
    cog = world.bot.get_cog("DropCommands")
    assert isinstance(cog, DropCommands)
    [job] = cog._ticking.get_jobs()
    assert cog._ticking.running
    assert (job.coalesce, job.max_instances, job.misfire_grace_time) == (True, 1, None)
    assert await cog.tick() == 0


async def test_every_part_of_a_drop_stays_within_what_a_message_holds(world: World) -> None:
    drop = Drop(str(world.alice.id), None, Schedule(0, 0, "UTC"), datetime.now(UTC))
    drop = await world.service.drops.keep(replace(drop, channel=str(world.channel.id)))
    from musrec.drops.model import Issue

    issue = Issue(1, drop, "2026-W47", State.OPEN, "", 0, drop.since)
    long = "@everyone **“" + "x" * 5000 + "”"
    for position, part in enumerate((Part.OPENING, Part.QUESTIONS, Part.INVITATION)):
        post = Post(position, part, "\n".join([long] * 3))
        await Messages(world.bot).post(issue, post, None, again=False)
    for message in posted(world.channel, world.alice):
        assert len(said(message)) <= 4000
        assert "@everyone" not in said(message)
        assert len(parts(message)) <= 40


async def test_a_week_is_rated_by_its_member_alone(world: World) -> None:
    await like_something(world, world.alice)
    await world.alice.slash(world.channel, "drops on", place="this channel", size=1)
    assert await tick(world, await drop_of(world, world.alice)) == 1
    opening = posted(world.channel, world.alice)[0]
    other = await world.bob.click(opening, custom_id=pressable(opening, "rate:5"))
    assert "That drop belongs to another member" in said(other.response)
    for stars in (3, 4):
        noted = await world.alice.click(opening, custom_id=pressable(opening, f"rate:{stars}"))
        assert noted.ephemeral
        assert "★" * stars + "☆" * (5 - stars) in said(noted.response)
    status = await world.guild_owner().slash(world.channel, "status")
    assert "Weeks were rated 4.0 of 5 on average (by 1 member, 1 in all)." in said(status.response)
    back = await world.alice.click(opening, custom_id=pressable(opening, "rate:4"))
    assert "taken back" in said(back.response)
    assert await world.service.drops.ratings() == []
