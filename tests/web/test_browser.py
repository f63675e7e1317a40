"""The page in a real browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page as Tab
from playwright.async_api import async_playwright, expect

from musrec.members.model import OWNER, Role
from tests.web.conftest import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHROMIUM = Path("/usr/bin/chromium")
AXE = Path(__file__).parent / "vendor" / "axe.min.js"


@pytest_asyncio.fixture(loop_scope="module")
async def tab(page: Page) -> AsyncIterator[Tab]:
    """A browser's tab, in which the owner followed the link."""
    if not CHROMIUM.exists():
        pytest.skip("there is no chromium here")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox"]
        )
        # axe-core is put into the page from outside, which its own policy would not let in.
        context = await browser.new_context(base_url=page.address, bypass_csp=True)
        tab = await context.new_page()
        await tab.goto(f"/enter/{await page.service.visits.link(OWNER, Role.OWNER)}")
        await tab.get_by_role("button", name="Sign in").click()
        await expect(tab.get_by_role("heading", level=1)).to_contain_text("hear more of")
        yield tab
        await browser.close()


async def test_an_answer_streams_in_and_a_thumb_is_kept(tab: Tab, page: Page, music: Path) -> None:
    await tab.locator("#clip").set_input_files(music / "alexander-ehlers--flags.ogg")
    await tab.get_by_role("button", name="Find music").click()
    first = tab.locator(".pick").first
    await expect(first).to_be_visible(timeout=60_000)
    assert "/answers/" in tab.url
    await first.get_by_role("button", name="Like").first.click()
    await expect(tab.get_by_role("status")).to_have_text("Noted.")
    liked = await page.service.members.opinions(OWNER)
    href = await first.get_by_role("link").first.get_attribute("href")
    assert href
    assert href.rsplit("/", 1)[1] in liked


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_can_be_used_by_everyone(tab: Tab, page: Page, scheme: Any) -> None:
    await tab.emulate_media(color_scheme=scheme)
    song = page.service.catalogue.songs.tracks[0].id
    for path in (
        "/",
        "/library",
        f"/songs/{song}",
        "/playlists",
        "/history",
        "/you",
        "/people",
        "/keys",
        "/state",
    ):
        for width in (360, 1280):
            await tab.set_viewport_size({"width": width, "height": 800})
            await tab.goto(path)
            over = await tab.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert over <= 0, f"{path} is wider than {width} px"
        await tab.add_script_tag(path=AXE)
        found = await tab.evaluate("axe.run()")
        serious = [
            (one["id"], one["nodes"][0]["html"])
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], path
