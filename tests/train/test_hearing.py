"""What is learned of tempo and key: the confidence is a probability, for unseen artists too."""

from __future__ import annotations

import numpy as np

from musrec.audio import harmony, rhythm
from musrec.train import hearing

USUAL = 115.0


def _tempi(seed: int, clips: int) -> list[tuple[rhythm.Candidates, hearing.Question]]:
    """Clips of whose candidates listeners choose one, or none: the rarer, the clearer the pulse."""
    rng = np.random.default_rng(seed)
    listeners = np.array([1.5, -1.0, 0.5, 0.0, 1.0])
    made = []
    for number in range(clips):
        clarity = float(rng.uniform(0.05, 1.0))
        found = rhythm.Candidates(rng.uniform(50, 200, 5), rng.normal(size=(5, 3)), clarity, 0.5)
        table = rhythm.table(found, USUAL)
        shares = np.exp(table @ listeners)
        right = np.zeros(5, bool)
        if rng.random() > 0.6 * (1.0 - clarity):
            right[rng.choice(5, p=shares / shares.sum())] = True
        performer = f"artist {number % 40}"
        made.append((found, hearing.Question(performer, table, right, clarity=clarity)))
    return made


def test_the_confidence_in_a_tempo_is_how_often_it_is_right() -> None:
    choice = hearing._octave([question for _, question in _tempi(1, 400)])
    stated, right = [], []
    for found, question in _tempi(2, 2000):
        probability = rhythm.probabilities(found, USUAL, choice)
        assert 0.0 < probability.sum() < 1.0
        stated.append(probability.max())
        right.append(question.right[np.argmax(probability)])
    for part in np.array_split(np.argsort(stated), 4):
        assert abs(np.mean(np.array(stated)[part]) - np.mean(np.array(right)[part])) < 0.08


def test_the_confidence_in_a_key_is_how_often_it_is_right() -> None:
    """Listeners hear the key that the profiles tell them, or any: often so in a few seconds."""

    def songs(
        seed: int, count: int, seconds: float, known: float
    ) -> list[tuple[np.ndarray, hearing.Question]]:
        rng = np.random.default_rng(seed)
        made = []
        for number in range(count):
            profile = rng.uniform(0.05, 1.0, 12)
            table = harmony.evidence(profile)
            shares = np.exp(table @ np.array([8.0, 8.0, 0.0]))
            told = rng.choice(24, p=shares / shares.sum())
            heard = told if rng.random() < known else rng.integers(24)
            right = np.arange(24) == heard
            question = hearing.Question(f"artist {number % 30}", table, right, seconds=seconds)
            made.append((profile, question))
        return made

    long, short = harmony.LONG, harmony.LONG / 4
    choice = hearing._key_of(
        [question for _, question in songs(1, 200, long, 0.8)],
        [question for _, question in songs(2, 200, short, 0.4)],
    )
    for seconds, known in ((long, 0.8), (short, 0.4)):
        stated, right = [], []
        for profile, question in songs(3, 1200, seconds, known):
            tonic, mode, confidence = harmony.named(profile, seconds, choice)
            stated.append(confidence)
            right.append(question.right[12 * mode + tonic])
        for part in np.array_split(np.argsort(stated), 3):
            assert abs(np.mean(np.array(stated)[part]) - np.mean(np.array(right)[part])) < 0.1
