"""A network of the owner's own hears songs beside the built-in ears, by one setting."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from musrec.catalogue.model import JobKind, JobState
from musrec.demo import write_tunes
from musrec.model import ModelMissing, Track
from musrec.service import Service
from musrec.settings import Settings
from tests.support.loopback import serving, stock

RATE, WINDOW, WIDTH = 16_000, 16_000, 8
INPUT = {"kind": "samples", "sample_rate": RATE, "samples": WINDOW}
LABELS = ("loud", "quiet")


def write(
    file: Path,
    *,
    seed: int = 0,
    stated: object = INPUT,
    taken: str = "samples",
    last: str = "Relu",
    vector: str = "vector",
    logits: str = "logits",
) -> Path:
    """Write a network on samples that keeps the contract: absolute values through one layer."""
    weights = np.random.default_rng(seed).normal(0, 0.05, (WINDOW, WIDTH)).astype(np.float32)
    nodes = [
        helper.make_node("Abs", [taken], ["size"]),
        helper.make_node("MatMul", ["size", "weights"], ["sum"]),
        helper.make_node(last, ["sum"], [vector]),
        helper.make_node("MatMul", [vector, "head"], [logits]),
    ]
    head = np.ones((WIDTH, len(LABELS)), np.float32)

    def value(name: str, width: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["windows", width])

    graph = helper.make_graph(
        nodes,
        "ears",
        [value(taken, WINDOW)],
        [value(vector, WIDTH), value(logits, len(LABELS))],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(head, "head")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    props = {"musrec.contract": "1", "musrec.input": json.dumps(stated)}
    helper.set_model_props(model, props | {"musrec.labels": json.dumps(LABELS)})
    onnx.save(model, file)
    return file


def settings(folder: Path, encoder: Path | None) -> Settings:
    return Settings.model_validate(
        {
            "paths": {"data": folder / "data"},
            "workers": {"count": 1},
            "hearing": {"encoder": encoder},
            "catalogue": {"explore_per_day": 0},
        }
    )


async def added(service: Service, folder: Path) -> Sequence[bool]:
    """Add a folder; return of each file whether it was known already."""
    return [step.known async for step in service.songs.add([folder])]


async def test_songs_heard_before_stay_and_are_heard_again(tmp_path: Path) -> None:
    tunes = tmp_path / "tunes"
    tunes.mkdir()
    write_tunes(tunes)
    async with Service.open(settings(tmp_path, None)) as service:
        count = len(await added(service, tunes))
        assert service.encoder is None
        before = len(service.catalogue)

    first = settings(tmp_path, write(tmp_path / "my.onnx"))
    async with Service.open(first) as service:
        assert len(service.catalogue) == before, "songs heard before stay"
        assert service.catalogue.encoded == 0
        tracks = service.catalogue.songs.tracks
        song = next(track.id for track in tracks if "starter" not in track.identities)
        heard = await service.songs.heard(song)
        assert heard is not None
        picks = (await service.answers.recommend(heard, online=False)).picks
        assert picks, "a catalogue that the encoder has not heard still answers"
        assert await service.jobs.work(until_empty=True) >= count
        assert service.catalogue.encoded == count
        heard = await service.songs.heard(song)
        assert heard is not None
        assert service.songs.describe(heard).labels == {"loud": 0.5, "quiet": 0.5}
        assert (await service.answers.recommend(heard, online=False)).picks
        assert await added(service, tunes) == [True] * count, "nothing is heard twice"

    # Another file is another version: its vectors are not compared with those of the first.
    async with Service.open(settings(tmp_path, write(tmp_path / "new.onnx", seed=1))) as service:
        assert len(service.catalogue) == before
        assert service.catalogue.encoded == 0
        assert await added(service, tunes) == [False] * count
        await service.reload()
        assert service.catalogue.encoded == count


async def test_a_file_that_cannot_be_heard_again_is_not_tried_every_hour(tmp_path: Path) -> None:
    tunes = tmp_path / "tunes"
    tunes.mkdir()
    write_tunes(tunes)
    damaged, gone, *whole = sorted(tunes.iterdir())
    async with Service.open(settings(tmp_path, None)) as service:
        await added(service, tunes)
    damaged.write_bytes(b"no music any more")
    gone.unlink()
    other = settings(tmp_path, write(tmp_path / "my.onnx"))
    async with Service.open(other) as service:
        assert await service.jobs.work(until_empty=True) == len(whole)
        assert service.catalogue.encoded == len(whole)
        assert await service.jobs.work(until_empty=True) == 0
        assert (await service.jobs.counts())[JobKind.AGAIN][JobState.WAITING] == 1


async def test_a_preview_is_heard_again_by_an_encoder(tmp_path: Path) -> None:
    write_tunes(tmp_path)
    tune = next(iter(sorted(tmp_path.glob("*.*")))).read_bytes()
    bare = {"paths": {"data": tmp_path / "data"}, "catalogue": {"starter": False}}
    async with serving() as server:
        stock(server, related=1, tops=2)
        server.raw("/cdn/deezer-3135553.mp3", tune, kind="audio/mpeg")
        endpoints = server.endpoints()
        async with Service.open(Settings.model_validate(bare), endpoints=endpoints) as service:
            track = await service.songs.find("one more time daft punk")
            assert isinstance(track, Track)
            song = (await service.songs.hear_track(track)).track.id
        encoder = {"hearing": {"encoder": write(tmp_path / "my.onnx")}}
        own = Settings.model_validate(bare | encoder)
        async with Service.open(own, endpoints=endpoints) as service:
            assert service.catalogue.encoded == 0
            assert await service.jobs.work(until_empty=True) >= 1
            assert service.catalogue.encoded == 1
            heard = await service.songs.heard(song)
            assert heard is not None
            assert service.songs.describe(heard).labels == {"loud": 0.5, "quiet": 0.5}
        assert server.count("/cdn/deezer-3135553.mp3") == 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"stated": INPUT | {"kind": "scores"}}, "neither 'mel' nor 'samples'"),
        ({"stated": INPUT | {"sample_rate": 400}}, "400 Hz is not between 8,000 and 48,000"),
        ({"stated": INPUT | {"samples": 100}}, r"shape \(windows, 16000\), not \(windows, 100\)"),
        ({"taken": "sound"}, "one input must be 'samples', and it has 'sound'"),
        ({"last": "Log"}, "the vector of silence is not finite"),
        ({"last": "Sqrt"}, "the vector of noise is not finite"),
        ({"logits": "scores"}, "no output 'logits', but vector, scores"),
        ({"stated": []}, "musrec.input is no JSON object"),
        ({"stated": INPUT | {"samples": "many"}}, "samples is 'many', not a whole number"),
        ({"vector": "numbers"}, "no output 'vector', but numbers, logits"),
    ],
)
async def test_a_file_that_breaks_the_contract_is_refused_at_start(
    tmp_path: Path, changed: dict[str, object], said: str
) -> None:
    file = write(tmp_path / "my.onnx", **changed)  # type: ignore[arg-type]
    with pytest.raises(ModelMissing, match=said):
        async with Service.open(settings(tmp_path, file)):
            pass


async def test_a_file_that_is_absent_or_no_network_is_refused_at_start(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    for name, said in (("absent.onnx", "no file"), ("text.onnx", "no ONNX model")):
        with pytest.raises(ModelMissing, match=said):
            async with Service.open(settings(tmp_path, tmp_path / name)):
                pass
