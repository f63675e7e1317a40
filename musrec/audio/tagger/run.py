"""From samples to tags: power spectrogram, patches, network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musrec.audio.resample import narrow
from musrec.model import SAMPLE_RATE, ModelMissing, NotAudio

if TYPE_CHECKING:
    from musrec.model import FloatArray

TAGS = (
    "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s",
    "alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists",
    "classic rock", "soul", "indie rock", "Mellow", "electronica", "80s", "folk", "90s", "chill",
    "instrumental", "punk", "oldies", "blues", "hard rock", "ambient", "acoustic", "experimental",
    "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country", "easy listening", "sexy",
    "catchy", "funk", "electro", "heavy metal", "Progressive rock", "60s", "rnb", "indie pop",
    "sad", "House", "happy",
)  # fmt: skip
"""The network's outputs in its order: the 50 most frequent Last.fm tags of the Million Song
Dataset, spelt as published."""

MTT_TAGS = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast",
    "piano", "ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male",
    "singing", "vocals", "no vocals", "harpsichord", "loud", "quiet", "flute", "woman",
    "male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man", "classic", "choir", "voice",
    "new age", "dance", "male voice", "female vocal", "beats", "harp", "cello", "no voice",
    "weird", "country", "metal", "female voice", "choral",
)  # fmt: skip
"""The same of the second network: the 50 most frequent tags of MagnaTagATune, mostly instruments
and voices."""

N_FFT = 512
HOP_LENGTH = 256
N_MELS = 96
PATCH_FRAMES = 187
"""Three seconds, as in the network's training."""

PATCH_HOP = 61
"""Frames from one patch to the next: one second, as in the taggrams published with the network."""

_BATCH = 8
"""Patches that go through the network together: more are no faster and take more memory."""

SHORTEST = 1.0
"""Seconds; shorter clips are refused."""


@dataclass(frozen=True, slots=True, eq=False)
class Tagging:
    """What the network hears in one clip.

    Attributes
    ----------
    taggram : FloatArray, shape (patches, 50)
        Probability of each of `TAGS`, or `MTT_TAGS`, 0 to 1, in three seconds of sound; in order of
        time.
    mean, std : FloatArray, shape (50,)
        Of `taggram` over time.
    embedding : FloatArray, shape (200,)
        The layer before the tags, mean over time.
    """

    taggram: FloatArray
    mean: FloatArray
    std: FloatArray
    embedding: FloatArray


class Tagger:
    """MusiCNN in onnxruntime, on one thread.

    Cheap to create and to send to another process: the first `tag` in each process opens the
    session. Threads may share a tagger.

    Parameters
    ----------
    path : Path
        The installed model, as found by `musrec.audio.tagger.load`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._session: Any = None

    def __reduce__(self) -> tuple[type[Tagger], tuple[Path]]:
        return Tagger, (self.path,)

    def tag(self, y: FloatArray) -> Tagging:
        """Tag one clip.

        Parameters
        ----------
        y : FloatArray, shape (n,)
            Mono samples at 22,050 Hz at their true level: the network was trained on songs as
            they are, and hears a quiet one as quiet. A clip shorter than three seconds is repeated
            until it fills a patch, as the network's authors did in training.

        Raises
        ------
        NotAudio
            The clip lasts less than `SHORTEST` seconds or holds values that are not finite.
        ModelMissing
            The model file has disappeared or was damaged since it was loaded.
        """
        if len(y) < SHORTEST * SAMPLE_RATE:
            raise NotAudio(
                f"The clip lasts {len(y) / SAMPLE_RATE:.1f} s; tags need at least one second.",
                "Send a longer piece of the song.",
            )
        if not np.isfinite(y).all():
            raise NotAudio("The clip holds values that are not numbers.")
        return self.tag_frames(spectrogram(y))

    def tag_frames(self, frames: FloatArray, hop: int = PATCH_HOP) -> Tagging:
        """Tag the whole patches that start every `hop` frames of a `spectrogram`."""
        session = self.session()
        starts = np.arange(0, len(frames) - PATCH_FRAMES + 1, hop)
        outputs = []
        for batch in np.split(starts, range(_BATCH, len(starts), _BATCH)):
            first, last = batch[0], batch[-1]
            heard = {"power": frames[first : last + PATCH_FRAMES], "starts": batch - first}
            outputs.append(session.run(None, heard))
        taggram = np.concatenate([tags for tags, _ in outputs])
        embedding = np.concatenate([units for _, units in outputs])
        return Tagging(taggram, taggram.mean(0), taggram.std(0), embedding.mean(0))

    def session(self) -> Any:
        """Return the open model; it is opened once per process."""
        if self._session is None:
            onnxruntime = runtime()
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.log_severity_level = 4  # errors are raised, which is enough
            try:
                self._session = onnxruntime.InferenceSession(
                    self.path.read_bytes(), options, providers=["CPUExecutionProvider"]
                )
            except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no other base
                raise ModelMissing(
                    f"The tagger at {self.path} cannot be opened: {error}",
                    "Run `musrec models install` again.",
                ) from None
        return self._session


def runtime() -> Any:
    """Import onnxruntime with its telemetry off.

    From 1.29 on it gives the machine an identifier, kept in the user's cache folder, and reports to
    its maker which models are run, unless this variable is set before it is imported.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # on Windows, where the variable has no effect
    return onnxruntime


def spectrogram(y: FloatArray) -> FloatArray:
    """Return the power spectrogram that the network starts from, shape (frames, 257).

    At 16 kHz (`musrec.audio.resample.narrow`), Hann windows of 512 samples every 256, centred, with
    the clip reflected at its ends; power, not decibels. A clip shorter than a patch is repeated to
    the length of one.

    Parameters
    ----------
    y : FloatArray, shape (n,)
        Mono samples at 22,050 Hz.
    """
    return spectrogram_of(narrow(y))


def spectrogram_of(samples: FloatArray) -> FloatArray:
    """Return the same of samples at 16,000 Hz."""
    from scipy import fft

    shortest = (PATCH_FRAMES - 1) * HOP_LENGTH
    if len(samples) < shortest:
        samples = np.resize(samples, shortest)
    padded = np.pad(samples, N_FFT // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_LENGTH]
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)
    spectrum = fft.rfft(windows * hann, axis=1)
    power: FloatArray = spectrum.real**2 + spectrum.imag**2
    return power
