"""The settings of a training run, and a row of its curve; needs no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

from musrec.model import MusrecError


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything besides the clips that decides what a network becomes.

    Attributes
    ----------
    network : str
        Name in `networks.ON_MELS` or `networks.ON_FEATURES`.
    mels : int
        Rows of a spectrogram: 128, 64 or 32.
    frames : int
        Columns of a crop.
    stride : int
        Frames of 23 ms that one column is the mean of.
    patience : int
        Epochs without progress on the validation part, after which training stops.
    mixup : float
        Parameter of the beta distribution; 0 for none.
    masks : float
        Largest share of mels and of columns under one mask; 0 for none.
    gain : float
        Largest change of level, dB.
    device : str
        ``cpu`` or ``cuda``.
    """

    network: str
    mels: int = 64
    frames: int = 128
    stride: int = 2
    epochs: int = 40
    batch: int = 32
    rate: float = 2e-3
    decay: float = 1e-2
    patience: int = 10
    mixup: float = 0.2
    masks: float = 0.15
    gain: float = 6.0
    seed: int = 0
    threads: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.mels not in (32, 64, 128):
            raise MusrecError(f"{self.mels} mels are not possible.", "Use 128, 64 or 32.")
        if not 0 < self.rate < 1:
            raise MusrecError(
                f"The learning rate {self.rate:g} is out of range.", "Use 0.002, or a little less."
            )


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of a curve; losses are cross entropies in nats, `seconds` on the clock."""

    number: int
    loss: float
    valid_loss: float
    valid_accuracy: float
    seconds: float
