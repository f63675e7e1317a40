"""The drawing layer of all pictures: colours, canvas, axes and PNG.

Pictures are drawn 800 pixels wide. A message 400 pixels wide shows them 270 wide, so that text of
size 33, the smallest that a canvas writes, is 11 pixels high there.
"""

from __future__ import annotations

import base64
import io
import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageDraw

from musrec.model import Picture
from musrec.pictures import lettering
from musrec.pictures.lettering import Weight

if TYPE_CHECKING:
    from musrec.model import ByteArray, FloatArray, Track

WIDTH = 800
MARGIN = 28
READABLE = 33
"""The smallest size of text."""
TALLEST = 1050
"""Pixels: Discord shows a picture at most 350 high, where text of the smallest size is 11 high."""

LookName = Literal["dark", "light"]
Anchor = Literal["left", "middle", "right"]
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Look:
    """Colours by their purpose.

    `query` and `pick`, and `gain` and `loss`, differ for every common kind of colour vision (they
    are chosen around the Okabe-Ito palette: blue against orange).
    """

    background: Colour
    panel: Colour
    line: Colour
    muted: Colour
    text: Colour
    query: Colour
    pick: Colour
    gain: Colour
    loss: Colour
    series: tuple[Colour, ...]


LOOKS: dict[LookName, Look] = {
    "dark": Look(
        background=(20, 19, 27),
        panel=(33, 31, 43),
        line=(70, 66, 88),
        muted=(172, 167, 190),
        text=(246, 244, 250),
        query=(102, 190, 240),
        pick=(245, 176, 65),
        gain=(102, 190, 240),
        loss=(240, 128, 80),
        series=(
            (102, 190, 240),
            (245, 176, 65),
            (46, 184, 146),
            (232, 140, 196),
            (240, 228, 102),
            (226, 104, 56),
            (150, 140, 255),
            (200, 200, 208),
        ),
    ),
    "light": Look(
        background=(252, 251, 254),
        panel=(240, 238, 246),
        line=(205, 200, 218),
        muted=(98, 92, 118),
        text=(24, 21, 34),
        query=(0, 104, 170),
        pick=(168, 82, 0),
        gain=(0, 104, 170),
        loss=(184, 62, 0),
        series=(
            (0, 104, 170),
            (214, 126, 0),
            (0, 132, 100),
            (186, 76, 142),
            (140, 122, 0),
            (152, 40, 12),
            (92, 78, 204),
            (96, 96, 106),
        ),
    ),
}

# Magma, the perceptually uniform colour map of Nathaniel Smith and Stefan van der Walt (CC0), as
# released with Matplotlib: 256 times red, green, blue.
_MAGMA = (
    "AAAEAQAFAQEGAQEIAgEJAgILAgINAwMPAwMSBAQUBQQWBgUYBgUaBwYcCAceCQcgCggiCwkkDAkmDQopDgsrEAstEQwv"
    "Eg0xEw00FA42FQ44Fg87GA89GRA/GhBCHBBEHRFHHhFJIBFLIRFOIhFQJBJTJRJVJxJYKRFaKhFcLBFfLRFhLxFjMRFl"
    "MxBnNBBpNhBrOBBsOQ9uOw9wPQ9xPw9yQA90Qg91RA92RRB3RxB4SRB4ShB5TBF6ThF7TxJ7URJ8UhN8VBN9VhR9VxV+"
    "WRV+WhZ+XBZ/XRd/Xxh/YBiAYhmAZBqAZRqAZxuAaByBahyBax2BbR2Bbh6BcB+Bch+BcyCBdSGBdiGBeCKBeSKCeyOC"
    "fCOCfiSCgCWCgSWBgyaBhCaBhieBiCeBiSiBiymBjCmBjiqBkCqBkSuBkyuAlCyAliyAmC2AmS2Amy5/nC5/ni9/oC9/"
    "oTB+ozB+pTF+pjF9qDJ9qjN9qzN8rTR8rjR7sDV7sjV7szZ6tTZ6tzd5uDd5ujh4vDl4vTl3vzp3wDp2wjt1xDx1xTx0"
    "xz1zyD5zyj5yzD9xzUBxz0Bw0EFv0kJv00Nu1URt1kVs2EVs2UZr20dq3Ehp3klo30po4Exn4k1m405l5E9k5VBk51Jj"
    "6FNi6VRi6lZh61dg7Fhg7Vpf7lte711e8F9e8WBd8mJd8mRc82Vc9Gdc9Glc9Wtc9mxc9m5c93Bc93Jc+HRc+HZc+Xhd"
    "+Xld+Xtd+n1e+n9e+oFf+4Nf+4Vg+4dh/Ilh/Ipi/Ixj/I5k/JBl/ZJm/ZRn/ZZo/Zhp/Zpq/Ztr/p1s/p9t/qFu/qNv"
    "/qVx/qdy/qlz/qp0/qx2/q53/rB4/rJ6/rR7/rZ8/rd+/rl//ruB/r2C/r+E/sGF/sKH/sSI/saK/siM/sqN/syP/s2Q"
    "/s+S/tGU/tOV/tWX/teZ/tia/dqc/dye/d6g/eCh/eKj/eOl/eWn/eep/emq/eus/Oyu/O6w/PCy/PK0/PS2/Pa4/Pe5"
    "/Pm7/Pu9/P2/"
)
MAGMA: ByteArray = np.frombuffer(base64.b64decode(_MAGMA), dtype=np.uint8).reshape(256, 3)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; `right` and `bottom` are outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.bottom - self.top


