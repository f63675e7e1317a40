"""What the owner alone sees: the state of everything, and the laboratory's reports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from musrec.catalogue.model import JobKind
from musrec.evaluate.report import Report
from musrec.lab.page import Page as LabPage
from musrec.lab.page import Section
from musrec.members.model import OWNER, Role
from musrec.model import FeedbackKind, track_id
from musrec.service.overview import DAYS
from musrec.store.jobs import TRIES
from tests.support.stores import store_of
from tests.web.conftest import Page, Visitor, served

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_state_counts_songs_and_feedback_by_day(page: Page, owner: Visitor) -> None:
    service, now = page.service, datetime.now(UTC)
    songs = service.catalogue.songs.tracks
    for back, song in ((0, songs[0]), (0, songs[1]), (3, songs[2]), (DAYS, songs[3])):
        at = now - timedelta(days=back)
        await service.members.learn("88", song.id, FeedbackKind.LIKE, at=at)
    async with store_of(service) as store:
        track, analysis = next(iter(await store.analyses.some([songs[0].id])))
        new = replace(track, id=track_id("sha256", "x"), identities={"sha256": "x"}, isrc=None)
        await store.analyses.add(new, analysis, "file")
    days = await service.days()
    assert len(days) == DAYS
    assert [day.day for day in days] == sorted((day.day for day in days), reverse=True)
    assert sum(day.added for day in days) == 1
    assert days[0].feedback[FeedbackKind.LIKE] == 2
    assert days[3].feedback[FeedbackKind.LIKE] == 1
    assert sum(sum(day.feedback.values()) for day in days) == 3
    _, text = await owner.get("/state")
    assert f'<th scope="row">{days[0].day}</th>' in text
    assert '<th scope="col">like</th>' in text
    assert "No drop has been rated yet." in text
    assert service.store_address in text


async def test_the_state_names_jobs_that_were_given_up(page: Page, owner: Visitor) -> None:
    song = page.service.catalogue.songs.tracks[0]
    async with store_of(page.service) as store:
        await store.jobs.add(JobKind.HEAR, [(song.id, song)], urgency=0)
        for number in range(TRIES + 1):  # whoever takes it is never heard of again
            await store.jobs.claim(f"process {number}", "here", -timedelta(seconds=1))
    _, text = await owner.get("/state")
    assert "Jobs that were given up" in text
    assert f'href="/songs/{song.id}"' in text
    assert "The process that did it died" in text


@pytest_asyncio.fixture(loop_scope="module")
async def lab(page: Page, tmp_path: Path) -> AsyncIterator[tuple[Page, Path]]:
    """A page that knows where the laboratory writes."""
    folder = tmp_path / "lab"
    folder.mkdir()
    settings = page.service.settings
    web = settings.web.model_copy(update={"reports": folder})
    page.service.settings = settings.model_copy(update={"web": web})
    async with served(page.service) as door:
        yield door, folder
    page.service.settings = settings


async def test_reports_are_listed_and_cannot_run_anything(lab: tuple[Page, Path]) -> None:
    door, folder = lab
    owner = await door.browser(OWNER, Role.OWNER)
    assert "no report" in (await owner.get("/reports"))[1]
    table = Report("Models", "As told.", ("of", "accuracy"), (("knn", 0.5),), ())
    LabPage("Models <compared>", {"Data": "gtzan"}, (Section(table),)).write(
        folder / "gtzan 1" / "compare.html"
    )
    (folder.parent / "secret.html").write_text("not a report")
    (folder / "out.html").symlink_to(folder.parent / "secret.html")
    _, text = await owner.get("/reports")
    assert 'href="/reports/gtzan%201/compare.html"' in text
    assert "out.html" not in text
    status, text = await owner.get("/reports/gtzan%201/compare.html")
    assert status == 200
    assert "Models &lt;compared&gt;" in text
    assert owner.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    for name in ("out.html", "../secret.html", "..%2fsecret.html", "gtzan 1/compare.json", "%00"):
        assert (await owner.get(f"/reports/{name}"))[0] == 404, name
    await owner.http.close()
