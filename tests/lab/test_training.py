"""Networks learn from real music, repeatably; they resume, and say what is wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: `make lab`")

from musrec.audio import decode, features  # noqa: E402 - only with PyTorch
from musrec.audio.encoder import Encoder, MelInput  # noqa: E402
from musrec.lab import classifiers, exported, splits, training  # noqa: E402
from musrec.lab.extraction import Measured  # noqa: E402
from musrec.lab.recipe import Epoch, Recipe  # noqa: E402
from musrec.lab.splits import Split  # noqa: E402
from musrec.model import ModelMissing, MusrecError  # noqa: E402

SMALL = Recipe(
    "cnn", mels=64, frames=64, stride=1, epochs=10, batch=16, patience=0, mixup=0.0, masks=0.0
)
QUICK = replace(SMALL, mels=32, epochs=3)


@pytest.fixture(scope="module")
def split(cuts: Measured) -> Split:
    """The first fold; no test stops early, so a few clips of its validation part will do."""
    fold = splits.by_artist(cuts.clips)[0]
    return replace(fold, valid=fold.valid[::4])


@pytest.fixture(scope="module")
def quick(
    cuts: Measured, split: Split, tmp_path_factory: pytest.TempPathFactory
) -> training.Trained:
    folder = tmp_path_factory.mktemp("quick")
    return training.train(QUICK, cuts, splits.labels(cuts.clips), split, folder)


def logged(folder: Path) -> list[float]:
    """Return the training losses that TensorBoard reads in the log of a run."""
    from tensorboardX.proto.event_pb2 import Event

    [file] = (folder / training.LOG).glob("events.out.tfevents.*")
    data, losses = file.read_bytes(), []
    while data:  # records: length, its checksum, an event, its checksum
        length = int.from_bytes(data[:8], "little")
        values = Event.FromString(data[12 : 12 + length]).summary.value
        losses += [value.simple_value for value in values if value.tag == "loss/train"]
        data = data[16 + length :]
    return losses


def recall(
    recipe: Recipe, cuts: Measured, split: Split, folder: Path, *, permuted: bool = False
) -> float:
    """Train, and return the macro recall on the test part."""
    truth = splits.labels(cuts.clips)
    taught = np.random.default_rng(recipe.seed).permutation(truth) if permuted else truth
    trained = training.train(recipe, cuts, taught, split, folder)
    _, chances = training.heard(trained, cuts, split.test)
    right = np.array(trained.labels)[chances.argmax(axis=1)] == truth[split.test]
    return float(
        np.mean([right[truth[split.test] == name].mean() for name in set(truth[split.test])])
    )


@pytest.mark.parametrize("network", ["cnn", "crnn"])
def test_networks_learn_genres_and_nothing_from_permuted_labels(
    network: str, cuts: Measured, split: Split, tmp_path: Path
) -> None:
    heard, chance = [], []
    for seed in range(3):  # one permutation alone has a standard deviation of .04
        recipe = replace(SMALL, network=network, seed=seed)
        heard.append(recall(recipe, cuts, split, tmp_path / f"true-{seed}"))
        permuted = tmp_path / f"permuted-{seed}"
        chance.append(recall(recipe, cuts, split, permuted, permuted=True))
    assert np.mean(heard) >= 0.30
    assert np.mean(chance) < 0.2


def test_a_head_on_the_tagger_beats_the_statistics(cuts: Measured, tmp_path: Path) -> None:
    if not np.isfinite(cuts.tags).all():
        pytest.skip("the tagger is not installed: `musrec models install`")
    truth, folds = splits.labels(cuts.clips), splits.by_artist(cuts.clips)
    x = classifiers.inputs(cuts)
    hits: dict[str, list[bool]] = {"transfer": [], "statistics": []}
    for number, fold in enumerate(folds):
        trained = training.train(
            replace(SMALL, network="transfer", epochs=30), cuts, truth, fold, tmp_path / str(number)
        )
        _, chances = training.heard(trained, cuts, fold.test)
        hits["transfer"] += (
            np.array(trained.labels)[chances.argmax(axis=1)] == truth[fold.test]
        ).tolist()
        chances, classes = classifiers.probabilities("lr", x, truth, fold)
        hits["statistics"] += (
            np.array(classes)[chances.argmax(axis=1)] == truth[fold.test]
        ).tolist()
    assert np.mean(hits["transfer"]) > np.mean(hits["statistics"])


def test_the_same_seed_gives_the_same_weights(
    cuts: Measured, split: Split, quick: training.Trained, tmp_path: Path
) -> None:
    again = training.train(QUICK, cuts, splits.labels(cuts.clips), split, tmp_path / "again")
    for one, other in zip(
        quick.network.state_dict().values(), again.network.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)
    other = training.train(
        replace(QUICK, seed=1), cuts, splits.labels(cuts.clips), split, tmp_path / "other"
    )
    assert [epoch.loss for epoch in other.curve] != [epoch.loss for epoch in quick.curve]


KILLED = textwrap.dedent("""
    import os, pickle, signal, sys
    from pathlib import Path
    from musrec.lab import training

    recipe, cuts, labels, split = pickle.loads(Path(sys.argv[1]).read_bytes())

    def listener(epoch, left):
        if epoch.number == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    training.train(recipe, cuts, labels, split, Path(sys.argv[2]), listener)
