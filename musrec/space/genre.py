"""Ten genres with calibrated probabilities, and "unsure" where none is likely enough.

Probabilities are shares among ten genres, and say nothing of music that is none of them. So a song
that is unlike all songs that the head was made from is unsure as well, whatever its shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from musrec.model import ModelMissing
from musrec.space import inputs
from musrec.space.catalogue import starter
from musrec.space.place import REINSTALL, shipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from musrec.model import Analysis
    from musrec.space.inputs import DoubleArray


@dataclass(frozen=True, slots=True, eq=False)
class GenreHead:
    """A linear classifier: probabilities = softmax(standardised inputs @ weights + bias).

    Attributes
    ----------
    name : str
        ``"full"`` (tags and statistics) or ``"statistics"``.
    genres : tuple of str, length 10
    mean, scale : array, shape (F,)
        Of each column of `inputs.matrix` over the training population.
    weights : array, shape (F, 10)
        Already divided by the temperature that calibrates the head (C. Guo et al., "On calibration
        of modern neural networks", ICML 2017).
    bias : array, shape (10,)
    threshold : float
        The likeliest genre is named from this probability on.
    limit : float
        A song is unfamiliar if its `far` is larger.
    made : mapping
        How, from what and when it was made.
    """

    name: inputs.Name
    genres: tuple[str, ...]
    mean: DoubleArray
    scale: DoubleArray
    weights: DoubleArray
    bias: DoubleArray
    threshold: float
    limit: float
    made: Mapping[str, Any]

    @staticmethod
    @cache
    def load(name: inputs.Name) -> GenreHead:
        """Return a head that came with the package.

        Raises
        ------
        ModelMissing
            Its file is absent, damaged or of another version.
        """
        arrays, made = shipped(f"models/genre-{name}.npz")
        if made["columns"] != list(inputs.names(name)):
            raise ModelMissing(f"The {name} genre head was made from other statistics.", REINSTALL)
        return GenreHead(
            name=name,
            genres=tuple(made["genres"]),
            threshold=float(made["threshold"]),
            limit=float(made["limit"]),
            made=made,
            **{key: arrays[key] for key in ("mean", "scale", "weights", "bias")},
        )

    def probabilities(self, x: DoubleArray) -> DoubleArray:
        """Return probabilities (n, 10) of rows of `inputs.matrix`."""
        return softmax(self.logits(x))

    def logits(self, x: DoubleArray) -> DoubleArray:
        """Return logits (n, 10): log-probabilities but for one constant per row."""
        z = inputs.standardised(x, self.mean, self.scale)
        logits: DoubleArray = z @ self.weights + self.bias
        return logits

    def far(self, x: DoubleArray, known: DoubleArray) -> DoubleArray:
        """Return the `distance` (n,) of rows of `inputs.matrix` from known ones."""
        z, near = (inputs.standardised(each, self.mean, self.scale) for each in (x, known))
        return distance(z[:, COMPARED[self.name]], near[:, COMPARED[self.name]])

    def familiar(self, x: DoubleArray) -> NDArray[np.bool_]:
        """Return which rows of `inputs.matrix` (n,) are like clips that the head was made from."""
        familiar: NDArray[np.bool_] = self.far(x, _known(self)) <= self.limit
        return familiar

    def familiar_all(self, analyses: Sequence[Analysis]) -> NDArray[np.bool_]:
        """Return the same for songs (n,); all have tags, or the head needs none."""
        return self.familiar(self._matrix(analyses))

    def hear(self, analysis: Analysis) -> dict[str, float]:
        """Return genre to probability, likeliest first, summing to 1."""
        (found,) = self.hear_all([analysis])
        return found

    def hear_all(self, analyses: Sequence[Analysis]) -> list[dict[str, float]]:
        """Return what `hear` returns of each song; all have tags, or the head needs none."""
        shares = self.probabilities(self._matrix(analyses))
        order = np.argsort(-shares, axis=1, kind="stable")
        ranked = np.take_along_axis(shares, order, axis=1)
        return [
            {self.genres[genre]: share for genre, share in zip(genres, values, strict=True)}
            for genres, values in zip(order.tolist(), ranked.tolist(), strict=True)
        ]

    def _matrix(self, analyses: Sequence[Analysis]) -> DoubleArray:
        tags = [song.tag_mean for song in analyses if song.tag_mean is not None]
        return inputs.matrix(
            self.name,
            np.stack([song.statistics for song in analyses]),
            np.stack(tags) if len(tags) == len(analyses) else None,
        )


NEIGHBOURS = 5

COMPARED: Mapping[inputs.Name, slice] = {
    "full": slice(inputs.N_TAGS, 2 * inputs.N_TAGS),
    "statistics": slice(None),
}
"""The inputs that distances are measured in: the roots of the tag means, where there are any.
`musrec train genre` measures how well they tell songs of an unmet genre from others."""


def distance(z: DoubleArray, known: DoubleArray) -> DoubleArray:
    """Return the mean Euclidean distance (n,) of standardised rows to the nearest known ones."""
    squares = (z**2).sum(axis=1)[:, None] + (known**2).sum(axis=1) - 2 * z @ known.T
    nearest = np.partition(squares, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
    mean: DoubleArray = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)
    return mean


@cache
def _known(head: GenreHead) -> DoubleArray:
    """Return the songs that the shipped heads were made from: those of the starter catalogue."""
    songs = starter().analyses
    tags = [song.tag_mean for song in songs if song.tag_mean is not None]
    return inputs.matrix(head.name, np.stack([song.statistics for song in songs]), np.stack(tags))


def genre_head(*, tagged: bool = True) -> GenreHead:
    """Return the head for songs with tags, or the one for songs without."""
    return GenreHead.load("full" if tagged else "statistics")


def genre_said(genres: Mapping[str, float], *, tagged: bool) -> str | None:
    """Return the genre to name, or None for "unsure".

    Parameters
    ----------
    genres : mapping of str to float
        `musrec.model.Profile.genres`.
    tagged : bool
        Whether they rest on the tagger.
    """
    if not genres:
        return None
    best = max(genres, key=genres.__getitem__)
    return best if genres[best] >= genre_head(tagged=tagged).threshold else None


def softmax(logits: DoubleArray) -> DoubleArray:
    """Return probabilities from logits, along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: DoubleArray = powers / powers.sum(axis=-1, keepdims=True)
    return shares
