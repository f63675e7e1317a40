"""Trains a network of the laboratory: the same seed, threads and clips give the same weights.

Every epoch draws its crops and its order from the seed and its own number, and ends by writing a
checkpoint, so a run that was killed goes on and draws the very curve that it would have drawn.
Clips are read from their mapped spectrograms batch by batch: memory does not grow with the data.

AdamW (I. Loshchilov, F. Hutter, ICLR 2019) with one cosine cycle; mixup (H. Zhang et al., ICLR
2018); masks in time and frequency (D. Park et al., "SpecAugment", Interspeech 2019). A spectrogram
is taken relative to its loudest point and raised or lowered by a random gain, as recording levels
would otherwise be learned; a clip shorter than a crop is repeated, not padded, as lengths would.
"""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from musrec.audio.encoder import window_starts
from musrec.lab import networks
from musrec.lab.recipe import Epoch, Recipe
from musrec.model import MusrecError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from musrec.lab.extraction import Measured
    from musrec.lab.splits import Rows, Split
    from musrec.model import FloatArray

CHECKPOINT = "checkpoint.pt"
LOG = "log"
"""Folder that TensorBoard reads, beside the checkpoint."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A network at its best epoch, and how it came there."""

    recipe: Recipe
    network: nn.Module
    labels: tuple[str, ...]
    curve: tuple[Epoch, ...]
    best: int
    mean: FloatArray
    scale: FloatArray

    @property
    def parameters(self) -> int:
        """How many numbers it learned."""
        return networks.parameters(self.network)


Listener = Callable[[Epoch, float], None]
"""Called after each epoch with it and with the seconds that are left at most."""


def unheard(_: Epoch, __: float) -> None:
    """Listen to nothing."""


def train(
    recipe: Recipe,
    measured: Measured,
    labels: NDArray[np.str_],
    split: Split,
    folder: Path,
    listener: Listener = unheard,
) -> Trained:
    """Train a network on one split, going on from the checkpoint in `folder` if there is one.

    Parameters
    ----------
    labels : NDArray of str, shape (n,)
        One per clip of `measured`; the classes are those of the training part.
    folder : Path
        Where checkpoints and logs go; made if it is not there.

    Raises
    ------
    MusrecError
        The checkpoint belongs to another recipe or other clips, the loss is not a number, the
        folder cannot be written, or the training part has one class.
    """
    torch.set_num_threads(recipe.threads)
    classes = tuple(sorted(set(labels[split.train].tolist())))
    if len(classes) < 2:
        raise MusrecError(
            f"The training part holds only {classes[0] if classes else 'nothing'}.",
            "A network needs at least two labels to tell apart.",
        )
    source = _Source(recipe, measured)
    mean, scale = source.scaling(split.train)
    run = _Run(recipe, source, classes, mean, scale, folder, _identity(measured, split, classes))
    run.resume()
    truth = _numbers(labels, classes)
    try:
        run.go(truth, split, listener)
    except OSError as error:
        raise MusrecError(
            f"{folder} cannot be written: {error.strerror}.",
            "Make room, then run the command again: it goes on from the last whole epoch.",
        ) from None
    return run.trained()


def heard(
    trained: Trained, measured: Measured, rows: Rows
) -> tuple[FloatArray, NDArray[np.float64]]:
    """Return vectors (r, d) and probabilities (r, classes) of some clips, means over windows."""
    torch.set_num_threads(trained.recipe.threads)
    source = _Source(trained.recipe, measured)
    vectors, chances = _judged(trained.network, source, rows, trained.mean, trained.scale)
    return vectors, chances


def _identity(measured: Measured, split: Split, classes: Sequence[str]) -> str:
    parts = [[measured.mels[row].stem for row in part] for part in (split.train, split.valid)]
    return json.dumps([*parts, list(classes)])


