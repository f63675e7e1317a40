"""`/taste`, `/blend`, `/map` and `/history`: what members like, shown only as they choose."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, Literal

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot.cards import layouts, words
from bot.policy import NotAllowed
from bot.press import Press
from musrec.members.model import HISTORY_KINDS, Blend, HistoryFilter, HistoryPage
from musrec.model import Busy, FeedbackKind

if TYPE_CHECKING:
    from bot.app import Bot

Context = discord.Interaction["Bot"]
Kind = Literal["all", "liked", "disliked", "played", "skipped"]

PICTURE = "taste.png"

Asked = commands.CooldownMapping[tuple[int, int]]
"""Pairs of members: one asked to see the taste of the other."""
ASKED_AGAIN = 600
"""Seconds until a member can ask the same one again."""

ON_A_PAGE = 10


MOST_ASKED = 500
"""Members that Discord is asked about, a hundred at a time."""
ANSWERS_WITHIN = 5
"""Seconds that Discord has to answer."""

SIGNS = {
    FeedbackKind.LIKE: "👍",
    FeedbackKind.DISLIKE: "👎",
    FeedbackKind.PLAY: "🎵 played",
    FeedbackKind.FINISH: "✅ finished",
    FeedbackKind.SKIP: "⏭️ skipped",
    FeedbackKind.REPEAT: "🔁 repeated",
    FeedbackKind.PREVIEW: "▶️ previewed",
    FeedbackKind.NEXT: "➡️ passed over",
    FeedbackKind.MORE: "✨ wanted more like",
}


def _pair(pair: tuple[int, int]) -> tuple[int, int]:
    return pair


class TasteCommands(commands.Cog):
    """What members like."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._asked: Asked = commands.CooldownMapping.from_cooldown(1, ASKED_AGAIN, _pair)

    @app_commands.command()
    @app_commands.describe(member="Whose taste; they are asked first. Leave it out for yours")
    async def taste(self, interaction: Context, member: discord.User | None = None) -> None:
        """See what you like in a picture, beside this server's taste."""
        if member is not None and member.id != interaction.user.id:
            await _ask(interaction, "taste", member, self._asked)
            return
        await interaction.response.defer(thinking=True, ephemeral=True)
        view, file = await _taste(interaction, Share.button("taste"))
        await interaction.edit_original_response(view=view, attachments=[file])

    @app_commands.command()
    @app_commands.describe(member="Who to blend with; they are asked first")
    async def blend(self, interaction: Context, member: discord.User) -> None:
        """See how alike two tastes are, where they meet, and songs for both."""
        if member.id == interaction.user.id:
            raise NotAllowed("You already agree with yourself.", "Pick another member.")
        await _ask(interaction, "blend", member, self._asked)

    @app_commands.command()
    async def map(self, interaction: Context) -> None:
        """See all the songs I know on one map, those you like marked."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        view, file = await _map(self._bot, interaction.user, Share.button("map"))
        await interaction.edit_original_response(view=view, attachments=[file])

    @app_commands.command()
    @app_commands.describe(kind="Only these", song="Part of a title or an artist")
    async def history(
        self,
        interaction: Context,
        kind: Kind = "all",
        song: app_commands.Range[str, 1, 40] = "",
    ) -> None:
        """See what you liked, disliked and played, newest first."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        view = await _history(interaction, HistoryFilter(kind, song), 0)
        await interaction.edit_original_response(view=view)


# A member's own -----------------------------------------------------------------------------------


async def _taste(
    interaction: Context, share: Share | None = None
) -> tuple[ui.LayoutView, discord.File]:
    """Show the taste of the member who pressed or asked: to them alone if they may `share` it."""
    member = interaction.user
    portrait, picture = await interaction.client.service.members.taste(
        str(member.id), _name(member), among=await _likers_here(interaction)
    )
    who = "You're" if share else f"{words.plain(_name(member))} is"
    changed = f"\n-# {portrait.changed}" if portrait.changed else ""
    blocks = [
        layouts.text(f"### {who} into {words.plain(portrait.likes)}{changed}"),
        layouts.image(picture, PICTURE),
    ]
    if portrait.signature:
        songs = ", ".join(words.title(track) for track in portrait.signature)
        blocks.append(layouts.text(f"**Signature songs** {songs}"))
    if share:
        blocks.append(layouts.row(share))
    return layouts.page(*blocks), layouts.file(picture, PICTURE)


async def _likers_here(interaction: Context) -> set[str] | None:
    """Return the members with likes who are in this server; None if it is not known.

    Discord answers that for named members without any privileged intent, and nothing is kept.
    """
    likers = await interaction.client.service.members.likers()
    guild = interaction.guild_id and interaction.client.get_guild(interaction.guild_id)
    if not guild or len(likers) > MOST_ASKED:
        return None
    ids = [int(one) for one in sorted(likers) if one.isdecimal()]
    here: set[str] = set()
    try:
        async with asyncio.timeout(ANSWERS_WITHIN):
            for start in range(0, len(ids), 100):
                some = ids[start : start + 100]
                found = await guild.query_members(user_ids=some, limit=len(some), cache=False)
                here.update(str(one.id) for one in found)
    except TimeoutError:
        return None
    return here