""")


def test_a_killed_run_goes_on_and_draws_the_same_curve(
    cuts: Measured, split: Split, quick: training.Trained, tmp_path: Path
) -> None:
    import pickle

    labels = splits.labels(cuts.clips)
    (tmp_path / "job").write_bytes(pickle.dumps((QUICK, cuts, labels, split)))
    command = [sys.executable, "-c", KILLED, str(tmp_path / "job"), str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    died = subprocess.run(command, env=environment, check=False)
    assert died.returncode == -signal.SIGKILL
    heard: list[int] = []
    resumed = training.train(
        QUICK, cuts, labels, split, tmp_path / "run", lambda epoch, _: heard.append(epoch.number)
    )
    assert heard == [3]
    assert [(e.loss, e.valid_loss) for e in resumed.curve] == [
        (e.loss, e.valid_loss) for e in quick.curve
    ]
    assert logged(tmp_path / "run") == pytest.approx([e.loss for e in quick.curve])


def test_every_epoch_is_logged_while_the_network_learns(
    cuts: Measured, split: Split, tmp_path: Path
) -> None:
    read: list[int] = []
    recipe = replace(QUICK, network="cnn1d")
    labels = splits.labels(cuts.clips)
    training.train(
        recipe, cuts, labels, split, tmp_path, lambda *_: read.append(len(logged(tmp_path)))
    )
    assert read == [1, 2, 3]


def test_a_disk_that_fills_up_loses_no_epoch(
    cuts: Measured, split: Split, quick: training.Trained, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource", reason="limits of a process are POSIX")
    labels, limits = splits.labels(cuts.clips), resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(epoch: Epoch, _: float) -> None:
        if epoch.number == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))

    try:
        with pytest.raises(MusrecError, match=r"cannot be written: .*large") as told:
            training.train(QUICK, cuts, labels, split, tmp_path, fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "goes on from the last whole epoch" in str(told.value.hint)
    assert not list(tmp_path.glob("*.part"))
    heard: list[int] = []
    resumed = training.train(
        QUICK, cuts, labels, split, tmp_path, lambda epoch, _: heard.append(epoch.number)
    )
    assert heard == [3]
    assert [epoch.loss for epoch in resumed.curve] == [epoch.loss for epoch in quick.curve]


def test_a_checkpoint_of_another_recipe_is_refused(
    cuts: Measured, split: Split, tmp_path: Path
) -> None:
    labels = splits.labels(cuts.clips)
    training.train(replace(QUICK, epochs=1), cuts, labels, split, tmp_path)
    for other in (replace(QUICK, epochs=1, mels=64), replace(QUICK, epochs=2)):
        with pytest.raises(MusrecError, match=r"another recipe|was planned for"):
            training.train(other, cuts, labels, split, tmp_path)
    (tmp_path / training.CHECKPOINT).write_bytes(b"not a checkpoint")
    with pytest.raises(MusrecError, match="cannot be read"):
        training.train(replace(QUICK, epochs=1), cuts, labels, split, tmp_path)


def test_a_loss_that_is_no_number_is_told(cuts: Measured, split: Split, tmp_path: Path) -> None:
    broken = replace(
        cuts, statistics=np.where(np.arange(cuts.statistics.shape[1]) == 3, np.inf, cuts.statistics)
    )
    with pytest.raises(MusrecError, match="loss became"):
        training.train(
            replace(QUICK, network="cnn1d"), broken, splits.labels(cuts.clips), split, tmp_path
        )


def test_one_label_is_refused(cuts: Measured, split: Split, tmp_path: Path) -> None:
    with pytest.raises(MusrecError, match="holds only rock"):
        training.train(QUICK, cuts, np.full(len(cuts), "rock"), split, tmp_path)


def test_a_folder_that_cannot_be_written_is_told(
    cuts: Measured, split: Split, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MusrecError, match="cannot be written"):
        training.train(QUICK, cuts, splits.labels(cuts.clips), split, tmp_path / "file" / "run")


@pytest.mark.parametrize("network", ["cnn", "crnn", "resnet"])
def test_an_exported_network_hears_the_same(
    network: str, cuts: Measured, split: Split, tmp_path: Path
) -> None:
    recipe = replace(QUICK, network=network, epochs=1)
    trained = training.train(recipe, cuts, splits.labels(cuts.clips), split, tmp_path / "run")
    encoder = Encoder.load(exported.export(trained, tmp_path / "network.onnx"))
    assert encoder.labels == trained.labels
    rows = split.test[:5]
    vectors, chances = training.heard(trained, cuts, rows)
    for row, vector, chance in zip(rows, vectors, chances, strict=True):
        spectra = features.spectra(decode.decode(cuts.clips[row].path.read_bytes(), seconds=10).y)
        ours = encoder.hear(spectra)
        assert ours is not None
        np.testing.assert_allclose(ours.vector, vector, atol=2e-3)  # kept spectrograms are float16
        np.testing.assert_allclose(list(ours.labels.values()), chance, atol=2e-3)
        assert isinstance(encoder.input, MelInput)
        outputs = encoder.run(encoder.input.cut(np.asarray(cuts.mel(row), np.float32)))
        np.testing.assert_allclose(outputs["vector"].mean(axis=0), vector, atol=1e-4)


def test_a_network_on_features_has_no_onnx_form(
    cuts: Measured, split: Split, tmp_path: Path
) -> None:
    recipe = replace(QUICK, network="cnn1d", epochs=1)
    trained = training.train(recipe, cuts, splits.labels(cuts.clips), split, tmp_path)
    with pytest.raises(MusrecError, match="no ONNX form"):
        exported.export(trained, tmp_path / "network.onnx")


def test_files_that_break_the_contract_are_refused(quick: training.Trained, tmp_path: Path) -> None:
    import onnx

    file = exported.export(quick, tmp_path / "network.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    model = onnx.load(file)
    onnx.helper.set_model_props(model, {"musrec.contract": "1", "musrec.input": "{}"})
    onnx.save(model, tmp_path / "odd.onnx")
    onnx.helper.set_model_props(model, {})
    onnx.save(model, tmp_path / "bare.onnx")
    for name, said in (
        ("absent.onnx", "no file"),
        ("text.onnx", "no ONNX model"),
        ("odd.onnx", "describes itself wrongly"),
        ("bare.onnx", "does not state"),
    ):
        with pytest.raises(ModelMissing, match=said):
            Encoder.load(tmp_path / name)
