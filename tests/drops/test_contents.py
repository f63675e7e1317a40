"""What is in a drop, and how it starts from nothing."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from musrec.drops import newcomers
from musrec.drops.choice import most_liked
from musrec.drops.mixtape import mixtape as chosen_for
from musrec.drops.model import State
from musrec.model import Catalogue, FeedbackKind
from musrec.recommend.hybrid import ARMS
from musrec.service import Service
from tests.support.posting import MONDAY, Channel, Clock, likes, subscribe, ticks
from tests.support.stores import store_of

WEEK = timedelta(weeks=1)
LIKE, DISLIKE = FeedbackKind.LIKE, FeedbackKind.DISLIKE


# Contents ----------------------------------------------------------------------------------------


async def test_a_drop_is_made_of_sound_members_and_one_brave_song(
    service: Service, channel: Channel
) -> None:
    jazz = [n for n, t in enumerate(service.catalogue.songs.tracks) if t.genre == "jazz"]
    await likes(service, "ann", *jazz[:6])
    for number in range(4):  # they share one like with Ann and another among themselves
        await likes(service, f"m{number}", jazz[0], jazz[10], 3)
    await service.reload()
    await subscribe(service, size=5)
    await service.drops.tick(channel, Clock().forward(days=3))

    opening, *cards = channel.lines
    assert [line["part"] for line in cards] == ["sound", "sound", "members", "members", "brave"]
    assert "members" in cards[2]["words"]
    assert "your likes" in cards[2]["words"]
    tracks = await service.songs.many(channel.tracks)
    assert len({track.artist for track in tracks.values()}) == 5
    liked = {service.catalogue.songs.tracks[row].title for row in jazz[:6]}
    for line in cards[:2]:
        assert line["words"].split("“")[1].split("”")[0] in liked
    assert tracks[cards[-1]["track"]].genre != "jazz"
    assert cards[-1]["words"].endswith("you have liked jazz so far.")
    assert opening["words"] == "No thumbs since last week."


def test_the_most_liked_genre_comes_first_and_of_equals_the_latest() -> None:
    assert most_liked(["jazz", "rock", "rock", "blues"]) == ["rock", "blues", "jazz"]
    assert most_liked(["rock", "blues", "rock", "blues", "ambient"]) == ["blues", "rock", "ambient"]
    assert most_liked([]) == []


async def test_the_brave_song_names_what_is_liked_most_not_what_comes_first_by_name(
    service: Service, channel: Channel
) -> None:
    tracks = service.catalogue.songs.tracks
    rows = {
        genre: [row for row, track in enumerate(tracks) if track.genre == genre]
        for genre in ("blues", "country", "jazz", "metal", "reggae")
    }
    await likes(service, "ann", *rows["blues"][:1], *rows["country"][:1])
    await likes(service, "ann", *rows["jazz"][:2], *rows["metal"][:4], *rows["reggae"][:3])
    await subscribe(service, size=4)
    await service.drops.tick(channel, Clock().forward(days=3))
    brave = channel.lines[-1]["words"]
    assert brave.endswith("you have liked metal, reggae and jazz so far.")


async def test_every_card_shows_a_liked_song_beside_the_new_one(
    service: Service, channel: Channel
) -> None:
    await likes(service, "ann", 3, 4, 5)
    drop = await subscribe(service, size=4)
    await service.drops.tick(channel, Clock().forward(days=3))
    async with store_of(service) as store:
        issue = await store.drops.issue(drop, "2026-W47")
    assert issue is not None
    answers = [await service.answers.kept(str(post.answer)) for post in issue.posts[1:]]
    assert len(answers) == 4
    for answer in answers:
        assert answer.query in service.catalogue.songs.tracks[3:6]
    assert answers[0].query is not None
    assert f"“{answers[0].query.title}”" in issue.posts[1].words
    assert answers[0].picks[0].explanation.causes[0] == "sound"


async def test_no_song_comes_twice_in_a_season(service: Service, channel: Channel) -> None:
    rows = [n for n, t in enumerate(service.catalogue.songs.tracks) if t.genre in ("jazz", "blues")]
    await likes(service, "ann", *rows[:8])
    await subscribe(service, size=6)
    clock = Clock()
    await ticks(service, channel, clock, MONDAY + 14 * WEEK, lambda: timedelta(days=1))
    assert len({line["week"] for line in channel.lines}) == 14
    tracks = [(line["week"], line["track"]) for line in channel.lines if line["track"]]
    season = [track for week, track in tracks if week != "2026-W47"]
    assert len(season) == len(set(season)) == 13 * 6
    liked = {service.catalogue.songs.tracks[row].id for row in rows[:8]}
    assert not liked & set(season)
    # Thumbs on a drop teach which blend suits its member, whenever they come.
    async with store_of(service) as store:
        served = await store.answers.served()
    chosen = {one.track: one.arm for one in served if one.member == "ann"}
    assert chosen.keys() >= set(season)
    assert set(chosen.values()) <= set(ARMS)
    assert len(set(chosen.values())) > 1


async def test_one_line_sums_up_the_thumbs_since_the_last_drop(
    service: Service, channel: Channel
) -> None:
    await likes(service, "ann", 3)
    await subscribe(service, size=1)
    clock = Clock().forward(days=3)
    await service.drops.tick(channel, clock)
    titles = [track.title for track in service.catalogue.songs.tracks[10:15]]
    for row in range(10, 14):
        track = service.catalogue.songs.tracks[row].id
        await service.members.learn("ann", track, LIKE, at=clock.forward(hours=1).now)
    await service.members.learn("ann", service.catalogue.songs.tracks[14].id, DISLIKE, at=clock.now)
    await service.drops.tick(channel, clock.forward(weeks=1))
    [line] = [line for line in channel.lines if line["part"] == "opening"][1:]
    assert line["words"] == (
        f"Since the last drop: 👍 “{titles[3]}”, “{titles[2]}” and 2 more; 👎 “{titles[4]}”."
    )


async def test_thumbs_that_answered_the_questions_are_mentioned_once(
    service: Service, channel: Channel
) -> None:
    drop = await subscribe(service, size=1)
    clock = Clock().forward(days=3)
    await service.drops.tick(channel, clock)
    track = service.catalogue.songs.tracks[3]
    await service.members.learn("ann", track.id, LIKE, at=clock.forward(hours=1).now)
    await service.drops.post_now(drop, channel, clock.forward(hours=1))
    await service.drops.tick(channel, clock.forward(weeks=1))
    said = [line["words"] for line in channel.lines if line["part"] == "opening"]
    assert said == [f"Since last week: 👍 “{track.title}”.", "No thumbs since the last drop."]


async def test_a_drop_says_when_no_song_is_new(bare: Service, channel: Channel) -> None:
    await subscribe(bare)
    await bare.drops.tick(channel, Clock().forward(days=3))
    [line] = channel.lines
    assert line["part"] == "opening"
    assert "nothing left that is new" in line["words"]


# Starting from nothing ---------------------------------------------------------------------------


async def test_without_history_it_starts_with_questions_and_goes_on_once_they_are_answered(
    service: Service, channel: Channel
) -> None:
    drop = await subscribe(service, size=3)
    clock = Clock().forward(days=3)
    await service.drops.tick(channel, clock)
    assert [line["part"] for line in channel.lines] == ["questions"]

    questions = newcomers.artists_to_ask(service.catalogue.songs)
    assert [len(question) for question in questions] == [25, 25, 25]
    assert len({artist for question in questions for artist, _ in question}) == 75
    assert all(len({genre for _, genre in question}) >= 5 for question in questions)
    chosen = [question[0][0] for question in questions]
    liked = await service.drops.like_artists("ann", chosen)
    assert {track.artists[0] for track in liked} == set(chosen)
    assert not await service.drops.like_artists("ann", ["nobody of that name"])

    clock.forward(minutes=1)
    assert await service.drops.post_now(drop, channel, clock) is State.POSTED
    assert await service.drops.post_now(drop, channel, clock) is None
    await service.drops.tick(channel, clock.forward(minutes=1))
    later = channel.lines[1:]
    assert [line["position"] for line in later] == [0, 1, 2, 3]
    assert later[0]["part"] == "opening"
    assert {line["week"] for line in channel.lines} == {"2026-W47"}


async def test_unanswered_questions_are_asked_twice_and_then_never_again(
    service: Service, channel: Channel
) -> None:
    await subscribe(service)
    await ticks(service, channel, Clock(), MONDAY + 5 * WEEK, lambda: timedelta(hours=7))
    assert [(line["part"], line["week"]) for line in channel.lines] == [
        ("questions", "2026-W47"),
        ("questions", "2026-W48"),
    ]
    assert channel.told == [
        "I paused your weekly drop: My questions got no answer. /drops on starts it again."
    ]


def test_an_empty_catalogue_has_no_artists_to_ask_about() -> None:
    empty = Catalogue((), (), np.zeros((0, 4), np.float32), {})
    assert newcomers.artists_to_ask(empty) == []
    assert newcomers.songs_of(empty, ["Somebody"]) == []
    assert chosen_for(empty, {}) == []
