"""A folder of music over years: what is new, moved, changed, gone, broken or out of reach."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from musrec.catalogue.model import Added
from musrec.demo import TUNES, compose, wav
from musrec.model import FeedbackKind, NotFound
from musrec.service import Service
from musrec.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="uses leases and any bytes as names")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    values = {
        "paths": {"data": tmp_path_factory.mktemp("data")},
        "workers": {"count": 1, "timeout_seconds": 5},
        "catalogue": {"explore_per_day": 0},
    }
    async with Service.open(Settings.model_validate(values)) as opened:
        yield opened


def song(number: int) -> bytes:
    """Return one of many recordings that differ in their notes."""
    tune = TUNES[number % len(TUNES)]
    chords = tuple(tuple(note + 5 * (number // len(TUNES)) for note in c) for c in tune.chords)
    bpm = tune.bpm + 9 * (number // len(TUNES))
    return wav(compose(replace(tune, title=f"Song {number}", chords=chords, bpm=bpm), 6.0))


async def add(service: Service, *paths: Path, prune: bool = False) -> dict[str, Added]:
    return {step.path.name: step async for step in service.songs.add(paths, prune=prune)}


def known(service: Service, *steps: Added) -> list[bool]:
    there = {track.id for track in service.catalogue.songs.tracks}
    return [step.track is not None and step.track.id in there for step in steps]


async def test_what_moved_is_the_same_song_and_what_has_gone_is_taken_out_if_asked(
    service: Service, tmp_path: Path
) -> None:
    for number, name in enumerate(("gone", "moved", "changed", "stays")):
        (tmp_path / f"{name}.wav").write_bytes(song(number))
    before = await add(service, tmp_path)
    assert all(step.track for step in before.values())
    gone, moved = before["gone.wav"], before["moved.wav"]
    changed, stays = before["changed.wav"], before["stays.wav"]
    assert gone.track is not None
    assert moved.track is not None
    await service.members.learn("ann", gone.track.id, FeedbackKind.LIKE)

    (tmp_path / "gone.wav").unlink()
    (tmp_path / "sub").mkdir()
    shutil.move(tmp_path / "moved.wav", tmp_path / "sub" / "new name.wav")
    (tmp_path / "changed.wav").write_bytes(song(4))
    after = [step async for step in service.songs.add([tmp_path])]
    assert [step.path.name for step in after if step.gone] == ["gone.wav"]
    heard = {step.path.name: step for step in after}
    assert heard["stays.wav"].known
    assert heard["new name.wav"].track == moved.track
    assert await service.songs.file_of(moved.track.id) == tmp_path / "sub" / "new name.wav"
    assert known(service, gone, changed, heard["changed.wav"]) == [True, False, True]
    pruned = await add(service, tmp_path, prune=True)
    assert pruned["gone.wav"].gone
    assert known(service, gone, moved, stays) == [False, True, True]
    assert await service.members.thumb("ann", gone.track.id) is FeedbackKind.LIKE
    again = await add(service, tmp_path, prune=True)
    assert len(again) == 3
    assert all(step.known for step in again.values())


async def test_nothing_is_taken_out_of_a_store_that_machines_share(
    postgres_url: str, tmp_path: Path
) -> None:
    values = {"paths": {"data": tmp_path / "data"}, "store": {"url": postgres_url}}
    music = tmp_path / "music"
    music.mkdir()
    for number, name in enumerate(("another machine's", "changed", "moved")):
        (music / f"{name}.wav").write_bytes(song(number))
    async with Service.open(
        Settings.model_validate({**values, "workers": {"count": 1}})
    ) as service:
        before = await add(service, music)
        (music / "another machine's.wav").unlink()
        (music / "changed.wav").write_bytes(song(3))
        (music / "moved.wav").rename(music / "here.wav")
        after = await add(service, music)
        assert not [step for step in after.values() if step.gone or step.problem]
        assert known(service, *before.values(), *after.values()) == [True] * 5
        moved = before["moved.wav"].track
        assert moved is not None
        assert await service.songs.file_of(moved.id) == music / "here.wav"
        with pytest.raises(NotFound, match="PostgreSQL"):
            await add(service, music, prune=True)
        assert known(service, *before.values()) == [True] * 3


async def test_what_gave_no_song_is_heard_again_only_once_it_changes(
    service: Service, tmp_path: Path
) -> None:
    (tmp_path / "a.wav").write_bytes(b"la la la la la la la la")
    first = (await add(service, tmp_path))["a.wav"]
    second = (await add(service, tmp_path))["a.wav"]
    assert (first.known, second.known) == (False, True)
    assert first.problem == second.problem != ""
    (tmp_path / "a.wav").write_bytes(song(5))
    assert (await add(service, tmp_path))["a.wav"].track


async def test_a_drive_that_is_not_there_costs_no_song(service: Service, tmp_path: Path) -> None:
    drive = tmp_path / "drive"
    drive.mkdir()
    (drive / "a.wav").write_bytes(song(6))
    song_there = (await add(service, drive))["a.wav"]
    (drive / "a.wav").rename(tmp_path / "kept.wav")
    empty = (await add(service, drive, prune=True))["drive"]
    assert "holds no music any more" in empty.problem
    assert known(service, song_there) == [True]
    assert [track.id for track in await service.songs.remove(str(drive))] == [
        song_there.track and song_there.track.id
    ]
    assert known(service, song_there) == [False]


async def test_a_song_is_removed_by_its_name_and_one_that_came_along_is_not(
    service: Service, tmp_path: Path
) -> None:
    (tmp_path / "Zed Quux - Frobnicate.wav").write_bytes(song(7))
    (step,) = (await add(service, tmp_path)).values()
    assert [track.title for track in await service.songs.remove("Frobnicate")] == ["Frobnicate"]
    assert known(service, step) == [False]
    assert (await add(service, tmp_path))["Zed Quux - Frobnicate.wav"].track
    starter = next(t for t in service.catalogue.songs.tracks if "starter" in t.identities)
    with pytest.raises(NotFound, match="came with me"):
        await service.songs.remove(starter.id)
    with pytest.raises(NotFound, match="No song in the catalogue"):
        await service.songs.remove("no such song at all")


@on_linux
async def test_a_name_in_any_encoding_is_added_found_again_and_played(
    service: Service, tmp_path: Path
) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    path.write_bytes(song(8))
    (step,) = (await add(service, tmp_path)).values()
    assert step.track is not None
    assert await service.songs.file_of(step.track.id) == path
    heard = await service.songs.heard(step.track.id)
    assert heard is not None
    tracks = await service.playlists.around(heard, count=2)
    made = await service.playlists.as_file("Evening", tracks, tmp_path / "a.m3u8")
    assert os.fsencode(path) in made.data.split(b"\n")
    (step,) = (await add(service, path.parent)).values()
    assert step.known


HOLDER = """
import fcntl, os, signal, sys
path, change = sys.argv[1:]
file = os.open(path, os.O_RDWR)

