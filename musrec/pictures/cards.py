"""Cards: what was given and what is recommended side by side, and why, as pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from musrec.model import Analysis, Pick, Picture, Profile, Spectrogram, Track
from musrec.pictures import draw, lettering
from musrec.pictures.draw import MARGIN, WIDTH, Anchor, Box, Canvas, Colour, LookName

if TYPE_CHECKING:
    from musrec.model import ByteArray, FloatArray

FLOOR_DB = -96.0
"""What byte 0 of `Spectrogram.mel` means; byte 255 is 0 dB."""
RANGE_DB = 70.0
"""How far below the loudest sound of a card its colours reach."""

MOST_ROWS = 8
GUTTER = 60
BETWEEN = 28


@dataclass(frozen=True, slots=True)
class Side:
    """One half of a card."""

    role: str
    colour: Colour
    track: Track
    analysis: Analysis | None
    profile: Profile | None

    @property
    def spectrogram(self) -> Spectrogram | None:
        """What was heard, if it was."""
        return self.analysis.spectrogram if self.analysis else None

    @property
    def facts(self) -> tuple[str, ...]:
        """Tempo, key and mood, as far as known."""
        tempo = self.profile.tempo if self.profile else None
        key = self.profile.key if self.profile else None
        if self.analysis and self.analysis.rhythm and self.analysis.rhythm.tempo:
            tempo = self.analysis.rhythm.tempo
        if self.analysis and self.analysis.harmony:
            key = str(self.analysis.harmony)
        mood = mood_of(self.profile) if self.profile else None
        return tuple(fact for fact in (f"{tempo:.0f} BPM" if tempo else None, key, mood) if fact)


def card(
    query: Track,
    query_analysis: Analysis | None,
    query_profile: Profile | None,
    pick: Pick,
    pick_analysis: Analysis | None,
    *,
    look: LookName = "dark",
) -> Picture:
    """Draw what a member gave beside the song picked for it.

    Two spectrograms on one loudness scale and one time scale where both were heard. A song that was
    never heard here is shown by its sound profile against the other's, and the card says so.

    Parameters
    ----------
    query : Track
    query_analysis, pick_analysis : Analysis or None
    query_profile : Profile or None
    pick : Pick
    look : ``"dark"`` or ``"light"``

    Returns
    -------
    Picture
        1,100 pixels wide, its text readable at half of that.
    """
    colours = draw.LOOKS[look]
    given = Side("your song", colours.query, query, query_analysis, query_profile)
    found = Side("recommended", colours.pick, pick.track, pick_analysis, pick.profile)
    heard = [side.spectrogram for side in (given, found) if side.spectrogram is not None]

    canvas = Canvas(706 if heard else 668, look)
    half = (WIDTH - 2 * MARGIN - BETWEEN) // 2
    left = Box(MARGIN, 0, MARGIN + half, canvas.image.height)
    right = Box(WIDTH - MARGIN - half, 0, WIDTH - MARGIN, canvas.image.height)
    _heading(canvas, left, given)
    _heading(canvas, right, found, f"{pick.match}% match")

    if not heard:
        _profiles(canvas, Box(MARGIN, 168, WIDTH - MARGIN, 596), given, found)
        _facts(canvas, left, 638, given)
        _facts(canvas, right, 638, found)
        return canvas.finish(_alt(given, found, pick, None))

    top_db = loudest(heard)
    seconds = max(spectrogram.seconds for spectrogram in heard)
    for side, area in ((given, left), (found, right)):
        if side.spectrogram is None:
            _profiles(canvas, Box(area.left, 168, area.right, 610), given, found)
            continue
        mirrored = side is found
        panel = Box(
            area.left + (0 if mirrored else GUTTER),
            168,
            area.right - (GUTTER if mirrored else 0),
            478,
        )
        beats = side.analysis.rhythm.beats if side.analysis and side.analysis.rhythm else ()
        _panel(canvas, panel, side.spectrogram, beats, side.colour, top_db, seconds, mirrored)
    _facts(canvas, left, 644, given)
    _facts(canvas, right, 644, found)
    _legend(canvas, 684, top_db)
    return canvas.finish(_alt(given, found, pick, top_db))


def contributions(pick: Pick, *, look: LookName = "dark") -> Picture:
    """Draw the score of a pick as what it is: a sum of named terms, each a bar from zero.

    Parameters
    ----------
    pick : Pick
    look : ``"dark"`` or ``"light"``

    Returns
    -------
    Picture
        A row a term, largest first, and their sum.
    """
    terms = sorted(pick.terms, key=lambda term: -abs(term.value))
    row_height, top = 78, 134
    canvas = Canvas(top + row_height * len(terms) + 92, look)
    colours = canvas.look
    canvas.text(
        (MARGIN, 58), f"Why {pick.track.title}", 36, weight="bold", width=WIDTH - 2 * MARGIN
    )
    canvas.text(
        (MARGIN, 98),
        "Each bar adds to the score or takes away from it.",
        24,
        colour=colours.muted,
    )
    area = Box(560, top, WIDTH - MARGIN - 104, top + row_height * len(terms))
    low = min(0.0, *(term.value for term in terms)) if terms else 0.0
    high = max(0.0, *(term.value for term in terms)) if terms else 1.0
    scale = area.width / max(high - low, 1e-9)
    zero = round(area.left - low * scale)
    for position, term in enumerate(terms):
        y = area.top + position * row_height
        room = area.left - MARGIN - 28
        canvas.text((MARGIN, y + 34), term.name, 27, weight="bold", width=room)
        canvas.text((MARGIN, y + 62), term.because, 21, colour=colours.muted, width=room)
        end = round(zero + term.value * scale)
        bar = Box(min(zero, end), y + 17, max(zero, end, min(zero, end) + 3), y + 59)
        canvas.rectangle(Box(area.left, y + 37, area.right, y + 39), colours.panel)
        canvas.rounded(bar, colours.gain if term.value >= 0 else colours.loss, 6)
        canvas.text((WIDTH - MARGIN, y + 47), signed(term.value), 27, weight="bold", anchor="right")
    canvas.rectangle(Box(zero - 1, area.top, zero + 1, area.bottom), colours.muted)
    bottom = area.bottom + 14
    canvas.rectangle(Box(MARGIN, bottom, WIDTH - MARGIN, bottom + 2), colours.line)
    canvas.text((MARGIN, bottom + 48), "score, the sum of all", 27, weight="bold")
    canvas.text(
        (WIDTH - MARGIN, bottom + 48), signed(pick.score), 30, weight="bold", anchor="right"
    )
    listed = "; ".join(
        f"{term.name} {signed(term.value)}" + (f" ({term.because})" if term.because else "")
        for term in terms
    )
    title = draw.shorten(pick.track.title, 120)
    return canvas.finish(f"Why {title}: score {signed(pick.score)}, the sum of {listed}.")


def signed(value: float) -> str:
    """Write a contribution with its sign, two decimals and a true minus."""
    text = f"{value:+.2f}".replace("-", "−")
    return "0.00" if text in ("+0.00", "−0.00") else text


def loudest(spectrograms: Sequence[Spectrogram]) -> float:
    """Return the top of the common colour scale in dB: the loudest 0.1% of all, in steps of 5."""
    level = max(float(np.percentile(spectrogram.mel, 99.9)) for spectrogram in spectrograms)
    decibels = level / 255 * -FLOOR_DB + FLOOR_DB
    return min(0.0, max(FLOOR_DB + RANGE_DB, math.ceil(decibels / 5) * 5.0))


def colours_of(top_db: float) -> ByteArray:
    """Return the colour of each byte of `Spectrogram.mel` on a scale that ends at `top_db`."""
    decibels = np.arange(256) / 255 * -FLOOR_DB + FLOOR_DB
    share = np.clip((decibels - (top_db - RANGE_DB)) / RANGE_DB, 0, 1)
    return draw.MAGMA[np.rint(share * 255).astype(np.uint8)]


def _heading(canvas: Canvas, area: Box, side: Side, badge: str = "") -> None:
    look = canvas.look
    canvas.dot((area.left + 7, 46), 7, side.colour)
    canvas.text((area.left + 24, 54), side.role, 23, colour=look.muted, width=area.width - 190)
    if badge:
        canvas.text((area.right, 54), badge, 25, weight="bold", colour=side.colour, anchor="right")
    canvas.text((area.left, 102), side.track.title, 36, weight="bold", width=area.width)
    canvas.text((area.left, 140), side.track.artist, 26, colour=look.muted, width=area.width)


def _panel(
    canvas: Canvas,
    panel: Box,
    spectrogram: Spectrogram,
    beats: Sequence[float],
    colour: Colour,
    top_db: float,
    seconds: float,
    mirrored: bool,
) -> None:
    """Draw a spectrogram, its beats, its chroma and their axes."""
    look = canvas.look
    colours = colours_of(top_db)
    columns = round(panel.width * spectrogram.seconds / seconds)
    canvas.rectangle(panel, _colour(colours[0]))
    canvas.heat(
        Box(panel.left, panel.top, panel.left + columns, panel.bottom), spectrogram.mel, colours
    )

    anchor: Anchor = "left" if mirrored else "right"
    labels_x = panel.right + 10 if mirrored else panel.left - 10

    def label(y: float, text: str, size: int = 20) -> None:
        canvas.text((labels_x, y), text, size, colour=look.muted, anchor=anchor)

    n_mels = spectrogram.mel.shape[0]
    for hertz, name in draw.hertz_ticks(spectrogram.fmin, spectrogram.fmax):
        height = draw.height_of(hertz, n_mels, spectrogram.fmin, spectrogram.fmax)
        y = round(panel.bottom - height * panel.height)
        edge = panel.right if mirrored else panel.left - 6
        canvas.rectangle(Box(edge, y - 1, edge + 6, y + 1), look.line)
        label(y + 7, name)
    label(panel.top + 10, "Hz")

    strip = Box(panel.left, panel.bottom + 6, panel.right, panel.bottom + 26)
    canvas.rectangle(strip, look.panel)
    for beat in beats:
        if 0 <= beat < spectrogram.seconds:
            x = panel.left + round(beat / seconds * panel.width)
            canvas.rectangle(Box(x - 1, strip.top + 3, x + 2, strip.bottom - 3), colour)
    if not beats:
        canvas.text(
            (strip.left + 8, strip.bottom - 4), "no steady beat heard", 18, colour=look.muted
        )
    label(strip.bottom - 3, "beat", 18)

    notes = Box(panel.left, strip.bottom + 6, panel.right, strip.bottom + 54)
    canvas.rectangle(notes, look.panel)
    canvas.heat(
        Box(notes.left, notes.top, notes.left + columns, notes.bottom),
        spectrogram.chroma,
        draw.ramp(look.panel, colour),
    )
    label(notes.bottom - 18, "notes", 18)

    for time in draw.clock_ticks(seconds):
        middle = panel.left + time / seconds * panel.width
        tick = Box(round(middle) - 1, notes.bottom, round(middle) + 1, notes.bottom + 6)
        canvas.rectangle(tick, look.line)
        side: Anchor = "left" if time == 0 else "right" if middle > panel.right - 24 else "middle"
        canvas.text(
            (middle, notes.bottom + 28), draw.clock(time), 20, colour=look.muted, anchor=side
        )


def _profiles(canvas: Canvas, area: Box, given: Side, found: Side) -> None:
    """Draw two sound profiles on common scales, and say why there is no spectrogram."""
    look = canvas.look
    left, right = area.left + 24, area.right - 24
    reason = (
        "Not heard here: its sound profile instead"
        if given.spectrogram or found.spectrogram
        else "Neither was heard here: their sound profiles"
    )
    canvas.rounded(area, look.panel)
    canvas.text((left, area.top + 42), reason, 22, width=right - left)
    rows = profile_rows(given.profile, found.profile)
    tags = shared_tags(given.profile, found.profile)
    if not rows and not tags:
        canvas.text((left, area.top + 82), "Nothing is known of both.", 22, colour=look.muted)
        return
    if tags:
        words = ("both: " if len(tags) > 1 else "both are ") + " · ".join(tags)
        canvas.text((left, area.bottom - 22), words, 22, width=right - left)
    top = area.top + 66
    bottom = area.bottom - (56 if tags else 20)
    step = min(58.0, (bottom - top) / max(1, len(rows)))
    widest = [
        max((lettering.measure(row[end], 22, "medium") for row in rows), default=0.0)
        for end in (0, 1)
    ]
    for position, (low, high, ours, theirs) in enumerate(rows):
        y = round(top + (position + 0.5) * step)
        canvas.text((left, y + 8), low, 22, colour=look.muted)
        canvas.text((right, y + 8), high, 22, colour=look.muted, anchor="right")
        scale = Box(left + round(widest[0]) + 28, y - 3, right - round(widest[1]) - 28, y + 3)
        canvas.rounded(scale, look.line, 3)
        at = [scale.left + scale.width * value / 100 for value in (ours, theirs)]
        # Where both stand at one place, the recommended song is a ring around the other's dot.
        for x, colour, radius in (
            (at[1], found.colour, 13),
            (at[0], given.colour, 8 if abs(at[0] - at[1]) < 12 else 13),
        ):
            canvas.dot((x, y), radius + 2.5, look.panel)
            canvas.dot((x, y), radius, colour)


def profile_rows(
    ours: Profile | None, theirs: Profile | None, most: int = MOST_ROWS
) -> list[tuple[str, str, float, float]]:
    """Return the descriptors known of both songs: (word for 0, word for 100, ours, theirs)."""
    from musrec.audio.descriptors import DEFINITIONS

    if ours is None or theirs is None:
        return []
    rows = []
    for name, descriptor in DEFINITIONS.items():
        pair = ours.percentiles.get(name, math.nan), theirs.percentiles.get(name, math.nan)
        if math.isfinite(sum(pair)):
            rows.append((descriptor.low, descriptor.high, *pair))
    return rows[:most]


def shared_tags(ours: Profile | None, theirs: Profile | None, most: int = 4) -> list[str]:
    """Return the tags that both songs have for at least a tenth of their time, strongest first."""
    if ours is None or theirs is None:
        return []
    both = {tag: min(share, theirs.tags.get(tag, 0.0)) for tag, share in ours.tags.items()}
    strongest = sorted(both, key=lambda tag: -both[tag])
    return [tag.lower() for tag in strongest if both[tag] >= 0.1][:most]


def mood_of(profile: Profile) -> str | None:
    """Return one word for the mood: the tag that listeners would give, or how intense it is."""
    from musrec.audio.descriptors import DEFINITIONS, TAG_KINDS

    moods = {tag: share for tag, share in profile.tags.items() if TAG_KINDS.get(tag) == "mood"}
    if moods and max(moods.values()) >= 0.1:
        return max(moods, key=lambda tag: moods[tag]).lower()
    for name in ("mood", "intensity"):
        percentile = profile.percentiles.get(name, 50.0)
        if percentile >= 65:
            return DEFINITIONS[name].high
        if percentile <= 35:
            return DEFINITIONS[name].low
    return None


def _facts(canvas: Canvas, area: Box, y: int, side: Side) -> None:
    """Write tempo, key and mood in thirds."""
    text = "   ·   ".join(side.facts)
    if text:
        canvas.text((area.left, y), text, 24, width=area.width)


def _legend(canvas: Canvas, y: int, top_db: float) -> None:
    look = canvas.look
    bar = Box(WIDTH // 2 - 130, y - 14, WIDTH // 2 + 130, y)
    canvas.heat(bar, np.arange(256, dtype=np.uint8)[None, :], draw.MAGMA)
    canvas.text(
        (bar.left - 12, y),
        f"quiet  {top_db - RANGE_DB:.0f} dB".replace("-", "−"),
        20,
        colour=look.muted,
        anchor="right",
    )
    canvas.text(
        (bar.right + 12, y), f"{top_db:.0f} dB  loud".replace("-", "−"), 20, colour=look.muted
    )


def _alt(given: Side, found: Side, pick: Pick, top_db: float | None) -> str:
    """Say what the card shows, from the same data that it is drawn from."""
    parts = [f"{_who(given.track)} beside {_who(found.track)}, a {pick.match}% match."]
    for side in (given, found):
        if side.spectrogram is None:
            continue
        facts = "".join(f", {fact}" for fact in side.facts)
        parts.append(
            f"Mel spectrogram of {draw.shorten(side.track.title, 80)}: "
            f"{draw.clock(side.spectrogram.seconds)} long{facts}, "
            f"strongest around {_where(side.spectrogram)}."
        )
    if top_db is not None and given.spectrogram and found.spectrogram:
        difference = _level(found.spectrogram) - _level(given.spectrogram)
        if abs(difference) < 1.5:
            parts.append("Both are about equally loud on one colour scale.")
        else:
            louder = "recommended" if difference > 0 else "given"
            parts.append(
                f"On one colour scale the {louder} song is about {abs(difference):.0f} dB louder."
            )
    else:
        rows = profile_rows(given.profile, found.profile)
        what = "; ".join(
            f"{high} rather than {low}: {ours:.0f} against {theirs:.0f}"
            for low, high, ours, theirs in rows
        )
        parts.append(
            f"Not both songs were heard here. Sound profiles on scales of 0 to 100, {what}."
            if what
            else "Not both songs were heard here, and no sound profile is known of both."
        )
    return " ".join(parts)


def _who(track: Track) -> str:
    return f"{draw.shorten(track.title, 120)} by {draw.shorten(track.artist, 100)}"


def _power(spectrogram: Spectrogram) -> FloatArray:
    decibels = spectrogram.mel.astype(np.float32) / 255 * -FLOOR_DB + FLOOR_DB
    return np.power(np.float32(10), decibels / 10, dtype=np.float32)


def _level(spectrogram: Spectrogram) -> float:
    return float(10 * np.log10(_power(spectrogram).mean()))


def _where(spectrogram: Spectrogram) -> str:
    """Return the frequency of the strongest row, rounded for people."""
    row = int(np.argmax(_power(spectrogram).mean(axis=1)))
    low, high = float(draw.mel(spectrogram.fmin)), float(draw.mel(spectrogram.fmax))
    point = low + (high - low) * (row + 1) / (spectrogram.mel.shape[0] + 1)
    hertz = point * 200 / 3 if point < 15 else 1000 * 6.4 ** ((point - 15) / 27)
    return f"{hertz / 1000:.1f} kHz" if hertz >= 1000 else f"{round(hertz, -1):.0f} Hz"


def _colour(row: ByteArray) -> Colour:
    return int(row[0]), int(row[1]), int(row[2])
