"""Cleans a data set and measures every clip of it once; what was measured is kept by content.

Every clip is decoded to one form (mono, `SAMPLE_RATE`, the middle `seconds`), and left out with a
reason if it is damaged, too short, silent, or the same as one before it. Of what remains, networks
on spectrograms need the mel spectrogram alone. Everything else is measured in one pass: all series
of the product's own hearing, librosa's other two chromagrams, local tempi, the spectrogram as a
small picture, and what the tagger hears if it is installed.

A clip's measurements are files named by the digest of its bytes: the mel spectrogram by itself,
which is mapped into memory when a network wants a piece of it, and the small ones together. So a
run that was stopped goes on where it was, and no data set has to fit into memory.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from musrec.audio import constant_q, decode, features, rhythm, tagger
from musrec.lab.model import Clip, DataSet, Fault
from musrec.model import SAMPLE_RATE, ModelMissing, MusrecError, NotAudio
from musrec.titles import artists_of

if TYPE_CHECKING:
    from musrec.audio.features import Spectra
    from musrec.audio.tagger import Tagger
    from musrec.model import FloatArray

VERSION = 4
"""Version of the measurements; raised by one whenever they change."""

SHORTEST = 2.0
"""Seconds; a clip needs that much sound."""

SILENT = 1e-3
"""Peak below which a clip is silent: -60 dB of full scale."""

EMBEDDING = 200
"""Length of the tagger's embedding."""

PIXELS = 64
"""Height and width of the small picture of a spectrogram."""

SERIES = (
    *features.SERIES,
    *features.CONSTANT_Q_SERIES,
    *(f"chroma_cqt_{i}" for i in range(features.N_CHROMA)),
    *(f"chroma_cens_{i}" for i in range(features.N_CHROMA)),
    *("tempo", "steadiness"),
)
"""Series that `statistics` summarises by seven moments each."""

NAMES = tuple(f"{series}_{moment}" for series in SERIES for moment in features.MOMENTS)

FAMILIES = {
    "mfcc": ("mfcc_",),
    "chroma_stft": tuple(f"chroma_{i}_" for i in range(features.N_CHROMA)),
    "chroma_cqt": ("chroma_cqt_",),
    "chroma_cens": ("chroma_cens_",),
    "tonnetz": ("tonnetz_",),
    "contrast": ("spectral_contrast_",),
    "centroid": ("spectral_centroid_",),
    "bandwidth": ("spectral_bandwidth_",),
    "rolloff": ("spectral_rolloff_",),
    "flatness": ("spectral_flatness_",),
    "zcr": ("zero_crossing_rate_",),
    "rms": ("rms_",),
    "onset": ("onset_strength_",),
    "tempo": ("tempo_", "steadiness_"),
}
"""Name of a family of features to what its statistics begin with."""

PUBLISHED = "published"
"""Name of all features that a data set comes with; with an underscore and a family, of some."""

TEMPO_SECONDS, TEMPO_STEP = 9.0, 4.5
"""Seconds: length of the windows in which a tempo is found, and how far apart they begin."""

Progress = Callable[[int, int], None]
"""Called with the clips done and all clips."""