async def _map(
    bot: Bot, member: discord.abc.User, *controls: layouts.Control
) -> tuple[ui.LayoutView, discord.File]:
    atlas, picture = await bot.service.members.map(str(member.id))
    count = len(atlas.points)
    whose = "your" if controls else f"{words.plain(_name(member))}'s"
    note = (
        f"-# {count:,} song{'s' if count != 1 else ''}: those near each other mostly sound alike, "
        f"and {whose} likes are ringed. Each colour is a group, named after what I hear in it."
    )
    view = layouts.page(
        layouts.text("### The catalogue by ear"),
        layouts.image(picture, PICTURE),
        layouts.text(note),
        *([layouts.row(*controls)] if controls else []),
    )
    return view, layouts.file(picture, PICTURE)


def _name(member: discord.abc.User) -> str:
    return words.bare(member.display_name, 40) or "a member"


class Share(Press, template=r"share:(?P<what>taste|map)"):
    """Shows the whole channel what only its member saw."""

    @classmethod
    def button(cls, what: str) -> Share:
        """Return the button under a private picture."""
        return cls(ui.Button(label="Show everyone here", custom_id=f"share:{what}"))

    async def press(self, interaction: Context) -> None:
        """Draw it again for the channel: only its member sees the message with the button."""
        await interaction.response.defer(thinking=True)
        if self.about["what"] == "taste":
            view, file = await _taste(interaction)
        else:
            view, file = await _map(interaction.client, interaction.user)
        await interaction.edit_original_response(view=view, attachments=[file])


# Another member's, with their consent -------------------------------------------------------------

_WHAT = {
    "taste": "would like to see what you like",
    "blend": "would like to see how your tastes go together",
}


async def _ask(interaction: Context, what: str, other: discord.abc.User, asked: Asked) -> None:
    """Ask a member in the channel; nothing of theirs is read before they agree."""
    if other.bot:
        raise NotAllowed("Bots like nothing.", "Pick a human instead.")
    if interaction.guild_id is not None and not isinstance(other, discord.Member):
        raise NotAllowed(f"{_name(other)} is not here any more and cannot agree.")
    asker = interaction.user.id
    if await interaction.client.service.members.hidden(str(other.id)):
        raise NotAllowed(f"{_name(other)} keeps their taste private.")
    wait = asked.update_rate_limit((asker, other.id), interaction.created_at.timestamp())
    if wait:
        minutes = max(1, round(wait / 60))
        raise Busy(
            f"You asked {_name(other)} a moment ago.",
            f"You can ask again in {'a minute' if minutes == 1 else f'{minutes} minutes'}.",
        )
    view = layouts.notice(
        f"<@{other.id}>, {words.plain(_name(interaction.user))} {_WHAT[what]}. Everyone here "
        "will see it.",
        Agree.button(what, asker, other.id),
        Decline.button(asker, other.id),
        hint="Only you can answer. Nothing is shown unless you agree.",
    )
    mentions = discord.AllowedMentions(users=[discord.Object(other.id)])
    await interaction.response.send_message(view=view, allowed_mentions=mentions)


class Agree(Press, template=r"agree:(?P<what>taste|blend):(?P<asker>\d+):(?P<other>\d+)"):
    """Agrees to show a taste or a blend."""

    for_everybody = True

    @classmethod
    def button(cls, what: str, asker: int, other: int) -> Agree:
        """Return the button under the question."""
        return cls(
            ui.Button(
                label="Show it",
                style=discord.ButtonStyle.success,
                custom_id=f"agree:{what}:{asker}:{other}",
            )
        )

    async def press(self, interaction: Context) -> None:
        """Show it in place of the question."""
        if interaction.user.id != int(self.about["other"]):
            raise NotAllowed("Only the member who was asked can agree.")
        await interaction.response.defer()
        bot = interaction.client
        if self.about["what"] == "taste":
            view, file = await _taste(interaction)
        else:
            asker = await _who_asked(interaction, int(self.about["asker"]))
            view, file = await _blend(bot, asker, interaction.user)
        await interaction.edit_original_response(view=view, attachments=[file])


class Decline(Press, template=r"decline:(?P<asker>\d+):(?P<other>\d+)"):
    """Keeps it private, or takes the question back."""

    for_everybody = True

    @classmethod
    def button(cls, asker: int, other: int) -> Decline:
        """Return the button beside `Agree`."""
        return cls(ui.Button(label="No", custom_id=f"decline:{asker}:{other}"))

    async def press(self, interaction: Context) -> None:
        """Say so in place of the question; a refusal lasts until its member takes it back."""
        asker, other = int(self.about["asker"]), int(self.about["other"])
        if interaction.user.id not in (asker, other):
            raise NotAllowed("That question is between two other members.")
        refused = interaction.user.id == other
        said = "Kept private." if refused else "The question was taken back."
        await interaction.response.edit_message(view=layouts.notice(f"🔒 {said}"))
        if refused:
            await interaction.client.service.members.choose(str(other), hidden=True)
            await interaction.followup.send(
                view=layouts.notice(
                    "No member can ask to see your taste from now on.",
                    hint="`/privacy taste` lets them ask again.",
                ),
                ephemeral=True,
            )


