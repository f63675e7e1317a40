"""Drops on a virtual clock: through outages, and over both changes of the clock in four zones."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from musrec.drops.model import Schedule
from musrec.service import Service
from tests.attack.figures import Figures
from tests.support.posting import MONDAY, Channel, Clock, likes, settings, subscribe

OUTAGES = (timedelta(minutes=33), timedelta(days=3))
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
WEEK = timedelta(weeks=1)
SUNDAY = 6


async def outages(folder: Path, size: int, seed: int = 0) -> Figures:
    """Let nothing be posted for a while, beginning at a random minute around each drop's hour."""
    figures, rng = Figures("outages"), random.Random(seed)
    async with Service.open(settings(folder)) as service:
        await likes(service, "ann", 3)
        drop = await subscribe(service, size=2)
        for number in range(size):
            for outage in OUTAGES:
                channel = Channel(folder / f"channel {number} {outage.total_seconds():.0f}")
                due = drop.schedule.at(
                    drop.schedule.week_of(MONDAY + WEEK * figures.tried["drops"])
                )
                down = due - timedelta(minutes=rng.randrange(30))
                clock = Clock(due - timedelta(hours=1))
                step = timedelta(minutes=1 if outage < timedelta(hours=1) else 20)
                while clock.now < down + outage + timedelta(hours=2):
                    channel.broken = 10**9 if down <= clock.now < down + outage else 0
                    await service.drops.tick(channel, clock)
                    clock.now += step
                _count(figures, channel, 1, parts=3)
    return figures


async def changes(folder: Path, size: int, seed: int = 0) -> Figures:
    """Tick over both changes of the clock, with as many drops in each of four zones."""
    figures, rng = Figures("changes of the clock"), random.Random(seed)
    async with Service.open(settings(folder)) as service:
        for number in range(size):
            for zone in ZONES:
                member = f"{zone} {number}"
                await likes(service, member, 3)
                schedule = Schedule(SUNDAY, rng.randrange(5), zone)
                since = datetime(2026, 2, 25, tzinfo=UTC)
                await subscribe(service, member, schedule=schedule, since=since, size=1)
        for begin, end in (((2026, 3, 1), (2026, 4, 8)), ((2026, 9, 27), (2026, 11, 4))):
            channel = Channel(folder / f"channel {begin[1]}")
            clock = Clock(datetime(*begin, tzinfo=UTC) + timedelta(minutes=rng.randrange(60)))
            last = datetime(*end, tzinfo=UTC)
            began, weeks = clock.now, set[tuple[str, str]]()
            while clock.now < last:
                await service.drops.tick(channel, clock)
                clock.now += timedelta(minutes=30 if clock.now.weekday() >= 5 else 360)
            for number in range(size):
                for zone in ZONES:
                    drop = await service.drops.of_member(f"{zone} {number}")
                    assert drop is not None
                    for days in range(-7, 50):
                        week = drop.schedule.week_of(began + timedelta(days=days))
                        if began + timedelta(hours=1) < drop.schedule.at(week) < last - WEEK / 7:
                            weeks.add((str(drop.id), week))
            posted = {(str(drop), week) for drop, week, _ in channel.times()}
            figures.tried["drops"] += len(weeks)
            figures.broken["lost"] += len(weeks - posted)
            figures.broken["doubled"] += _doubled(channel)
    return figures


def _count(figures: Figures, channel: Channel, drops: int, *, parts: int) -> None:
    figures.tried["drops"] += drops
    figures.broken["lost"] += max(0, drops * parts - len(channel.times()))
    figures.broken["doubled"] += _doubled(channel)


def _doubled(channel: Channel) -> int:
    times: Counter[tuple[int, str, int]] = channel.times()
    return sum(count - 1 for count in times.values())
