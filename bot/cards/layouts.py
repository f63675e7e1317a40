"""The messages of the bot as Components V2 layouts."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import discord
from discord import ui

from bot.cards import words
from musrec import wording
from musrec.catalogue.model import SystemPair
from musrec.model import Pick, Picture, Track

if TYPE_CHECKING:
    from musrec.sources.model import Cover

TEAL = discord.Colour(0x2A9D8F)
AMBER = discord.Colour(0xE9A23B)

CARD_PICTURE = "card.png"
CHART_PICTURE = "why.png"

NOT_COUNTED = "-# Only for comparison: I go by what I hear."

IN_A_ROW = 5
"""Buttons that Discord takes in a row."""

MOST_TEXT = 4000
"""Characters of text in all components of one message: Discord's limit."""

Control = ui.Item[Any]


def page(*blocks: Control, colour: discord.Colour = TEAL) -> ui.LayoutView:
    """Put blocks into one box; every message of the bot is one.

    If all text together is too long for Discord, the longest text loses its last lines.
    """
    texts = [
        part
        for block in blocks
        for part in (block.children if isinstance(block, ui.Section) else (block,))
        if isinstance(part, ui.TextDisplay)
    ]
    while (over := sum(len(block.content) for block in texts) - MOST_TEXT) > 0:
        longest = max(texts, key=lambda block: len(block.content))
        longest.content = _fitted(longest.content, len(longest.content) - over)
    view = ui.LayoutView(timeout=None)
    view.add_item(ui.Container(*blocks, accent_colour=colour))
    return view


def text(content: str) -> ui.TextDisplay[Any]:
    """Return a block of markdown."""
    return ui.TextDisplay(content)


def _fitted(content: str, most: int) -> str:
    """Drop whole lines, so that no link is cut in two; a single long line ends in an ellipsis."""
    lines = content.splitlines()
    while len(lines) > 1 and sum(map(len, lines)) + len(lines) + 1 > most:
        lines.pop()
    return words.short("\n".join([*lines, "…"] if len(lines) > 1 else lines), max(most, 1))


def row(*controls: Control) -> ui.ActionRow[Any]:
    """Return buttons side by side, or one select."""
    return ui.ActionRow(*controls)


def line() -> ui.Separator[Any]:
    """Return a thin line between blocks."""
    return ui.Separator()


def image(picture: Picture, name: str) -> ui.MediaGallery[Any]:
    """Return the slot for a picture attached under a name, with its alt text."""
    item = discord.MediaGalleryItem(f"attachment://{name}", description=picture.alt)
    return ui.MediaGallery(item)


def beside(content: str, cover: Cover | None) -> Control:
    """Return a block of markdown with a cover beside it, if there is one."""
    if cover is None:
        return text(content)
    thumbnail: ui.Thumbnail[Any] = ui.Thumbnail(cover.url, description="Cover")
    return ui.Section(text(content), accessory=thumbnail)


def links(track: Track, most: int) -> list[ui.Button[Any]]:
    """Return a button to each page where a track can be heard, best first."""
    return [
        ui.Button(label=name if place else f"Open in {name}", url=page)
        for place, (name, page) in enumerate(words.addresses(track)[:most])
    ]


def file(picture: Picture, name: str) -> discord.File:
    """Return a picture as an attachment."""
    return discord.File(io.BytesIO(picture.png), name, description=picture.alt)


def notice(content: str, *controls: Control, hint: str = "") -> ui.LayoutView:
    """Say something in a sentence or two."""
    blocks: list[Control] = [text(content)]
    if hint:
        blocks.append(text(f"-# {hint}"))
    if controls:
        blocks.append(row(*controls))
    return page(*blocks)


def trouble(content: str, hint: str = "") -> ui.LayoutView:
    """Say that something did not work, and what to try."""
    return page(text(f"**{content}**" + (f"\n{hint}" if hint else "")), colour=AMBER)


