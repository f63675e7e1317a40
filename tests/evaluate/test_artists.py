"""An artist's other songs are found in real files, heard by real workers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from musrec.evaluate import artists
from musrec.model import MusrecError, NotFound
from musrec.settings import Settings, Workers

ONE_WORKER = Settings(workers=Workers(count=1))

SONGS = {
    "tim-beek--the-story-continues.flac": "Tim Beek",
    "tim-beek--the-struggle-loop.opus": "Tim Beek",
    "us-army-strings--hungarian-dance-5.flac": "US Army Strings",
}


async def test_real_songs_are_heard_and_files_that_cannot_be_are_named(
    music: Path, tmp_path: Path
) -> None:
    lines = ["file,artist"]
    for file, artist in SONGS.items():
        shutil.copy(music / file, tmp_path)
        lines.append(f"{file},{artist}")
    (tmp_path / "torn.mp3").write_bytes(b"not audio at all")
    lines += ["torn.mp3,Tim Beek", "absent.mp3,Tim Beek"]
    (tmp_path / "tracks.csv").write_text("\n".join(lines))

    report = await artists.run(tmp_path, ONE_WORKER)
    assert [row[:3] for row in report.rows] == [
        (who, 2, among)
        for among in ("these songs", "with the starter")
        for who in ("Tim Beek", "all")
    ]
    last: dict[str, Any] = dict(zip(report.columns, report.rows[-1], strict=True))
    assert last[report.columns[-1]] > 5 * last["chance"]
    unheard = [note for note in report.notes if note.startswith("Not heard")]
    assert len(unheard) == 2
    assert any("torn.mp3" in note for note in unheard)
    assert any("absent.mp3" in note for note in unheard)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no .*tracks.csv"), ("name\nx\n", "needs the columns"), ("file,artist\n", "needs")],
)
async def test_a_folder_without_a_list_is_refused(
    tmp_path: Path, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "tracks.csv").write_text(content)
    with pytest.raises(MusrecError, match=said):
        await artists.run(tmp_path, Settings())


async def test_a_folder_without_any_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tracks.csv").write_text("file,artist\na.mp3,A\nb.mp3,A\n")
    with pytest.raises(NotFound, match="None of the 2 files"):
        await artists.run(tmp_path, Settings())