def untold(_: int, __: int) -> None:
    """Report no progress."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """The clean clips of a data set as parallel rows.

    Attributes
    ----------
    layout : str
        Of the data set.
    clips : tuple of Clip, length n
    seconds : FloatArray, shape (n,)
        NaN if only mel spectrograms were measured; then the arrays below have no columns.
    statistics : FloatArray, shape (n, len(NAMES))
    pictures : FloatArray, shape (n, PIXELS, PIXELS)
        Spectrograms, 0 (80 dB below the loudest) to 1, low frequencies first, time to the right.
    tags : FloatArray, shape (n, 100)
        Mean and deviation of the tagger's 50 tags; NaN without the tagger.
    embeddings : FloatArray, shape (n, 200)
        Of the tagger; NaN without it.
    published : FloatArray, shape (n, len(published_names))
        What the data set itself gives; NaN where it does not.
    published_names : tuple of str
    mels : tuple of Path, length n
        Mel spectrograms; `mel` opens one.
    faults : tuple of Fault
        What was left out, of the data set and of its files.
    """

    layout: str
    clips: tuple[Clip, ...]
    seconds: FloatArray
    statistics: FloatArray
    pictures: FloatArray
    tags: FloatArray
    embeddings: FloatArray
    published: FloatArray
    published_names: tuple[str, ...]
    mels: tuple[Path, ...]
    faults: tuple[Fault, ...]

    def __len__(self) -> int:
        return len(self.clips)

    def mel(self, row: int) -> FloatArray:
        """Return one mel spectrogram (t, 128), mapped: dB from -80 to 0, 0 the loudest of it."""
        mapped: FloatArray = np.load(self.mels[row], mmap_mode="r")
        return mapped

    def rows(self, which: Sequence[int]) -> Measured:
        """Return some of the clips."""
        at = np.asarray(which, dtype=np.intp)
        return replace(
            self,
            clips=tuple(self.clips[row] for row in at),
            mels=tuple(self.mels[row] for row in at),
            **{
                name: getattr(self, name)[at]
                for name in (
                    *("seconds", "statistics", "pictures", "tags", "embeddings"),
                    "published",
                )
            },
        )


def columns(families: Sequence[str] = ()) -> list[int]:
    """Return the columns of `statistics` that belong to some families; all if none is named.

    Raises
    ------
    MusrecError
        There is no family of that name.
    """
    if unknown := [name for name in families if name not in FAMILIES]:
        raise MusrecError(
            f"There are no features called {', '.join(unknown)}.",
            f"Use some of: {', '.join(FAMILIES)}.",
        )
    wanted = tuple(start for name in families for start in FAMILIES[name])
    return [i for i, name in enumerate(NAMES) if not families or name.startswith(wanted)]


def published(measured: Measured, names: Sequence[str] = (PUBLISHED,)) -> FloatArray:
    """Return published features (n, f); a clip without them gets the median of the others.

    Parameters
    ----------
    names : sequence of str
        ``published`` for all of them, ``published_mfcc`` and the like for a family.

    Raises
    ------
    MusrecError
        The data set comes with no such features.
    """
    families = [name.removeprefix(PUBLISHED).removeprefix("_") for name in names]
    columns([name for name in families if name])
    starts = tuple(start for name in families for start in (FAMILIES[name] if name else ("",)))
    at = [i for i, name in enumerate(measured.published_names) if name.startswith(starts)]
    values = measured.published[:, at]
    known = np.isfinite(values)
    if not at or not known.any(axis=0).all():
        raise MusrecError(
            f"This data set comes without {', '.join(names)}.",
            "FMA publishes features: put features.csv into fma_metadata.",
        )
    return np.where(known, values, np.nanmedian(values, axis=0))


def extract(
    data: DataSet,
    cache_folder: Path,
    *,
    seconds: float = 30.0,
    only_mels: bool = False,
    workers: int | None = None,
    progress: Progress = untold,
) -> Measured:
    """Clean and measure a data set; what was measured before is read.

    Parameters
    ----------
    cache_folder : Path
        Made if it is not there.
    seconds : float
        Longest stretch of a clip that is measured, from its middle.
    only_mels : bool
        Measure mel spectrograms only, which takes a fraction of the time.
    workers : int, optional
        Processes; as many as there are processors by default.

    Raises
    ------
    MusrecError
        Nothing is left, or the cache cannot be written.
    """
    folder = cache_folder / f"{VERSION}-{seconds:g}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MusrecError(
            f"The folder {folder} cannot be made: {error.strerror}.", "Name another cache folder."
        ) from None
    kept: list[tuple[Clip, Path]] = []
    faults = list(data.faults)
    sounds: dict[str, str] = {}
    jobs = [(clip.path, folder, seconds, only_mels) for clip in data.clips]
    for done, (clip, outcome) in enumerate(
        zip(data.clips, _measured(jobs, workers or os.cpu_count() or 1), strict=True), start=1
    ):
        if isinstance(outcome, str):
            faults.append(Fault(clip.id, outcome))
        elif outcome.sound in sounds:
            faults.append(Fault(clip.id, f"the same recording as {sounds[outcome.sound]}"))
        else:
            sounds[outcome.sound] = clip.id
            named = clip if clip.artist else replace(clip, artist=outcome.artist)
            kept.append((named, outcome.file))
        progress(done, len(jobs))
    if not kept:
        first = faults[0] if faults else Fault("", "there are no clips")
        raise MusrecError(
            f"None of the clips of {data.folder} can be used; the first: {first.what}, "
            f"{first.reason}.",
            "Check that they play.",
        )
    return loaded(data, kept, faults, only_mels=only_mels)


def loaded(
    data: DataSet,
    kept: Sequence[tuple[Clip, Path]],
    faults: Sequence[Fault] = (),
    *,
    only_mels: bool = False,
) -> Measured:
    """Return what was measured of some clips; `kept` pairs each with the file of its numbers."""
    given = data.published
    n = len(kept)
    shapes = {"seconds": (), "statistics": (len(NAMES),), "picture": (PIXELS, PIXELS)}
    shapes |= {"tags": (2 * len(tagger.TAGS),), "embedding": (EMBEDDING,)}
    # A row at a time into place: a list of rows beside the table would need the memory twice.
    if only_mels:
        shapes = {name: (0,) * len(shape) for name, shape in shapes.items()}
    tables = {name: np.full((n, *shape), np.nan, np.float32) for name, shape in shapes.items()}
    for row, (_, file) in enumerate(() if only_mels else kept):
        with np.load(file) as numbers:
            for name, table in tables.items():
                table[row] = numbers[name]
    published = np.full((n, len(given.names)), np.nan, np.float32)
    for row, (clip, _) in enumerate(kept):
        if (values := given.values.get(clip.id)) is not None:
            published[row] = values
    return Measured(
        layout=data.layout,
        clips=tuple(clip for clip, _ in kept),
        seconds=tables["seconds"],
        statistics=tables["statistics"],
        pictures=tables["picture"],
        tags=tables["tags"],
        embeddings=tables["embedding"],
        published=published,
        published_names=given.names,
        mels=tuple(file.with_suffix(".npy") for _, file in kept),
        faults=tuple(faults),
    )


# One clip -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A clip that was measured.

    Attributes
    ----------
    file : Path
        Where its numbers are.
    sound : str
        Digest of its samples.
    artist : str
        From its tags; empty if they name none.
    tagged : bool
        Whether the tagger heard it.
    """

    file: Path
    sound: str
    artist: str
    tagged: bool


