"""Which stage works with which provider off: ``python -m benchmarks.provider_table [FILE]``.

Each row is a run of the whole chain against a server on 127.0.0.1 that answers in the shape of
every service, with one provider switched off by its setting. A cell says which provider answered.
With FILE, the table is written there as Markdown too.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from musrec.evaluate.report import Report
from musrec.model import Track
from musrec.sources import Deadline, Found, Missing, Preview, Sources, SourcesSettings
from tests.support.loopback import KEYS, PROVIDERS_OFF, SPOTIFY_ID, VIDEO_ID, serving, stock

ASKED = {
    "Spotify link": f"https://open.spotify.com/track/{SPOTIFY_ID}",
    "Deezer link": "https://www.deezer.com/track/3135553",
    "Apple link": "https://music.apple.com/us/album/x/697194953?i=697195462",
    "Tidal link": "https://tidal.com/track/1565229",
    "YouTube link": f"https://youtu.be/{VIDEO_ID}",
    "SoundCloud link": "https://soundcloud.com/daftpunk/one-more-time",
    "Bandcamp link": "https://daftpunk.bandcamp.com/track/one-more-time",
    "title": "daft punk one more time",
}
STAGES = (*ASKED, "genre", "preview", "candidates", "features to show")

SONG = Track("x", "One More Time", ("Daft Punk",), duration=320.0)


def runs() -> dict[str, SourcesSettings]:
    """Return name and settings of every row."""
    return {
        "nothing off": SourcesSettings(),
        **{f"{name} off": SourcesSettings(**{name: False}) for name in PROVIDERS_OFF},
        "nothing off, with keys": SourcesSettings(**KEYS),
        "only what needs a key": SourcesSettings(**PROVIDERS_OFF, **KEYS),
        "everything off": SourcesSettings(**PROVIDERS_OFF),
    }


async def row(settings: SourcesSettings) -> dict[str, str]:
    """Return the provider that answered each stage, ``ask`` or ``-``; see `table`."""
    cells: dict[str, str] = {}
    async with (
        serving() as server,
        Sources(settings, endpoints=server.endpoints()) as sources,
    ):
        stock(server)
        for stage, text in ASKED.items():
            answer = await sources.resolve(text, deadline=Deadline.within(30))
            if isinstance(answer, Found):
                cells[stage] = answer.track.provenance["title"]
                if stage == "title":
                    cells["genre"] = answer.track.provenance.get("genre", "-")
            else:
                cells[stage] = "-" if isinstance(answer, Missing) else "ask"
        preview = await sources.preview(SONG, deadline=Deadline.within(30))
        cells["preview"] = preview.provider if isinstance(preview, Preview) else "-"
        found = await sources.candidates(SONG, deadline=Deadline.within(30))
        origins = sorted({track.provenance["title"] for track in found})
        cells["candidates"] = f"{len(found)}: {', '.join(origins)}" if found else "-"
        known = Track("x", "One More Time", identities={"spotify": SPOTIFY_ID})
        features = await sources.foreign_features(known, deadline=Deadline.within(8.0))
        cells["features to show"] = features.origin if features else "-"
    return {stage: cells.get(stage, "-") for stage in STAGES}


async def table() -> Report:
    """Run every row."""
    settings = runs()
    cells = await asyncio.gather(*map(row, settings.values()))
    rows = [(name, *stages.values()) for name, stages in zip(settings, cells, strict=True)]
    return Report(
        title="Which stage works with which provider off",
        protocol=(
            "One song, asked for in every way, against a server on 127.0.0.1 that answers in the "
            "shape of every service. Each row is a fresh start with that provider switched off in "
            "the settings. A cell names the provider of the title (or of the genre, the audio, the "
            "candidates); `ask` means that the member is asked to confirm, `-` that no provider "
            "answered and the member is told what to send instead. Written by "
            "`python -m benchmarks.provider_table docs/sources.md`."
        ),
        columns=("", *STAGES),
        rows=tuple(rows),
        notes=(
            "Uploaded clips, and songs that are in the index already, need none of these.",
            "Spotify gives new keys no audio features, so the server answers 403 to that question.",
        ),
    )


def main() -> None:
    """Print the table."""
    report = asyncio.run(table()).markdown()
    print(report)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
