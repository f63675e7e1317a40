"""Words for what was heard, the same in a chat, on a picture and in a terminal.

A no-break space (U+00A0) keeps a number with its unit and a key with its mode on one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from musrec.model import PITCH_CLASSES, Closeness, Harmony, SoundKind, Voice

_INSTEAD = {
    SoundKind.SPEECH: "it sounds like speech",
    SoundKind.NOISE: "it sounds like noise",
    SoundKind.TONES: "nothing but steady tones",
    SoundKind.SILENCE: "it is silent",
}


def tempo(bpm: float, other: float | None = None) -> str:
    """Return a tempo in whole beats per minute, such as "90 BPM" or "90 or 180 BPM"."""
    return f"{bpm:.0f} or {other:.0f}\u00a0BPM" if other else f"{bpm:.0f}\u00a0BPM"


def loudness(lufs: float) -> str:
    """Return a loudness with a true minus, such as "−14.2 LUFS"."""
    return f"{lufs:.1f}\u00a0LUFS".replace("-", "−")


def signed(value: float) -> str:
    """Return a contribution with its sign, two decimals and a true minus."""
    text = f"{value:+.2f}".replace("-", "−")
    return "0.00" if text in ("+0.00", "−0.00") else text


def key(harmony: Harmony) -> str:
    """Return a key with its mode, such as "E minor"."""
    return f"{harmony.key}\u00a0{harmony.mode}"


THROUGHOUT = 0.95
"""The share of a clip from which a voice is heard throughout."""


def voice(heard: Voice) -> str:
    """Return where a voice is heard, such as "sung from 0:12, 70% of the time"."""
    if not heard.spans or heard.is_absent:
        return "none heard"
    how = "spoken" if heard.speech > heard.singing else "sung"
    if not heard.is_sung:
        how = f"perhaps {how}"
    if heard.share >= THROUGHOUT:
        return f"{how} throughout"
    minutes, seconds = divmod(round(heard.spans[0][0]), 60)
    where = "from the start" if heard.spans[0][0] < 1 else f"from {minutes}:{seconds:02d}"
    return f"{how} {where}, {heard.share:.0%} of the time"


def listed(words: Sequence[str]) -> str:
    """Return words as a sentence lists them, such as "piano, drums and guitar"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def instruments(names: Iterable[str]) -> str:
    """Return instruments, then voices, in a sentence, such as "drums and a male voice"."""
    names = sorted(names, key=_is_voice)
    return listed([f"a {name}" if _is_voice(name) else name for name in names])


def _is_voice(name: str) -> bool:
    return name.endswith(" voice")


HAS: Mapping[str, str] = {
    "vocal": "strong vocals",
    "even": "an even volume",
    "free": "a free rhythm",
    "steady": "a steady beat",
}
"""What a song has rather than sounds like."""


def sound(marks: Iterable[str]) -> str:
    """Return how a song sounds, such as "very dark and calm; also fast, with a steady beat".

    Parameters
    ----------
    marks : iterable of str
        From `musrec.audio.descriptors.marks`.
    """
    strong, slight, has = list[str](), list[str](), list[str]()
    for mark in marks:
        word = mark.removeprefix("very ")
        if word in HAS:
            has.append(HAS[word])
        else:
            (slight if word == mark else strong).append(word)
    most = f"very {listed(strong)}" if strong else ""
    like = f"{most}; also {listed(slight)}" if strong and slight else most or listed(slight)
    return f"{like}, with {listed(has)}" if like and has else like or listed(has)


# Of Spotify's audio features, those that members understand, and what to call each.
_SHARES = {
    "energy": "energy",
    "danceability": "danceable",
    "valence": "happy",
    "acousticness": "acoustic",
    "instrumentalness": "instrumental",
}


def features(values: Mapping[str, float]) -> tuple[str, ...]:
    """Return another service's numbers for a sound, such as ``("90 BPM", "energy 81%")``.

    Parameters
    ----------
    values : mapping of str to float
        Spotify's audio features by name: ``tempo`` in beats per minute, ``key`` as a pitch class
        from 0 for C to 11 (-1 if unknown), ``mode`` 1 for major, the others from 0 to 1.
    """
    said = [tempo(values["tempo"])] if values.get("tempo", 0) > 0 else []
    pitch, mode = values.get("key", -1), values.get("mode")
    if pitch in range(len(PITCH_CLASSES)):
        tonic = PITCH_CLASSES[int(pitch)]
        said.append(tonic if mode is None else f"{tonic}\u00a0{'major' if mode else 'minor'}")
    said += [f"{word}\u00a0{values[name]:.0%}" for name, word in _SHARES.items() if name in values]
    return tuple(said)


def closeness(word: Closeness) -> str:
    """Return how close two songs sound, such as "very close in sound"."""
    return f"{word} {'by' if word is Closeness.STRETCH else 'in'} sound"


def no_music(kind: SoundKind) -> str:
    """Return the sentence that a clip holds no music, and what it holds instead.

    Raises
    ------
    KeyError
        It is music.
    """
    return f"I hear no music in this: {_INSTEAD[kind]}."