_Job = tuple[Path, Path, float, bool]


def _measured(jobs: Sequence[_Job], workers: int) -> Iterator[_Outcome | str]:
    """Yield what came of each clip, in order: an outcome, or why it is left out."""
    if workers == 1 or len(jobs) < 4:
        yield from map(_measure, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            yield from pool.map(_measure, jobs, chunksize=4)
        except BrokenProcessPool:
            raise MusrecError(
                "A process that measures clips was killed.",
                "Run the command again: it goes on where it was. Fewer workers need less memory.",
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _measure(job: _Job) -> _Outcome | str:
    path, folder, seconds, only_mels = job
    try:
        data = path.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    digest = hashlib.sha256(data).hexdigest()
    file = folder / digest[:2] / f"{digest}.npz"
    known, mel_file = _known(file), file.with_suffix(".npy")
    absent = set() if _whole(mel_file) else {mel_file}
    if not only_mels and not (known and _whole(file) and (known.tagged or not tagger_or_none())):
        absent.add(file)
    if known and not absent:
        return known
    try:
        samples = decode.decode(data, seconds=seconds)
    except NotAudio as error:
        return str(error)
    y = samples.y
    if samples.seconds < SHORTEST:
        return f"too short: {samples.seconds:.1f} s"
    if np.abs(y).max() < SILENT:
        return "silent"
    found = _Outcome(
        file,
        hashlib.sha256((y * 32_767).astype(np.int16).tobytes()).hexdigest(),
        (artists_of(samples.tags.artists) or ("",))[0],
        tagged=tagger_or_none() is not None if file in absent else bool(known and known.tagged),
    )
    try:
        file.parent.mkdir(exist_ok=True)
        if mel_file in absent:
            mel = np.ascontiguousarray(features.mel_decibels(y).T, np.float16)
            _write(mel_file, lambda stream: np.save(stream, mel))
        if file in absent:
            numbers = _numbers(y)
            _write(file, lambda stream: np.savez(stream, allow_pickle=False, **numbers))
        said = {"sound": found.sound, "artist": found.artist, "tagged": found.tagged}
        _write(file.with_suffix(".json"), lambda stream: stream.write(json.dumps(said).encode()))
    except OSError as error:
        raise MusrecError(
            f"{folder} cannot be written: {error.strerror}.",
            "Make room or name another cache folder; what was measured is kept.",
        ) from None
    return found


def _known(file: Path) -> _Outcome | None:
    """Return the note about a clip; None if it was never measured."""
    try:
        said = json.loads(file.with_suffix(".json").read_bytes())
        return _Outcome(file, said["sound"], said["artist"], said["tagged"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _whole(file: Path) -> bool:
    """Return whether a file of arrays is there, and was not cut off while it was written."""
    try:
        if file.suffix == ".npy":
            np.load(file, mmap_mode="r")
        else:
            np.load(file).close()
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return False
    return True


def _write(file: Path, save: Callable[[BinaryIO], object]) -> None:
    part = file.with_suffix(f"{file.suffix}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            save(stream)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _numbers(y: FloatArray) -> dict[str, FloatArray]:
    spectra = features.spectra(y)
    mel = spectra.mel_db - spectra.mel_db.max()
    tagging = tagger_or_none()
    heard = tagging.tag(y) if tagging else None
    return {
        "seconds": np.array(y.size / SAMPLE_RATE, np.float32),
        "statistics": statistics(spectra),
        "picture": picture(mel).astype(np.float16),
        "tags": np.full(2 * len(tagger.TAGS), np.nan, np.float32)
        if heard is None
        else np.concatenate([heard.mean, heard.std]).astype(np.float32),
        "embedding": np.full(EMBEDDING, np.nan, np.float32) if heard is None else heard.embedding,
    }


def statistics(spectra: Spectra) -> FloatArray:
    """Return seven moments of every series of a clip, shape (len(NAMES),)."""
    chroma = constant_q.chroma(spectra)
    more = np.concatenate([features.tonnetz(chroma.T).T, peak_normalised(chroma), cens(chroma)])
    parts = (spectra.series, more.astype(np.float32), tempi(rhythm.onsets(spectra.mel)))
    return np.concatenate([features.moments(part) for part in parts])


@cache
def tagger_or_none() -> Tagger | None:
    """Return the installed tagger, or None."""
    try:
        return tagger.load()
    except ModelMissing:
        return None


def picture(mel_db: FloatArray, size: int = PIXELS) -> FloatArray:
    """Return a mel spectrogram (128, t), dB from -80 to 0, as a picture (size, size), 0 to 1.

    Each pixel is the mean of what it covers; short clips are repeated to fill the width.
    """
    level = np.clip(1 + mel_db / 80, 0, 1)
    if level.shape[1] < size:
        level = np.tile(level, (1, -(-size // level.shape[1])))
    rows = np.add.reduceat(level, np.arange(size) * level.shape[0] // size, axis=0)
    rows /= level.shape[0] / size
    edges = np.arange(size) * level.shape[1] // size
    widths = np.diff(np.append(edges, level.shape[1]))
    return np.asarray(np.add.reduceat(rows, edges, axis=1) / widths, np.float32)


def tempi(bands: FloatArray) -> FloatArray:
    """Return tempo (beats per minute) and steadiness (0 to 1) in windows of a clip, (2, windows).

    Both are 0 where there is no pulse.

    Parameters
    ----------
    bands : FloatArray, shape (3, t)
        From `rhythm.onsets`.
    """
    rate = SAMPLE_RATE / features.HOP_LENGTH
    length, step = int(TEMPO_SECONDS * rate), int(TEMPO_STEP * rate)
    starts = range(0, max(1, bands.shape[1] - length + 1), step)
    found = [
        rhythm.pulse(
            bands[:, start : start + length], sr=SAMPLE_RATE, hop_length=features.HOP_LENGTH
        )
        for start in starts
    ]
    return np.array([[one.tempo for one in found], [one.steadiness for one in found]], np.float32)


def peak_normalised(chroma: FloatArray) -> FloatArray:
    """Return a chromagram (12, t) whose frames have a maximum of 1, as ``librosa``'s have."""
    peak = chroma.max(axis=0, keepdims=True)
    return np.asarray(chroma / np.where(peak > np.finfo(np.float32).tiny, peak, 1))


def cens(chroma: FloatArray, smoothing: int = 41) -> FloatArray:
    """Return chroma energy normalised statistics (12, t), those of ``librosa.chroma_cens``.

    Parameters
    ----------
    chroma : FloatArray, shape (12, t)
        From a constant-Q transform.
    smoothing : int
        Frames of the Hann window.

    References
    ----------
    M. Müller, S. Ewert, "Chroma Toolbox", ISMIR 2011.
    """
    shares = chroma / np.maximum(chroma.sum(axis=0, keepdims=True), np.finfo(np.float32).tiny)
    steps = sum((shares > limit) * 0.25 for limit in (0.4, 0.2, 0.1, 0.05))
    window = np.hanning(smoothing + 2)
    window /= window.sum()
    smooth = np.stack([np.convolve(row, window, mode="same") for row in np.asarray(steps)])
    length = np.linalg.norm(smooth, axis=0, keepdims=True)
    return np.asarray(smooth / np.where(length > np.finfo(np.float32).tiny, length, 1), np.float32)
