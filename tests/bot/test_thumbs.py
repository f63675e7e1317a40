"""Thumbs by button and by reaction: none lost, none doubled, each taken back when taken away."""

from __future__ import annotations

from typing import Any

import pytest

from musrec.model import FeedbackKind
from tests.support.stores import store_of
from tests.support.world import World, featured, is_card, options, pressable, said, shown

pytestmark = pytest.mark.asyncio(loop_scope="session")

SONG = "Boogie Nights"
LIKE, DISLIKE = FeedbackKind.LIKE, FeedbackKind.DISLIKE


async def opinion(world: World, who: Any, card: Any) -> FeedbackKind | None:
    return await world.service.members.thumb(str(who.id), featured(card))


async def press(world: World, who: Any, card: Any, start: str) -> Any:
    result = await who.click(card.message, custom_id=pressable(card, start))
    return result.response


async def test_a_thumb_pressed_twice_is_one_thumb_and_can_be_taken_back(world: World) -> None:
    card = await world.ask(song=SONG)
    first = await press(world, world.bob, card, "like:")
    assert first.ephemeral
    assert "noted" in said(first)
    second = await press(world, world.bob, card, "like:")
    assert "already" in said(second)
    events = await world.service.members.feedback(str(world.bob.id))
    assert [event.kind for event in events] == [LIKE]

    await world.bob.click(first.message, custom_id=pressable(first, "undo:"))
    assert "taken back" in said(first)
    assert await opinion(world, world.bob, card) is None


async def test_a_card_is_noted_with_its_server_whose_process_reads_its_reactions(
    world: World,
) -> None:
    kept = await world.service.cards.get(str((await world.ask(song=SONG)).id))
    assert kept is not None
    assert kept.guild == str(world.guild.id)


async def test_a_second_opinion_replaces_the_first(world: World) -> None:
    card = await world.ask(song=SONG)
    await press(world, world.alice, card, "like:")
    await press(world, world.alice, card, "dislike:")
    assert await opinion(world, world.alice, card) is DISLIKE


async def test_the_next_answer_knows_a_thumb_at_once(world: World) -> None:
    card = await world.ask(song=SONG, count=1)
    await world.service.members.delete(str(world.alice.id))  # nothing was recommended yet
    same = await world.ask(song=SONG, count=1)
    assert featured(same) == featured(card)
    await press(world, world.bob, same, "dislike:")
    other = await world.ask(world.bob, song=SONG, count=5)
    assert featured(card) not in [featured(other), *options(other)]


@pytest.mark.parametrize("place", ["channel", "thread", "direct message"])
async def test_reactions_are_thumbs_everywhere(world: World, place: str) -> None:
    if place == "direct message":
        result = await world.alice.user.slash("recommend", song=SONG)
        card = result.response
    else:
        if place == "thread":
            parent = await world.alice.send(world.channel, "a thread")
            thread = await world.bot.get_channel(world.channel.id).create_thread(
                name="songs", message=parent
            )
            await world.env.settle()
            world.channel = next(t for t in world.channel.threads if t.id == thread.id)
        card = await world.ask(song=SONG)
    assert is_card(card)
    who = world.alice.user if place == "direct message" else world.alice
    await who.set_reaction(card.message, "👍", reacted=True)
    assert await opinion(world, world.alice, card) is LIKE
    await who.set_reaction(card.message, "👍", reacted=False)
    assert await opinion(world, world.alice, card) is None


async def test_a_reaction_in_any_shade_counts_and_other_emoji_do_not(world: World) -> None:
    card = await world.ask(song=SONG)
    await world.bob.react(card.message, "🔥")
    assert await opinion(world, world.bob, card) is None
    await world.bob.react(card.message, "👎🏿")
    assert await opinion(world, world.bob, card) is DISLIKE


