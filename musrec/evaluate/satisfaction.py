"""``musrec evaluate satisfaction``: how well drops suited members, as they rated them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from musrec.drops.model import STARS, Rating
from musrec.evaluate import metrics
from musrec.evaluate.report import Cell, Report

SEED = 20261127


def report(ratings: Sequence[Rating]) -> Report:
    """Return the mean of ratings: of all, by what was rated, by the arms that chose, by week.

    Parameters
    ----------
    ratings : sequence of Rating
        From a store in use.
    """
    groups: list[tuple[str, list[Rating]]] = [
        ("all", list(ratings)),
        ("weekly drops", [one for one in ratings if not one.mixtape]),
        ("mixtapes", [one for one in ratings if one.mixtape]),
    ]
    arms = sorted({arm for one in ratings for arm in one.arms})
    groups += [(f"arm: {arm}", [one for one in ratings if arm in one.arms]) for arm in arms]
    weeks = sorted({one.week for one in ratings})
    groups += [(week, [one for one in ratings if one.week == week]) for week in weeks]
    return Report(
        title="Satisfaction",
        protocol=(
            "Every rating in this store: how well a week's songs suited a member, "
            f"{STARS[0]} (not at all) to {STARS[-1]} (very well). Intervals: 95% bootstrap over "
            f"members, seed {SEED}."
        ),
        columns=("of", "ratings", "members", "mean", "95% CI"),
        rows=tuple((name, *_measures(some)) for name, some in groups if some),
        notes=(
            "A drop counts under every arm that chose one of its songs; a mixtape has none.",
            "Members choose whether to rate: those who do may be happier than the rest, or less.",
        )
        if ratings
        else ("No drop has been rated here yet, so there is nothing to average.",),
    )


def _measures(ratings: Iterable[Rating]) -> tuple[Cell, ...]:
    some = list(ratings)
    stars = np.array([one.stars for one in some], dtype=np.float64)
    members = np.array([one.member for one in some])
    count = len(np.unique(members))
    # One member has no spread to draw from.
    low, high = metrics.bootstrap(stars, members, seed=SEED) if count > 1 else (None, None)
    interval = None if low is None else f"{low:.2f} to {high:.2f}"
    return len(some), count, f"{stars.mean():.2f}", interval
