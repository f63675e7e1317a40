"""Mixtapes: one drop for the members of a server who take part."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from musrec.drops.mixtape import mixtape as chosen_for
from musrec.drops.model import Drop, Part, Schedule
from musrec.model import FeedbackKind
from musrec.recommend import group
from musrec.service import Service
from tests.support.posting import MONDAY, Channel, Clock, likes, subscribe, ticks

WEEK = timedelta(weeks=1)
LIKE, DISLIKE = FeedbackKind.LIKE, FeedbackKind.DISLIKE


async def mixtape(service: Service, *members: str) -> Drop:
    schedule = Schedule(4, 18, "UTC")
    drop = await service.drops.keep(
        Drop(None, "guild", schedule, MONDAY, channel="channel", size=5)
    )
    for member in members:
        await service.drops.join_mixtape(drop, member, there=True)
    return drop


async def test_a_mixtape_holds_songs_its_members_agree_on_and_one_that_divides_them(
    service: Service, channel: Channel
) -> None:
    rows = {
        genre: [n for n, t in enumerate(service.catalogue.songs.tracks) if t.genre == genre]
        for genre in ("metal", "classical")
    }
    await likes(service, "ann", *rows["metal"][:8])
    await likes(service, "bob", *rows["metal"][4:6], *rows["classical"][:8])
    await service.members.learn("bob", service.catalogue.songs.tracks[rows["metal"][0]].id, DISLIKE)
    await likes(service, "eve", *rows["classical"][:8])  # she never said that she takes part
    await mixtape(service, "ann", "bob", "new")
    await service.drops.tick(channel, Clock().forward(days=6))

    opening, *cards = channel.lines
    both, minds = opening["words"].splitlines()
    agreed = {service.catalogue.songs.tracks[row].title for row in rows["metal"][4:6]}
    assert both.removeprefix("You agree on “").partition("”")[0] in agreed
    assert minds == (
        f"You are of two minds about “{service.catalogue.songs.tracks[rows['metal'][0]].title}”: "
        "1 👍, 1 👎."
    )
    assert opening["listeners"] == ["ann", "bob"]
    assert [line["part"] for line in cards] == ["together"] * 4 + ["apart"]
    assert [line["listeners"] for line in cards[:4]] == [["ann", "bob"]] * 4
    assert len(cards[4]["listeners"]) == 1
    known = {e.track for m in ("ann", "bob") for e in await service.members.feedback(m)}
    assert not known & set(channel.tracks)


async def test_a_mixtape_says_how_well_a_song_suits_its_members_and_no_number(
    service: Service,
) -> None:
    await likes(service, "ann", 1, 2)
    await likes(service, "bob", 200, 201)
    opinions = {member: await service.members.feedback(member) for member in ("ann", "bob")}
    chosen = chosen_for(service.catalogue.songs, opinions, size=4)
    vectors = service.catalogue.songs.vectors
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    row_of = {track.id: row for row, track in enumerate(service.catalogue.songs.tracks)}
    for choice in chosen:
        row = row_of[choice.pick.track.id]
        places = [
            100 * np.mean(unit @ unit[rows].mean(0) < (unit @ unit[rows].mean(0))[row])
            for rows in ([1, 2], [200, 201])
        ]
        told = min(places) if choice.part is Part.TOGETHER else max(places)
        [term] = choice.pick.terms
        assert choice.pick.closeness is None
        around = {group.suits_word((told + step) / 100) for step in (-1, 0, 1)}
        assert any(word in term.because for word in around)
        said = choice.pick.explanation.sentence + term.because
        assert not any(letter.isdigit() or letter == "%" for letter in said)


async def test_a_mixtape_without_members_invites_twice_and_stops(
    service: Service, channel: Channel
) -> None:
    await mixtape(service, "new")
    await ticks(service, channel, Clock(), MONDAY + 5 * WEEK, lambda: timedelta(hours=7))
    assert [line["part"] for line in channel.lines] == ["invitation"] * 2
    assert len(channel.told) == 1
    assert "/mixtape on" in channel.told[0]


async def test_members_who_pause_or_leave_are_not_in_the_mixtape(service: Service) -> None:
    drop = await mixtape(service, "ann", "bob", "eve")
    await service.members.choose("ann", paused=True)
    await service.drops.join_mixtape(drop, "bob", there=False)
    assert await service.drops.mixtape_members(drop) == ["eve"]
    await service.servers.remove("guild")
    assert await service.drops.of_server("guild") is None
    assert not (await service.members.about("eve"))["mixtapes"]


async def test_members_who_left_the_server_get_no_drop_and_no_mixtape_in_it(
    service: Service, channel: Channel
) -> None:
    await likes(service, "ann", 3)
    await likes(service, "bob", 4)
    await subscribe(service, "ann", channel="channel")
    tape = await mixtape(service, "ann", "bob")
    channel.gone = {"ann"}
    await service.drops.tick(channel, Clock().forward(days=6))
    assert {line["drop"] for line in channel.lines} == {tape.id}
    assert all(line["listeners"] == ["bob"] for line in channel.lines)
    assert await service.drops.mixtape_members(tape) == ["bob"]
    kept = await service.drops.of_member("ann")
    assert kept is not None
    assert kept.trouble.startswith("You left the server")