async def test_taking_one_of_two_reactions_away_leaves_the_other(world: World) -> None:
    card = await world.ask(song=SONG)
    await world.bob.react(card.message, "👍")
    await world.bob.react(card.message, "👎")
    assert await opinion(world, world.bob, card) is DISLIKE
    await world.bob.unreact(card.message, "👎")
    assert await opinion(world, world.bob, card) is LIKE


async def test_reactions_under_other_messages_and_of_bots_mean_nothing(world: World) -> None:
    card = await world.ask(song=SONG)
    talk = await world.alice.send(world.channel, "hello")
    await world.bob.react(talk, "👍")
    robot = world.guild.add_member(world.env.create_user("robot", bot=True))
    await robot.react(card.message, "👍")
    async with store_of(world.service) as store:
        assert await store.feedback.events() == []


async def test_thumbs_stay_when_the_message_goes(world: World) -> None:
    card = await world.ask(song=SONG)
    await world.bob.react(card.message, "👍")
    owner = world.guild_owner()
    track = featured(card)
    await world.bot.get_channel(world.channel.id).get_partial_message(card.id).delete()
    await world.env.settle()
    assert await world.service.cards.get(str(card.id)) is None
    assert await world.service.members.thumb(str(world.bob.id), track) is LIKE
    assert owner


async def test_a_button_whose_song_is_gone_says_so(world: World) -> None:
    from musrec.model import Track

    (track,) = await world.service.songs.keep((Track("abcdefghij", "Gone", ("Nobody",)),))
    card = await world.ask(song=SONG)
    message = card.message
    name = pressable(card, "like:").replace(featured(card), track.id)
    stored = world.env.backend.get_message(message.channel.id, message.id)
    for part in _buttons(stored.components):
        if part.get("custom_id", "").startswith("like:"):
            part["custom_id"] = name
    async with store_of(world.service) as store:
        await store.tracks.remove(track.id)
    result = await world.bob.click(message, custom_id=name)
    assert "no longer have" in said(result.response)
    async with store_of(world.service) as store:
        assert await store.feedback.events() == []


def counts(world: World, card: Any) -> tuple[str | None, str | None]:
    """Return what the two thumb buttons of a card say beside their emoji, as it stands now."""
    stored = world.env.backend.get_message(card.message.channel.id, card.id)
    found = {part.get("custom_id", ""): part.get("label") for part in _buttons(stored.components)}
    like, dislike = (
        next(label for name, label in found.items() if name.startswith(f"{kind.value}:"))
        for kind in (LIKE, DISLIKE)
    )
    return like or None, dislike or None


async def test_the_buttons_show_how_many_members_pressed_or_reacted(world: World) -> None:
    card = await world.ask(song=SONG)
    assert counts(world, card) == (None, None), "the bot's own reactions are no members'"
    carol = world.guild.add_member(world.env.create_user("carol"))
    await press(world, world.bob, card, "like:")
    await world.bob.react(card.message, "👍")
    await world.alice.react(card.message, "👍")
    await press(world, carol, card, "dislike:")
    await world.env.settle()
    assert counts(world, card) == ("2", "1"), "a member who did both counts once"

    await carol.react(card.message, "👍")
    await world.alice.unreact(card.message, "👍")
    await world.env.settle()
    assert counts(world, card) == ("2", None), "the last thumb of a member counts"


async def test_a_thumb_taken_back_or_deleted_with_its_member_no_longer_counts(world: World) -> None:
    card = await world.ask(song=SONG)
    noted = await press(world, world.bob, card, "like:")
    await world.alice.react(card.message, "👍")
    await world.env.settle()
    assert counts(world, card) == ("2", None)
    await world.bob.click(noted.message, custom_id=pressable(noted, "undo:"))
    await world.env.settle()
    assert counts(world, card) == ("1", None)
    asked = shown(await world.alice.slash(world.channel, "privacy delete"))
    await world.alice.click(asked.message, custom_id=pressable(asked, "erase:"))
    await world.env.settle()
    assert counts(world, card) == (None, None)


