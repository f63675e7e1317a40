"""How well a week suited a member is kept, changed, averaged, exported and deleted."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import date

import pytest
import sqlalchemy as sa

from musrec.evaluate.satisfaction import report
from musrec.model import MusrecError
from musrec.service import Service
from musrec.sources import ytdlp
from musrec.store import schema
from tests.support.posting import Channel, Clock, likes, subscribe
from tests.support.stores import store_of

WEEK = "2026-W47"


async def posted(service: Service, channel: Channel, member: str = "ann") -> int:
    """Post a week of a member's drop; return the id of the issue."""
    await likes(service, member, 0, 1, 2)
    drop = await subscribe(service, member)
    assert await service.drops.tick(channel, Clock().forward(days=3)) == 1
    async with store_of(service) as store:
        issue = await store.drops.issue(drop, WEEK)
    assert issue is not None
    return issue.id


async def test_a_rating_is_changed_taken_back_exported_and_deleted(
    service: Service, channel: Channel
) -> None:
    issue = await posted(service, channel)
    rate = service.drops.rate
    empty = report(await service.drops.ratings())
    assert (empty.rows, len(empty.notes)) == ((), 1)
    assert await rate(issue, "ann", 2) == 2
    assert await rate(issue, "ann", 4) == 4
    [rating] = await service.drops.ratings()
    assert (rating.member, rating.week, rating.mixtape, rating.stars) == ("ann", WEEK, False, 4)
    assert rating.arms
    with zipfile.ZipFile(io.BytesIO(await service.members.export("ann", "Ann"))) as file:
        [kept] = json.loads(file.read("ratings.json"))
    assert (kept["issue_id"], kept["stars"]) == (issue, 4)
    assert await rate(issue, "ann", 4) is None
    assert await service.drops.ratings() == []

    assert await rate(issue, "ann", 5) == 5
    assert await service.members.delete("ann")
    assert await service.drops.ratings() == []
    assert await rate(issue, "ann", 5) is None  # the drop went with its member
    assert await service.drops.ratings() == []


async def test_nothing_is_kept_of_a_member_who_paused(service: Service, channel: Channel) -> None:
    issue = await posted(service, channel)
    await service.members.choose("ann", paused=True)
    with pytest.raises(MusrecError):
        await service.drops.rate(issue, "ann", 3)
    assert await service.drops.ratings() == []


async def test_ratings_are_averaged_by_arm_and_week(service: Service, channel: Channel) -> None:
    for member, stars in (("ann", 2), ("ben", 5)):
        await service.drops.rate(await posted(service, channel, member), member, stars)
    rows = {str(row[0]): row[1:] for row in report(await service.drops.ratings()).rows}
    assert rows["all"] == rows["weekly drops"] == rows[WEEK]
    assert rows["all"] == (2, 2, "3.50", "2.00 to 5.00")
    assert any(name.startswith("arm: ") for name in rows)
    assert "mixtapes" not in rows


async def test_any_member_rates_a_mixtape(service: Service) -> None:
    drop = await subscribe(service)
    async with store_of(service) as store, store.database.write() as connection:
        await connection.execute(sa.update(schema.drops).values(member_id=None, guild_id="7"))
        row = {"drop_id": drop.id, "week": WEEK, "state": "posted", "token": "", "failures": 0}
        moments = {"at": drop.since, "leased_until": drop.since}
        await connection.execute(sa.insert(schema.drop_issues).values(id=9, **row, **moments))
    for member, stars in (("ann", 1), ("ben", 5), ("cid", 4)):
        assert await service.drops.rate(9, member, stars) == stars
    ratings = await service.drops.ratings()
    assert [(one.member, one.stars, one.mixtape) for one in ratings] == [
        ("ann", 1, True),
        ("ben", 5, True),
        ("cid", 4, True),
    ]
    await service.servers.remove("7")
    assert await service.drops.ratings() == []


async def test_a_late_drop_is_told_to_whoever_runs_it(service: Service) -> None:
    drop = await subscribe(service)
    before = await service.warnings()
    async with store_of(service) as store:
        await store.drops.trouble(drop.id, "The channel is gone.", active=False)
    said = set(await service.warnings()) - set(before)
    assert said == {"1 weekly drop late or paused: The channel is gone."}


async def test_damaged_rows_are_told_to_whoever_runs_it(service: Service) -> None:
    await likes(service, "ann", 0, 1)
    await service.warm()  # feedback is read with the first question
    before = await service.warnings()
    async with store_of(service) as store, store.database.write() as connection:
        await connection.execute(sa.update(schema.feedback).values(kind="hum"))
    await service.reload()
    said = set(await service.warnings()) - set(before)
    assert said == {"2 damaged rows of feedback left out: restore a backup."}


def test_an_old_yt_dlp_is_named_with_its_age_and_how_to_renew_it() -> None:
    later = date(2030, 1, 1).toordinal()
    found = ytdlp.age_days(date.fromordinal(later))
    assert found is not None
    installed, days = found
    assert ytdlp.old(date.fromordinal(later - days + ytdlp.OLD_DAYS)) == ""
    said = ytdlp.old(date.fromordinal(later - days + ytdlp.OLD_DAYS + 1))
    assert f"yt-dlp {installed} is 61 days old" in said
    assert "pip install --upgrade yt-dlp" in said
