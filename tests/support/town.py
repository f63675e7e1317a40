"""A small made-up town: six kinds of music, and members who each love one or two of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from musrec.model import Catalogue, Feedback, FeedbackKind, Place, Profile, Track
from musrec.recommend import Recommender, Seed
from musrec.recommend.taste import l2_normalise

NOW = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)
TAGS = ("rock", "jazz", "electronic", "mellow", "guitar", "female vocalists")


@dataclass(frozen=True)
class Town:
    catalogue: Catalogue
    feedback: tuple[Feedback, ...]
    kinds: np.ndarray

    def similarities(self, place: Place) -> np.ndarray:
        query = l2_normalise(place.vector[None])[0]
        cosines: np.ndarray = l2_normalise(self.catalogue.vectors) @ query
        return (cosines + 1) / 2

    def recommender(self, feedback: tuple[Feedback, ...] | None = None) -> Recommender:
        events = self.feedback if feedback is None else feedback
        return Recommender(self.catalogue, events, self.similarities)

    def seed(self, row: int) -> Seed:
        facets = {name: rows[row] for name, rows in self.catalogue.facets.items()}
        return Seed(
            Place(self.catalogue.vectors[row], facets),
            self.catalogue.tracks[row],
            self.catalogue.profiles[row],
        )

    def like(self, member: str, row: int, kind: str = "like", days: float = 1.0) -> Feedback:
        at = NOW - timedelta(days=days)
        return Feedback(member, self.catalogue.tracks[row].id, FeedbackKind(kind), at)


def town(n: int = 300, members: int = 40, seed: int = 0) -> Town:
    rng = np.random.default_rng(seed)
    kinds = np.arange(n) % 6
    centres = rng.normal(size=(6, 16))
    vectors = (centres[kinds] + 0.8 * rng.normal(size=(n, 16))).astype(np.float32)
    shares = np.clip(0.1 + 0.6 * np.eye(6)[kinds] + 0.1 * rng.normal(size=(n, 6)), 0, 1)
    tempos = 80 + 12 * kinds + rng.normal(0, 3, n)
    tracks = tuple(
        Track(
            f"t{row:03}",
            f"Song {row}",
            (f"Band {row // 3}",),
            genre=("rock", "jazz", "house", "folk", "pop", "soul")[kinds[row]],
        )
        for row in range(n)
    )
    profiles = tuple(
        Profile(
            dict(zip(TAGS, map(float, shares[row]), strict=True)),
            {"loudness": float(rng.uniform(0, 100))},
            {},
            float(tempos[row]),
            "A minor" if row % 2 else "C major",
        )
        for row in range(n)
    )
    facets = {"timbre": vectors[:, :8], "tags": shares.astype(np.float32) - 0.2}
    catalogue = Catalogue(tracks, profiles, vectors, facets)
    feedback = []
    for member in range(members):
        loved = np.flatnonzero(np.isin(kinds, (member % 6, (member // 6) % 6)))
        for row in rng.choice(loved, min(12, len(loved)), replace=False):
            at = NOW - timedelta(days=float(rng.uniform(1, 200)))
            feedback.append(Feedback(f"m{member}", tracks[row].id, FeedbackKind.LIKE, at))
    return Town(catalogue, tuple(feedback), kinds)
