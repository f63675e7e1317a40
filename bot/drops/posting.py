"""Drops as messages: posting them, finding them after a crash, their buttons and questions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Iterator, Sequence
from contextvars import Context
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import discord
from discord import ui

from bot.cards import layouts, words
from bot.policy import NotAllowed
from bot.press import Press, custom_ids
from bot.recommend.answering import Shown, Slate, complete, feature
from musrec.drops.model import QUESTIONS, STARS, Drop, Issue, Part, Post, State, Undeliverable
from musrec.model import Answer, NotFound

if TYPE_CHECKING:
    from discord.abc import MessageableChannel as Place

    from bot.app import Bot

log = logging.getLogger(__name__)

Interaction = discord.Interaction["Bot"]

AGAIN = "I was interrupted here, so you may see this twice."
_LOOKED_AT = 300
"""Messages of a channel searched for one that may have been posted; beyond, it is not known."""

SEARCHED_BACK = timedelta(hours=1)
"""How much further back it is searched for than our clock says: clocks differ."""


class Messages:
    """Posts drops to Discord: a `musrec.drops.ports.Poster`."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._completing: set[asyncio.Task[None]] = set()

    async def post(self, issue: Issue, post: Post, answer: Answer | None, *, again: bool) -> str:
        """Post a message, with a number that Discord refuses to take twice within minutes."""
        with _undeliverable():
            place = await self._place(issue.drop)
            posted: discord.Message | None = None

            async def put(
                view: ui.LayoutView, files: Sequence[discord.File] = ()
            ) -> discord.Message:
                nonlocal posted
                if posted is not None:
                    posted = await posted.edit(view=view, attachments=files)
                    return posted
                # Questions and the songs made from their answers may follow within those minutes.
                number = f"{issue.id}-{post.position}-{post.part}"
                posted = await place.send(view=view, files=files, nonce=number)
                return posted

            said = f"{post.words}\n{AGAIN}" if again else post.words
            if answer is None or post.answer is None:
                view = await _view(self._bot, issue, replace(post, words=said))
                message = await put(view)
                return str(message.id)
            after = discord.utils.time_snowflake(discord.utils.utcnow() - SEARCHED_BACK)
            server = getattr(getattr(place, "guild", None), "id", None)
            slate = Slate(put, place.id, after, private=False, reactions=True, guild=server)
            intro = f"{words.plain(said, 500)}{_for(post)}"
            pick = answer.picks[0]
            if answer.query is not None and answer.query.title not in post.words:
                intro += f"\npictured with {words.song(answer.query)}"
            shown = await feature(self._bot, slate, post.answer, answer, pick, intro=intro)
            self._complete(slate, shown)
            assert shown.card is not None
            return shown.card.message

    def _complete(self, slate: Slate, shown: Shown) -> None:
        """Complete a card while the drop goes on: hearing a song takes longer than posting it."""
        task = asyncio.create_task(complete(self._bot, slate, shown), context=Context())
        self._completing.add(task)
        task.add_done_callback(self._completing.discard)

    async def find(self, issue: Issue, post: Post) -> str | None:
        """Look for a message by the custom ids of its buttons, which no other message has."""
        assert post.began is not None

        def mine(name: str) -> bool:
            if post.answer:
                return name.startswith(f"why:{post.answer}:")
            return name in (f"{start}:{_mark(issue)}" for start in _STARTS[post.part])

        with _undeliverable():
            place = await self._place(issue.drop)
            try:
                since = post.began - SEARCHED_BACK
                looked_at = 0
                async for message in place.history(after=since, limit=_LOOKED_AT):
                    looked_at += 1
                    if any(map(mine, custom_ids(message))):
                        return str(message.id)
            except discord.Forbidden:
                return None
        return "" if looked_at < _LOOKED_AT else None

    async def tell(self, drop: Drop, words_: str) -> bool:
        """Say it where the drop was set up, unless its member left, else to the member directly."""
        places: list[str | None] = [
            home for home in dict.fromkeys((drop.home, drop.channel)) if home is not None
        ]
        if drop.member:
            places.append(None)
        mention = f"<@{drop.member}> " if drop.member else ""
        # Told only once, so it may ping its member.
        pinged = [discord.Object(int(drop.member))] if drop.member else False
        for channel in places:
            with contextlib.suppress(discord.HTTPException, Undeliverable):
                to = replace(drop, channel=channel)
                if drop.member and not await self.there(to, drop.member):
                    continue
                view = layouts.trouble(f"{mention}{words.plain(words_, 1000)}")
                place = await self._place(to)
                await place.send(view=view, allowed_mentions=discord.AllowedMentions(users=pinged))
                return True
        return False

    async def _place(self, drop: Drop) -> Place:
        if drop.channel is None:
            member = int(drop.member or 0)
            user = self._bot.get_user(member) or await self._bot.fetch_user(member)
            return user.dm_channel or await user.create_dm()
        known = self._bot.get_channel(int(drop.channel))
        place = known or await self._bot.fetch_channel(int(drop.channel))
        if not isinstance(place, discord.abc.Messageable):
            raise Undeliverable("I cannot post in that channel.", "Choose a text channel.")
        return place

    async def there(self, drop: Drop, member: str) -> bool:
        """Ask Discord whether a member is still in the server that a drop is posted in."""
        with _undeliverable():
            guild = getattr(await self._place(drop), "guild", None)
        if not isinstance(guild, discord.Guild):
            return True
        try:
            await guild.fetch_member(int(member))
        except discord.NotFound:
            return False
        return True


