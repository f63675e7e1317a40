"""What the package ships can be made again from the shared data, by the commands that it names."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from musrec.evaluate import metrics
from musrec.model import NotFound
from musrec.space import GenreHead, Space
from musrec.space.genre import softmax
from musrec.space.inputs import Name
from musrec.space.place import shipped
from musrec.train import genre, reference, space, starter


@pytest.fixture(scope="module")
def tables_folder(shared_data: Path) -> Path:
    return shared_data / "gtzan"


def test_the_starter_catalogue_is_rebuilt_with_the_same_content(
    tables_folder: Path, tmp_path: Path
) -> None:
    arrays, made = shipped("starter/starter.npz")
    made_on = datetime.strptime(made["date"], "%Y-%m-%d").replace(tzinfo=UTC)
    starter.train(tables_folder, tmp_path / "again.npz", today=made_on)
    with np.load(tmp_path / "again.npz", allow_pickle=False) as again:
        assert set(again.files) == {*arrays, "made"}
        for name, values in arrays.items():
            np.testing.assert_array_equal(again[name], values, err_msg=name)
    assert (tmp_path / "again.npz").read_bytes() == starter.OUT.read_bytes()


@pytest.mark.parametrize("name", ["full", "statistics"])
def test_the_shipped_space_is_what_its_recipe_gives(name: Name, tables_folder: Path) -> None:
    clips = space.training_clips(tables_folder)
    made = Space.load(name).made
    recipe = space.Recipe(made["shrinkage"], made["share"])
    again = space.fit(name, space.matrix(name, clips), clips.genres, recipe, made)
    assert made["clips"] == len(clips)
    np.testing.assert_allclose(
        again.project(space.matrix(name, clips)),
        Space.load(name).project(space.matrix(name, clips)),
        atol=1e-4,
    )


@pytest.mark.parametrize("name", ["full", "statistics"])
def test_the_shipped_head_is_what_its_recipe_gives(name: Name, tables_folder: Path) -> None:
    clips = space.training_clips(tables_folder)
    head = GenreHead.load(name)
    x = space.matrix(name, clips)
    recipe = genre.Recipe(head.made["strength"], head.made["shrinkage"])
    again = genre.calibrated(
        genre.fit(name, x, clips.genres, recipe), head.made["temperature"], head.threshold
    )
    np.testing.assert_allclose(again.probabilities(x), head.probabilities(x), atol=1e-3)


def test_the_shipped_reference_is_what_its_list_of_clips_gives(shared_data: Path) -> None:
    shipped = json.loads(reference.SHIPPED.read_text("utf-8"))
    again = reference.reference(shared_data, reference.pinned())
    assert again.keys() == shipped.keys()
    assert again["heard"] == shipped["heard"]
    assert again["populations"] == shipped["populations"]
    assert again["intensity"]["weights"] == pytest.approx(shipped["intensity"]["weights"], rel=1e-3)
    assert again["intensity"]["intercept"] == pytest.approx(shipped["intensity"]["intercept"])
    assert list(again["quantiles"]) == list(shipped["quantiles"])
    for name, values in shipped["quantiles"].items():
        np.testing.assert_allclose(again["quantiles"][name], values, rtol=1e-3, err_msg=name)


def test_the_reference_hears_its_list_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "song.wav").write_bytes(b"a song")
    (tmp_path / "added later.wav").write_bytes(b"another")
    heard = {"song.wav": hashlib.sha256(b"a song").hexdigest()}
    assert list(reference.listed(tmp_path, heard)) == [b"a song"]

    (tmp_path / "song.wav").write_bytes(b"the song, remastered")
    with pytest.raises(NotFound, match=r"song\.wav is not the file that was heard"):
        list(reference.listed(tmp_path, heard))
    (tmp_path / "song.wav").unlink()
    with pytest.raises(NotFound, match=r"song\.wav is missing"):
        list(reference.listed(tmp_path, heard))


def test_no_artist_is_on_both_sides_of_a_fold(tables_folder: Path) -> None:
    clips = space.training_clips(tables_folder)
    for train, held in space.folds(clips.genres, clips.performers):
        assert not set(clips.performers[train]) & set(clips.performers[held])
        assert len(train) + len(held) == len(clips)


def test_temperature_calibrates_and_the_bounds_keep_their_promises() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(10, size=4000)
    logits = rng.normal(size=(4000, 10))
    logits[np.arange(4000), truth] += 2.0
    # With a shift of 2 and unit noise, the true log-odds are twice the logits.
    too_sure = 5 * 2 * logits
    chosen = genre.temperature(too_sure, truth)
    assert chosen == pytest.approx(5, rel=0.1)

    def error(t: float) -> float:
        shares = softmax(too_sure / t)
        return metrics.calibration_error(shares.max(axis=1), shares.argmax(axis=1) == truth)

    assert error(chosen) < 0.03 < error(1.0)

    shares = softmax(too_sure / chosen)
    top, right = shares.max(axis=1), shares.argmax(axis=1) == truth
    far, new = rng.gamma(9, 1, 4000), (rng.uniform(0.3, 1, 1000), rng.gamma(9, 2, 1000))
    found = genre.bounds(top, far, right, new)
    assert right[found.named(top, far)].mean() >= genre.SURE

    def balance(pair: genre.Bounds) -> float:
        named = pair.named(top, far)
        return min(float((named & right).mean()), 1 - float(pair.named(*new).mean()))

    # No bound moved alone balances better: not the songs of unmet genres, nor those of met ones.
    for pair in (
        found._replace(threshold=found.threshold - 0.05),
        found._replace(threshold=found.threshold + 0.05),
        found._replace(limit=0.9 * found.limit),
        found._replace(limit=1.1 * found.limit),
    ):
        sure = right[pair.named(top, far)].mean() >= genre.SURE
        assert balance(pair) <= balance(found) or not sure
    assert not genre.Bounds(0.5, 3.0).named(np.array([0.9, 0.4]), np.array([3.1, 2.0])).any()
