"""Text of any origin, set in the bundled fonts: no boxes for letters, never wider than allowed.

Titles come from strangers. They are cleaned (no control or direction characters, no stacks of
accents), split into runs by the first font of a fixed chain that has the letters, and shortened
with an ellipsis if they do not fit. Letters that no font has become one ``·``; `readable` tells
whether a text has others.

Scripts that join or stack their letters are shaped by HarfBuzz through libraqm, which the wheels of
Pillow contain. Without it their letters stand one after another.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

Weight = Literal["medium", "bold"]

FONTS = Path(__file__).parent / "fonts"
LATIN: dict[Weight, str] = {"medium": "Inter-Medium.ttf", "bold": "Inter-SemiBold.ttf"}
FALLBACKS = (
    "NotoSansCJK-Regular.otf",
    *(
        f"NotoSans{script}-Regular.ttf"
        for script in (
            *("Arabic", "Hebrew", "Thai", "Devanagari", "Bengali", "Tamil", "Telugu", "Kannada"),
            *("Malayalam", "Gujarati", "Gurmukhi", "Oriya", "Sinhala", "Georgian", "Armenian"),
            *("Ethiopic", "Khmer", "Myanmar", "Lao", "Thaana", "NKo", "Tifinagh", "Cherokee"),
            "CanadianAboriginal",
        )
    ),
    "NotoSerifTibetan-Regular.ttf",
    "NotoEmoji-Medium.ttf",
)
MISSING = "·"
_NO_BREAK = "\u00a0"
ELLIPSIS = "…"
LONGEST = 400
"""Characters of a text that are considered; more never fit on a picture."""

# A joined emoji is shown by its first part: variation selectors, skin tones, tags and everything
# attached by a zero-width joiner are removed.
_EMOJI_TAIL = re.compile("[\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0000-\U000e007f\u20e3]")
_JOINED = re.compile("(?<=[\u2190-\U0001faff])\u200d[\u2190-\U0001faff]")


_VIRAMA = 9
"""Canonical combining class of the signs that join two consonants."""


@dataclass(frozen=True, slots=True)
class Run:
    """Letters that one font draws."""

    text: str
    font: str


def clean(text: str) -> str:
    """Return one line without anything that could break a layout.

    Control, direction and unassigned characters become spaces or vanish, at most two accents stay
    on a letter, and characters that no bundled font has are replaced by their compatibility form
    (a fancy ``𝓗`` becomes ``H``) or by `MISSING`.
    """
    text = unicodedata.normalize("NFC", text[:LONGEST])
    text = _EMOJI_TAIL.sub("", _JOINED.sub("", text))
    known = _known()
    kept: list[str] = []
    marks = 0
    for position, letter in enumerate(text):
        category = unicodedata.category(letter)
        if category in ("Cc", "Zl", "Zp", "Zs"):
            kept.append(letter if letter == _NO_BREAK else " ")
            continue
        if letter in "\u200c\u200d" and _joins(kept, text[position + 1 : position + 2]):
            kept.append(letter)
            continue
        if category in ("Cf", "Cs", "Co"):
            continue
        marks = marks + 1 if category in ("Mn", "Me") else 0
        # Khmer, Burmese and Tibetan stack more signs of their own than any script has accents.
        if marks > (2 if unicodedata.combining(letter) >= 200 else 4):
            continue
        if ord(letter) in known:
            kept.append(letter)
            continue
        plain = unicodedata.normalize("NFKC", letter)
        if all(ord(part) in known for part in plain):
            kept.append(plain)
        elif marks == 0 and (not kept or kept[-1] != MISSING):
            kept.append(MISSING)
    # One no-break space stays, so that "90 BPM" is not wrapped; any other gap is a space.
    spaced = re.sub(r"\s+", lambda gap: gap[0] if gap[0] == _NO_BREAK else " ", "".join(kept))
    line = spaced.strip()[:LONGEST].rstrip()
    # A dropped character may have stood between a letter and an accent that belong together.
    return line if unicodedata.is_normalized("NFC", line) else clean(line)


def readable(text: str) -> bool:
    """Return whether anything of a text can be drawn: a letter, a digit or a sign."""
    return any(not letter.isspace() and letter != MISSING for letter in clean(text))


def fit(text: str, size: int, weight: Weight, width: float) -> str:
    """Return `text` cleaned, and cut with an ellipsis so that it is at most `width` pixels wide."""
    text = clean(text)
    if measure(text, size, weight) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(_cut(text, middle), size, weight) <= width:
            low = middle
        else:
            high = middle - 1
    if low == 0:
        return ELLIPSIS if measure(ELLIPSIS, size, weight) <= width else ""
    return _cut(text, low)


def wrap(text: str, size: int, weight: Weight, width: float, lines: int) -> list[str]:
    """Return `text` cleaned, on as many lines as it needs; the last of `lines` is cut to fit."""
    wrapped: list[str] = []
    words = clean(text).split(" ")
    while words and words[0]:
        count = len(words)
        if len(wrapped) < lines - 1:
            while count > 1 and measure(" ".join(words[:count]), size, weight) > width:
                count -= 1
        wrapped.append(fit(" ".join(words[:count]), size, weight, width))
        words = words[count:]
    return wrapped


@lru_cache(maxsize=2048)
def measure(text: str, size: int, weight: Weight) -> float:
    """Return the width in pixels of a text that `clean` returned."""
    return sum(_font(run.font, size).getlength(run.text) for run in _runs(text, weight))


def mask(text: str, size: int, weight: Weight) -> tuple[Image.Image, int]:
    """Draw a text that `clean` returned, white on black.

    Returns
    -------
    image : PIL.Image.Image, mode ``L``
        From a sixth of the size above a line of the Latin font to three quarters of it below the
        baseline, whatever the letters: Tibetan and Burmese reach that far down.
    baseline : int
        Rows from its top to the baseline.
    """
    ascent, _ = _font(LATIN[weight], size).getmetrics()
    baseline = ascent + size // 6
    width = max(1, int(np.ceil(measure(text, size, weight))))
    image = Image.new("L", (width, baseline + round(0.75 * size)), 0)
    pen = ImageDraw.Draw(image)
    x = 0.0
    for run in _runs(text, weight):
        font = _font(run.font, size)
        # The fallback fonts come in one weight: a thin outline makes them sit beside a bold title.
        heavier = size / 48 if weight == "bold" and run.font in FALLBACKS else 0
        pen.text((x, baseline), run.text, fill=255, font=font, anchor="ls", stroke_width=heavier)
        x += font.getlength(run.text)
    return image, baseline


def _joins(before: list[str], after: str) -> bool:
    """Return whether a joiner shapes its neighbours: after a virama, or within Arabic."""
    if not (before and after and unicodedata.category(after)[0] in "LM"):
        return False
    last = before[-1][-1]
    return unicodedata.combining(last) == _VIRAMA or unicodedata.bidirectional(last) == "AL"


def _cut(text: str, count: int) -> str:
    while 0 < count < len(text) and (
        unicodedata.category(text[count]) in ("Mn", "Me", "Mc", "Cf")
        or unicodedata.category(text[count - 1]) == "Cf"
        or unicodedata.combining(text[count - 1]) == _VIRAMA
    ):
        count -= 1
    return text[:count].rstrip() + (ELLIPSIS if count < len(text) else "")


@lru_cache(maxsize=512)
def _runs(text: str, weight: Weight) -> tuple[Run, ...]:
    """Split by font; spaces, digits and punctuation stay with the letters before them."""
    runs: list[Run] = []
    current, start = LATIN[weight], 0
    for position, letter in enumerate(text):
        neutral = not unicodedata.category(letter).startswith("L")
        if neutral and position and ord(letter) in _coverage(current):
            continue
        chosen = next(
            (font for font in (LATIN[weight], *FALLBACKS) if ord(letter) in _coverage(font)),
            current,
        )
        if chosen != current:
            if position > start:
                runs.append(Run(text[start:position], current))
            current, start = chosen, position
    if start < len(text):
        runs.append(Run(text[start:], current))
    right_to_left = next(
        (
            unicodedata.bidirectional(letter) in ("R", "AL")
            for letter in text
            if unicodedata.bidirectional(letter) in ("L", "R", "AL")
        ),
        False,
    )
    return tuple(reversed(runs)) if right_to_left else tuple(runs)


@lru_cache(maxsize=128)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    # Without libraqm Arabic is not joined and a sign may sit beside its letter: still legible.
    engine = ImageFont.Layout.RAQM if features.check("raqm") else ImageFont.Layout.BASIC
    return ImageFont.truetype(FONTS / name, size, layout_engine=engine)


@lru_cache(maxsize=1)
def _known() -> frozenset[int]:
    return frozenset().union(*(_coverage(name) for name in (LATIN["medium"], *FALLBACKS)))


@lru_cache(maxsize=64)
def _coverage(name: str) -> frozenset[int]:
    """Return the code points of a bundled font, read from its only ``cmap`` table (format 12)."""
    data = (FONTS / name).read_bytes()
    tables = int.from_bytes(data[4:6], "big")
    directory = (data[12 + 16 * row : 28 + 16 * row] for row in range(tables))
    cmap = next(int.from_bytes(entry[8:12], "big") for entry in directory if entry[:4] == b"cmap")
    table = cmap + int.from_bytes(data[cmap + 8 : cmap + 12], "big")
    groups = int.from_bytes(data[table + 12 : table + 16], "big")
    ranges = np.frombuffer(data, dtype=">u4", count=3 * groups, offset=table + 16).reshape(-1, 3)
    return frozenset(code for first, last, _ in ranges for code in range(int(first), int(last) + 1))