@contextlib.contextmanager
def _undeliverable() -> Iterator[None]:
    """Raise `Undeliverable` for what will never work; the rest may work in a minute."""
    try:
        yield
    except discord.Forbidden as error:
        if error.code in _CLOSED:
            raise Undeliverable(
                "I cannot send you direct messages.",
                "Open them in this server's privacy settings, or choose a channel.",
            ) from error
        raise Undeliverable(
            "I can no longer post in that channel.",
            "I need to see it, send messages and attach files there.",
        ) from error
    except discord.NotFound as error:
        raise Undeliverable("The channel it was posted in is gone.") from error


# Direct messages closed, and no server in common.
_CLOSED = (50007, 50278)


def _for(post: Post) -> str:
    """Name the members that a song of a mixtape is for, without pinging them."""
    named = [f"<@{member}>" for member in post.listeners[:10]]
    more = len(post.listeners) - len(named)
    return f" For {', '.join(named)}{f' and {more} more' if more else ''}." if named else ""


def _mark(issue: Issue) -> str:
    """Return how the custom ids under an issue's messages without a song end."""
    return f"{issue.drop.id}:{issue.id}"


_STARTS = {
    Part.OPENING: ("drop", "mix"),
    Part.QUESTIONS: ("asked",),
    Part.INVITATION: ("mix",),
}
"""How the custom ids under such a message begin."""


async def _view(bot: Bot, issue: Issue, post: Post) -> ui.LayoutView:
    lines = "\n".join(words.plain(line, 600) for line in post.words.splitlines())
    if post.part is Part.QUESTIONS:
        return questions(await bot.service.drops.questions(), _mark(issue), lines)
    if post.part is Part.INVITATION:
        return layouts.page(*_invitation(issue, f"### A mixtape for you all\n{lines}"))
    if issue.drop.member is None:
        words_ = f"### This week's mixtape\n{lines}\n{_for(post).strip()}"
        return layouts.page(*_invitation(issue, words_), *_ratings(issue))
    whose = f"<@{issue.drop.member}>, your" if issue.drop.channel else "Your"
    return layouts.page(
        layouts.text(f"### {whose} weekly drop\n{lines}"),
        layouts.row(Change.button(issue)),
        *_ratings(issue),
    )


def _invitation(issue: Issue, lines: str) -> list[layouts.Control]:
    return [
        layouts.text(lines),
        layouts.text("-# Joined already? Press again to leave."),
        layouts.row(Join.button(issue)),
    ]


def _ratings(issue: Issue) -> list[layouts.Control]:
    return [
        layouts.text("-# Once you have listened: how well did this week suit you?"),
        layouts.row(*(Rate.button(issue, stars) for stars in STARS)),
    ]


class Change(Press, template=r"drop:(?P<drop>\d+):(?P<issue>\d+)"):
    """Shows a member how to change their drop."""

    @classmethod
    def button(cls, issue: Issue) -> Change:
        """Return the button under the opening of a drop."""
        return cls(ui.Button(label="When and where", custom_id=f"drop:{_mark(issue)}"))

    async def press(self, interaction: Interaction) -> None:
        """Show the settings to the drop's member alone."""
        drop = await _own(interaction, self.about["drop"])
        await interaction.response.send_message(view=panel(drop), ephemeral=True)