def working(doing: str) -> ui.LayoutView:
    """Say what is being done while an answer is made."""
    return page(text(f"🎧 {doing}"))


def card(
    query: Track | None,
    pick: Pick,
    *,
    mood: tuple[str, ...],
    picture: Picture | None,
    cover: Cover | None,
    genres: Sequence[str],
    notes: Sequence[str],
    buttons: Sequence[Control],
    more: Sequence[Control],
    others: Control | None,
    intro: str = "",
) -> ui.LayoutView:
    """Feature one pick: its name, what it sounds like, why it was picked, and its buttons.

    `genres` are the artist's, as a service says; without any, the song's own is shown. `intro` is
    markdown that says why it is here, in place of the song it was found for. `buttons` and `more`
    are rows of at most five. The picture says how close the songs sound, and the sentence some of
    the mood: neither is said again.
    """
    heading = [f"### {words.song(pick.track)}"]
    if known := words.known(pick.track, genres):
        heading.append(f"-# {known}")
    if intro:
        heading += [f"-# {line}" for line in intro.splitlines()]
    elif query is not None:
        heading.append(f"-# found for {words.song(query)}")
    blocks: list[Control] = [beside("\n".join(heading), cover)]
    if picture is not None:
        blocks.append(image(picture, CARD_PICTURE))
    blocks.append(text(words.plain(pick.explanation.sentence, 500)))
    near = f"🎯 {wording.closeness(pick.closeness)}" if pick.closeness and not picture else ""
    spoken = pick.explanation.sentence.lower()
    said = words.facts(pick.profile, tuple(word for word in mood if word not in spoken))
    if facts := "\u2003".join(part for part in (near, said) if part):
        blocks.append(text(facts))
    elif not mood:
        blocks.append(text("-# not heard yet"))
    blocks.append(row(*buttons))
    blocks.append(row(*more))
    if pages := links(pick.track, IN_A_ROW):
        blocks.append(row(*pages))
    if others is not None:
        blocks += [line(), row(others)]
    if notes:
        blocks.append(text("\n".join(f"-# {words.plain(note, 300)}" for note in notes)))
    return page(*blocks)


def why(
    pick: Pick, picture: Picture, elsewhere: Sequence[str], systems: Control | None = None
) -> ui.LayoutView:
    """Show every part of a pick's score, and apart from it what other services say of the song."""
    said = pick.explanation
    details = "\n".join(f"- {words.plain(detail, 300)}" for detail in said.details)
    blocks: list[Control] = [
        text(f"### Why {words.song(pick.track)}"),
        image(picture, CHART_PICTURE),
    ]
    if details:
        blocks.append(text(details))
    if said.counterfactual:
        blocks.append(text(f"-# {words.plain(said.counterfactual, 500)}"))
    if elsewhere:
        blocks += [line(), text("\n".join([*elsewhere, NOT_COUNTED]))]
    if systems is not None:
        blocks.append(row(systems))
    return page(*blocks)


def systems(query: Track, found: SystemPair) -> ui.LayoutView:
    """Show what two systems find for a song, one list below the other, as a phone needs it."""
    lists = (
        ("By its spectrogram as a picture", found.by_spectrogram),
        ("By its measured features", found.by_features),
    )
    blocks: list[Control] = [text(f"### Two systems on {words.song(query)}")]
    blocks += [
        text(f"**{name}**\n" + "\n".join(f"{n}. {words.song(t)}" for n, t in enumerate(songs, 1)))
        for name, songs in lists
    ]
    said = f"{found.shared} of {len(found.by_features)} songs are in both lists."
    if found.left_out:
        said += f" {found.left_out:,} songs without a spectrogram here were left out."
    return page(*blocks, text(f"-# {said}"))


def option(track: Track, description: str = "") -> discord.SelectOption:
    """Return a track as an option of a select."""
    return discord.SelectOption(
        label=words.bare(f"{track.title} — {track.artist}", 100),
        value=track.id,
        description=words.bare(description, 100) or None,
    )
