"""Cards: the sound of a song given above that of the song picked for it; and why, as bars.

The message around a card names both songs, their tempo and key: a card shows what words cannot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from musrec import wording
from musrec.audio.descriptors import DEFINITIONS
from musrec.model import Analysis, Pick, Picture, Profile, Spectrogram, Track, Trait
from musrec.pictures import draw, spectrograms
from musrec.pictures.draw import MARGIN, READABLE, WIDTH, Box, Canvas, Colour, LookName

STRIP = 150
"""Height of a spectrogram, and of the profile in its place."""

ROW = 50
MOST_TRAITS = 3
MOST_BARS = 3


@dataclass(frozen=True, slots=True)
class Side:
    """One song of a card."""

    colour: Colour
    track: Track
    analysis: Analysis | None
    profile: Profile | None

    @property
    def spectrogram(self) -> Spectrogram | None:
        """The spectrogram, if the song was heard."""
        return self.analysis.spectrogram if self.analysis else None

    @property
    def tempo(self) -> str:
        """The tempo, empty if it is not known."""
        if self.analysis and (heard := self.analysis.rhythm):
            return wording.tempo(heard.tempo, heard.alternative) if heard.tempo else ""
        tempo = self.profile.tempo if self.profile else None
        return wording.tempo(tempo) if tempo else ""

    @property
    def key(self) -> str:
        """The key, empty if it is not known."""
        if self.analysis and self.analysis.harmony:
            return wording.key(self.analysis.harmony)
        return (self.profile.key if self.profile else None) or ""


def card(
    query: Track | None,
    query_analysis: Analysis | None,
    query_profile: Profile | None,
    pick: Pick,
    pick_analysis: Analysis | None,
    *,
    look: LookName = "dark",
) -> Picture:
    """Draw the song a member gave above the song picked for it, and what both share.

    Each song is a strip over the whole width: its spectrogram, on one loudness scale and one time
    scale with the other; or, if it was never heard here, its sound profile.

    Parameters
    ----------
    query : Track or None
        None if the song was picked for several members at once: it is then shown alone.
    query_analysis, pick_analysis : Analysis or None
    query_profile : Profile or None
    pick : Pick
        The first `MOST_TRAITS` traits of its explanation are drawn.
    look : ``"dark"`` or ``"light"``

    Returns
    -------
    Picture
    """
    colours = draw.LOOKS[look]
    found = Side(colours.pick, pick.track, pick_analysis, pick.profile)
    given = Side(colours.query, query, query_analysis, query_profile) if query else None
    sides = [side for side in (given, found) if side is not None]
    heard = [side.spectrogram for side in sides if side.spectrogram is not None]
    top_db = spectrograms.loudest(heard) if heard else 0.0
    seconds = max((spectrogram.seconds for spectrogram in heard), default=1.0)
    traits = pick.explanation.traits[:MOST_TRAITS] if given else ()
    bars = _columns([side.profile for side in sides if side.spectrogram is None])

    height = 20 + (STRIP + 58) * len(sides)
    canvas = Canvas(height + (14 + ROW * len(traits) if traits else 0), look)
    for position, side in enumerate(sides):
        top = 68 + (STRIP + 58) * position
        strip = Box(MARGIN, top, WIDTH - MARGIN, top + STRIP)
        _label(canvas, strip, side, pick if side is found else None)
        if side.spectrogram is None:
            _bars(canvas, strip, side, bars)
        else:
            spectrograms.sound(canvas, strip, side.spectrogram, top_db, seconds)
    if given:
        for position, trait in enumerate(traits):
            top = height + ROW * position
            _trait(canvas, Box(MARGIN, top, WIDTH - MARGIN, top + ROW), trait, given, found)
    return canvas.finish(_alt(given, found, pick, traits, bars))


def contributions(pick: Pick, *, look: LookName = "dark") -> Picture:
    """Draw what a pick owes its place to: each named term of its score as a bar from zero.

    Parameters
    ----------
    pick : Pick
    look : ``"dark"`` or ``"light"``

    Returns
    -------
    Picture
        One row per term, largest first, with its share of all terms without their signs; reasons
        stand in the alternative text alone, for the message says them. A term whose share is 0%
        and that has no reason is left out.
    """
    whole = sum(abs(term.value) for term in pick.terms) or 1.0
    shares = {term.name: percent(term.value / whole) for term in pick.terms}
    said = [term for term in pick.terms if term.because or shares[term.name] != "0%"]
    terms = sorted(said, key=lambda term: -abs(term.value))
    names, bars, top = MARGIN, 240, 24
    canvas = Canvas(2 * top + ROW * max(1, len(terms)), look)
    colours = canvas.look
    area = Box(bars, top, WIDTH - MARGIN - 124, top + ROW * max(1, len(terms)))
    low = min(0.0, *(term.value for term in terms)) if terms else 0.0
    high = max(0.0, *(term.value for term in terms)) if terms else 1.0
    scale = area.width / max(high - low, 1e-9)
    zero = round(area.left - low * scale)
    for position, term in enumerate(terms):
        middle = top + ROW * position + ROW // 2
        canvas.text(
            (names, middle + 11), term.name, READABLE, weight="bold", width=bars - names - 20
        )
        end = round(zero + term.value * scale)
        bar = Box(min(zero, end), middle - 18, max(zero, end, min(zero, end) + 3), middle + 18)
        canvas.rectangle(Box(area.left, middle - 1, area.right, middle + 1), colours.panel)
        canvas.rounded(bar, colours.gain if term.value >= 0 else colours.loss, 6)
        share = shares[term.name]
        canvas.text((WIDTH - MARGIN, middle + 11), share, READABLE, weight="bold", anchor="right")
    canvas.rectangle(Box(zero - 1, area.top, zero + 1, area.bottom), colours.muted)
    listed = "; ".join(
        f"{term.name} {shares[term.name]}" + (f" ({term.because})" if term.because else "")
        for term in terms
    )
    title = draw.shorten(pick.track.title, 120)
    return canvas.finish(f"Why {title}: {listed or 'nothing in particular'}.")


def percent(share: float) -> str:
    """Return a share, -1 to 1, in whole percent with a true minus."""
    return f"{share:.0%}".replace("-0%", "0%").replace("-", "−")


def _label(canvas: Canvas, strip: Box, side: Side, pick: Pick | None) -> None:
    """Write a song's title over its strip, and how close it is beside that of a pick."""
    y, room = strip.top - 18, strip.width - 34
    if pick and pick.closeness:
        room -= 24 + round(canvas.plate((strip.right, y), str(pick.closeness), side.colour))
    canvas.dot((strip.left + 10, y - 12), 10, side.colour)
    canvas.title((strip.left + 34, y), draw.named(side.track), (36, READABLE), room)


