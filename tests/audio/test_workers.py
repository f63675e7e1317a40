"""Hearing off the event loop, in processes that may fail."""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from musrec.audio import worker
from musrec.audio.workers import Ears
from musrec.demo import wav
from musrec.model import SAMPLE_RATE, Busy, NotAudio, SoundKind
from musrec.settings import Workers

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


TONE = wav((0.5 * np.sin(np.arange(3 * SAMPLE_RATE) * 0.1)).astype(np.float32))
SILENCE = wav(np.zeros(3 * SAMPLE_RATE, np.float32))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ears() -> AsyncIterator[Ears]:
    """Two workers shared by all tests, as starting them takes seconds."""
    async with Ears(Workers(count=2)) as ears:
        await ears.warm()
        yield ears


def pids(ears: Ears) -> set[int]:
    return {worker.pid for worker in ears._workers if worker.pid}


async def until_busy(ears: Ears) -> None:
    while not any(worker._job and not worker._job.done() for worker in ears._workers):
        await asyncio.sleep(0)


@pytest.mark.asyncio(loop_scope="module")
async def test_clips_are_heard_side_by_side_and_the_loop_goes_on(ears: Ears) -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    clips = [TONE, SILENCE, b"la la la la la la", TONE]
    heard = await asyncio.gather(*map(ears.hear, clips), return_exceptions=True)
    counting.cancel()
    assert [
        result if isinstance(result, BaseException) else result.analysis.kind for result in heard
    ] == [
        SoundKind.TONES,
        SoundKind.SILENCE,
        heard[2],
        SoundKind.TONES,
    ]
    assert isinstance(heard[2], NotAudio)
    assert heard[2].hint.startswith("Send an mp3")
    digests = [getattr(getattr(heard[place], "analysis", None), "digest", None) for place in (0, 3)]
    assert digests == [hashlib.sha256(TONE).hexdigest()] * 2
    assert turns > 100


@pytest.mark.asyncio(loop_scope="module")
async def test_callers_that_go_away_free_their_workers_for_the_next(ears: Ears) -> None:
    before = pids(ears)
    impatient = [asyncio.create_task(ears.hear(TONE)) for _ in range(2)]
    await until_busy(ears)
    for task in impatient:
        task.cancel()
    assert (await ears.hear(SILENCE)).analysis.kind is SoundKind.SILENCE
    assert all(task.cancelled() for task in impatient)
    assert pids(ears) == before


@pytest.mark.asyncio(loop_scope="module")
async def test_a_clip_that_takes_too_long_frees_its_worker(ears: Ears) -> None:
    before = pids(ears)
    with pytest.raises(Busy, match=r"longer than 0\.001 s"):
        await ears.hear(TONE, limit=0.001)
    (ended,) = before - pids(ears)
    assert not running(ended)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_worker_that_dies_is_replaced_and_the_clip_heard_again(ears: Ears) -> None:
    before = pids(ears)
    for process in filter(running, before):
        os.kill(process, signal.SIGKILL)
    assert (await ears.hear(TONE)).analysis.kind is SoundKind.TONES
    assert pids(ears) != before


@pytest.mark.asyncio(loop_scope="module")
async def test_the_owners_limit_bounds_every_other(
    ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Workers.model_construct(clip_seconds=30.0, timeout_seconds=0.001)
    monkeypatch.setattr(ears, "_settings", limits)
    for limit in (math.inf, 8.0):
        with pytest.raises(Busy, match=r"longer than 0\.001 s"):
            await ears.hear(TONE, limit=limit)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_clip_brings_its_tags(ears: Ears, shared_data: Path) -> None:
    listened = await ears.hear((shared_data / "field" / "05-two-artists.flac").read_bytes())
    assert listened.tags.title == "Duet"
    assert listened.tags.artists == ("Anna Alpha", "Bert Beta")


async def test_a_process_that_was_started_ahead_hears_the_first_clip() -> None:
    started = worker.start()
    async with Ears(Workers(count=2), started=started) as ears:
        assert (await ears.hear(TONE)).analysis.seconds == pytest.approx(3)
        assert pids(ears) == {started.pid}  # and no other was needed
    assert started.returncode == -signal.SIGKILL


async def test_a_clip_that_crashes_two_workers_is_given_up() -> None:
    async with Ears(Workers(count=1)) as ears:
        hearing = asyncio.create_task(ears.hear(TONE))
        killed = set()
        while not hearing.done():
            worker = ears._workers[0]
            if worker._job is not None and worker.pid and worker.pid not in killed:
                killed.add(worker.pid)
                os.kill(worker.pid, signal.SIGKILL)
            await asyncio.sleep(0)
        with pytest.raises(Busy, match="failed twice"):
            await hearing
        assert len(killed) == 2


def test_errors_keep_their_hint_on_the_way_home() -> None:
    error = pickle.loads(pickle.dumps(NotAudio("What it is.", "What to do.")))
    assert (str(error), error.hint, error.exit_code) == ("What it is.", "What to do.", 3)


PROGRAM = """
import asyncio
from pathlib import Path
from musrec.audio import worker
from musrec.audio.workers import Ears
from musrec.settings import Workers

async def main():
    async with Ears(Workers(count=1)) as ears:
        await ears.warm()
        worker = ears._workers[0].pid
        children = Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
        print(worker, *children, flush=True)
        await asyncio.Event().wait()

if __name__ == "__main__":
    asyncio.run(main())
"""


@on_linux
def test_no_process_outlives_the_program(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    root = Path(__file__).resolve().parents[2]
    interrupted, killed = (
        subprocess.Popen(
            [sys.executable, str(script)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(root)},
            start_new_session=True,
        )
        for _ in range(2)
    )
    started = [
        [int(word) for word in program.stdout.readline().split()]
        for program in (interrupted, killed)
        if program.stdout is not None
    ]
    assert [len(processes) for processes in started] == [2, 2]  # each worker and its decoder
    os.killpg(interrupted.pid, signal.SIGINT)  # as a terminal does
    killed.kill()
    _, said = interrupted.communicate(timeout=60)
    killed.communicate(timeout=60)
    assert b"worker.py" not in said  # the worker itself says nothing
    deadline = time.monotonic() + 60
    while any(running(process) for processes in started for process in processes):
        assert time.monotonic() < deadline, "an orphan is left"
        os.sched_yield()


def running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
