"""Figures as SVG: small, sharp on any screen, and dark or light as the page is."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from musrec.pictures import draw

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH, HEIGHT, MARGIN = 640, 320, 48

COLOURS = (
    *("#3b82c4", "#d9822b", "#4a9c5d", "#c0504d", "#8064a2", "#8c6d4f", "#c76da8", "#6b7280"),
    *("#a3a13a", "#3aa6a3"),
)
"""Colours of groups; a legend names each group, too."""


def lines(
    series: Sequence[tuple[str, Sequence[float]]], *, x: str, y: str, marked: int | None = None
) -> str:
    """Return curves over 1, 2, 3 ...; `marked` draws a vertical line there."""
    values = np.array([value for _, points in series for value in points if np.isfinite(value)])
    longest = max((len(points) for _, points in series), default=0)
    if not values.size or not longest:
        return ""
    low, high = _range(values)

    def at(step: float, value: float) -> str:
        across = MARGIN + (WIDTH - 2 * MARGIN) * (step - 1) / max(1, longest - 1)
        return f"{across:.1f},{_up(value, low, high):.1f}"

    body = [_axes(x, y, ("1", str(longest)), (f"{low:.2f}", f"{high:.2f}"))]
    if marked is not None:
        across = at(marked, low).split(",")[0]
        body.append(
            f'<line class="mark" x1="{across}" x2="{across}" y1="16" y2="{HEIGHT - MARGIN}"/>'
        )
    for number, (name, points) in enumerate(series):
        path = " ".join(
            at(step, value) for step, value in enumerate(points, start=1) if np.isfinite(value)
        )
        body.append(
            f'<polyline fill="none" stroke="{COLOURS[number]}" stroke-width="2" points="{path}"/>'
        )
        body.append(_legend(number, name))
    return _svg(body, f"{y} over {x}")


def confusion(matrix: NDArray[np.floating], labels: Sequence[str]) -> str:
    """Return a confusion matrix, rows the truth, in shares of each row."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    n = len(labels)
    left, size = 112, min(44.0, (WIDTH - 120) / n)
    body = []
    for i, row in enumerate(shares):
        top = 8 + i * size
        body.append(_text(left - 8, top + size * 0.65, labels[i], anchor="end"))
        for j, share in enumerate(row):
            body.append(
                f'<rect x="{left + j * size:.1f}" y="{top:.1f}" width="{size - 1:.1f}" '
                f'height="{size - 1:.1f}" fill="{COLOURS[0]}" fill-opacity="{share:.2f}"/>'
            )
            if share >= 0.005:
                body.append(
                    _text(
                        left + (j + 0.5) * size,
                        top + size * 0.65,
                        f"{100 * share:.0f}",
                        anchor="middle",
                        strong=share > 0.55,
                    )
                )
    for j, name in enumerate(labels):
        across, down = left + (j + 0.6) * size, 16 + n * size
        body.append(
            f'<text transform="translate({across:.1f},{down:.1f}) rotate(40)">{escape(name)}</text>'
        )
    return _svg(body, "Confusion matrix, percent of each row", height=int(8 + n * size + 84))


def calibration(confidence: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 10) -> str:
    """Return how often a guess was right, by how sure it was, beside the diagonal."""
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    body = [_axes("how sure", "how often right", ("0", "1"), ("0", "1"))]
    wide = (WIDTH - 2 * MARGIN) / bins
    for number in range(bins):
        inside = which == number
        if inside.any():
            top = _up(float(right[inside].mean()), 0, 1)
            body.append(
                f'<rect x="{MARGIN + number * wide + 2:.1f}" y="{top:.1f}" width="{wide - 4:.1f}" '
                f'height="{HEIGHT - MARGIN - top:.1f}" fill="{COLOURS[0]}"/>'
            )
    body.append(
        f'<line class="mark" x1="{MARGIN}" y1="{HEIGHT - MARGIN}" x2="{WIDTH - MARGIN}" y2="16"/>'
    )
    return _svg(body, "Calibration")


def bars(values: Sequence[tuple[str, float]], *, most: float | None = None) -> str:
    """Return named horizontal bars from 0."""
    highest = most or max((value for _, value in values), default=0) or 1
    body = []
    for number, (name, value) in enumerate(values):
        top = 8 + number * 28
        width = max(0.0, (WIDTH - 300) * value / highest)
        body.append(_text(200, top + 15, name, anchor="end"))
        body.append(
            f'<rect x="208" y="{top}" width="{width:.1f}" height="20" fill="{COLOURS[0]}"/>'
        )
        body.append(_text(216 + width, top + 15, f"{value:.3f}"))
    return _svg(body, "Bars", height=16 + 28 * len(values))


