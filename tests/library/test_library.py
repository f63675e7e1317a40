"""The front door for Python, as its page shows it: in scripts, in threads and on an event loop."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import musrec
from musrec.demo import TUNES, compose, wav
from tests.support.running import write_some

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)


def script(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run a plain script in a folder of its own, with the store in it."""
    (folder / "script.py").write_text(text)
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "MUSREC_PATHS__DATA": str(folder / "data"),
        "MUSREC_WORKERS__COUNT": "1",
        # No service answers on this machine: each is asked and found missing at once.
        "MUSREC_RECOMMEND__BUDGET_SECONDS": "1",
    }
    return subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_the_scripts_of_the_page_run_as_they_stand(tmp_path: Path, number: int) -> None:
    write_some(tmp_path / "tunes", 0, 2)
    for name, tune in zip(("clip", "a", "b", "c"), (TUNES[1], *TUNES[:3]), strict=True):
        (tmp_path / f"{name}.wav").write_bytes(wav(compose(tune)))
    offline = SCRIPTS[number].replace("musrec.open()", "musrec.open(offline=True)")
    ran = script(tmp_path, offline)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    if number == 0:
        assert re.search(r"<Heard .+: 16\.0 s of music>", ran.stdout)
        assert (tmp_path / "card.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / "evening.m3u8").read_text().startswith("#EXTM3U\n")
    elif number == 1:
        assert ran.stdout.count("<Answer to ") == 3
    else:
        assert ran.stdout.startswith("1.00 ")


def test_importing_it_is_light() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import musrec, sys; musrec.Track; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout.split()
    assert not {"numpy", "asyncio", "sqlalchemy", "pydantic", "librosa"} & set(said)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = musrec.nothing


def test_a_script_that_forgets_to_close_ends_all_the_same(tmp_path: Path) -> None:
    write_some(tmp_path / "tunes", 0)
    ran = script(
        tmp_path,
        "import musrec\nm = musrec.open(offline=True)\nprint(len(m.add('tunes')), m.hear('tunes/'"
        f" + {write_some(tmp_path / 'tunes', 0)[0].name!r}))\n",
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("1 <Heard ")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[musrec.Library]:
    folder = tmp_path_factory.mktemp("library")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUSREC_WORKERS__COUNT", "1")
        with musrec.open(folder, offline=True) as opened:
            yield opened


async def test_it_works_where_an_event_loop_runs_already(library: musrec.Library) -> None:
    (found,) = library.search(genre="jazz", limit=1)
    assert found.genre == "jazz"
    assert await asyncio.to_thread(library.search, genre="jazz", limit=1) == [found]


def test_thumbs_count_and_can_be_taken_back(library: musrec.Library) -> None:
    liked = library.search(genre="metal", limit=5)
    for track in liked:
        assert library.like(track, member="ann") is track
    assert library.taste("ann").songs == 5
    answer = library.recommend(member="ann", count=3)
    assert list(answer) == list(answer.picks)
    assert len(answer.picks) == 3
    library.unthumb(liked[0].id, member="ann")
    assert library.taste("ann").songs == 4


def test_a_playlist_starts_with_its_song_and_no_artist_fills_it(
    library: musrec.Library, tmp_path: Path
) -> None:
    (song,) = library.search(genre="jazz", limit=1)
    tracks = library.playlist(song, count=12, to=tmp_path / "a.csv")
    assert tracks[0] == song
    assert len({track.id for track in tracks}) == len(tracks) == 12
    assert max(sum(t.artist == track.artist for t in tracks[1:]) for track in tracks[1:]) <= 2
    assert (tmp_path / "a.csv").read_text("utf-8-sig").count("\n") == 13


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m: m.hear("nowhere.mp3"), "There is no file at nowhere.mp3"),
        (lambda m: m.hear(b"la la la la la la la"), "not audio"),
        (lambda m: m.add("nowhere"), "There is nothing at nowhere"),
        (lambda m: m.recommend(), "Recommend for what"),
        (lambda m: m.recommend(m.search(genre="jazz")[0], by="ear"), "compared by 'ear'"),
        (lambda m: m.like("no such song at all"), "No song in the catalogue"),
        (lambda m: m.playlist(m.search(genre="jazz")[0], count=0), "holds 1 to 200"),
        (lambda m: m.playlist(m.search(genre="jazz")[0], to="a.mid"), "a format from a.mid"),
        (lambda m: m.search(tempo="fast"), "no tempo"),
    ],
)
def test_every_mistake_has_its_sentence(library: musrec.Library, call, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(musrec.MusrecError, match=said):
        call(library)


def test_what_cannot_be_opened_is_said_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("[recommend]\ncounts = 3\n")
    with pytest.raises(musrec.SettingsError, match="there is no key"):
        musrec.open(config=tmp_path / "wrong.toml")
    (tmp_path / "file").touch()
    with pytest.raises(musrec.StoreError):
        musrec.open(tmp_path / "file")


def test_after_closing_it_says_so(tmp_path: Path) -> None:
    opened = musrec.open(tmp_path, offline=True)
    opened.close()
    opened.close()
    assert "closed" in repr(opened)
    with pytest.raises(musrec.MusrecError, match="was closed"):
        opened.search("love")