def _columns(profiles: list[Profile | None]) -> tuple[str, ...]:
    """Return the descriptors to draw: known of every profile, farthest from the middle first."""
    known = [profile.percentiles for profile in profiles if profile is not None]
    shared = [
        name
        for name in DEFINITIONS
        if known and all(math.isfinite(one.get(name, math.nan)) for one in known)
    ]
    clear = {name: max(abs(one[name] - 50) for one in known) for name in shared}
    return tuple(sorted(shared, key=lambda name: -clear[name])[:MOST_BARS])


def _bars(canvas: Canvas, strip: Box, side: Side, names: tuple[str, ...]) -> None:
    """Draw a sound profile: one bar per descriptor, up or down from the middle, and its word."""
    look = canvas.look
    canvas.rounded(strip, look.panel)
    places = side.profile.percentiles if side.profile else {}
    if not names or not places:
        said = "I have not heard this one yet."
        middle = (strip.left + strip.right) / 2
        canvas.text((middle, strip.top + 83), said, READABLE, colour=look.muted, anchor="middle")
        return
    step = strip.width / len(names)
    zero, reach = strip.top + 58, 44
    canvas.rectangle(Box(strip.left + 20, zero - 1, strip.right - 20, zero + 1), look.line)
    for position, name in enumerate(names):
        middle = strip.left + (position + 0.5) * step
        end = round(zero - (places[name] - 50) / 50 * reach)
        bar = Box(round(middle - 34), min(zero, end) - 2, round(middle + 34), max(zero, end) + 2)
        canvas.rounded(bar, side.colour, 5)
        at, room = (middle, strip.bottom - 16), step - 6
        canvas.text(at, _pole(name, places[name]), READABLE, anchor="middle", width=room)


