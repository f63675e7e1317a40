"""Words for what was heard, the same in a chat, on a picture and in a terminal.

A no-break space (U+00A0) keeps a number with its unit and a key with its mode on one line.
"""

from __future__ import annotations

from musrec.model import Harmony, SoundKind

_INSTEAD = {
    SoundKind.SPEECH: "it sounds like speech",
    SoundKind.NOISE: "it sounds like noise",
    SoundKind.TONES: "nothing but steady tones",
    SoundKind.SILENCE: "it is silent",
}


def tempo(bpm: float) -> str:
    """Return a tempo in whole beats per minute, such as "90 BPM"."""
    return f"{bpm:.0f}\u00a0BPM"


def key(harmony: Harmony) -> str:
    """Return a key with its mode, such as "E minor"."""
    return f"{harmony.key}\u00a0{harmony.mode}"


def no_music(kind: SoundKind) -> str:
    """Return the sentence that a clip holds no music, and what it holds instead.

    Raises
    ------
    KeyError
        It is music.
    """
    return f"I hear no music in this: {_INSTEAD[kind]}."