async def _who_asked(interaction: Context, asker: int) -> discord.abc.User:
    message = interaction.message
    asked = message.interaction_metadata if message else None
    if asked is not None and asked.user.id == asker:
        return asked.user
    return await interaction.client.fetch_user(asker)


async def _blend(
    bot: Bot, one: discord.abc.User, other: discord.abc.User
) -> tuple[ui.LayoutView, discord.File]:
    members, names = (str(one.id), str(other.id)), (_name(one), _name(other))
    found, picture = await bot.service.members.blend(members, names)
    heading = layouts.text(
        f"### {words.plain(names[0])} and {words.plain(names[1])}: {found.verdict}"
    )
    view = layouts.page(
        heading, layouts.image(picture, PICTURE), *_meeting(found), layouts.text(_list(found))
    )
    return view, layouts.file(picture, PICTURE)


def _meeting(found: Blend) -> list[layouts.Control]:
    lines = []
    if found.meet:
        meet = ", ".join(found.meet[:3])
        lines.append(f"**Where you meet** {words.plain(meet, 300)} songs")
    if found.part:
        lines.append(f"**Where you part** {words.plain(found.part, 200)}")
    if found.both:
        songs = ", ".join(words.title(track) for track in found.both[:3])
        more = f" and {len(found.both) - 3} more" if len(found.both) > 3 else ""
        lines.append(f"**You both like** {songs}{more}")
    return [layouts.text("\n".join(lines))] if lines else []


def _list(found: Blend) -> str:
    if not found.songs:
        return "-# I know no song that would be new to both of you and suit you both."
    songs = [
        f"{place}. {words.song(song.track)} · {words.plain(song.suits, 120)}"
        for place, song in enumerate(found.songs, start=1)
    ]
    return "**For both of you**\n" + "\n".join(songs)


# History ------------------------------------------------------------------------------------------


class Turn(Press, template=r"history:(?P<kind>[a-z]+):(?P<page>\d+):(?P<text>(?s:.){0,40})"):
    """Turns a page of a history."""

    @classmethod
    def button(cls, label: str, page: int, filters: HistoryFilter, pages: int) -> Turn:
        """Return the button to a page; disabled if there is no such page."""
        return cls(
            ui.Button(
                label=label,
                custom_id=f"history:{filters.kind}:{max(page, 0)}:{filters.text}",
                disabled=not 0 <= page < pages,
            )
        )

    async def press(self, interaction: Context) -> None:
        """Show the page in place of this one; only its member sees the message."""
        await interaction.response.defer()
        kind = self.about["kind"] if self.about["kind"] in HISTORY_KINDS else "all"
        filters = HistoryFilter(kind, self.about["text"])
        view = await _history(interaction, filters, int(self.about["page"]))
        await interaction.edit_original_response(view=view)


async def _history(interaction: Context, filters: HistoryFilter, page: int) -> ui.LayoutView:
    service = interaction.client.service
    member = str(interaction.user.id)
    found = await service.members.history(member, filters, page=page, size=ON_A_PAGE)
    if not found.total:
        if filters == HistoryFilter():
            hint = "Ask with `/recommend`, then press 👍 or 👎 under a card."
            return layouts.notice("Nothing yet.", hint=hint)
        return layouts.notice("Nothing matches.", hint="`/history` alone shows everything.")
    style = "reader"
    if interaction.guild_id is not None:
        style = (await service.servers.get(str(interaction.guild_id))).dates
    return layouts.page(*_history_blocks(found, filters, style))


def _history_blocks(found: HistoryPage, filters: HistoryFilter, style: str) -> list[Any]:
    what = "Lately" if filters.kind == "all" else f"Lately {filters.kind}"
    named = f" · {words.plain(filters.text, 40)}" if filters.text else ""
    lines = [f"### {what}{named}"]
    for _, events in itertools.groupby(found.events, lambda one: one[0].at.date()):
        those = list(events)
        lines.append(f"-# {words.date(those[0][0].at, style)}")
        lines += [f"{SIGNS[event.kind]} {words.song(track)}" for event, track in those]
    blocks: list[Any] = [layouts.text("\n".join(lines))]
    if found.pages > 1:
        blocks.append(
            layouts.text(f"-# page {found.page + 1} of {found.pages:,}, {found.total:,} in all")
        )
        blocks.append(
            layouts.row(
                Turn.button("Newer", found.page - 1, filters, found.pages),
                Turn.button("Older", found.page + 1, filters, found.pages),
            )
        )
    return blocks
