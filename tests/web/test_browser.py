"""The page in a real browser, under its own policy for scripts and styles."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, async_playwright, expect
from playwright.async_api import Page as Tab

from musrec.members.model import OWNER, Role
from musrec.model import FeedbackKind, Track
from tests.web.conftest import FOREIGN, NATIVE, Page

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHROMIUM = Path("/usr/bin/chromium")
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
FLAGS = (
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--enable-unsafe-swiftshader",  # WebGL without a graphics card
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
AUDIO = "document.querySelector('#player audio')"


expect.set_options(timeout=30_000)  # on two busy cores, too


async def until(tab: Tab, holds: str) -> None:
    """Wait in the page itself: from outside, its policy lets nothing be evaluated again."""
    look = f"const look = () => ({holds}) ? done() : requestAnimationFrame(look)"
    async with asyncio.timeout(60):
        await tab.evaluate(f"() => new Promise((done) => {{ {look}; look(); }})")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A chromium."""
    if not CHROMIUM.exists():
        pytest.skip("there is no chromium here")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def tab(page: Page, browser: Browser) -> AsyncIterator[Tab]:
    """A browser's tab, in which the owner followed the link; no policy is broken in it."""
    context = await browser.new_context(base_url=page.address)
    tab = await context.new_page()
    broken: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Uncaught" in message.text:
            broken.append(message.text)

    tab.on("console", note)
    tab.on("pageerror", lambda error: broken.append(str(error)))
    await tab.goto(f"/enter/{await page.service.visits.link(OWNER, Role.OWNER)}")
    await tab.get_by_role("button", name="Sign in").click()
    await expect(tab.get_by_role("heading", level=1)).to_contain_text("hear more of")
    yield tab
    await context.close()
    assert broken == []


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


async def test_the_microphone_is_asked_with(tab: Tab) -> None:
    await tab.get_by_role("button", name="Use the microphone").click()
    await tab.get_by_role("button", name="Stop and find").click()
    # A moment of a test tone, or none of it, is answered like any clip: here, with a sentence.
    sentence = re.compile("Send|export it again")
    await expect(tab.locator("#answer p")).to_contain_text(sentence, timeout=60_000)
    await expect(tab.get_by_role("button", name="Use the microphone")).to_be_visible()


async def test_the_microphone_hears_a_song(page: Page, music: Path) -> None:
    if not CHROMIUM.exists():
        pytest.skip("there is no chromium here")
    heard = music / "alexander-ehlers--doomed.wav"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=[*FLAGS, f"--use-file-for-fake-audio-capture={heard}"],
        )
        tab = await browser.new_page(base_url=page.address)
        await tab.goto(f"/enter/{await page.service.visits.link(OWNER, Role.OWNER)}")
        await tab.get_by_role("button", name="Sign in").click()
        # After 15 seconds it has heard enough, and asks by itself.
        await tab.get_by_role("button", name="Use the microphone").click()
        await expect(tab.locator(".pick").first).to_be_visible(timeout=90_000)
        await browser.close()


async def test_a_song_is_played_wound_and_followed_while_pages_change(
    tab: Tab, page: Page, own: Mapping[str, tuple[Track, Path]]
) -> None:
    await page.service.members.choose(OWNER, listening=True)
    (first, _), (second, _) = own[NATIVE], own[FOREIGN]
    kept = await page.service.playlists.create(OWNER, "Both")
    await page.service.playlists.add(kept, [first.id, second.id])
    await tab.goto(f"/playlists/{kept.id}")
    async with tab.expect_response("**/listening"):
        await tab.get_by_role("button", name="Play all").click()
    await until(tab, f"{AUDIO}.currentTime > 0.2")
    player = tab.get_by_role("region", name="Player")
    await expect(player.get_by_role("link", name=first.title)).to_be_visible()
    await expect(player.locator("[data-part=wave] > div")).to_be_attached(timeout=20_000)
    await player.get_by_role("slider").fill("30")
    await until(tab, f"{AUDIO}.currentTime >= 30 && !{AUDIO}.paused")

    await tab.get_by_role("link", name="History").click()
    await expect(tab.get_by_role("heading", level=1)).to_have_text("History")
    assert await tab.evaluate(f"!{AUDIO}.paused && {AUDIO}.currentTime >= 30")
    await expect(tab.get_by_role("link", name=str(first)).first).to_be_visible()

    async with tab.expect_response("**/listening", timeout=60_000):
        await tab.keyboard.press("n")  # its file is converted
    await expect(player.get_by_role("link", name=second.title)).to_be_visible()
    await until(tab, f"{AUDIO}.currentTime > 0.2")
    assert await tab.evaluate(f"Math.round({AUDIO}.duration)") == 40
    await tab.keyboard.press(" ")
    await until(tab, f"{AUDIO}.paused")
    await tab.reload()
    await expect(player.get_by_role("link", name=second.title)).to_be_visible()
    played = [(one.track, one.kind) for one in await page.service.members.feedback(OWNER)]
    assert (first.id, FeedbackKind.PLAY) in played
    assert (second.id, FeedbackKind.PLAY) in played


