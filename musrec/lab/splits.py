"""Splits of clips into parts that share no artist, and a random one to show what that is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from musrec.lab.model import Clip, Fault
from musrec.model import MusrecError
from musrec.titles import fold_artist

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.intp]

FOLDS = 5
VALIDATION = 4
"""One in so many artists of the training part decides when to stop."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Rows to learn from, to stop by and to test on; no row is in two of them.

    Attributes
    ----------
    name : str
        ``official``, ``artists`` or ``random``.
    """

    name: str
    train: Rows
    valid: Rows
    test: Rows


def groups(clips: Sequence[Clip]) -> NDArray[np.str_]:
    """Return the artist of each clip, folded; one of unknown artist stands for itself."""
    return np.array([fold_artist(clip.artist) or f"? {clip.path.stem}" for clip in clips])


def labels(clips: Sequence[Clip]) -> NDArray[np.str_]:
    """Return the label of each clip."""
    return np.array([clip.label for clip in clips])


def usable(clips: Sequence[Clip]) -> tuple[Rows, list[Fault]]:
    """Return the rows whose label has clips of two artists, and why the others are left out.

    Raises
    ------
    MusrecError
        Fewer than two labels are left.
    """
    artists, names = groups(clips), labels(clips)
    count = {name: len(set(artists[names == name])) for name in set(names.tolist())}
    faults = [
        Fault(clip.id, f"{clip.label} has clips of one artist only: nothing could be tested")
        for clip in clips
        if count[clip.label] < 2
    ]
    rows = np.array([i for i, clip in enumerate(clips) if count[clip.label] >= 2], np.intp)
    if len(set(names[rows].tolist())) < 2:
        found = ", ".join(sorted(count)) or "none"
        raise MusrecError(
            f"Two labels with clips of at least two artists each are needed; found: {found}.",
            "Put the clips of each genre into a folder of its own.",
        )
    return rows, faults


def chosen(
    clips: Sequence[Clip], name: str | None, seed: int = 0, folds: int = FOLDS
) -> tuple[list[Split], list[Fault]]:
    """Return the splits of that name, and the clips that may not be tested on.

    Parameters
    ----------
    name : str or None
        ``official``, ``artists`` or ``random``; None for the official split of a data set with a
        test part, and for folds of artists otherwise.

    Raises
    ------
    MusrecError
        There is no such split.
    """
    stated = official(clips, seed)
    tested = any(clip.part == "test" for clip in clips)
    if name == "official" or (name is None and stated is not None and tested):
        if stated is None:
            raise MusrecError(
                "This data set states no parts to train and to test on.", "Use --split artists."
            )
        if not len(stated[0].test):
            raise MusrecError(
                "Every artist of the test part is in another part too: nothing can be tested.",
                "Use --split artists.",
            )
        return [stated[0]], stated[1]
    if name in (None, "artists"):
        return by_artist(clips, seed, folds), []
    if name == "random":
        return random(clips, seed, folds), []
    raise MusrecError(f"There is no split {name!r}.", "Use official, artists or random.")


def stated(folds: Sequence[Split]) -> str:
    """Return what a report says of its splits."""
    count = "one fold" if len(folds) == 1 else f"{len(folds)} folds"
    return {
        "official": "the data set's own split, without test clips of artists in training",
        "artists": f"{count}, artists kept apart",
        "random": f"{count} drawn at random, artists not kept apart",
    }[folds[0].name]


def official(clips: Sequence[Clip], seed: int = 0) -> tuple[Split, list[Fault]] | None:
    """Return the split that the data set states, without the test clips of artists in training.

    A data set that states no test part is tested on its validation part, and then some artists of
    the training part decide when to stop. None if it states no parts.
    """
    parts = np.array([clip.part for clip in clips])
    train, valid, test = (np.flatnonzero(parts == name) for name in ("train", "valid", "test"))
    if not len(train) or not len(valid) + len(test):
        return None
    if not len(test):
        valid, test = np.empty(0, np.intp), valid
    if not len(valid):
        train, valid = _held_out(clips, train, seed)
    artists = groups(clips)
    known = set(artists[np.concatenate([train, valid])].tolist())
    both = [row for row in test.tolist() if artists[row] in known]
    faults = [
        Fault(clips[row].id, f"{clips[row].artist} is in training too: not tested on")
        for row in both
    ]
    return Split("official", train, valid, np.setdiff1d(test, both)), faults


def by_artist(clips: Sequence[Clip], seed: int = 0, folds: int = FOLDS) -> list[Split]:
    """Return folds in which no artist is on two sides, with about the same share of each label."""
    return _folded("artists", clips, groups(clips), seed, folds)


def random(clips: Sequence[Clip], seed: int = 0, folds: int = FOLDS) -> list[Split]:
    """Return folds that take no notice of artists: what they gain is leakage."""
    return _folded("random", clips, np.array([clip.id for clip in clips]), seed, folds)


def _folded(
    name: str, clips: Sequence[Clip], apart: NDArray[np.str_], seed: int, folds: int
) -> list[Split]:
    names = labels(clips)
    most = min(len(set(apart[names == label].tolist())) for label in set(names.tolist()))
    splitter = StratifiedGroupKFold(max(2, min(folds, most)), shuffle=True, random_state=seed)
    found = []
    for rest, test in splitter.split(names, names, apart):
        train, valid = _held_out(clips, rest, seed, apart)
        found.append(Split(name, train, valid, np.asarray(test, np.intp)))
    return found


def _held_out(
    clips: Sequence[Clip], rows: Rows, seed: int, apart: NDArray[np.str_] | None = None
) -> tuple[Rows, Rows]:
    """Take one group in `VALIDATION` of each label out of the training rows."""
    apart = groups(clips) if apart is None else apart
    rng = np.random.default_rng(seed)
    first_label = {apart[row]: clips[row].label for row in rows[::-1]}
    held: set[str] = set()
    for label in sorted(set(first_label.values())):
        own = sorted(group for group, its in first_label.items() if its == label)
        rng.shuffle(own)
        held.update(own[: len(own) // VALIDATION])
    inside = np.array([apart[row] in held for row in rows], bool)
    return rows[~inside], rows[inside]


def shared_artists(clips: Sequence[Clip], split: Split) -> set[str]:
    """Return the artists of the test part that are in another part too."""
    artists = groups(clips)
    return set(artists[split.test].tolist()) & set(
        artists[np.concatenate([split.train, split.valid])].tolist()
    )
