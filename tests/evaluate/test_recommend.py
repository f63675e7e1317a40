"""The whole evaluation and the fit of the hybrid, on a made-up town whose tastes are known."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musrec.evaluate import recommend
from musrec.evaluate.report import Report
from musrec.recommend.evidence import IMPLICIT_LIMIT
from musrec.recommend.hybrid import PERSONAL, Evidence, HybridWeights, shipped
from musrec.train import hybrid


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four scenes: each member loves one, and tags tell them apart, with some noise in both."""
    folder = tmp_path_factory.mktemp("lastfm")
    rng = np.random.default_rng(0)
    users, artists, scenes = 40, 240, 4
    plays, tags = [], []
    for user in range(1, users + 1):
        own = np.flatnonzero(np.arange(artists) % scenes == user % scenes)
        heard = {*rng.choice(own, 16, replace=False), *rng.choice(artists, 4, replace=False)}
        for artist in sorted(heard):
            plays.append((user, artist + 1, int(rng.integers(1, 500))))
            tag = artist % scenes if rng.random() < 0.8 else rng.integers(scenes)
            tags += [(user, artist + 1, tag * 200 + int(rng.integers(200))) for _ in range(4)]
    names = [(artist + 1, f"Artist {artist}") for artist in range(artists)]
    for name, header, rows in (
        ("artists", "id\tname", names),
        ("user_artists", "userID\tartistID\tweight", plays),
        ("user_tagged_artists", "userID\tartistID\ttagID", tags),
    ):
        with gzip.open(folder / f"{name}.tsv.gz", "wt") as file:
            file.write("\n".join([header, *("\t".join(map(str, row)) for row in rows)]) + "\n")
    return folder


@pytest.fixture(scope="module")
def reports(town: Path) -> tuple[Report, ...]:
    return recommend.run(town, seeds=(0,), sizes=(15, 1_000), simulated=5)


def test_every_part_reports(reports: tuple[Report, ...]) -> None:
    titles = [report.title for report in reports]
    assert len(set(titles)) == 6
    assert all(report.markdown().count("|") > 10 for report in reports)


def test_the_hybrid_finds_the_scene(reports: tuple[Report, ...]) -> None:
    at_all: dict[Any, Any] = {row[1]: row[2] for row in reports[0].rows if row[0] == 40}
    assert at_all["hybrid"] > 2 * at_all["popular"]
    assert set(at_all) >= {"popular", "tags", "item-kNN", "user-kNN", "EASE", "hybrid"}
    cold: dict[Any, Any] = {row[0]: row[1] for row in reports[1].rows}
    assert cold["hybrid"] > cold["random"]


def test_thumbs_find_more_than_the_static_control_whatever_is_shown(
    reports: tuple[Report, ...],
) -> None:
    hits: dict[Any, Any] = {row[:3]: row[3] for row in reports[2].rows}
    assert {shown for _, shown, _ in hits} == {"none", "one", "three"}
    for shown in ("none", "one"):
        assert hits["hybrid", shown, "explicit"] > hits["hybrid", shown, "static"]


def test_explanations_add_up_and_their_causes_matter(reports: tuple[Report, ...]) -> None:
    values: dict[Any, Any] = {row[0]: row[1] for row in reports[3].rows}
    assert values["cards whose score is the sum of its terms"] == 1
    assert values["cards whose rank falls without the named causes"] >= 0.95


def test_lists_for_several_members_beat_chance(reports: tuple[Report, ...]) -> None:
    served: dict[Any, Any] = {row[:2]: row[3] for row in reports[4].rows}
    for size in (2, 5):
        assert served[size, "mean of likes"] > served[size, "random"]


def test_the_same_seed_gives_the_same_weights(town: Path) -> None:
    histories = (2, 0), (1_000, 0), (5, 1_000)
    first = hybrid.fit(town, sizes=(20,), histories=histories)
    assert first == hybrid.fit(town, sizes=(20,), histories=histories)
    assert HybridWeights.read(first.json()).coefficients.keys() == first.coefficients.keys()
    assert "40 members x 240 artists" in first.made


def test_listening_is_counted_apart_from_thumbs() -> None:
    most = float(np.float32(IMPLICIT_LIMIT))  # the most that listening counts
    assert Evidence.of(50, [1.0, most, 0.3]) == Evidence(50, thumbs=1, listens=2)
    by_thumb, by_ear = Evidence(50, 40), Evidence(50, 0, 40)
    assert shipped().given(by_thumb) != shipped().given(by_ear)
    assert all(shipped().given(by_ear)[name] > 0 for name in ("members", "learned"))


def test_the_shipped_weights_follow_the_evidence() -> None:
    newcomer, regular = Evidence(50, 0), Evidence(50, 40)
    none, some = shipped().given(newcomer), shipped().given(regular)
    assert not any(none[name] for name in PERSONAL)
    assert any(some[name] > 0 for name in PERSONAL)
    assert all(weight >= 0 for weight in some.values())
    assert none["sound"] > 0
    assert "musrec train blend" in shipped().made
