"""What is heard changes only with `ANALYSER_VERSION`: otherwise stored analyses would go stale.

Three composed tunes are heard and compared with what the current version heard in them, kept in
``analyses.json``. After a change that is meant, raise the version in ``musrec/model.py``, run
``PYTHONPATH=. python tests/audio/test_version.py`` and commit the file that it writes.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musrec import demo
from musrec.audio import listen, tagger
from musrec.audio.descriptors import AXES
from musrec.audio.features import STATISTIC_NAMES
from musrec.model import ANALYSER_VERSION, Analysis

PINNED = Path(__file__).with_name("analyses.json")
TITLES = ("Composed slow waltz in C", "Composed march in A minor", "Composed fast dance in C")

RELATIVE, ABSOLUTE = 2e-3, 2e-3
ABSOLUTE_OF = {
    "statistics": 1e-4,
    "embedding": 1e-2,
    "tuning": 0.15,
    "mel": 0.1,
    "chroma": 0.1,
    "waveform": 0.1,
}
"""Processors and versions of libraries differ by a hundredth of this, or by a rounded digit."""

TAGGER = {"tag_mean", "tag_std", "embedding", "mtt_mean", "tempo confidence", *AXES}
"""What only the taggers hear, and how sure the tempo is: tags tell which tempo is usual."""

Values = dict[str, str | list[float]]


def clip(title: str) -> bytes:
    return demo.wav(demo.compose(next(tune for tune in demo.TUNES if tune.title == title)))


def values(analysis: Analysis) -> Values:
    """An analysis as named numbers of five digits; pictures as means over time."""
    rhythm, harmony, picture = analysis.rhythm, analysis.harmony, analysis.spectrogram
    assert rhythm is not None
    assert harmony is not None
    assert picture is not None
    numbers = {
        "statistics": analysis.statistics,
        "tag_mean": analysis.tag_mean,
        "tag_std": analysis.tag_std,
        "embedding": analysis.embedding,
        "mtt_mean": analysis.mtt_mean,
        "tempo": (rhythm.tempo, rhythm.alternative or 0.0),
        "steadiness": rhythm.steadiness,
        "tempo confidence": rhythm.confidence,
        "beats": rhythm.beats,
        "key confidence": harmony.confidence,
        "tuning": harmony.tuning,
        "loudness": analysis.loudness,
        "mel": picture.mel.mean(axis=1),
        "chroma": picture.chroma.mean(axis=1),
        "waveform": picture.waveform.mean(axis=1),
        **{f"{name} (descriptor)": value for name, value in analysis.descriptors.items()},
    }
    return {"kind": analysis.kind.value, "key": f"{harmony.key} {harmony.mode}"} | {
        name: [float(f"{value:.5g}") for value in np.ravel(heard)]
        for name, heard in numbers.items()
        if heard is not None
    }


def differences(heard: Values, pinned: Values) -> list[str]:
    found = [f"{name}: missing" for name in pinned.keys() - heard.keys()]
    for name, now in heard.items():
        before = pinned.get(name)
        if isinstance(now, str) or before is None or len(now) != len(before):
            found += [f"{name}: {before} before, {now} now"] if now != before else []
            continue
        close = np.isclose(now, before, rtol=RELATIVE, atol=ABSOLUTE_OF.get(name, ABSOLUTE))
        for at in np.flatnonzero(~close):
            which = STATISTIC_NAMES[at] if name == "statistics" else f"{name}[{at}]"
            found.append(f"{which}: {before[at]} before, {now[at]} now")
    return found


def problem_of_the_taggers() -> str | None:
    return next((one for name in tagger.NAMES if (one := tagger.status(name=name).problem)), None)


@pytest.fixture(params=["with the tagger", "without the tagger"])
def tagged(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[bool]:
    if request.param == "without the tagger":
        monkeypatch.setenv("MUSREC_CACHE", str(tmp_path))
    elif problem := problem_of_the_taggers():
        pytest.skip(problem)
    listen._tagger.cache_clear()
    yield request.param == "with the tagger"
    listen._tagger.cache_clear()


@pytest.mark.parametrize("title", TITLES)
def test_what_is_heard_changes_only_with_the_version(title: str, tagged: bool) -> None:
    pinned = json.loads(PINNED.read_text("utf-8"))
    assert pinned["version"] == ANALYSER_VERSION, (
        f"{PINNED.name} holds what version {pinned['version']} heard: run this file to renew it."
    )
    data = clip(title)
    before = pinned["tunes"][title]
    assert hashlib.sha256(data).hexdigest() == before["sha256"], (
        "musrec.demo composes another tune: run this file to hear the new one."
    )
    now, expected = (
        {
            name: value
            for name, value in each.items()
            if tagged or name.removesuffix(" (descriptor)") not in TAGGER
        }
        for each in (values(listen.listen(data, digest="").analysis), before["heard"])
    )
    changed = differences(now, expected)
    assert not changed, (
        f"Version {ANALYSER_VERSION} now hears something else in the same bytes. If that is meant,"
        " raise ANALYSER_VERSION in musrec/model.py, so that songs are heard again, and run this"
        " file. What changed:\n" + "\n".join(changed)
    )


def write() -> None:
    """Renew the pinned analyses; refused for a tune that sounds different to the same version."""
    if problem := problem_of_the_taggers():
        sys.exit(problem)
    old: dict[str, Any] = {"version": 0, "tunes": {}}
    if PINNED.exists():
        old = json.loads(PINNED.read_text("utf-8"))
    tunes = {}
    for title in TITLES:
        data = clip(title)
        heard = values(listen.listen(data, digest="").analysis)
        digest = hashlib.sha256(data).hexdigest()
        before = old["tunes"].get(title, {"sha256": ""})
        same = old["version"] == ANALYSER_VERSION and before["sha256"] == digest
        if same and differences(heard, before["heard"]):
            sys.exit("What is heard has changed: raise ANALYSER_VERSION in musrec/model.py first.")
        tunes[title] = {"sha256": digest, "heard": heard}
    text = json.dumps({"version": ANALYSER_VERSION, "tunes": tunes})
    PINNED.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
