"""Cases that people reported, each under its letter: what is right stands beside it.

Others of their kinds stand with their parts: terminals (A3) in `tests/cli/test_terminal.py`, stores
opened by several processes (A4) in `tests/store/test_writing.py`, short links (E3) in
`tests/sources/test_resolve.py`, scripts on cards (G4) in `tests/pictures/test_lettering.py`.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musrec.audio.decode import decode
from musrec.audio.tags import Tags
from musrec.catalogue import files
from musrec.catalogue.model import SongFilter
from musrec.demo import wav
from musrec.formats import ENDINGS
from musrec.model import Track
from musrec.service import Service
from musrec.settings import Settings
from musrec.sources.matching import fit
from tests.support.coding import encode, samples
from tests.support.stores import store_of


@pytest.fixture
def field(shared_data: Path) -> Path:
    return shared_data / "field"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    settings = Settings.model_validate(
        {"paths": {"data": tmp_path / "data"}, "workers": {"count": 1}}
    )
    async with Service.open(settings) as opened:
        yield opened


@pytest.mark.parametrize(
    ("file", "title", "artists", "year", "isrc"),
    [
        pytest.param("01-wav-with-cover.wav", "Wave Title", ("Wave Artist",), None, None, id="A1"),
        pytest.param("03-japanese-title.mp3", "夜に駆ける", ("YOASOBI",), None, None, id="A3"),
        pytest.param(
            "04-flac-behind-id3.flac",
            "The Wizard",
            ("Guitar Person",),
            1977,
            "USABC1234567",
            id="B1",
        ),
        pytest.param("04b-wav-id3-text.wav", "Wave Title", ("Wave Artist",), None, None, id="B2"),
        pytest.param(
            "05-two-artists.flac", "Duet", ("Anna Alpha", "Bert Beta"), None, None, id="B4"
        ),
        pytest.param("06-cp1251.mp3", "Группа крови", ("Кино",), None, None, id="B5"),
        pytest.param("03 - Song.mp3", "Song", (), None, None, id="B8"),
        pytest.param("17-skipped.aif", "17 Skipped", (), None, None, id="B10 aif"),
        pytest.param("17-skipped.m4b", "17 Skipped", (), None, None, id="B10 m4b"),
        pytest.param("13-no-ftyp.mov", "13 No Ftyp", (), None, None, id="G1"),
    ],
)
def test_a_file_is_heard_and_says_who_it_is(
    field: Path, file: str, title: str, artists: tuple[str, ...], year: int | None, isrc: str | None
) -> None:
    clip = decode((field / file).read_bytes())
    track = files.track_of(clip.tags, file, "0" * 64)
    assert clip.seconds > 1
    assert (track.title, track.artists, track.year, track.isrc) == (title, artists, year, isrc)
    assert Path(file).suffix in ENDINGS


@pytest.mark.parametrize(
    ("asked", "title", "artist"),
    [
        pytest.param("Eminem - Stan ft. Dido", "Stan", "Eminem", id="E1"),
        pytest.param("MO - Kamikaze", "Kamikaze", "MØ", id="E5 stroke"),
        pytest.param("tool aenema", "Ænema", "Tool", id="E5 ligature"),
        pytest.param("lodz - taco hemingway", "Łódź", "Taco Hemingway", id="E5 Polish"),
    ],
)
def test_a_song_is_found_as_people_write_it(asked: str, title: str, artist: str) -> None:
    assert fit(asked, Track("x", title, (artist,))).exact


async def test_one_odd_file_name_or_tag_stops_no_other(
    service: Service, field: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    folder = tmp_path / "music"
    folder.mkdir()
    good = {
        "01-wav-with-cover.wav": ("Wave Title", ("Wave Artist",)),
        "04-flac-behind-id3.flac": ("The Wizard", ("Guitar Person",)),
        "05-two-artists.flac": ("Duet", ("Anna Alpha", "Bert Beta")),
        "06-cp1251.mp3": ("Группа крови", ("Кино",)),
        "03 - Song.mp3": ("Song", ()),
        "17-skipped.aif": ("17 Skipped", ()),
        "17-skipped.m4b": ("17 Skipped", ()),
        "13-no-ftyp.mov": ("13 No Ftyp", ()),
    }
    for name in good:
        shutil.copy(field / name, folder / name)
    (folder / "empty.mp3").touch()
    (folder / "text.mp3").write_text("la la la")
    (folder / "boom.flac").write_bytes((field / "07-antiphase.flac").read_bytes()[:-1])
    excerpt = decode((field / "05-two-artists.flac").read_bytes(), seconds=1.6, start=1.0)
    (folder / "short.wav").write_bytes(wav(excerpt.y.astype(np.float64)))
    odd = os.fsencode(folder) + b"/caf\xe9 \x1b[31m.flac"
    if sys.platform == "linux":
        Path(os.fsdecode(odd)).write_bytes((field / "09-without-offset.flac").read_bytes())

    track_of = files.track_of

    def failing(said: Tags, name: str, digest: str) -> Track:
        if name == "boom.flac":
            raise RuntimeError("a fault of ours")
        return track_of(said, name, digest)

    monkeypatch.setattr(files, "track_of", failing)
    steps = {step.path.name: step async for step in service.songs.add([folder])}
    told = {name: step.problem for name, step in steps.items() if step.problem}
    assert told.keys() == {"empty.mp3", "text.mp3", "boom.flac", "short.wav"}
    assert told["boom.flac"] == "It could not be added; the log says why."
    assert told["short.wav"].startswith("It lasts 1.6 s, which is too short")
    for name, expected in good.items():
        track = steps[name].track
        assert track is not None
        if not name.startswith("17"):  # one recording in two containers
            assert (track.title, track.artists) == expected
        assert track.id in {song.id for song in service.catalogue.songs.tracks}
    if sys.platform == "linux":
        path = Path(os.fsdecode(odd))
        named = steps[path.name].track
        assert named is not None
        assert await service.songs.files_of([named.id]) == {named.id: path}
    again = [step async for step in service.songs.add([folder])]
    assert [step.path.name for step in again if not step.known] == ["boom.flac"], "a fault of ours"


async def test_a_tempo_is_found_at_either_octave_that_may_be_counted(
    service: Service, field: Path
) -> None:
    tempi = {"12-dnb-174.opus": (170.0, 178.0), "12b-ballad-62.opus": (60.0, 64.0)}
    added = service.songs.add([field / name for name in tempi])
    steps = {step.path.name: step.track async for step in added}
    for name, tempo in tempi.items():  # D1, D2
        found = await service.catalogue.search(SongFilter(tempo=tempo), limit=1_000)
        assert steps[name] in found, name


@pytest.mark.parametrize("before", ["show", "add"])
async def test_a_clip_has_its_tags_whichever_comes_first(
    service: Service, field: Path, tmp_path: Path, before: str
) -> None:
    clip = tmp_path / "clip.flac"
    shutil.copy(field / "04-flac-behind-id3.flac", clip)
    if before == "show":
        shown = await service.songs.hear_clip(clip.read_bytes(), clip.name)
        assert (shown.track.title, shown.track.artists) == ("The Wizard", ("Guitar Person",))
        assert shown.track.isrc is None  # of an upload, its name and nothing more is kept
        assert shown.track.year is None
    [step] = [step async for step in service.songs.add([clip])]
    assert step.track is not None
    assert (step.track.title, step.track.isrc) == ("The Wizard", "USABC1234567")
    assert step.track.year == 1977
    shown = await service.songs.hear_clip(clip.read_bytes(), "other name.flac")
    assert shown.track == step.track


async def test_a_song_sent_again_is_the_song_that_is_known(
    service: Service, music: Path, tmp_path: Path
) -> None:
    """A member's copy has no name, begins later and is softer; a file is moved and coded again."""
    folder = tmp_path / "music"
    folder.mkdir()
    for file in (
        "setuniman--sweet-waltz.ogg",
        "yuanan-j-a-r--miedo.wav",
        "tim-beek--pink-blue.mp3",
    ):
        shutil.copy(music / file, folder / file)
    added = {step.path.name: step.track async for step in service.songs.add([folder])}
    song = added["setuniman--sweet-waltz.ogg"]
    assert song is not None
    sound = samples(music / "setuniman--sweet-waltz.ogg")

    sent = await service.songs.hear_clip(
        encode(0.5 * sound[22_050:], "libmp3lame", 96_000), "up.mp3"
    )
    assert sent.track == song
    answer = await service.answers.recommend(sent, member="ann", online=False)
    assert song.id not in {pick.track.id for pick in answer.picks}

    known = len(service.catalogue.songs.tracks)
    copy = tmp_path / "Sweet Waltz again.ogg"
    copy.write_bytes(encode(sound, "libopus", 64_000, rate=48_000))
    shutil.copy(folder / "tim-beek--pink-blue.mp3", tmp_path / "moved.mp3")
    again = [step async for step in service.songs.add([copy, tmp_path / "moved.mp3"])]
    assert {step.track.id for step in again if step.track} == {
        song.id,
        getattr(added["tim-beek--pink-blue.mp3"], "id", None),
    }
    assert len(service.catalogue.songs.tracks) == known

    # What was only sent is nobody's song to recommend, and still one song.
    other = samples(music / "wasaru--s-culaire-feat-n-me.opus")
    first = await service.songs.hear_clip(encode(other, "libmp3lame", 128_000), "first.mp3")
    twice = await service.songs.hear_clip(encode(other[66_150:], "libmp3lame", 64_000), "2.mp3")
    assert twice.track == first.track != song


async def test_songs_kept_before_there_were_fingerprints_are_recognised(
    service: Service, music: Path
) -> None:
    sound = samples(music / "setuniman--sweet-waltz.ogg")
    first = await service.songs.hear_clip(encode(sound, "libmp3lame", 128_000), "first.mp3")
    async with store_of(service) as store:
        await store.analyses.mark(first.track.id, [])
        assert await store.analyses.unmarked() == [first.track.id]
        await service.songs.fingerprint_older()
        assert await store.analyses.unmarked() == []
    again = await service.songs.hear_clip(encode(sound, "libopus", 64_000, rate=48_000), "2.ogg")
    assert again.track == first.track