def _numbers(labels: NDArray[np.str_], classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the place of each label among the classes, -1 for one that was never learned."""
    place = {label: i for i, label in enumerate(classes)}
    return np.array([place.get(label, -1) for label in labels.tolist()], np.int64)


# Batches ------------------------------------------------------------------------------------------


class _Source:
    """Where batches come from: crops of mapped spectrograms, or rows of features."""

    def __init__(self, recipe: Recipe, measured: Measured) -> None:
        self.recipe, self.measured = recipe, measured
        self.on_mels = recipe.network in networks.ON_MELS
        if recipe.network == "transfer":
            self.table = np.concatenate([measured.embeddings, measured.tags], axis=1)
            if not np.isfinite(self.table).all():
                raise MusrecError(
                    "The tagger was not installed when these clips were measured.",
                    "Run `musrec models install`, then this command again.",
                )
        elif not self.on_mels:
            self.table = measured.statistics
        self.inputs = recipe.mels if self.on_mels else self.table.shape[1]

    def scaling(self, rows: Rows) -> tuple[FloatArray, FloatArray]:
        """Return what features are standardised by; spectrograms need nothing."""
        if self.on_mels:
            return np.zeros(1, np.float32), np.ones(1, np.float32)
        known = self.table[rows].astype(np.float64)
        with np.errstate(invalid="ignore"):
            spread = known.std(axis=0)
        return known.mean(axis=0).astype(np.float32), np.where(spread > 1e-9, spread, 1).astype(
            np.float32
        )

    def crops(self, row: int) -> int:
        """Return from how many places a crop of a clip may start."""
        return max(1, len(self.measured.mel(row)) - self.recipe.frames * self.recipe.stride + 1)

    def crop(self, row: int, start: int) -> FloatArray:
        """Return a crop (frames, mels) of a clip, 0 to 1."""
        recipe = self.recipe
        mel, length = self.measured.mel(row), recipe.frames * recipe.stride
        piece = np.asarray(mel[start : start + length], np.float32)
        if len(piece) < length:
            piece = np.resize(piece, (length, piece.shape[1]))
        shape = (recipe.frames, recipe.stride, recipe.mels, piece.shape[1] // recipe.mels)
        return np.asarray(1 + piece.reshape(shape).mean(axis=(1, 3)) / 80)

    def drawn(self, rows: Rows, rng: np.random.Generator) -> FloatArray:
        """Return one random crop of each clip, changed as the recipe says."""
        recipe = self.recipe
        if not self.on_mels:
            return np.asarray(self.table[rows])
        batch = np.stack([self.crop(row, int(rng.integers(self.crops(row)))) for row in rows])
        gains = rng.uniform(-recipe.gain, recipe.gain, (len(batch), 1, 1)) / 80
        batch = np.clip(batch + gains.astype(np.float32), 0, 1)
        for item in batch:
            for axis in (0, 1):
                width = int(rng.integers(int(recipe.masks * item.shape[axis]) + 1))
                start = int(rng.integers(item.shape[axis] - width + 1))
                where = slice(start, start + width)
                item[(where, slice(None)) if axis == 0 else (slice(None), where)] = item.mean()
        return batch

    def windows(self, row: int) -> FloatArray:
        """Return the crops that a clip is judged by, evenly spread over it."""
        if not self.on_mels:
            return np.asarray(self.table[row][None])
        length = self.recipe.frames * self.recipe.stride
        starts = window_starts(len(self.measured.mel(row)), length)
        return np.stack([self.crop(row, start) for start in starts])


def _tensor(batch: FloatArray, mean: FloatArray, scale: FloatArray, device: str) -> Tensor:
    with np.errstate(invalid="ignore", over="ignore"):  # NaN shows in the loss
        return torch.from_numpy(((batch - mean) / scale).astype(np.float32)).to(device)


def _judged(
    network: nn.Module, source: _Source, rows: Rows, mean: FloatArray, scale: FloatArray
) -> tuple[FloatArray, NDArray[np.float64]]:
    network.eval()
    device = source.recipe.device
    network.to(device)
    vectors, chances = [], []
    with torch.no_grad():
        for row in rows:
            vector, logits = network(_tensor(source.windows(int(row)), mean, scale, device))
            vectors.append(vector.mean(dim=0).cpu().numpy())
            chances.append(torch.softmax(logits.double().mean(dim=0), dim=0).cpu().numpy())
    return np.stack(vectors), np.stack(chances)


# One run ------------------------------------------------------------------------------------------


class _Run:
    """A training under way, and all that a checkpoint needs."""

    def __init__(
        self,
        recipe: Recipe,
        source: _Source,
        classes: tuple[str, ...],
        mean: FloatArray,
        scale: FloatArray,
        folder: Path,
        identity: str,
    ) -> None:
        self.recipe, self.source, self.classes = recipe, source, classes
        self.mean, self.scale, self.folder, self.identity = mean, scale, folder, identity
        torch.manual_seed(recipe.seed)
        built = networks.build(recipe.network, source.inputs, len(classes))
        self.network = built.to(recipe.device)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=recipe.rate, weight_decay=recipe.decay
        )
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimiser, recipe.epochs)
        self.curve: list[Epoch] = []
        self.best, self.best_state = 0, self._state()

    def _state(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.network.state_dict().items()}

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        file = self.folder / CHECKPOINT
        if not file.is_file():
            return
        try:
            kept = torch.load(file, weights_only=True, map_location=self.recipe.device)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise MusrecError(
                f"{file} cannot be read: {error}.", "Remove it to start again."
            ) from None
        other = replace(Recipe(**kept["recipe"]), epochs=self.recipe.epochs)
        if other != self.recipe or kept["identity"] != self.identity:
            raise MusrecError(
                f"{file} belongs to another recipe or to other clips.",
                "Name another output folder, or remove that one to start again.",
            )
        if kept["recipe"]["epochs"] != self.recipe.epochs:
            raise MusrecError(
                f"{file} was planned for {kept['recipe']['epochs']} epochs.",
                "The schedule depends on it: keep the number, or name another output folder.",
            )
        self.network.load_state_dict(kept["network"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.schedule.load_state_dict(kept["schedule"])
        self.curve = [Epoch(**row) for row in kept["curve"]]
        self.best, self.best_state = kept["best"], kept["best_state"]

    def go(self, truth: NDArray[np.int64], split: Split, listener: Listener) -> None:
        """Train until the last epoch, or until the validation part no longer gains."""
        self.folder.mkdir(parents=True, exist_ok=True)
        recipe = self.recipe
        with _log(self.folder / LOG, self.curve) as logged:
            while len(self.curve) < recipe.epochs and not self._stalled():
                began = time.perf_counter()
                loss = self._epoch(truth, split.train)
                valid_loss, accuracy = self._validated(truth, split.valid)
                taken = time.perf_counter() - began
                epoch = Epoch(len(self.curve) + 1, loss, valid_loss, accuracy, taken)
                self.curve.append(epoch)
                best = min(self.curve, key=lambda row: row.valid_loss)
                if best is epoch:
                    self.best, self.best_state = epoch.number, self._state()
                self._write()
                logged(epoch)
                listener(epoch, taken * (recipe.epochs - epoch.number))

    def _stalled(self) -> bool:
        return len(self.curve) - self.best >= self.recipe.patience > 0 and bool(self.curve)

    def _epoch(self, truth: NDArray[np.int64], rows: Rows) -> float:
        recipe = self.recipe
        seed = (recipe.seed, len(self.curve))
        rng = np.random.default_rng(seed)
        torch.manual_seed(int(rng.integers(2**31)))  # of dropout
        order = rng.permutation(rows)
        # A last batch of one item has no statistics to normalise by.
        starts = [at for at in range(0, len(order), recipe.batch) if at + 1 < len(order)]
        self.network.train()
        total = 0.0
        for start in starts:
            batch = order[start : start + recipe.batch]
            x = _tensor(self.source.drawn(batch, rng), self.mean, self.scale, recipe.device)
            y = nn.functional.one_hot(torch.from_numpy(truth[batch]), len(self.classes))
            y = y.float().to(recipe.device)
            if recipe.mixup:
                share = float(rng.beta(recipe.mixup, recipe.mixup))
                other = torch.from_numpy(rng.permutation(len(batch)))
                x, y = (share * each + (1 - share) * each[other] for each in (x, y))
            _, logits = self.network(x)
            loss = nn.functional.cross_entropy(logits, y)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise MusrecError(
                    f"The loss became {value} in epoch {len(self.curve) + 1}.",
                    "Use a smaller learning rate.",
                )
            self.optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimiser.step()
            total += value * len(batch)
        self.schedule.step()
        return total / len(order)

    def _validated(self, truth: NDArray[np.int64], rows: Rows) -> tuple[float, float]:
        known = rows[truth[rows] >= 0]
        if not len(known):
            return -float(len(self.curve)), math.nan  # nothing to stop by: the last epoch counts
        _, chances = _judged(self.network, self.source, known, self.mean, self.scale)
        right = chances[np.arange(len(known)), truth[known]]
        loss = float(-np.log(np.maximum(right, 1e-12)).mean())
        return loss, float((chances.argmax(axis=1) == truth[known]).mean())

    def _write(self) -> None:
        kept = {
            "recipe": asdict(self.recipe),
            "identity": self.identity,
            "classes": list(self.classes),
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "curve": [asdict(row) for row in self.curve],
            "best": self.best,
            "best_state": self.best_state,
        }
        part, saved = self.folder / f"{CHECKPOINT}.part", io.BytesIO()
        torch.save(kept, saved)  # not to the file: PyTorch does not say that a disk is full
        try:
            with part.open("wb") as stream:
                stream.write(saved.getbuffer())
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(self.folder / CHECKPOINT)
        finally:
            part.unlink(missing_ok=True)

    def trained(self) -> Trained:
        """Return the network as it was at its best epoch, on the processor."""
        self.network.load_state_dict(self.best_state)
        self.network.to("cpu").eval()
        return Trained(
            self.recipe,
            self.network,
            self.classes,
            tuple(self.curve),
            self.best,
            self.mean,
            self.scale,
        )


@contextmanager
def _log(folder: Path, curve: Sequence[Epoch]) -> Iterator[Callable[[Epoch], None]]:
    """Write a curve in TensorBoard's format; yield a function that adds one epoch, on disk."""
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.summary import scalar

    folder.mkdir(exist_ok=True)
    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()  # a run that was killed may have logged an epoch that no checkpoint has
    # SummaryWriter writes in a thread, late, and says nothing of a full disk.
    with closing(EventsWriter(str(folder / "events"))) as writer:

        def add(epoch: Epoch) -> None:
            for name, value in (
                ("loss/train", epoch.loss),
                ("loss/valid", epoch.valid_loss),
                ("accuracy/valid", epoch.valid_accuracy),
            ):
                if not math.isfinite(value):
                    continue  # no validation part, no accuracy
                summary = scalar(name, value)
                writer.write_event(Event(summary=summary, step=epoch.number, wall_time=time.time()))
            writer.flush()

        for epoch in curve:
            add(epoch)
        yield add