class Canvas:
    """A picture being drawn, in one look."""

    def __init__(self, height: int, look: LookName) -> None:
        if height > TALLEST:
            raise ValueError(f"a picture {height} high is too tall for text that can be read")
        self.look = LOOKS[look]
        self.image = Image.new("RGB", (WIDTH, height), self.look.background)
        self._pen = ImageDraw.Draw(self.image)
        self._kept: list[ByteArray] = []

    def text(
        self,
        at: tuple[float, float],
        text: str,
        size: int,
        *,
        weight: Weight = "medium",
        colour: Colour | None = None,
        width: float = math.inf,
        anchor: Anchor = "left",
    ) -> float:
        """Write one line with its baseline at `at`; return the width it took.

        It is cut with an ellipsis at `width`, and at the edges of the picture in any case.

        Raises
        ------
        ValueError
            `size` is below `READABLE`: too small for a phone.
        """
        if size < READABLE:
            raise ValueError(
                f"text of size {size} is too small for a phone; the least is {READABLE}"
            )
        x, y = at
        room = {
            "left": self.image.width - x,
            "right": x,
            "middle": 2 * min(x, self.image.width - x),
        }[anchor]
        fitted = lettering.fit(text, size, weight, min(width, room))
        if not fitted:
            return 0.0
        mask, baseline = lettering.mask(fitted, size, weight)
        left = x - {"left": 0.0, "middle": 0.5, "right": 1.0}[anchor] * mask.width
        self.image.paste(colour or self.look.text, (round(left), round(y) - baseline), mask)
        return float(mask.width)

    def title(
        self, at: tuple[float, float], text: str, sizes: Sequence[int], width: float
    ) -> float:
        """Write a bold line in the first of `sizes` that fits; if none does, cut it in the last."""
        line = lettering.clean(text)
        fitting = (size for size in sizes if lettering.measure(line, size, "bold") <= width)
        return self.text(at, text, next(fitting, sizes[-1]), weight="bold", width=width)

    def plate(self, at: tuple[float, float], word: str, colour: Colour) -> float:
        """Write a word on a plate whose right end is at `at`, on the baseline; return its width."""
        right, y = at
        width = lettering.measure(lettering.clean(word), READABLE, "bold") + 40
        plate = Box(round(right - width), round(y) - 36, round(right), round(y) + 12)
        self.rounded(plate, colour, 24)
        middle, paper = (right - width / 2, y), self.look.background
        self.text(middle, word, READABLE, weight="bold", colour=paper, anchor="middle")
        return width

    def scale(self, box: Box, ours: float, theirs: float) -> None:
        """Draw two values, 0 to 100, as dots on a line along the middle of `box`; NaN is left out.

        Where both share a place, the dot of `theirs` is a ring around that of `ours`.
        """
        y = (box.top + box.bottom) // 2
        self.rounded(Box(box.left, y - 3, box.right, y + 3), self.look.line, 3)
        one, other = (
            box.left + box.width * min(max(value, 0.0), 100.0) / 100 for value in (ours, theirs)
        )
        inner = 7 if abs(one - other) < 12 else 12
        for x, colour, radius in ((other, self.look.pick, 12), (one, self.look.query, inner)):
            if math.isfinite(x):
                self.dot((x, y), radius + 2.5, self.look.background)
                self.dot((x, y), radius, colour)

    def rectangle(self, box: Box, colour: Colour) -> None:
        """Fill a rectangle with sharp corners."""
        if box.width > 0 and box.height > 0:
            self._pen.rectangle((box.left, box.top, box.right - 1, box.bottom - 1), fill=colour)

    def rounded(self, box: Box, colour: Colour, radius: int = 12) -> None:
        """Fill a rectangle with round corners."""
        radius = min(radius, box.width // 2, box.height // 2)
        self.shape(
            box,
            colour,
            lambda pen, scale: pen.rounded_rectangle(
                (0, 0, box.width * scale - 1, box.height * scale - 1), radius * scale, fill=255
            ),
        )

    def line(self, points: Sequence[tuple[float, float]], colour: Colour, width: float = 2) -> None:
        """Draw a smooth line through `points`."""
        reach = math.ceil(width) + 1
        box = Box(
            math.floor(min(x for x, _ in points)) - reach,
            math.floor(min(y for _, y in points)) - reach,
            math.ceil(max(x for x, _ in points)) + reach,
            math.ceil(max(y for _, y in points)) + reach,
        )
        self.shape(
            box,
            colour,
            lambda pen, scale: pen.line(
                [((x - box.left) * scale, (y - box.top) * scale) for x, y in points],
                fill=255,
                width=max(1, round(width * scale)),
                joint="curve",
            ),
        )

    def polygon(
        self, points: Sequence[tuple[float, float]], colour: Colour, opacity: float = 1.0
    ) -> None:
        """Fill a smooth polygon."""
        box = Box(
            math.floor(min(x for x, _ in points)),
            math.floor(min(y for _, y in points)),
            math.ceil(max(x for x, _ in points)) + 1,
            math.ceil(max(y for _, y in points)) + 1,
        )
        self.shape(
            box,
            colour,
            lambda pen, scale: pen.polygon(
                [((x - box.left) * scale, (y - box.top) * scale) for x, y in points], fill=255
            ),
            opacity,
        )

    def dot(
        self, at: tuple[float, float], radius: float, colour: Colour, opacity: float = 1.0
    ) -> None:
        """Fill a smooth disc."""
        x, y = at
        box = Box(
            math.floor(x - radius),
            math.floor(y - radius),
            math.ceil(x + radius) + 1,
            math.ceil(y + radius) + 1,
        )
        self.shape(
            box,
            colour,
            lambda pen, scale: pen.ellipse(
                (
                    (x - radius - box.left) * scale,
                    (y - radius - box.top) * scale,
                    (x + radius - box.left) * scale,
                    (y + radius - box.top) * scale,
                ),
                fill=255,
            ),
            opacity,
        )

    def shape(
        self,
        box: Box,
        colour: Colour,
        paint: Callable[[ImageDraw.ImageDraw, int], None],
        opacity: float = 1.0,
    ) -> None:
        """Fill what `paint` draws inside `box`, with smooth edges.

        `paint` gets a pen on an area four times as large each way, and that factor; averaging the
        area down is the antialiasing.
        """
        if box.width <= 0 or box.height <= 0:
            return
        scale = 4
        large = Image.new("L", (box.width * scale, box.height * scale), 0)
        paint(ImageDraw.Draw(large), scale)
        mask = large.reduce(scale)
        if opacity < 1:
            mask = mask.point([round(level * opacity) for level in range(256)])
        self.image.paste(colour, (box.left, box.top), mask)

    def heat(self, box: Box, levels: ByteArray, colours: ByteArray, smooth: int = 0) -> None:
        """Fill `box` with a matrix.

        Parameters
        ----------
        levels : ByteArray, shape (rows, columns)
            First row at the bottom. Resampled to the box, averaging where it is smaller.
        colours : ByteArray, shape (256, 3)
        smooth : int
            How many of `colours` the PNG must keep so that the gradient shows no steps.
        """
        picture = Image.fromarray(np.ascontiguousarray(levels[::-1]))
        sized = picture.resize((box.width, box.height), Image.Resampling.BICUBIC)
        self.image.paste(Image.fromarray(colours[np.asarray(sized)]), (box.left, box.top))
        self._kept.append(colours[np.linspace(0, 255, smooth).astype(int)])

    def finish(self, alt: str) -> Picture:
        """Return what has been drawn as a PNG, with its alternative text."""
        width, height = self.image.size
        look = self.look
        flat = (look.background, look.panel, look.line, look.muted, look.text, *look.series)
        kept = (np.array(flat, dtype=np.uint8), *self._kept) if self._kept else ()
        return Picture(encode(self.image, kept), shorten(alt), width, height)


def encode(image: Image.Image, kept: Sequence[ByteArray] = ()) -> bytes:
    """Return a PNG; a small one, because a card is uploaded with every answer.

    A picture with gradients is reduced to 256 colours, none off by more than the eye can see, which
    takes a third of the bytes and half the time. A flat picture is small as it is.

    Parameters
    ----------
    image : PIL.Image.Image, mode ``RGB``
    kept : sequence of ByteArray, shape (k, 3)
        Colours to keep exactly: flat ones, and those of gradients that would show steps; at most
        200 in all. The remaining colours are chosen from the picture. Empty for a flat picture.
    """
    buffer = io.BytesIO()
    if kept:
        chosen = np.unique(np.concatenate(kept), axis=0)[:200]
        rest = 256 - len(chosen)
        # Every other pixel shows the colours as well as all of them do, in a quarter of the time.
        sample = image.resize((image.width // 2, image.height // 2), Image.Resampling.NEAREST)
        found = sample.quantize(rest, Image.Quantize.MAXCOVERAGE).getpalette() or []
        others = np.array(found[: 3 * rest], dtype=np.uint8).reshape(-1, 3)
        # Pillow looks up the corner of a cell four wide, to which a neighbour may be nearer.
        apart = np.abs(others[:, None].astype(int) - chosen).max(axis=2)
        near = (apart <= 8).any(axis=1)
        palette = Image.new("P", (1, 1))
        palette.putpalette(chosen.tobytes() + others[~near].tobytes())
        image = image.quantize(palette=palette, dither=Image.Dither.NONE)
    image.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def shorten(text: str, limit: int = 1024) -> str:
    """Return one line of at most `limit` characters, cut between words if one ends nearby.

    For alternative texts, which contain strangers' titles: control and direction characters are
    dropped, and so is half of a surrogate pair, which no chat could encode.
    """
    kept = "".join(
        " " if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") else letter
        for letter in text[: 4 * limit]
        if unicodedata.category(letter) != "Cf"
    )
    line = " ".join(kept.split())
    if len(line) <= limit:
        return line
    cut = line[: limit - 1]
    head, _, tail = cut.rpartition(" ")
    return (head if head and len(tail) < 24 else cut) + "…"


def named(track: Track) -> str:
    """Return a track's title; where no font has its letters, a few words in its place."""
    if lettering.readable(track.title):
        return track.title
    return f"a song by {track.artist}" if lettering.readable(track.artist) else "untitled here"


def who(track: Track) -> str:
    """Return title and artist for an alternative text."""
    return f"{shorten(track.title, 120)} by {shorten(track.artist, 100)}"


def ramp(low: Colour, high: Colour) -> ByteArray:
    """Return 256 colours from `low` to `high`, shape (256, 3)."""
    share = np.linspace(0, 1, 256)[:, None]
    blend = np.asarray(low) * (1 - share) + np.asarray(high) * share
    return np.rint(blend).astype(np.uint8)


def mel(hertz: float | FloatArray) -> FloatArray:
    """Return mel on Slaney's scale, librosa's default: linear to 1 kHz, logarithmic above."""
    frequency = np.asarray(hertz, dtype=np.float64)
    high = 15.0 + 27.0 * np.log(np.maximum(frequency, 1000.0) / 1000.0) / np.log(6.4)
    return np.where(frequency < 1000.0, frequency * 3.0 / 200.0, high).astype(np.float32)


def height_of(hertz: float, n_mels: int, fmin: float, fmax: float) -> float:
    """Return where a frequency is drawn in a mel spectrogram, 0 at its bottom to 1 at its top.

    Filter ``i`` of ``n_mels`` peaks at mel point ``i + 1`` of ``n_mels + 2`` and is one row of the
    picture.
    """
    low, high = float(mel(fmin)), float(mel(fmax))
    point = (float(mel(hertz)) - low) / (high - low) * (n_mels + 1)
    return (point - 0.5) / n_mels


def hertz_ticks(fmin: float, fmax: float) -> list[tuple[float, str]]:
    """Return the frequencies between two edges that get a label, each with its label."""
    ladder = (500, 2000, 8000)
    return [(rung, hertz(rung).replace(".0 ", " ")) for rung in ladder if fmin < rung < fmax]


def hertz(frequency: float) -> str:
    """Return a frequency as people read it."""
    return f"{frequency / 1000:.1f} kHz" if frequency >= 950 else f"{round(frequency, -1):.0f} Hz"


def clock(seconds: float) -> str:
    """Return a time as m:ss."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def clock_ticks(seconds: float, most: int = 5) -> list[float]:
    """Return at most `most` round times, from 0 on, in seconds."""
    ladder = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
    step = next((step for step in ladder if seconds / step <= most - 1 + 1e-9), 7200)
    return [float(time) for time in range(0, math.floor(seconds) + 1, step)]
