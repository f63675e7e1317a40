"""Cards: the song given and the song recommended side by side; and why, as a bar chart."""

from __future__ import annotations

import math
from dataclasses import dataclass

from musrec import wording
from musrec.audio.descriptors import DEFINITIONS, mood, said_tags
from musrec.model import Analysis, Pick, Picture, Profile, Spectrogram, Track
from musrec.pictures import draw, lettering, spectrograms
from musrec.pictures.draw import MARGIN, WIDTH, Anchor, Box, Canvas, Colour, LookName

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
        """The spectrogram, if the song was heard."""
        return self.analysis.spectrogram if self.analysis else None

    @property
    def facts(self) -> tuple[str, ...]:
        """Tempo, key and mood, as far as they are known."""
        tempo = self.profile.tempo if self.profile else None
        key = self.profile.key if self.profile else None
        if self.analysis and self.analysis.rhythm:
            tempo = self.analysis.rhythm.tempo
        if self.analysis and self.analysis.harmony:
            key = wording.key(self.analysis.harmony)
        words = mood(self.profile.percentiles, 1) if self.profile else ()
        known = (wording.tempo(tempo) if tempo else None, key, *words)
        return tuple(fact for fact in known if fact)


def card(
    query: Track | None,
    query_analysis: Analysis | None,
    query_profile: Profile | None,
    pick: Pick,
    pick_analysis: Analysis | None,
    *,
    look: LookName = "dark",
) -> Picture:
    """Draw the song a member gave beside the song picked for it.

    If both were heard: two spectrograms on one loudness scale and one time scale. A song that was
    never heard here is shown by its sound profile against the other's, and the card says so.

    Parameters
    ----------
    query : Track or None
        None if the song was picked for several members at once: it is then shown alone.
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
    found = Side("recommended", colours.pick, pick.track, pick_analysis, pick.profile)
    if query is None:
        return _alone(found, pick, look)
    given = Side("compared with", colours.query, query, query_analysis, query_profile)
    heard = [side.spectrogram for side in (given, found) if side.spectrogram is not None]

    canvas = Canvas(706 if heard else 668, look)
    half = (WIDTH - 2 * MARGIN - BETWEEN) // 2
    left = Box(MARGIN, 0, MARGIN + half, canvas.image.height)
    right = Box(WIDTH - MARGIN - half, 0, WIDTH - MARGIN, canvas.image.height)
    _heading(canvas, left, given)
    _heading(canvas, right, found, _badge(pick))

    if not heard:
        _profiles(canvas, Box(MARGIN, 168, WIDTH - MARGIN, 596), given, found)
        _facts(canvas, left, 638, given)
        _facts(canvas, right, 638, found)
        return canvas.finish(_alt(given, found, pick, None))

    top_db = spectrograms.loudest(heard)
    seconds = max(spectrogram.seconds for spectrogram in heard)
    for side, area, panel in (
        (given, left, Box(left.left + GUTTER, 168, left.right, 478)),
        (found, right, Box(right.left, 168, right.right - GUTTER, 478)),
    ):
        if side.spectrogram is None:
            _profiles(canvas, Box(area.left, 168, area.right, 610), given, found)
        else:
            _heard(canvas, panel, side, top_db, seconds)
    _facts(canvas, left, 644, given)
    _facts(canvas, right, 644, found)
    spectrograms.legend(canvas, 684, top_db)
    return canvas.finish(_alt(given, found, pick, top_db))


def _alone(found: Side, pick: Pick, look: LookName) -> Picture:
    """Draw a recommended song across the whole card."""
    canvas = Canvas(706 if found.spectrogram else 668, look)
    whole = Box(MARGIN, 0, WIDTH - MARGIN, canvas.image.height)
    _heading(canvas, whole, found, _badge(pick))
    if found.spectrogram is None:
        _profiles(canvas, Box(MARGIN, 168, WIDTH - MARGIN, 596), None, found)
        _facts(canvas, whole, 638, found)
    else:
        top_db = spectrograms.loudest([found.spectrogram])
        panel = Box(MARGIN + GUTTER, 168, WIDTH - MARGIN, 478)
        _heard(canvas, panel, found, top_db, found.spectrogram.seconds)
        _facts(canvas, whole, 644, found)
        spectrograms.legend(canvas, 684, top_db)
    return canvas.finish(_alt(None, found, pick, None))


def contributions(pick: Pick, *, look: LookName = "dark") -> Picture:
    """Draw the score of a pick as a sum of named terms, each a bar from zero.

    Parameters
    ----------
    pick : Pick
    look : ``"dark"`` or ``"light"``

    Returns
    -------
    Picture
        One row per term, largest first, and their sum. A term of 0 without a reason is left out.
    """
    said = [term for term in pick.terms if term.because or signed(term.value) != "0.00"]
    terms = sorted(said, key=lambda term: -abs(term.value))
    names, bars = MARGIN, 600
    reasons = [
        lettering.wrap(term.because, 21, "medium", bars - names - 28, lines=3) for term in terms
    ]
    top, heights = 134, [50 + 28 * max(1, len(reason)) for reason in reasons]
    canvas = Canvas(top + sum(heights) + 92, look)
    colours = canvas.look
    canvas.title((MARGIN, 58), f"Why {pick.track.title}", (36, 32, 29), WIDTH - 2 * MARGIN)
    explained = "Each bar adds to the score or takes away from it."
    canvas.text((MARGIN, 98), explained, 24, colour=colours.muted)
    area = Box(bars, top, WIDTH - MARGIN - 104, top + sum(heights))
    low = min(0.0, *(term.value for term in terms)) if terms else 0.0
    high = max(0.0, *(term.value for term in terms)) if terms else 1.0
    scale = area.width / max(high - low, 1e-9)
    zero = round(area.left - low * scale)
    y = top
    for term, reason, height in zip(terms, reasons, heights, strict=True):
        canvas.text((names, y + 34), term.name, 27, weight="bold", width=bars - names - 28)
        for line, words in enumerate(reason):
            canvas.text((names, y + 62 + 28 * line), words, 21, colour=colours.muted)
        end = round(zero + term.value * scale)
        middle = y + height // 2
        bar = Box(min(zero, end), middle - 21, max(zero, end, min(zero, end) + 3), middle + 21)
        canvas.rectangle(Box(area.left, middle - 1, area.right, middle + 1), colours.panel)
        canvas.rounded(bar, colours.gain if term.value >= 0 else colours.loss, 6)
        value = signed(term.value)
        canvas.text((WIDTH - MARGIN, middle + 9), value, 27, weight="bold", anchor="right")
        y += height
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
    """Return a contribution with its sign, two decimals and a true minus."""
    text = f"{value:+.2f}".replace("-", "−")
    return "0.00" if text in ("+0.00", "−0.00") else text


def _badge(pick: Pick) -> str:
    """Return how close a pick sounds to the query; empty if nothing is claimed."""
    return wording.closeness(pick.closeness) if pick.closeness else ""


def _heading(canvas: Canvas, area: Box, side: Side, badge: str = "") -> None:
    look = canvas.look
    canvas.dot((area.left + 7, 46), 7, side.colour)
    canvas.text((area.left + 24, 54), side.role, 23, colour=look.muted, width=area.width - 190)
    if badge:
        canvas.text((area.right, 54), badge, 25, weight="bold", colour=side.colour, anchor="right")
    canvas.title((area.left, 102), side.track.title, (36, 32, 29), area.width)
    canvas.text((area.left, 140), side.track.artist, 26, colour=look.muted, width=area.width)


def _heard(canvas: Canvas, panel: Box, side: Side, top_db: float, seconds: float) -> None:
    """Draw a spectrogram, beats and notes, with their axes on the outer side of the card."""
    if side.spectrogram is None:
        return
    outer: Anchor = "left" if panel.left < WIDTH // 2 else "right"
    rhythm = side.analysis.rhythm if side.analysis else None
    beat = Box(panel.left, panel.bottom + 6, panel.right, panel.bottom + 26)
    notes = Box(panel.left, beat.bottom + 6, panel.right, beat.bottom + 54)
    spectrograms.sound(canvas, panel, side.spectrogram, top_db, seconds)
    spectrograms.hertz_axis(canvas, panel, side.spectrogram, outer)
    spectrograms.beats(canvas, beat, rhythm.beats if rhythm else (), seconds, side.colour)
    spectrograms.notes(canvas, notes, side.spectrogram, seconds, side.colour)
    spectrograms.time_axis(canvas, notes, seconds)
    x = panel.left - 10 if outer == "left" else panel.right + 10
    anchor: Anchor = "right" if outer == "left" else "left"
    for y, name in ((beat.bottom - 3, "beat"), (notes.bottom - 18, "notes")):
        canvas.text((x, y), name, 18, colour=canvas.look.muted, anchor=anchor)


def _profiles(canvas: Canvas, area: Box, given: Side | None, found: Side) -> None:
    """Draw sound profiles on common scales, and say why there is no spectrogram."""
    look = canvas.look
    left, right = area.left + 24, area.right - 24
    reason = (
        "Not heard here: its sound profile instead"
        if given is None or given.spectrogram or found.spectrogram
        else "Neither was heard here: their sound profiles"
    )
    ours = given.profile if given else None
    canvas.rounded(area, look.panel)
    canvas.text((left, area.top + 42), reason, 22, width=right - left)
    rows = profile_rows(ours, found.profile)
    tags = shared_tags(ours, found.profile)
    if not rows and not tags:
        canvas.text((left, area.top + 82), "Nothing is known of its sound.", 22, colour=look.muted)
        return
    if tags:
        words = "both: " + " · ".join(tags)
        canvas.text((left, area.bottom - 22), words, 22, width=right - left)
    top = area.top + 66
    bottom = area.bottom - (56 if tags else 20)
    step = min(58.0, (bottom - top) / max(1, len(rows)))
    widest = [
        max((lettering.measure(row[end], 22, "medium") for row in rows), default=0.0)
        for end in (0, 1)
    ]
    for position, (low, high, one, other) in enumerate(rows):
        y = round(top + (position + 0.5) * step)
        canvas.text((left, y + 8), low, 22, colour=look.muted)
        canvas.text((right, y + 8), high, 22, colour=look.muted, anchor="right")
        scale = Box(left + round(widest[0]) + 28, y - 3, right - round(widest[1]) - 28, y + 3)
        canvas.rounded(scale, look.line, 3)
        at = [scale.left + scale.width * value / 100 for value in (one, other)]
        # If both share a place, the recommended song is a ring around the other's dot.
        for x, colour, radius in (
            (at[1], found.colour, 13),
            (at[0], look.query, 8 if abs(at[0] - at[1]) < 12 else 13),
        ):
            if math.isfinite(x):
                canvas.dot((x, y), radius + 2.5, look.panel)
                canvas.dot((x, y), radius, colour)


def profile_rows(
    ours: Profile | None, theirs: Profile | None, most: int = MOST_ROWS
) -> list[tuple[str, str, float, float]]:
    """Return one row per descriptor: (word for 0, word for 100, ours, theirs).

    Descriptors known of both songs come first, then those known of one; the other is NaN.
    """
    known = [profile.percentiles if profile else {} for profile in (ours, theirs)]
    rows = [
        (
            descriptor.low,
            descriptor.high,
            known[0].get(name, math.nan),
            known[1].get(name, math.nan),
        )
        for name, descriptor in DEFINITIONS.items()
    ]
    both = [row for row in rows if math.isfinite(row[2] + row[3])]
    one = [row for row in rows if math.isfinite(row[2]) != math.isfinite(row[3])]
    return (both + one)[:most]


def shared_tags(ours: Profile | None, theirs: Profile | None, most: int = 4) -> list[str]:
    """Return the tags that may be said of both songs, strongest first."""
    if ours is None or theirs is None:
        return []
    mine, others = said_tags(ours.tags), said_tags(theirs.tags)
    both = {tag: min(share, others[tag]) for tag, share in mine.items() if tag in others}
    return [tag.lower() for tag in sorted(both, key=lambda tag: -both[tag])][:most]


def _facts(canvas: Canvas, area: Box, y: int, side: Side) -> None:
    """Write tempo, key and mood on one line."""
    text = "   ·   ".join(side.facts)
    if text:
        canvas.text((area.left, y), text, 24, width=area.width)


def _alt(given: Side | None, found: Side, pick: Pick, top_db: float | None) -> str:
    """Return the alternative text, from the same data that the card is drawn from."""
    beside = f"{_who(given.track)} beside " if given else ""
    badge = _badge(pick)
    parts = [f"{beside}{_who(found.track)}{', ' if badge else ''}{badge}."]
    for side in (given, found):
        if side is None or side.spectrogram is None:
            continue
        facts = "".join(f", {fact}" for fact in side.facts)
        parts.append(
            f"Mel spectrogram of {draw.shorten(side.track.title, 80)}: "
            f"{draw.clock(side.spectrogram.seconds)} long{facts}, "
            f"strongest around {draw.hertz(spectrograms.strongest(side.spectrogram))}."
        )
    if top_db is not None and given and given.spectrogram and found.spectrogram:
        difference = spectrograms.level(found.spectrogram) - spectrograms.level(given.spectrogram)
        if abs(difference) < 1.5:
            parts.append("Both are about equally loud on one colour scale.")
        else:
            louder = "recommended" if difference > 0 else "other"
            parts.append(
                f"On one colour scale the {louder} song is about {abs(difference):.0f} dB louder."
            )
    elif given or not found.spectrogram:
        rows = profile_rows(given.profile if given else None, found.profile)
        what = "; ".join(
            f"{high} rather than {low}: "
            + " against ".join(_number(value) for value in values[0 if given else 1 :])
            for low, high, *values in rows
        )
        if not given:
            heard = "It was not heard here"
        elif given.spectrogram or found.spectrogram:
            heard = "Only one of the two was heard here"
        else:
            heard = "Neither was heard here"
        parts.append(
            f"{heard}. Sound profile{'s' if given else ''} on scales of 0 to 100, {what}."
            if what
            else f"{heard}, and no sound profile is known."
        )
    return " ".join(parts)


def _number(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else "not known"


def _who(track: Track) -> str:
    return f"{draw.shorten(track.title, 120)} by {draw.shorten(track.artist, 100)}"