def _pole(name: str, place: float) -> str:
    """Return the word for the side on which a song stands, 0 to 100, of a descriptor."""
    return DEFINITIONS[name].high if place >= 50 else DEFINITIONS[name].low


def _trait(canvas: Canvas, row: Box, trait: Trait, given: Side, found: Side) -> None:
    """Name what both songs share; show it as their places on a scale, or in words."""
    name, (ours, theirs), said = _shared(trait, given, found)
    y = row.top + 36
    canvas.text((row.left, y), name, READABLE, weight="bold", width=232)
    area = Box(row.left + 252, row.top + 2, row.right - 14, row.bottom - 2)
    if said:
        canvas.text((area.left, y), said, READABLE, colour=canvas.look.muted, width=area.width)
    elif math.isfinite(ours + theirs):
        canvas.scale(area, ours, theirs)


def _shared(trait: Trait, given: Side, found: Side) -> tuple[str, tuple[float, float], str]:
    """Return a trait's name, the places of both songs, 0 to 100 or NaN, and what is said instead.

    A place of 100 is as much of the named word as there is: the scale of "calm" is that of
    "intense" turned round.
    """
    sides = (given, found)
    if trait.kind in ("tempo", "key"):
        values = [side.tempo if trait.kind == "tempo" else side.key for side in sides]
        said = " → ".join(dict.fromkeys(value for value in values if value))
        return trait.kind, (math.nan, math.nan), said
    profiles = [side.profile or Profile() for side in sides]
    if trait.kind == "tag":
        ours, theirs = (100 * profile.tags.get(trait.name, math.nan) for profile in profiles)
        return trait.name.lower(), (ours, theirs), ""
    ours, theirs = (profile.percentiles.get(trait.name, math.nan) for profile in profiles)
    place = next((value for value in (theirs, ours) if math.isfinite(value)), 100.0)
    if place < 50:
        ours, theirs = 100 - ours, 100 - theirs
    return _pole(trait.name, place), (ours, theirs), ""


def _alt(
    given: Side | None,
    found: Side,
    pick: Pick,
    traits: tuple[Trait, ...],
    bars: tuple[str, ...],
) -> str:
    """Return the alternative text, from the same data that the card is drawn from."""
    beside = f"{draw.who(given.track)} beside " if given else ""
    near = f", {wording.closeness(pick.closeness)}" if pick.closeness else ""
    parts = [f"{beside}{draw.who(found.track)}{near}."]
    if given and traits:
        shared = (_shared(trait, given, found) for trait in traits)
        both = ", ".join(f"{name} {said}".rstrip() for name, _, said in shared)
        parts.append(f"Both share: {both}.")
    for side in (given, found):
        if side is None:
            continue
        title = draw.shorten(side.track.title, 80)
        if side.spectrogram is not None:
            facts = "".join(f", {fact}" for fact in (side.tempo, side.key) if fact)
            parts.append(
                f"Mel spectrogram of {title}: "
                f"{draw.clock(side.spectrogram.seconds)} long{facts}, "
                f"strongest around {draw.hertz(spectrograms.strongest(side.spectrogram))}."
            )
        elif side.profile and bars:
            places = side.profile.percentiles
            said = ", ".join(f"{DEFINITIONS[name].high} {places[name]:.0f}" for name in bars)
            parts.append(f"Sound profile of {title} on scales of 0 to 100: {said}.")
    if given and given.spectrogram and found.spectrogram:
        difference = spectrograms.level(found.spectrogram) - spectrograms.level(given.spectrogram)
        if abs(difference) < 1.5:
            parts.append("Both are about equally loud on one colour scale.")
        else:
            louder = "recommended" if difference > 0 else "other"
            parts.append(
                f"On one colour scale the {louder} song is about {abs(difference):.0f} dB louder."
            )
    return " ".join(parts)