def give_way(*_):
    os.pwrite(file, b"!" * 100, os.fstat(file).st_size)
    fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)

signal.signal(signal.SIGIO, give_way if change == "change" else signal.SIG_IGN)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
sys.stdin.read()
"""


class Held:
    """Holds a file, so that whoever opens it waits, as on a drive that has gone."""

    def __init__(self, path: Path, change: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path), change],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        self._held = self._process.stdout.readline() == b"held\n"

    def __enter__(self) -> None:
        if not self._held:
            pytest.skip("this file system knows no leases")

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


@on_linux
async def test_a_file_that_does_not_answer_stops_no_other(service: Service, tmp_path: Path) -> None:
    for number, name in enumerate(("hangs", "works")):
        (tmp_path / f"{name}.wav").write_bytes(song(9 + number))
    with Held(tmp_path / "hangs.wav"):
        steps = await add(service, tmp_path)
    assert steps["works.wav"].track
    assert "could not be read within 5 s" in steps["hangs.wav"].problem
    assert (await add(service, tmp_path))["hangs.wav"].track  # nothing of it was remembered


class Mute:
    """A drive that answers nothing: a file system whose program only sleeps."""

    PROGRAM = (
        "import ctypes, os, sys, time\n"
        "device = os.open('/dev/fuse', os.O_RDWR)\n"
        "options = f'fd={device},rootmode=40000,user_id=0,group_id=0'\n"
        "mount = ctypes.CDLL(None).mount\n"
        "failed = mount(b'mute', os.fsencode(sys.argv[1]), b'fuse', 0, options.encode())\n"
        "print('failed' if failed else 'mounted', flush=True)\n"
        "time.sleep(600)"
    )

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-c", self.PROGRAM, folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        self._mounted = self._process.stdout.readline() == b"mounted\n"

    def __enter__(self) -> None:
        if not self._mounted:
            self._process.kill()
            pytest.skip("this user may mount nothing")

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # whoever waits for it has an error then
        self._process.wait()
        subprocess.run(["umount", "--lazy", self._folder], check=True)


@on_linux
async def test_a_drive_that_hangs_stops_no_other_folder(service: Service, tmp_path: Path) -> None:
    for number, name in enumerate(("a/before.wav", "c/after.wav")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(song(20 + number))
    with Mute(tmp_path / "b"):
        steps = await add(service, tmp_path)
        with pytest.raises(NotFound, match=r"did not answer within 5 s"):
            await service.songs.look_at([tmp_path / "b"])
        with pytest.raises(NotFound, match=r"did not answer within 5 s"):
            await service.songs.hear_path_or_name(str(tmp_path / "b" / "song.mp3"))
    assert steps["before.wav"].track
    assert steps["after.wav"].track
    assert "could not be read within 5 s" in steps["b"].problem
    assert len(steps) == 3


@on_linux
async def test_a_file_that_changes_while_it_is_read_is_not_kept(
    service: Service, tmp_path: Path
) -> None:
    (tmp_path / "a.wav").write_bytes(song(11))
    with Held(tmp_path / "a.wav", "change"):
        (step,) = (await add(service, tmp_path)).values()
    assert "changed while it was read" in step.problem
    assert (await add(service, tmp_path))["a.wav"].track


async def test_the_number_of_files_is_told_from_the_start(service: Service, tmp_path: Path) -> None:
    for name in ("a.mp3", "b.mp3", "c.txt"):
        (tmp_path / name).write_bytes(b"la la la la la la la la")
    told: list[tuple[int, int]] = []
    steps = service.songs.add([tmp_path], lambda done, of: told.append((done, of)))
    assert len([step async for step in steps]) == 2
    assert told[0] == (0, 0)
    assert told[-1] == (2, 2)
    assert told == sorted(told)