class Join(Press, template=r"mix:(?P<drop>\d+):(?P<issue>\d+)"):
    """Joins a server's mixtape, or leaves it."""

    for_everybody = True  # members who may no longer use the bot can still leave

    @classmethod
    def button(cls, issue: Issue) -> Join:
        """Return the button under a mixtape's words."""
        return cls(ui.Button(label="Count me in", emoji="🙋", custom_id=f"mix:{_mark(issue)}"))

    async def press(self, interaction: Interaction) -> None:
        """Change whether the member's likes may be used."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        service, member = interaction.client.service, str(interaction.user.id)
        drop = await service.drops.get(int(self.about["drop"]))
        # Of this server: a message can be forwarded, and a number may be given again.
        if drop is None or drop.member or drop.guild != str(interaction.guild_id):
            raise NotFound("That mixtape is no longer made.", "`/mixtape on` starts one.")
        there = member not in await service.drops.mixtape_members(drop)
        await service.drops.join_mixtape(drop, member, there=there)
        said = (
            "🙋 The next mixtape is made from your likes too, and names you under songs for you."
            if there
            else "Your likes are left out from now on."
        )
        if there and not drop.active:
            said += " It is switched off for now."
        await interaction.edit_original_response(view=layouts.notice(said))


class Rate(Press, template=r"rate:(?P<stars>[1-5]):(?P<drop>\d+):(?P<issue>\d+)"):
    """Keeps how well a week suited its member, or any member for a mixtape."""

    for_everybody = True  # members who may no longer use the bot can still take theirs back

    @classmethod
    def button(cls, issue: Issue, stars: int) -> Rate:
        """Return one of the five buttons under the opening."""
        return cls(ui.Button(label=str(stars), custom_id=f"rate:{stars}:{_mark(issue)}"))

    async def press(self, interaction: Interaction) -> None:
        """Keep the rating in place of an earlier one; the same again takes it back."""
        drops, member = interaction.client.service.drops, str(interaction.user.id)
        await _own(interaction, self.about["drop"], or_shared=True)
        await interaction.response.defer(thinking=True, ephemeral=True)
        kept = await drops.rate(int(self.about["issue"]), member, int(self.about["stars"]))
        last = STARS.stop - 1
        said = f"{'★' * kept}{'☆' * (last - kept)} Noted." if kept else "Your rating is taken back."
        hint = "Press another number to change it, or the same to take it back." if kept else ""
        await interaction.edit_original_response(view=layouts.notice(said, hint=hint))


# The three questions ------------------------------------------------------------------------------


def questions(
    asked: Sequence[Sequence[tuple[str, str]]],
    mark: str,
    lines: str,
    numbers: Collection[int] = range(QUESTIONS),
) -> ui.LayoutView:
    """Show the questions that are still open."""
    blocks: list[layouts.Control] = [layouts.text(f"### What do you like?\n{lines}")]
    blocks += [
        layouts.row(Artists.offer(mark, number, artists))
        for number, artists in enumerate(asked)
        if number in numbers
    ]
    blocks.append(layouts.row(Enough.button(mark)))
    return layouts.page(*blocks)


class Artists(Press, template=r"ask:(?P<number>\d):(?P<drop>\d+):(?P<issue>\d+)"):
    """One question: which of these artists a member likes."""

    @classmethod
    def offer(cls, mark: str, number: int, artists: Sequence[tuple[str, str]]) -> Artists:
        """Return the select of one question."""
        options = {
            artist: discord.SelectOption(
                label=words.bare(artist, 100), value=artist, description=genre[:100] or None
            )
            for artist, genre in artists
        }
        return cls(
            ui.Select(
                custom_id=f"ask:{number}:{mark}",
                placeholder=f"{number + 1} of {QUESTIONS}: pick some you like",
                max_values=len(options),
                options=list(options.values()),
            )
        )

    async def press(self, interaction: Interaction) -> None:
        """Like the songs of the chosen artists, and go on with the questions that are left."""
        drop = await _own(interaction, self.about["drop"])
        await interaction.response.defer()
        service, artists = interaction.client.service, sorted(map(str, self.values))
        liked = await service.drops.like_artists(str(interaction.user.id), artists)
        assert interaction.message is not None
        left = {
            int(name[4])
            for name in custom_ids(interaction.message)
            if name.startswith("ask:") and name[4] != self.about["number"]
        }
        if not left:
            await _go_on(interaction, drop)
            return
        songs = f"{len(liked)} song{'' if len(liked) == 1 else 's'}"
        lines = f"Noted {songs} by {words.plain(', '.join(artists), 300)}. And of these?"
        mark = f"{drop.id}:{self.about['issue']}"
        view = questions(await service.drops.questions(), mark, lines, left)
        await interaction.edit_original_response(view=view)


class Enough(Press, template=r"asked:(?P<drop>\d+):(?P<issue>\d+)"):
    """Goes on without the remaining answers."""

    @classmethod
    def button(cls, mark: str) -> Enough:
        """Return the button under the questions."""
        return cls(ui.Button(label="That's enough", custom_id=f"asked:{mark}"))

    async def press(self, interaction: Interaction) -> None:
        """Make the drop from what was answered."""
        drop = await _own(interaction, self.about["drop"])
        if drop.member not in await interaction.client.service.members.likers():
            raise NotFound("I know nothing you like yet.", "Pick at least one artist.")
        await interaction.response.defer()
        await _go_on(interaction, drop)


async def _own(interaction: Interaction, id_: str, *, or_shared: bool = False) -> Drop:
    drop = await interaction.client.service.drops.get(int(id_))
    if drop is None:
        raise NotFound("That drop is gone.", "`/drops on` starts one.")
    if drop.member != str(interaction.user.id) and not (or_shared and drop.member is None):
        raise NotAllowed("That drop belongs to another member.", "`/drops on` starts your own.")
    return drop


async def _go_on(interaction: Interaction, drop: Drop) -> None:
    thanks = layouts.notice("Noted. Your drop is on its way.")
    await interaction.edit_original_response(view=thanks)
    said = await post_now(interaction.client, drop)
    await interaction.edit_original_response(view=layouts.notice(f"Noted. {said}"))


async def post_now(bot: Bot, drop: Drop) -> str:
    """Post a drop, and say what became of it; one that takes long goes on by itself."""

    async def post() -> str:
        with bot.working():
            return progress(drop, await bot.service.drops.post_now(drop, Messages(bot)))

    # In a context of its own: the drop may take longer than the question for it.
    posting = asyncio.create_task(post(), context=Context())
    done, _ = await asyncio.wait((posting,), timeout=bot.service.seconds_left)
    return posting.result() if done else f"It is on its way to {_place(drop)}."


# The settings of a drop ---------------------------------------------------------------------------


def progress(drop: Drop, state: State | None) -> str:
    """Say in one sentence what became of a drop that was asked for now."""
    place = _place(drop)
    return {
        State.POSTED: f"Posted in {place}.",
        State.ASKED: f"I have some questions first, in {place}.",
        State.OPEN: "Something went wrong on the way; I will try again in a few minutes.",
        State.FAILED: f"I could not post it in {place}; `/drops settings` says why.",
        None: "This week's has come already, or is on its way."
        + (f" The next comes {_moment(drop)}." if drop.active else ""),
    }[state]


def _place(drop: Drop) -> str:
    return f"<#{drop.channel}>" if drop.channel else "our direct messages"


def panel(drop: Drop) -> ui.LayoutView:
    """Show the settings of a drop or a mixtape."""
    what = "Your weekly drop" if drop.member else "This server's mixtape"
    command = "/drops" if drop.member else "/mixtape"
    lines = [
        f"📅 {drop.schedule}",
        f"📮 {f'<#{drop.channel}>' if drop.channel else 'direct messages'}",
        f"🎵 {drop.size} song{'' if drop.size == 1 else 's'}",
    ]
    if drop.member:
        lines.append(f"🧭 {drop.adventurous * 10:.0f} of 10 adventurous")
    if drop.active:
        lines.append(f"⏭️ next: {_moment(drop)}")
        if drop.trouble:
            lines.append(f"⚠️ late: {words.plain(drop.trouble, 500)}")
        hint = f"`{command} on` changes it, `{command} off` stops it, `{command} now` posts it now."
    else:
        lines.append(f"⏸️ off{f': {words.plain(drop.trouble, 500)}' if drop.trouble else ''}")
        hint = f"`{command} on` switches it on."
    return layouts.notice(f"### {what}\n" + "\n".join(lines), hint=hint)


def _moment(drop: Drop) -> str:
    return f"<t:{int(drop.following(datetime.now(UTC)).timestamp())}:F>"
