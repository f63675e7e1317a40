"""When drops come: every ISO week once, whatever clocks do."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as some

from musrec.drops import zones
from musrec.drops.model import SPREAD, Drop, Schedule
from musrec.model import NotFound
from musrec.service import Service
from tests.support import clock_cases
from tests.support.posting import MONDAY, Channel, Clock, likes, subscribe, ticks

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
WEEK = timedelta(weeks=1)


@pytest.mark.parametrize("case", clock_cases.CASES, ids=lambda case: f"{case.zone} {case.week}")
def test_hours_that_clocks_skip_or_show_twice_mean_one_instant(case: clock_cases.Case) -> None:
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
def test_consecutive_iso_weeks_have_exactly_one_instant_each(
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
async def test_every_time_zone_gets_one_drop_per_iso_week(
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


async def test_after_weeks_of_downtime_a_drop_comes_once(
    service: Service, channel: Channel
) -> None:
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


def test_zones_are_completed_from_a_city_and_unknown_ones_get_a_hint() -> None:
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


def test_the_local_calendar_decides_which_week_it_is() -> None:
    sunday_night = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert Schedule(0, 0, "Asia/Kathmandu").week_of(sunday_night) == "2026-W48"
    assert Schedule(0, 0, "America/New_York").week_of(sunday_night) == "2026-W47"
    drop = Drop("ann", None, Schedule(0, 0, "Asia/Kathmandu"), MONDAY)
    local = drop.due("2026-W48").astimezone(ZoneInfo("Asia/Kathmandu"))
    assert (local.weekday(), local.hour) == (0, 0)
