"""What taste, the map and continuing a playlist cost, and what the map's two directions keep.

``python -m benchmarks.taste [--songs N]``: prints tables in Markdown; about a minute. The catalogue
is the one that comes with the package, repeated with noise until it has N songs. Times are the best
of three, in milliseconds, each beside the straightforward way in the same run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from musrec.catalogue import atlas, search
from musrec.catalogue.model import SongFilter
from musrec.evaluate.report import Report
from musrec.members import taste
from musrec.model import Catalogue, Place
from musrec.recommend import Recommender, Request, Seed, group
from musrec.recommend.taste import l2_normalise
from musrec.space import Index, Space, profile, starter


def catalogue_of(songs: int) -> Catalogue:
    """Return so many songs, near those that come with the package."""
    space, shipped = Space.load("full"), starter()
    places = [space.place(analysis) for analysis in shipped.analyses]
    rng = np.random.default_rng(0)
    rows = np.arange(songs) % len(places)
    vectors = np.stack([place.vector for place in places])[rows]
    if songs > len(places):
        vectors += rng.normal(0, 0.3 * vectors.std(), vectors.shape).astype(np.float32)
    fine = [place.fine for place in places if place.fine is not None]
    assert len(fine) == len(places)
    profiles = [profile(analysis) for analysis in shipped.analyses]
    return Catalogue(
        tuple(replace(shipped.tracks[r], id=f"{n:010d}") for n, r in enumerate(rows)),
        tuple(profiles[r] for r in rows),
        vectors,
        {name: np.stack([p.facets[name] for p in places])[rows] for name in places[0].facets},
        np.stack(fine)[rows],
    )


def liked_of(catalogue: Catalogue, rows: np.ndarray) -> taste.Liked:
    """Return likes of some songs."""
    return taste.Liked(
        tuple(catalogue.tracks[r] for r in rows),
        tuple(catalogue.profiles[r] for r in rows),
        catalogue.vectors[rows],
        np.ones(len(rows), np.float32),
        (datetime.now(UTC),) * len(rows),
    )


def best(job: Callable[[], object], runs: int = 3) -> float:
    """Return the least milliseconds that a job took."""
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        job()
        took.append(time.perf_counter() - began)
    return 1000 * min(took)


def every_song(vectors: np.ndarray) -> None:
    """Lay out and group a catalogue with scikit-learn's defaults, all songs every time."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    PCA(2).fit_transform(l2_normalise(vectors))
    KMeans(atlas.MOST_GROUPS, n_init=10, random_state=0).fit(l2_normalise(vectors))


def times(catalogue: Catalogue) -> Report:
    """Time what members wait for."""
    fine = catalogue.fine
    assert fine is not None
    rng = np.random.default_rng(1)
    ours, theirs = (liked_of(catalogue, rng.permutation(len(catalogue))[:100]) for _ in range(2))
    index = Index(catalogue.vectors, fine=fine)
    recommender = Recommender(catalogue, [], index.alike)
    seeds = tuple(
        Seed(
            Place(
                catalogue.vectors[r],
                {n: rows[r] for n, rows in catalogue.facets.items()},
                fine[r],
            ),
            catalogue.tracks[r],
            catalogue.profiles[r],
        )
        for r in range(40)
    )
    names = search.names(catalogue.tracks)

    def one_by_one() -> None:
        for vector in ours.vectors:
            index.similarities(vector)

    def seed_by_seed() -> None:
        for seed in seeds:
            recommender.recommend(Request(seeds=(seed,), count=5))

    cases = (
        (
            "map, when the catalogue has changed",
            lambda: atlas.atlas(catalogue),
            "PCA and k-means with defaults",
            lambda: every_song(catalogue.vectors),
        ),
        (
            "how 100 likes suit all songs",
            lambda: group.suitability(catalogue, [group.user_profile(ours.vectors)]),
            "the index, like by like",
            one_by_one,
        ),
        (
            "blend of two with 100 likes each",
            lambda: taste.blend(("a", "b"), ours, theirs, catalogue),
            "the index, like by like",
            one_by_one,
        ),
        (
            "continue a playlist from 40 songs",
            lambda: recommender.recommend(Request(seeds=seeds, count=60)),
            "an answer for each song",
            seed_by_seed,
        ),
        (
            "search by genre and mood",
            lambda: search.search(catalogue, names, SongFilter(genre="jazz", mood="calm"), 10),
            "search by title",
            lambda: search.search(catalogue, names, SongFilter(text="boogie nights"), 10),
        ),
    )
    rows_ = []
    for what, job, other, baseline in cases:
        ours_ms, theirs_ms = best(job), best(baseline)
        ratio = f"{ours_ms / theirs_ms:.2f}"
        rows_.append((what, f"{ours_ms:.0f}", other, f"{theirs_ms:.0f}", ratio))
    return Report(
        f"What members wait for, with {len(catalogue):,} songs",
        "The catalogue of the package repeated with noise (seed 0); best of three.",
        ("what", "ms", "beside it", "ms", "ratio"),
        tuple(rows_),
    )


def kept() -> Report:
    """Compare principal components with a neighbour embedding on the songs of the package.

    Trustworthiness (Venna and Kaski 2001) is how far neighbours on the map are neighbours indeed;
    the rank correlation of all distances says whether far on the map is far for the ear.
    """
    from scipy.spatial.distance import pdist
    from scipy.stats import spearmanr
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE, trustworthiness

    songs = l2_normalise(catalogue_of(len(starter())).vectors)
    truth = pdist(songs)
    half = np.arange(len(songs)) % 2 == 0
    rows = []
    layouts: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("principal components", lambda: PCA(2, svd_solver="covariance_eigh")),
        ("t-SNE", lambda: TSNE(2, random_state=0, init="pca")),
    )
    for name, make in layouts:
        began = time.perf_counter()
        points = make().fit_transform(songs)
        took = 1000 * (time.perf_counter() - began)
        # The map of half the songs: do those keep their places when the other half comes?
        before = make().fit_transform(songs[half])
        rows.append(
            (
                name,
                f"{trustworthiness(songs, points, n_neighbors=10):.3f}",
                f"{spearmanr(truth, pdist(points)).statistic:.3f}",
                f"{spearmanr(pdist(before), pdist(points[half])).statistic:.3f}",
                f"{took:.0f}",
            )
        )
    return Report(
        f"What two directions keep of {len(songs)} songs",
        "Trustworthiness of 10 neighbours; Spearman's correlation of all distances with those in "
        "the space, and with those on a map of half the songs.",
        ("map", "neighbours", "distances", "same map with twice the songs", "ms"),
        tuple(rows),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--songs", type=int, default=20_000)
    print(times(catalogue_of(parser.parse_args().songs)).markdown())
    print(kept().markdown())
