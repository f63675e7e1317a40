"""Two plain systems: an image finds its like, statistics find theirs, and both are compared."""

from __future__ import annotations

import numpy as np
import pytest

from musrec.catalogue import systems
from musrec.catalogue.model import By
from musrec.model import NotFound, Spectrogram
from musrec.service import Service
from tests.support.starter import heard, songs


def image(rng: np.random.Generator, pitch: int, columns: int = 300) -> Spectrogram:
    """A band of energy around one pitch, pulsing, in noise."""
    mel = rng.integers(0, 40, (64, columns))
    mel[pitch : pitch + 6, ::2] += 160
    empty = np.zeros((12, columns), np.uint8)
    wave = np.zeros((2, columns), np.int8)
    return Spectrogram(mel.astype(np.uint8), empty, wave, 30.0, 20.0, 8000.0)


def test_an_image_is_closest_to_images_of_the_same_kind() -> None:
    rng = np.random.default_rng(3)
    query = image(rng, 10)
    others = [image(rng, pitch, columns) for pitch in (10, 30, 50) for columns in (90, 300, 640)]
    alike = systems.by_spectrogram(query, others)
    assert alike.shape == (9,)
    assert np.isfinite(alike).all()
    assert alike[:3].min() > alike[3:].max()


@pytest.mark.parametrize("columns", [1, 2, 7])
def test_the_shortest_images_can_be_compared(columns: int) -> None:
    rng = np.random.default_rng(4)
    alike = systems.by_spectrogram(image(rng, 10, columns), [image(rng, 10, columns)])
    assert np.isfinite(alike).all()


def test_silence_is_like_nothing() -> None:
    rng = np.random.default_rng(5)
    silence = Spectrogram(
        np.zeros((64, 90), np.uint8),
        np.zeros((12, 90), np.uint8),
        np.zeros((2, 90), np.int8),
        9.0,
        20.0,
        8000.0,
    )
    assert np.isfinite(systems.by_spectrogram(silence, [image(rng, 10), silence])).all()


def test_statistics_are_compared_in_what_both_songs_have() -> None:
    rng = np.random.default_rng(6)
    others = rng.normal(size=(20, 50)).astype(np.float32)
    query = others[7].copy()
    others[7, 25:] = np.nan
    alike = systems.by_features(query, others)
    assert alike.argmax() == 7
    assert alike[7] == pytest.approx(1, abs=1e-5)
    assert (np.abs(alike) <= 1 + 1e-5).all()


def test_statistics_of_many_songs_are_compared_as_those_of_few_are() -> None:
    rng = np.random.default_rng(8)
    others = (rng.normal(size=(9_000, 6)) * [1, 1e-3, 1e4, 1, 1, 1] + 5).astype(np.float32)
    others[rng.random(others.shape) < 0.1] = np.nan
    others[:, 4] = 0.1  # says nothing of any song
    query = others[8_000].copy()
    known = np.isfinite(others) & np.isfinite(query)
    mean, spread = np.nanmean(others, axis=0, dtype=float), np.nanstd(others, axis=0, dtype=float)
    spread[4] = 1
    rows, own = ((values - mean) / spread for values in (others, query))
    rows, own = (np.where(np.isfinite(v), v.clip(-5, 5), 0) for v in (rows, own))
    rows[:, ~np.isfinite(query)] = 0
    cosines = rows @ own / np.sqrt((rows**2).sum(axis=1) * (known @ own**2))
    np.testing.assert_allclose(systems.by_features(query, others), cosines, atol=1e-4)


async def test_starter_songs_are_found_by_features_and_not_by_spectrogram(tmp_path: object) -> None:
    from musrec.settings import Settings

    settings = Settings.model_validate({"paths": {"data": tmp_path}})
    async with Service.open(settings) as service:
        [track] = songs(service, "classical", 1)
        query = heard(service, track)
        answer = await service.answers.recommend(query, by=By.FEATURES, count=10, online=False)
        assert len(answer.picks) == 10
        assert track.id not in {pick.track.id for pick in answer.picks}
        classical = sum(pick.track.genre == "classical" for pick in answer.picks)
        assert classical >= 5
        assert len({pick.explanation.sentence for pick in answer.picks}) == 10
        with pytest.raises(NotFound, match="no spectrogram"):
            await service.answers.recommend(query, by=By.SPECTROGRAM, online=False)
        with pytest.raises(NotFound, match="no spectrogram"):
            await service.catalogue.compare_systems(query)
        with pytest.raises(NotFound, match="need a song"):
            await service.answers.recommend(None, by=By.FEATURES)
