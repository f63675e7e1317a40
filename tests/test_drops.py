"""Weekly drops: each comes once an ISO week, whatever happens to processes, clocks and channels."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as some

from musrec.drops import delivery, newcomers, zones
from musrec.drops.mixtape import mixtape as chosen_for
from musrec.drops.model import SPREAD, Drop, Part, Schedule, State
from musrec.model import Catalogue, FeedbackKind, NotFound
from musrec.recommend.hybrid import ARMS
from musrec.service import Service
from tests.support import clock_cases
from tests.support.posting import MONDAY, Channel, Clock, likes, settings, subscribe, ticks
from tests.support.stores import store_of

ROOT = Path(__file__).resolve().parents[1]
PLACES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
WEEK = timedelta(weeks=1)
LIKE, DISLIKE = FeedbackKind.LIKE, FeedbackKind.DISLIKE


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a store with the starter songs in it."""
    import asyncio

    folder = tmp_path_factory.mktemp("started")

    async def start() -> None:
        async with Service.open(settings(folder)):
            pass

    asyncio.run(start())
    return folder


@pytest.fixture
async def service(started: Path, tmp_path: Path) -> AsyncIterator[Service]:
    shutil.copytree(started, tmp_path / "data")
    async with Service.open(settings(tmp_path / "data")) as opened:
        yield opened


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Service]:
    """A service that knows no song."""
    async with Service.open(settings(tmp_path / "bare", starter=False)) as opened:
        yield opened


@pytest.fixture
def channel(tmp_path: Path) -> Channel:
    return Channel(tmp_path / "channel")


# When --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", clock_cases.CASES, ids=lambda case: f"{case.zone} {case.week}")
def test_hours_that_clocks_skip_or_show_twice_mean_one_moment(case: clock_cases.Case) -> None:
    assert f"{case.due:%Y-%m-%dT%H:%M}" == case.utc


def test_the_table_in_the_documentation_is_what_the_code_does() -> None:
    assert clock_cases.table().strip() in (ROOT / "docs" / "drops.md").read_text("utf-8")


