"""Drops are posted exactly once, whatever happens to processes and channels."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from musrec.drops import delivery
from musrec.drops.model import State
from musrec.service import Service
from tests.support.posting import MONDAY, Channel, Clock, likes, subscribe, ticks
from tests.support.stores import store_of

ROOT = Path(__file__).resolve().parents[2]
WEEK = timedelta(weeks=1)


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


def test_a_drop_survives_processes_that_die_as_soon_as_they_have_claimed_it(
    processes: dict[str, Any],
) -> None:
    run = processes["dying"]
    assert run["died"] == [True] * 7
    assert run["code"] == 0
    assert positions(run["after"]) == [0, 1]


def test_in_a_channel_that_cannot_be_read_a_duplicate_says_so_and_nothing_is_lost(
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
    # Looking into the channel tells whether the broken post had arrived.
    assert not any(line["again"] for line in channel.lines)


async def test_what_always_breaks_is_given_up_and_paused_in_the_second_week(
    service: Service, channel: Channel
) -> None:
    await likes(service, "ann", 3)
    drop = await subscribe(service, size=2)
    channel.broken = 1000
    clock = Clock()
    await ticks(service, channel, clock, MONDAY + 3 * WEEK, lambda: timedelta(hours=1))
    tried = 1000 - channel.broken
    assert tried == 2 * (delivery.GIVEN_UP_AFTER // timedelta(hours=1) + 1)
    async with store_of(service) as store:
        issues = [await store.drops.issue(drop, week) for week in ("2026-W47", "2026-W48")]
        assert [issue and issue.state for issue in issues] == [State.FAILED] * 2
        assert await store.drops.issue(drop, "2026-W49") is None
    kept = await service.drops.of_member("ann")
    assert kept is not None
    assert not kept.active
    late, paused = channel.told
    assert late.startswith("Your weekly drop is late: Posting it fails.")
    assert "/drops on starts it again" in paused


async def test_a_drop_survives_a_day_on_which_nothing_can_be_posted(
    service: Service, channel: Channel
) -> None:
    await likes(service, "ann", 3)
    drop = await subscribe(service, size=2)
    channel.broken = 1000
    clock = Clock().forward(days=3)
    first = clock.now
    tried = []
    while clock.now < first + timedelta(days=1):
        before = channel.broken
        await service.drops.tick(channel, clock)
        tried += [clock.now] if channel.broken < before else []
        clock.forward(minutes=1)
    pauses = [later - sooner for sooner, later in pairwise(tried)]
    assert pauses[:6] == [timedelta(minutes=minutes) for minutes in (2, 4, 8, 16, 32, 60)]
    assert set(pauses[6:]) == {timedelta(hours=1)}
    assert len(channel.told) == 1
    channel.broken = 0
    assert await service.drops.tick(channel, clock.forward(hours=1)) == 1
    assert positions(channel.lines) == [0, 1, 2]
    async with store_of(service) as store:
        issue = await store.drops.issue(drop, "2026-W47")
    assert issue is not None
    assert issue.failures == 0
    kept = await service.drops.of_member("ann")
    assert kept is not None
    assert (kept.active, kept.trouble) == (True, "")


async def test_a_clock_that_was_a_year_ahead_costs_no_later_drop(
    service: Service, channel: Channel
) -> None:
    await likes(service, "ann", 3)
    drop = await subscribe(service, size=1)
    ahead = Clock().forward(days=364 + 3)
    channel.broken = 1
    assert await service.drops.tick(channel, ahead) == 0  # begun, in a week to come
    assert await service.drops.tick(channel, ahead.forward(minutes=2)) == 1
    ahead_week = drop.schedule.week_of(ahead.now)
    await likes(service, "bob", 4)
    await subscribe(service, "bob", since=ahead.now, size=1)
    clock = Clock()
    await ticks(service, channel, clock, MONDAY + 3 * WEEK, lambda: timedelta(hours=3))
    times = channel.times()
    assert set(times.values()) == {1}
    weeks = {"2026-W47", "2026-W48", "2026-W49"}
    assert {week for of, week, _ in times if of == drop.id} == weeks | {ahead_week}
    assert {week for of, week, _ in times if of != drop.id} == weeks


async def test_a_member_with_closed_messages_is_told_once_and_the_drop_is_paused(
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


async def test_posting_now_completes_a_failed_drop_without_duplicates(
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


async def test_deleting_everything_while_songs_are_chosen_leaves_nothing(
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


async def test_a_drop_posted_now_counts_for_this_week(service: Service, channel: Channel) -> None:
    await likes(service, "ann", 3)
    drop = await subscribe(service, size=2)
    clock = Clock().forward(hours=9)
    assert await service.drops.post_now(drop, channel, clock) is State.POSTED
    assert await service.drops.post_now(drop, channel, clock) is None
    await ticks(service, channel, clock, MONDAY + 2 * WEEK, lambda: timedelta(hours=3))
    assert Counter(line["week"] for line in channel.lines) == {"2026-W47": 3, "2026-W48": 3}


async def test_a_new_subscription_does_not_catch_up_on_earlier_weeks(
    service: Service, channel: Channel
) -> None:
    await likes(service, "ann", 3)
    clock = Clock().forward(days=4)
    await subscribe(service, since=clock.now, size=2)
    await ticks(service, channel, clock, MONDAY + 9 * timedelta(days=1), lambda: timedelta(hours=3))
    assert not channel.lines
    await ticks(service, channel, clock, MONDAY + 2 * WEEK, lambda: timedelta(hours=3))
    assert {line["week"] for line in channel.lines} == {"2026-W48"}


async def test_members_who_unsubscribed_paused_or_left_get_no_drop(
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


async def test_deleting_everything_while_a_drop_is_posted_stops_it(
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
