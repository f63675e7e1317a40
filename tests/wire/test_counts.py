"""The counts on a card's thumb buttons, over the wire: few edits, and none over another's work."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.feedback import counts
from musrec.members.model import Card
from musrec.model import FeedbackKind
from tests.support.wire import Wire, ask, until
from tests.support.world import featured_in, parts_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

SONG = "Boogie Nights"
J = dict[str, Any]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Edit a card as soon as it is due."""
    monkeypatch.setattr(counts, "EVERY", 0.0)


def labels(card: J) -> tuple[str | None, str | None]:
    """Return what the thumb buttons of a card say beside their emoji."""
    found = {part.get("custom_id", ""): part.get("label") for part in parts_of(card["components"])}
    track = featured_in(card["components"])
    return found[f"like:{track}"], found[f"dislike:{track}"]


def shows(*wanted: str | None) -> Any:
    return lambda card: "like:" in str(card["components"]) and labels(card) == wanted


def contents(card: J) -> list[tuple[Any, ...]]:
    keys = ("type", "custom_id", "content", "url", "options")
    return [
        (*map(part.get, keys), [item["media"]["url"] for item in part.get("items", ())])
        for part in parts_of(card["components"])
    ]


def edits(wire: Wire, card: J) -> int:
    path = f"/api/v10/channels/{card['channel_id']}/messages/{card['id']}"
    return sum((method, where) == ("PATCH", path) for method, where, _ in wire.fake.requests)


async def noted(wire: Wire, card: J) -> Card:
    known = await wire.service.cards.get(card["id"])
    assert known is not None
    return known


async def test_a_storm_of_thumbs_is_one_edit_that_waits_for_the_card_to_be_completed(
    wire: Wire,
) -> None:
    await wire.start()
    card = await ask(wire, wire.fake.user("alice"), song=SONG)
    picture, before = card["attachments"], contents(card)
    known, people = await noted(wire, card), [wire.fake.user(f"fan{n}") for n in range(30)]

    async def all_counted() -> bool:
        return (await wire.service.cards.thumbs(card["id"])).get(FeedbackKind.LIKE) == len(people)

    async with wire.bot.writing(known):
        for person in people:
            await wire.fake.react_as(person, card, "👍")
        await until(all_counted)
        assert labels(card) == (None, None)
        shown = asyncio.create_task(wire.fake.wait("MESSAGE_UPDATE", shows("30", None)))
    await shown
    assert edits(wire, card) == 1
    assert card["attachments"] == picture
    [body] = [
        body
        for method, path, body in wire.fake.bodies
        if method == "patch" and path.startswith("/channels/") and "components" in body
    ]
    assert [str(file["id"]) for file in body["attachments"]] == [file["id"] for file in picture]
    media = [
        item["media"] for part in parts_of(body["components"]) for item in part.get("items", ())
    ]
    assert media == [{"url": "attachment://card.png"}], "an address that Discord signed expires"
    assert contents(card) == before


async def test_a_card_whose_message_is_gone_is_forgotten_and_holds_up_no_other(wire: Wire) -> None:
    await wire.start()
    alice = wire.fake.user("alice")
    gone, there = await ask(wire, alice, song=SONG), await ask(wire, alice, song=SONG)
    shown = asyncio.create_task(wire.fake.wait("MESSAGE_UPDATE", shows(None, "1")))
    await wire.fake.react_as(alice, there, "👎")
    await shown
    known = await noted(wire, gone)
    del wire.fake.messages[gone["id"]]  # and the event of its deletion is lost
    wire.bot.dispatch("recount", [known, await noted(wire, there)])

    async def forgotten() -> bool:
        return await wire.service.cards.get(gone["id"]) is None

    await until(forgotten)
    assert await forgotten()
    assert edits(wire, gone) == 0
    assert edits(wire, there) == 1, "it said so already"