async def test_a_song_is_dragged_to_its_place(tab: Tab, page: Page) -> None:
    songs = [track.id for track in page.service.catalogue.songs.tracks[:4]]
    kept = await page.service.playlists.create(OWNER, "Dragged")
    await page.service.playlists.add(kept, songs)
    await tab.goto(f"/playlists/{kept.id}")
    rows = tab.locator("[data-order] > li")
    await rows.nth(3).drag_to(rows.nth(1), target_position={"x": 5, "y": 5})
    await expect(tab.get_by_role("status")).to_contain_text("Moved")
    moved = [songs[0], songs[3], songs[1], songs[2]]
    assert [track.id for track in await page.service.playlists.songs(kept)] == moved
    await tab.reload()
    shown = await rows.evaluate_all("(all) => all.map((row) => row.dataset.song)")
    assert shown == moved


async def test_a_loop_on_the_map_becomes_a_playlist(tab: Tab, page: Page) -> None:
    await tab.set_viewport_size({"width": 1280, "height": 900})
    await tab.goto("/map")
    chart = tab.locator("[data-map][data-ready]")
    await expect(chart).to_be_visible(timeout=20_000)
    await tab.get_by_role("button", name="Draw a loop").click()
    box = await chart.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await tab.mouse.move(x + 200, y)
    await tab.mouse.down()
    for step in range(13):
        await tab.mouse.move(x + 200 * math.cos(step / 2), y + 200 * math.sin(step / 2))
    await tab.mouse.up()
    said = tab.locator("[data-loop] span").first
    await expect(said).to_contain_text("song")
    await tab.locator("[data-loop] input[name=playlist]").fill("Looped")
    await tab.get_by_role("button", name="Add them").click()
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Looped")
    kept = await page.service.playlists.named(OWNER, "Looped")
    assert kept.songs > 0


async def test_the_map_is_walked_by_keyboard_and_the_table_follows(tab: Tab) -> None:
    await tab.goto("/map")
    await expect(tab.locator("[data-map][data-ready]")).to_be_visible(timeout=20_000)
    await tab.locator("[data-map]").focus()
    await tab.keyboard.press("ArrowRight")
    await expect(tab.locator("#beside-name")).to_contain_text("Around")
    first = await tab.locator("#beside-name").inner_text()
    await tab.keyboard.press("ArrowUp")
    await expect(tab.locator("#beside-name")).not_to_have_text(first)
    assert "song=" in tab.url


async def test_a_tab_that_was_signed_out_elsewhere_leads_to_the_way_in(
    tab: Tab, own: Mapping[str, tuple[Track, Path]]
) -> None:
    await tab.goto(f"/songs/{own[NATIVE][0].id}")
    other = await tab.context.new_page()
    await other.goto("/you")
    await other.get_by_role("button", name="Sign out", exact=True).click()
    await expect(other.get_by_role("heading", level=1)).to_have_text("Sign in")
    await tab.get_by_role("link", name=f"Play {own[NATIVE][0].title}").first.click()
    await expect(tab.get_by_role("heading", level=1)).to_have_text("Sign in")


async def test_songs_are_found_and_the_map_is_read_without_scripts(
    page: Page, browser: Browser
) -> None:
    context = await browser.new_context(base_url=page.address, java_script_enabled=False)
    tab = await context.new_page()
    await tab.goto(f"/enter/{await page.service.visits.link(OWNER, Role.OWNER)}")
    await tab.get_by_role("button", name="Sign in").click()
    song = page.service.catalogue.songs.tracks[5]
    await tab.goto("/library")
    await tab.get_by_label("Title or artist").fill(song.title)
    await tab.get_by_role("button", name="Search").click()
    await expect(tab.get_by_role("link", name=song.title, exact=True).first).to_be_visible()
    await tab.goto(f"/map?song={song.id}")
    await expect(tab.locator("#beside tbody tr")).to_have_count(21)
    await expect(tab.locator("[data-map]")).to_be_hidden()
    await context.close()


PAGES = (
    *("/", "/library", "/artists", "/map", "/songs/{song}", "/playlists", "/playlists/{playlist}"),
    *(
        "/history",
        "/taste",
        "/compare",
        "/gallery",
        "/you",
        "/keys",
        "/people",
        "/state",
        "/reports",
    ),
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_can_be_used_by_everyone(
    tab: Tab, page: Page, own: Mapping[str, tuple[Track, Path]], scheme: Any
) -> None:
    song, _ = own[NATIVE]
    kept = await page.service.playlists.create(OWNER, f"Shown {scheme}", song)
    await tab.emulate_media(color_scheme=scheme)
    await tab.goto(f"/songs/{song.id}")
    await tab.get_by_role("link", name=f"Play {song.title}").first.click()
    await expect(tab.get_by_role("region", name="Player")).to_be_visible()
    axe = AXE.read_text("utf-8")
    for address in PAGES:
        path = address.format(song=song.id, playlist=kept.id)
        await tab.goto(path)
        for width in (360, 1280):
            await tab.set_viewport_size({"width": width, "height": 800})
            over = await tab.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert over <= 0, f"{path} is wider than {width} px"
        # Put there by the debugger, which the page's policy does not hold.
        await tab.evaluate(axe)
        found = await tab.evaluate("axe.run()")
        serious = [
            (one["id"], one["nodes"][0]["html"])
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], path
