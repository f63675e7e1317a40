"""Networks on mel spectrograms, and two small ones on what else was measured.

Each takes a batch and returns two tensors: one vector per item, from the layer before the last, and
logits, one per label. A mel spectrogram comes as (batch, frames, mels), 0 (quiet) to 1 (loud).

cnn
    Convolutions, average and maximum over time (K. Choi, G. Fazekas, M. Sandler, "Automatic tagging
    using deep convolutional neural networks", ISMIR 2016).
crnn
    Convolutions, then a GRU over time (K. Choi et al., "Convolutional recurrent neural networks for
    music classification", ICASSP 2017).
resnet
    Residual blocks with attention over time (Q. Kong et al., "PANNs", IEEE/ACM TASLP 28, 2020, for
    the pooling).
cnn1d
    A 1-D convolution along the statistics, which are ordered by series.
transfer
    A head on the frozen tagger's embedding and tags (J. Pons, X. Serra, "musicnn", 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

WIDTH = 64
"""Length of the vector of every network."""


class _Head(nn.Module):
    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.vector = nn.Sequential(nn.Dropout(0.3), nn.Linear(features, WIDTH), nn.ReLU())
        self.logits = nn.Linear(WIDTH, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        vector = self.vector(x)
        return vector, self.logits(vector)


def _block(inside: int, outside: int, pool: tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
        nn.MaxPool2d(pool),
    )


class _Convolutional(nn.Module):
    def __init__(self, mels: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(1),
            _block(1, 16, (2, 2)),
            _block(16, 32, (2, 2)),
            _block(32, 64, (2, 2)),
            _block(64, 64, (1, 2)),
        )
        self.head = _Head(2 * 64 * (mels // 16), classes)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(mel.unsqueeze(1))
        x = torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1).flatten(1)
        vector, logits = self.head(x)
        return vector, logits


class _Recurrent(nn.Module):
    def __init__(self, mels: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(1),
            _block(1, 16, (2, 2)),
            _block(16, 32, (2, 2)),
            _block(32, 64, (1, 4)),
        )
        self.gru = nn.GRU(64 * (mels // 16), 64, batch_first=True)
        self.head = _Head(128, classes)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(mel.unsqueeze(1))
        states, _ = self.gru(x.permute(0, 2, 1, 3).flatten(2))
        vector, logits = self.head(torch.cat([states.mean(dim=1), states.amax(dim=1)], dim=1))
        return vector, logits


class _Residual(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.way = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(),
            nn.Conv2d(outside, outside, 3, padding=1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.short = nn.Sequential(
            nn.Conv2d(inside, outside, 1, stride=2, bias=False), nn.BatchNorm2d(outside)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.way(x) + self.short(x))


class _Attentive(nn.Module):
    def __init__(self, _: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(1), _Residual(1, 24), _Residual(24, 48), _Residual(48, 64)
        )
        self.attention = nn.Linear(64, 1)
        self.head = _Head(64, classes)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(mel.unsqueeze(1)).mean(dim=3).transpose(1, 2)
        weights = torch.softmax(self.attention(x), dim=1)
        vector, logits = self.head((weights * x).sum(dim=1))
        return vector, logits


class _OneDimensional(nn.Module):
    def __init__(self, _: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(1, 16, 7, stride=7),  # the seven moments of one series
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Conv1d(16, 32, 3, padding=1),
            nn.BatchNorm1d(32),
            nn.ReLU(),
            nn.AdaptiveAvgPool1d(16),
        )
        self.head = _Head(32 * 16, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        vector, logits = self.head(self.body(x.unsqueeze(1)).flatten(1))
        return vector, logits


class _Transfer(nn.Module):
    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(features)
        self.head = _Head(features, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        vector, logits = self.head(self.norm(x))
        return vector, logits


ON_MELS: Mapping[str, Callable[[int, int], nn.Module]] = {
    "cnn": _Convolutional,
    "crnn": _Recurrent,
    "resnet": _Attentive,
}
"""Name to a network for (mels, classes); the mels are a multiple of 16."""

ON_FEATURES: Mapping[str, Callable[[int, int], nn.Module]] = {
    "cnn1d": _OneDimensional,
    "transfer": _Transfer,
}
"""Name to a network for (features, classes)."""


def build(name: str, inputs: int, classes: int) -> nn.Module:
    """Return a new network; `inputs` is the number of mels or of features."""
    return {**ON_MELS, **ON_FEATURES}[name](inputs, classes)


def parameters(network: nn.Module) -> int:
    """Return how many numbers a network learns."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