async def test_a_count_leaves_out_likes_given_elsewhere_and_by_who_paused(world: World) -> None:
    card = await world.ask(song=SONG, count=1)
    await world.service.members.learn(str(world.alice.id), featured(card), LIKE)
    await world.bob.slash(world.channel, "privacy pause")
    await press(world, world.bob, card, "like:")
    await world.env.settle()
    assert counts(world, card) == (None, None)


async def test_a_thumb_under_a_card_of_ones_own_counts_under_the_one_that_all_see(
    world: World,
) -> None:
    public = await world.ask(song=SONG)
    alone = await world.ask(world.bob, song=SONG, private=True)
    assert featured(alone) == featured(public)
    noted = await press(world, world.bob, alone, "like:")
    await world.env.settle()
    assert counts(world, public) == ("1", None)
    await press(world, world.bob, public, "like:")
    await world.env.settle()
    assert counts(world, public) == ("1", None), "a member counts once"
    await world.bob.click(noted.message, custom_id=pressable(noted, "undo:"))
    await world.env.settle()
    assert counts(world, public) == (None, None)


@pytest.mark.parametrize("thumb", ["like", "dislike"])
async def test_a_thumb_given_before_a_card_is_shared_counts_once_it_is(
    world: World, thumb: str
) -> None:
    alone = await world.ask(world.bob, song=SONG, private=True)
    noted = await press(world, world.bob, alone, f"{thumb}:")
    shared = await press(world, world.bob, alone, "post:")
    await world.env.settle()
    assert counts(world, shared) == (("1", None) if thumb == "like" else (None, "1"))
    await world.alice.react(shared.message, "👍")
    await world.bob.click(noted.message, custom_id=pressable(noted, "undo:"))
    await world.env.settle()
    assert counts(world, shared) == ("1", None)


async def test_sharing_a_card_is_no_thumb(world: World) -> None:
    alone = await world.ask(world.bob, song=SONG, private=True)
    shared = await press(world, world.bob, alone, "post:")
    await world.service.members.learn(str(world.bob.id), featured(shared), LIKE)
    await world.env.settle()
    assert counts(world, shared) == (None, None)


async def test_a_thumb_under_a_card_of_ones_own_counts_in_its_own_channel_alone(
    world: World,
) -> None:
    public, here = await world.ask(song=SONG), world.channel
    world.channel = world.guild.create_text_channel("elsewhere")
    alone = await world.ask(world.bob, song=SONG, private=True)
    await press(world, world.bob, alone, "dislike:")
    world.channel = here
    await world.env.settle()
    assert await opinion(world, world.bob, public) is DISLIKE
    assert counts(world, public) == (None, None)


async def test_a_counted_card_keeps_its_picture_its_text_and_its_buttons(world: World) -> None:
    card = await world.ask(song=SONG)
    before = world.env.backend.get_message(card.message.channel.id, card.id)
    plain, picture = _unlabelled(before.components), [file["id"] for file in before.attachments]
    await press(world, world.bob, card, "like:")
    await world.env.settle()
    after = world.env.backend.get_message(card.message.channel.id, card.id)
    assert counts(world, card) == ("1", None)
    assert _unlabelled(after.components) == plain
    assert [file["id"] for file in after.attachments] == picture


def _unlabelled(components: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (part["type"], part.get("custom_id"), part.get("content"), part.get("url"))
        for part in _buttons(components)
    ]


def _buttons(components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    inner = [part for c in components for part in _buttons(c.get("components", []))]
    return [*components, *inner]


async def test_a_member_who_paused_leaves_nothing(world: World) -> None:
    await world.bob.slash(world.channel, "privacy pause")
    card = await world.ask(world.bob, song=SONG)
    told = await press(world, world.bob, card, "like:")
    assert "nothing was kept" in said(told)
    await world.bob.react(card.message, "👎")
    kept = await world.service.members.about(str(world.bob.id))
    assert {name: len(rows) for name, rows in kept.items() if rows} == {"choices": 1}
