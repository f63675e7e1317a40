"""yt-dlp itself, in its own process, against a site on 127.0.0.1."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from musrec.model import Track
from musrec.sources import Deadline, Endpoints
from musrec.sources.gate import Absent, Refused, Unsupported
from musrec.sources.matching import Wanted
from musrec.sources.provider import Heading, Link, LinkKind, Provider
from musrec.sources.ytdlp import YtDlp, _is
from musrec.sources.ytdlp_child import _kind
from tests.support.loopback import AUDIO, Loopback


def link(server: Loopback, path: str) -> Link:
    return Link("soundcloud", LinkKind.TRACK, path[1:], f"{server.address}{path}")


def song(server: Loopback) -> Track:
    page = f"{server.address}/pages/soundcloud/basement-tape.mp3"
    return Track("x", "Basement Tape", ("moth",), links={"soundcloud": page})


@pytest.fixture
def site(server: Loopback) -> Loopback:
    server.raw("/pages/soundcloud/basement-tape.mp3", AUDIO, kind="audio/mpeg")
    return server


def children() -> list[str]:
    """Command lines of the processes that this one started and that are still there."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid():
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return [command for command in found if "ytdlp_child" in command]


async def test_a_page_gives_its_title_and_audio_only_where_that_is_wanted(site: Loopback) -> None:
    on, off = (YtDlp(site.setup(ytdlp_audio=audio)) for audio in (True, False))
    heading = await off.heading(link(site, "/basement-tape.mp3"), Deadline.within(60))
    assert heading.title == "basement-tape"
    with pytest.raises(Unsupported, match="ytdlp_audio"):
        await off.audio(song(site), Deadline.within(60))
    preview = await on.audio(song(site), Deadline.within(60))
    assert (preview.data, preview.provider) == (AUDIO, "ytdlp")
    assert preview.page_url == f"{site.address}/pages/soundcloud/basement-tape.mp3"


async def test_with_the_real_extractors_nothing_is_asked_outside_its_sites(site: Loopback) -> None:
    ytdlp = YtDlp(replace(site.setup(), endpoints=Endpoints(site.address, trusted=False)))
    with pytest.raises(Absent, match="may not open"):
        await ytdlp.heading(link(site, "/basement-tape.mp3"), Deadline.within(60))
    assert site.asked == []


async def test_an_oversize_file_counts_as_missing(site: Loopback) -> None:
    large = b"ID3" + bytes(26_000_000)
    site.raw("/pages/soundcloud/basement-tape.mp3", large, kind="audio/mpeg")
    with pytest.raises(Absent, match="too large"):
        await YtDlp(site.setup(ytdlp_audio=True)).audio(song(site), Deadline.within(60))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see processes")
async def test_a_page_that_hangs_is_given_up_with_its_process(site: Loopback) -> None:
    site.hang("/pages/soundcloud/basement-tape.mp3")
    ytdlp = YtDlp(site.setup())
    asked = asyncio.create_task(
        ytdlp.heading(link(site, "/basement-tape.mp3"), Deadline.within(60))
    )
    await site.arrived("basement-tape")
    assert len(children()) == 1
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert children() == []


async def test_a_page_that_takes_too_long_is_refused(site: Loopback) -> None:
    site.hang("/pages/soundcloud/basement-tape.mp3")
    with pytest.raises(Refused, match="did not answer"):
        await YtDlp(site.setup()).heading(link(site, "/basement-tape.mp3"), Deadline.within(0.5))


async def test_links_to_other_sites_are_left_alone(site: Loopback) -> None:
    ytdlp: Provider = YtDlp(site.setup(ytdlp_audio=True))
    for other in (
        replace(link(site, "/basement-tape.mp3"), provider="spotify"),
        replace(link(site, "/basement-tape.mp3"), kind=LinkKind.PLAYLIST),
    ):
        with pytest.raises(Unsupported):
            await ytdlp.heading(other, Deadline.within(5))
    assert site.asked == []


async def test_one_site_that_denies_us_does_not_close_the_others(site: Loopback) -> None:
    site.raw("/pages/youtube/x.mp3", b"", status=429)
    ytdlp = YtDlp(site.setup())
    video = replace(link(site, "/x.mp3"), provider="youtube")
    with pytest.raises(Refused, match="YouTube denies"):
        await ytdlp.heading(video, Deadline.within(60))
    with pytest.raises(Refused, match="not asked for another 15 min"):
        await ytdlp.heading(video, Deadline.within(60))
    heading = await ytdlp.heading(link(site, "/basement-tape.mp3"), Deadline.within(60))
    assert heading.title == "basement-tape"


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("ERROR: [youtube] x: Sign in to confirm you’re not a bot. Use --cookies", "denied"),
        ("ERROR: [youtube] x: Private video. Sign in if you've been granted access", "absent"),
        ("ERROR: [youtube] x: Sign in to confirm your age", "absent"),
        ("ERROR: [youtube] x: Video unavailable", "absent"),
        ("ERROR: [soundcloud] x: Unable to download JSON: HTTP Error 404: Not Found", "absent"),
        ("ERROR: unable to download video data: HTTP Error 403: Forbidden", "denied"),
        ("ERROR: No suitable extractor found for URL http://127.0.0.1/", "unsupported"),
        ("ERROR: [generic] Unable to download webpage: timed out", "refused"),
    ],
)
def test_error_messages_of_yt_dlp_are_told_apart(message: str, kind: str) -> None:
    assert _kind(message) == kind


def test_a_video_found_by_search_must_be_of_the_song() -> None:
    wanted = Wanted("One More Time", ("Daft Punk",), duration=320.0)
    assert _is(wanted, Heading("Daft Punk - One More Time (Official Video)", "Daft Punk", 323.0))
    assert not _is(wanted, Heading("Daft Punk - One More Time (Live)", "A fan", 320.0))
    assert not _is(wanted, Heading("Daft Punk - One More Time (1 hour)", "A fan", 3_600.0))
    assert not _is(wanted, Heading("Reaction to Daft Punk", "A fan", 320.0))