def scatter(points: NDArray[np.floating], groups: Sequence[str], names: Sequence[str]) -> str:
    """Return points (n, 2) coloured by group, each with its name as a tip.

    Groups beyond the colours share the last one.
    """
    (left, low), (right, high) = points.min(axis=0), points.max(axis=0)
    known = sorted(set(groups))
    last = len(COLOURS) - 1
    named = known if len(known) <= len(COLOURS) else [*known[:last], f"{len(known) - last} more"]
    height = int(HEIGHT * 1.3)
    below = height + 8
    body = []
    for (across, up), group, name in zip(points, groups, names, strict=True):
        colour = COLOURS[min(known.index(group), last)]
        x = 12 + (WIDTH - 24) * (across - left) / max(right - left, 1e-9)
        y = 12 + (height - 24) * (1 - (up - low) / max(high - low, 1e-9))
        body.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}" fill-opacity=".8">'
            f"<title>{escape(name)} ({escape(group)})</title></circle>"
        )
    for number, group in enumerate(named):  # two columns, because the names of clusters are long
        column, row = 12 + number % 2 * WIDTH / 2, below + number // 2 * 22
        body.append(
            f'<rect x="{column:.1f}" y="{row}" width="12" height="12" fill="{COLOURS[number]}"/>'
            + _text(column + 20, row + 11, group)
        )
    return _svg(body, "Map", height=below + -(-len(named) // 2) * 22 + 8)


class Curve(NamedTuple):
    """A curve over the time of a clip, its values (t,) from `low` to `high`."""

    name: str
    values: NDArray[np.floating]
    low: float
    high: float


def sheet(
    wave: NDArray[np.floating],
    level: NDArray[np.floating],
    over: Sequence[Curve],
    below: Curve,
    *,
    seconds: float,
    hertz: tuple[float, float],
) -> str:
    """Return one clip on one time axis: waveform, mel spectrogram with curves over it, a curve.

    Parameters
    ----------
    wave : NDArray, shape (n,)
        Samples.
    level : NDArray, shape (n_mels, t)
        0 to 1, low frequencies first.
    over : sequence of Curve
        In Hz, drawn on the mel axis.
    seconds : float
        Of the clip.
    hertz : tuple of float
        The edges of the mel axis.
    """
    left, wide = 64, WIDTH - 64 - 24
    tops = {"wave": 8, "mel": 104, "below": 352}
    heights = {"wave": 80, "mel": 232, "below": 72}
    data = base64.b64encode(png(level[::-1])).decode()
    body = [
        _text(left - 8, tops["wave"] + heights["wave"] / 2 + 4, "wave", anchor="end"),
        _envelope(wave, left, wide, tops["wave"], heights["wave"]),
    ]
    body.append(
        f'<image x="{left}" y="{tops["mel"]}" width="{wide}" height="{heights["mel"]}" '
        f'preserveAspectRatio="none" href="data:image/png;base64,{data}"/>'
    )
    bottom = tops["mel"] + heights["mel"]
    for value, said in draw.hertz_ticks(*hertz):
        y = bottom - heights["mel"] * draw.height_of(value, len(level), *hertz)
        body.append(_text(left - 8, y + 4, said, anchor="end"))
    for number, curve in enumerate(over):
        high = [draw.height_of(value, len(level), *hertz) for value in _thin(curve.values)]
        body.append(_curve(high, left, wide, tops["mel"], heights["mel"], _OVER[number]))
        x = left + 8 + 150 * number
        body.append(
            f'<rect x="{x}" y="{tops["mel"] + 8}" width="140" height="20" fill="#000" '
            f'fill-opacity=".55"/><line x1="{x + 6}" x2="{x + 26}" y1="{tops["mel"] + 18}" '
            f'y2="{tops["mel"] + 18}" stroke="{_OVER[number]}" stroke-width="2"/>'
            f'<text class="on" x="{x + 32}" y="{tops["mel"] + 23}">{escape(curve.name)}</text>'
        )
    span = max(below.high - below.low, 1e-9)
    shares = [(value - below.low) / span for value in _thin(below.values)]
    body.append(_text(left - 8, tops["below"] + 12, f"{below.high:.2g}", anchor="end"))
    body.append(_text(left - 8, tops["below"] + 42, below.name, anchor="end"))
    body.append(_text(left - 8, tops["below"] + 72, f"{below.low:.2g}", anchor="end"))
    body.append(_curve(shares, left, wide, tops["below"], heights["below"], COLOURS[1]))
    foot = tops["below"] + heights["below"]
    body.append(f'<path class="axis" d="M{left} {foot}H{left + wide}" fill="none"/>')
    for time in draw.clock_ticks(seconds):
        along = left + wide * time / seconds
        body.append(_text(along, foot + 20, draw.clock(time), anchor="middle"))
    return _svg(body, "Waveform, mel spectrogram and curves over time", height=foot + 28)


_OVER = ("#ffffff", "#7fe0ff")
"""Colours of curves over a spectrogram, which looks the same on a dark and on a light page."""


def _envelope(
    wave: NDArray[np.floating], left: float, wide: float, top: float, height: float
) -> str:
    edges = np.linspace(0, len(wave), min(len(wave), 400) + 1).astype(int)[:-1]
    peak = max(float(np.abs(wave).max()), 1e-9)
    high = np.maximum.reduceat(wave, edges) / peak
    low = np.minimum.reduceat(wave, edges) / peak
    x = left + wide * (np.arange(len(edges)) + 0.5) / len(edges)
    middle = top + height / 2
    there = [f"{a:.1f},{middle - b * height / 2:.1f}" for a, b in zip(x, high, strict=True)]
    back = [f"{a:.1f},{middle - b * height / 2:.1f}" for a, b in zip(x, low, strict=True)]
    return f'<polygon fill="{COLOURS[0]}" points="{" ".join([*there, *back[::-1]])}"/>'


def _thin(values: NDArray[np.floating], most: int = 320) -> NDArray[np.floating]:
    """Return the means of at most `most` stretches: a screen shows no more."""
    edges = np.linspace(0, len(values), min(len(values), most) + 1).astype(int)
    return np.add.reduceat(values, edges[:-1]) / np.diff(edges)


def _curve(
    shares: Sequence[float], left: float, wide: float, top: float, height: float, colour: str
) -> str:
    points = " ".join(
        f"{left + wide * (i + 0.5) / len(shares):.1f},"
        f"{top + height * (1 - min(max(share, 0.0), 1.0)):.1f}"
        for i, share in enumerate(shares)
    )
    return f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{points}"/>'


def png(level: NDArray[np.floating]) -> bytes:
    """Return a picture (height, width) of values from 0 to 1 as PNG, in the colours of cards."""
    image = Image.fromarray(np.rint(np.clip(level, 0, 1) * 255).astype(np.uint8))
    image.putpalette(draw.MAGMA.tobytes())
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


class Card(NamedTuple):
    """A picture (height, width) of values from 0 to 1 with a line below it."""

    level: NDArray[np.floating]
    said: str
    hit: bool = False


def gallery(cards: Sequence[Card]) -> str:
    """Return pictures in a grid that follows the width of the screen; hits are marked."""
    cells = []
    for card in cards:
        data = base64.b64encode(png(card.level[::-1])).decode()
        mark = "✓ " if card.hit else ""
        cells.append(
            f'<li{" class=hit" if card.hit else ""}><img alt="Spectrogram of {escape(card.said)}" '
            f'src="data:image/png;base64,{data}"><span>{mark}{escape(card.said)}</span></li>'
        )
    return f'<ul class="gallery">{"".join(cells)}</ul>'


def pair(sides: Sequence[tuple[str, Sequence[Card]]]) -> str:
    """Return galleries side by side, each under its name."""
    columns = "".join(
        f"<div><strong>{escape(name)}</strong>{gallery(cards)}</div>" for name, cards in sides
    )
    return f'<div class="pair">{columns}</div>'


def _range(values: NDArray[np.floating]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _up(value: float, low: float, high: float) -> float:
    return HEIGHT - MARGIN - (HEIGHT - MARGIN - 16) * (value - low) / (high - low)


def _axes(x: str, y: str, across: tuple[str, str], up: tuple[str, str]) -> str:
    bottom = HEIGHT - MARGIN
    return (
        f'<path class="axis" d="M{MARGIN} 16V{bottom}H{WIDTH - MARGIN}" fill="none"/>'
        + _text(MARGIN, bottom + 18, across[0], anchor="middle")
        + _text(WIDTH - MARGIN, bottom + 18, across[1], anchor="middle")
        + _text(WIDTH / 2, bottom + 36, x, anchor="middle")
        + _text(MARGIN - 6, bottom, up[0], anchor="end")
        + _text(MARGIN - 6, 24, up[1], anchor="end")
        + _text(MARGIN + 8, 12, y)
    )


def _legend(number: int, name: str) -> str:
    top = 20 + 20 * number
    return (
        f'<rect x="{WIDTH - 150}" y="{top - 10}" width="12" height="12" fill="{COLOURS[number]}"/>'
        + _text(WIDTH - 132, top, name)
    )


def _text(x: float, y: float, said: str, *, anchor: str = "start", strong: bool = False) -> str:
    kind = ' class="on"' if strong else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(said)}</text>'


def _svg(body: Sequence[str], label: str, *, height: int = HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">'
        + "".join(body)
        + "</svg>"
    )