@given(
    zone=some.sampled_from((*PLACES, "Pacific/Apia", "Africa/Casablanca", "UTC")),
    weekday=some.integers(0, 6),
    hour=some.integers(0, 23),
    member=some.text(max_size=5),
    now=some.datetimes(datetime(2010, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 - made aware below
)
@hypothesis_settings(max_examples=200, deadline=None)
def test_weeks_follow_one_another_and_none_has_two_moments(
    zone: str, weekday: int, hour: int, member: str, now: datetime
) -> None:
    now = now.replace(tzinfo=UTC)
    drop = Drop(member, None, Schedule(weekday, hour, zone), now)
    latest = drop.latest(now)
    assert drop.due(latest) <= now < drop.following(now)
    # No moment lies between the two: the next one belongs to the very next ISO week.
    monday = date.fromisocalendar(int(latest[:4]), int(latest[6:]), 1) + WEEK
    assert drop.following(now) == drop.due(f"{monday:%G-W%V}")


@pytest.mark.parametrize(
    ("begin", "weeks"), [("2026-03-02", range(10, 16)), ("2026-09-28", range(40, 46))]
)
async def test_on_every_clock_there_is_one_drop_in_every_iso_week(
    bare: Service, channel: Channel, begin: str, weeks: range
) -> None:
    first = datetime.fromisoformat(begin).replace(tzinfo=UTC)
    clock = Clock(first)
    for zone, hour in (*((zone, 2) for zone in PLACES), ("America/New_York", 1)):
        await subscribe(bare, f"{zone} {hour}", schedule=Schedule(6, hour, zone), since=first)

    def step() -> timedelta:
        """A quarter of an hour while clocks may change, which they do on weekends."""
        return timedelta(minutes=15) if clock.now.weekday() >= 5 else timedelta(hours=12)

    await ticks(bare, channel, clock, first + timedelta(weeks=len(weeks), hours=12), step)
    there = channel.times()
    assert set(there.values()) == {1}
    assert {(drop, week) for drop, week, _ in there} == {
        (drop, f"2026-W{week:02}") for drop in range(1, 6) for week in weeks
    }


async def test_after_weeks_of_silence_a_drop_comes_once(service: Service, channel: Channel) -> None:
    await likes(service, "ann", 3)
    await subscribe(service, size=2)
    clock = Clock().forward(weeks=5)
    assert await service.drops.tick(channel, clock) == 1
    assert await service.drops.tick(channel, clock.forward(days=2, hours=1)) == 0
    assert {line["week"] for line in channel.lines} == {"2026-W51"}
    assert await service.drops.tick(channel, clock.forward(days=1)) == 1
    assert {line["week"] for line in channel.lines} == {"2026-W51", "2026-W52"}


async def test_drops_of_one_hour_are_spread_and_each_keeps_its_minute() -> None:
    schedule = Schedule(4, 18, "UTC")
    made = [Drop(f"member {n}", None, schedule, MONDAY) for n in range(600)]
    assert all(timedelta() <= drop.delay < SPREAD for drop in made)
    a_minute = Counter(drop.delay // timedelta(minutes=1) for drop in made)
    assert len(a_minute) == 10
    assert max(a_minute.values()) < 120
    assert made[0].delay == Drop("member 0", None, Schedule(1, 2, "UTC"), MONDAY).delay


def test_zones_are_completed_from_a_city_and_unknown_ones_are_answered() -> None:
    assert zones.suggest_zones("berl")[0] == "Europe/Berlin"
    assert zones.suggest_zones("new york")[0] == "America/New_York"
    assert len(zones.suggest_zones("")) == 25
    assert zones.zone_named(" europe/berlin ") == "Europe/Berlin"
    for wrong in ("Europe/Berlim", "../../etc/passwd", "", "\0", "x" * 500):
        with pytest.raises(NotFound) as caught:
            zones.zone_named(wrong)
        assert caught.value.hint
    with pytest.raises(NotFound) as caught:
        zones.zone_named("Berlim")
    assert "Europe/Berlin" in caught.value.hint


# Exactly once ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What real processes did that were killed or ticked together."""
    command = [
        sys.executable,
        "-m",
        "tests.support.drop_processes",
        str(tmp_path_factory.mktemp("drops")),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def positions(lines: list[dict[str, Any]]) -> list[int]:
    return [line["position"] for line in lines]


def test_a_process_killed_anywhere_loses_and_doubles_nothing(processes: dict[str, Any]) -> None:
    runs = processes["seen"]
    # Claimed, composed, begun, posted and marked twice over, finished: killed after each of them.
    assert len(runs) == 9
    assert [len(run["before"]) for run in runs] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    for run in runs:
        assert set(run["codes"]) == {0}
        assert run["too soon"] == run["before"]
        assert positions(run["after"]) == [0, 1]
        assert run["after"][: len(run["before"])] == run["before"]
        assert not any(line["again"] for line in run["after"])


def test_where_nobody_can_look_a_double_says_so_and_nothing_is_lost(
    processes: dict[str, Any],
) -> None:
    assert len(processes["blind"]) == 6
    for run in processes["blind"]:
        found = Counter(positions(run["after"]))
        assert set(found) == {0, 1}
        for position, times in found.items():
            said = [line["again"] for line in run["after"] if line["position"] == position]
            assert times <= 2
            assert times == 1 or said == [False, True]
    doubled = [run for run in processes["blind"] if len(run["after"]) > 2]
    assert len(doubled) == 2  # killed between posting and marking, the one place that is blind


def test_processes_that_tick_together_post_every_message_once(processes: dict[str, Any]) -> None:
    run = processes["together"]
    assert set(run["codes"]) == {0}
    times = Counter((line["drop"], line["position"]) for line in run["after"])
    assert set(times.values()) == {1}
    assert {drop for drop, _ in times} == set(range(1, 9))
    # They shared the work rather than waiting for one another.
    assert len({line["id"].rpartition(".")[2] for line in run["after"]}) > 1


async def test_what_breaks_on_the_way_is_tried_again_with_growing_pauses(
    service: Service, channel: Channel
) -> None:
    await likes(service, "ann", 3)
    await subscribe(service, size=2)
    channel.broken = 2
    clock = Clock().forward(days=3)
    tried = []
    for _ in range(20):
        before = channel.broken
        if await service.drops.tick(channel, clock):
            break
        tried += [clock.now] if channel.broken < before else []
        clock.forward(minutes=1)
    assert [later - sooner for sooner, later in pairwise(tried)] == [timedelta(minutes=2)]
    assert positions(channel.lines) == [0, 1, 2]
    # That nobody knows whether the broken one had arrived is cleared up by looking.
    assert not any(line["again"] for line in channel.lines)


async def test_what_always_breaks_is_given_up_and_paused_in_the_second_week(
    service: Service, channel: Channel
) -> None:
    await likes(service, "ann", 3)
    drop = await subscribe(service, size=2)
    channel.broken = 1000
    clock = Clock()
    await ticks(service, channel, clock, MONDAY + 3 * WEEK, lambda: timedelta(hours=1))
    assert 1000 - channel.broken == 2 * delivery.ATTEMPTS
    async with store_of(service) as store:
        assert await store.drops.states(drop.id, 9) == [State.FAILED] * 2
    kept = await service.drops.of_member("ann")
    assert kept is not None
    assert not kept.active
    assert len(channel.told) == 1
    assert "/drops on starts it again" in channel.told[0]


async def test_closed_messages_are_told_once_and_never_tried_again(
    service: Service, channel: Channel
) -> None:
    await likes(service, "ann", 3)
    await subscribe(service)
    channel.closed = "Ann's direct messages are closed."
    await ticks(service, channel, Clock(), MONDAY + 3 * WEEK, lambda: timedelta(hours=5))
    [told] = channel.told
    assert told == (
        "I paused your weekly drop: Ann's direct messages are closed. Open them. "
        "/drops on starts it again."
    )
    kept = await service.drops.of_member("ann")
    assert kept is not None
    assert (kept.active, kept.trouble) == (False, "Ann's direct messages are closed. Open them.")


async def test_now_goes_on_with_what_had_failed_and_doubles_nothing(
    service: Service, channel: Channel
) -> None:
    await likes(service, "ann", 3)
    drop = await subscribe(service, size=2)
    post, clock = channel.post, Clock().forward(days=3)

    async def closing(*args: Any, **options: Any) -> str:
        channel.closed = "Closed meanwhile." if len(channel.lines) == 2 else ""
        return await post(*args, **options)

    channel.post = closing  # type: ignore[method-assign]
    assert await service.drops.tick(channel, clock) == 0
    assert await service.drops.post_now(drop, channel, clock) is State.FAILED
    channel.post = post  # type: ignore[method-assign]
    channel.closed = ""
    assert await service.drops.post_now(drop, channel, clock) is State.POSTED
    assert await service.drops.post_now(drop, channel, clock) is None
    assert positions(channel.lines) == [0, 1, 2]


async def test_nothing_is_left_of_who_deletes_everything_while_it_is_decided(
    service: Service, channel: Channel
) -> None:
    await likes(service, "ann", 3)
    await subscribe(service, size=2)
    library = service.drops._library
    think = library.think

    async def chosen(job: Any) -> Any:
        found = await think(job)
        await service.members.delete("ann")
        return found

    library.think = chosen  # type: ignore[method-assign]
    assert await service.drops.tick(channel, Clock().forward(days=3)) == 0
    assert not channel.lines
    assert not any((await service.members.about("ann")).values())


async def test_who_left_a_server_gets_no_drop_in_it_and_no_part_in_its_mixtape(
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


async def test_now_counts_as_this_week(service: Service, channel: Channel) -> None:
    await likes(service, "ann", 3)
    drop = await subscribe(service, size=2)
    clock = Clock().forward(hours=9)
    assert await service.drops.post_now(drop, channel, clock) is State.POSTED
    assert await service.drops.post_now(drop, channel, clock) is None
    await ticks(service, channel, clock, MONDAY + 2 * WEEK, lambda: timedelta(hours=3))
    assert Counter(line["week"] for line in channel.lines) == {"2026-W47": 3, "2026-W48": 3}


async def test_what_was_due_before_it_was_set_up_is_not_caught_up(
    service: Service, channel: Channel
) -> None:
    await likes(service, "ann", 3)
    clock = Clock().forward(days=4)
    await subscribe(service, since=clock.now, size=2)
    await ticks(service, channel, clock, MONDAY + 9 * timedelta(days=1), lambda: timedelta(hours=3))
    assert not channel.lines
    await ticks(service, channel, clock, MONDAY + 2 * WEEK, lambda: timedelta(hours=3))
    assert {line["week"] for line in channel.lines} == {"2026-W48"}


async def test_who_switched_it_off_paused_or_left_gets_none(
    service: Service, channel: Channel
) -> None:
    await likes(service, "ann", 3)
    await subscribe(service, "off", active=False)
    await subscribe(service, "gone")
    await subscribe(service, "quiet")
    await service.members.choose("quiet", paused=True)
    await service.members.delete("gone")
    assert await service.drops.tick(channel, Clock().forward(weeks=1)) == 0
    assert not channel.lines


async def test_who_deletes_everything_while_a_drop_is_posted_is_left_in_peace(
    service: Service, channel: Channel
) -> None:
    await likes(service, "ann", 3)
    await subscribe(service, size=3)
    post = channel.post

    async def posted(*args: Any, **options: Any) -> str:
        message = await post(*args, **options)
        await service.members.delete("ann")
        return message

    channel.post = posted  # type: ignore[method-assign]
    clock = Clock().forward(days=3)
    assert await service.drops.tick(channel, clock) == 0
    assert positions(channel.lines) == [0]
    assert not any((await service.members.about("ann")).values())
    assert await service.drops.tick(channel, clock.forward(weeks=1)) == 0


# What is in it -----------------------------------------------------------------------------------


async def test_a_drop_is_made_of_sound_members_and_one_brave_song(
    service: Service, channel: Channel
) -> None:
    jazz = [n for n, t in enumerate(service.catalogue.songs.tracks) if t.genre == "jazz"]
    await likes(service, "ann", *jazz[:6])
    for number in range(4):  # members who share a like with her, and have another in common
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


async def test_thumbs_since_the_last_drop_are_said_in_one_line(
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


async def test_thumbs_that_answered_the_questions_are_not_told_twice(
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


async def test_a_catalogue_without_new_songs_is_said(bare: Service, channel: Channel) -> None:
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


async def test_questions_that_nobody_answers_are_asked_twice(
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


def test_an_empty_catalogue_has_nobody_to_ask_about() -> None:
    import numpy as np

    empty = Catalogue((), (), np.zeros((0, 4), np.float32), {})
    assert newcomers.artists_to_ask(empty) == []
    assert newcomers.songs_of(empty, ["Somebody"]) == []
    assert chosen_for(empty, {}) == []


# Mixtapes ----------------------------------------------------------------------------------------


async def mixtape(service: Service, *members: str) -> Drop:
    schedule = Schedule(4, 18, "UTC")
    drop = await service.drops.keep(
        Drop(None, "guild", schedule, MONDAY, channel="channel", size=5)
    )
    for member in members:
        await service.drops.join_mixtape(drop, member, there=True)
    return drop


async def test_a_mixtape_is_made_of_what_its_members_agree_on_and_what_divides_them(
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


async def test_the_numbers_of_a_mixtape_are_those_of_the_catalogue(service: Service) -> None:
    import numpy as np

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
        assert any(f"{share}%" in term.because for share in range(int(told) - 1, int(told) + 2))
        assert "%" not in choice.pick.explanation.sentence


async def test_a_mixtape_that_nobody_joins_invites_twice_and_stops(
    service: Service, channel: Channel
) -> None:
    await mixtape(service, "new")
    await ticks(service, channel, Clock(), MONDAY + 5 * WEEK, lambda: timedelta(hours=7))
    assert [line["part"] for line in channel.lines] == ["invitation"] * 2
    assert len(channel.told) == 1
    assert "/mixtape on" in channel.told[0]


async def test_who_pauses_or_leaves_a_mixtape_is_no_part_of_it(service: Service) -> None:
    drop = await mixtape(service, "ann", "bob", "eve")
    await service.members.choose("ann", paused=True)
    await service.drops.join_mixtape(drop, "bob", there=False)
    assert await service.drops.mixtape_members(drop) == ["eve"]
    await service.servers.remove("guild")
    assert await service.drops.of_server("guild") is None
    assert not (await service.members.about("eve"))["mixtapes"]


def test_local_calendars_decide_which_week_it_is() -> None:
    sunday_night = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert Schedule(0, 0, "Asia/Kathmandu").week_of(sunday_night) == "2026-W48"
    assert Schedule(0, 0, "America/New_York").week_of(sunday_night) == "2026-W47"
    drop = Drop("ann", None, Schedule(0, 0, "Asia/Kathmandu"), MONDAY)
    local = drop.due("2026-W48").astimezone(ZoneInfo("Asia/Kathmandu"))
    assert (local.weekday(), local.hour) == (0, 0)
