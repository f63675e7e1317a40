"""From a question to a card: the path of every question, and the buttons under a card."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
from discord import ui

from bot import errors
from bot.cards import layouts, words
from bot.feedback.thumbs import Thumb, offer_reactions
from bot.press import Press, is_private
from bot.recommend import clips
from bot.recommend.keeping import Keep
from musrec.catalogue.model import By
from musrec.columns import SINGING
from musrec.members.model import Card
from musrec.model import (
    Answer,
    Choices,
    Constraints,
    FeedbackKind,
    Heard,
    MusrecError,
    NotFound,
    Pick,
    Picture,
    Singing,
    Track,
)
from musrec.sites import label

if TYPE_CHECKING:
    from bot.app import Bot
    from musrec.service.measures import Told
    from musrec.sources.model import Cover

log = logging.getLogger(__name__)

EVERY = 1.5
"""Seconds between two lines of progress; faster would only hit Discord's rate limit."""

MOST_PICKS = 10

_TOO_LARGE = 40005
"""Discord's error code for a file larger than the server allows."""

SYSTEMS_SHOWN = 5
"""Songs in each list of *Compare systems*."""

LONGEST_GENRE = 40
LONGEST_INSTRUMENT = 12
"""Characters, so that a whole wish fits into the custom id of a select."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a question asks for besides the song itself.

    Attributes
    ----------
    count : int or None
    adventurous : int or None
        0 (the closest) to 10 (the bravest).
    genre, instrument : str
        Lower case; empty for any.
    voice : str
        ``"sung"``, ``"instrumental"``, or empty for any.
    """

    count: int | None = None
    adventurous: int | None = None
    genre: str = ""
    by: By = By.SOUND
    instrument: str = ""
    voice: Singing = ""

    @property
    def code(self) -> str:
        """The wish as the custom id of a select holds it."""
        return "/".join("" if part is None else str(part) for part in self._parts)

    @property
    def _parts(self) -> tuple[int | str | None, ...]:
        only = None
        if self.voice or self.instrument or "+" in self.genre:
            only = f"{self.voice[:1]}+{self.instrument}"
        return self.count, self.adventurous, self.by, *([only] if only else []), self.genre

    @classmethod
    def read(cls, code: str) -> Wish:
        """Read what `code` wrote."""
        count, adventurous, rest = code.split("/", 2)
        by, slash, genre = rest.partition("/")
        if not slash or by not in list(By):  # a select from before there was a choice
            by, genre = By.SOUND, rest
        only, slash, after = genre.partition("/")
        letter, plus, instrument = only.partition("+")
        voices = {voice[:1]: voice for voice in SINGING}
        heard: tuple[str, Singing] = ("", "")
        if slash and plus and letter in voices:
            genre, heard = after, (instrument, voices[letter])
        numbers = [int(number) if number else None for number in (count, adventurous)]
        return cls(numbers[0], numbers[1], genre, By(by), *heard)

    @classmethod
    def of(
        cls,
        count: int | None,
        adventurous: int | None,
        genre: str | None,
        by: By | str = By.SOUND,
        instrument: str | None = None,
        voice: Singing = "",
    ) -> Wish:
        """Take what a member typed; the answer will say if there is no such genre or instrument."""
        wanted, heard = (
            words.bare(typed or "", most).lower()
            for typed, most in ((genre, LONGEST_GENRE), (instrument, LONGEST_INSTRUMENT))
        )
        return cls(count, adventurous, wanted, By(by), heard.replace("/", " "), voice)

    @property
    def constraints(self) -> Constraints:
        """What songs must be."""
        return Constraints(
            only_genres=frozenset((self.genre,) if self.genre else ()),
            only_instruments=frozenset((self.instrument,) if self.instrument else ()),
            voice=self.voice,
        )


@dataclass(frozen=True, slots=True)
class Question:
    """What a member asks about: a clip, else a known track, else a text, else their own taste."""

    member: int
    wish: Wish = Wish()
    clip: discord.Attachment | None = None
    track: str | None = None
    text: str | None = None

    @property
    def kind(self) -> str:
        """As `musrec.service.measures.Measures.answers` counts it."""
        if self.clip is not None:
            return "clip"
        if self.track is not None:
            return "song"
        if self.text:
            return "text"
        return "wish" if self.wish.genre else "taste"


Put = Callable[[ui.LayoutView, Sequence[discord.File]], Awaitable[discord.Message]]
Tell = Callable[[ui.LayoutView], Awaitable[None]]


class Slate:
    """The one message that an answer is written to, again and again until it is done.

    Parameters
    ----------
    put : callable
        Writes the message: sends it the first time, edits it later.
    channel : int
        Where the message is.
    after : int
        A message of that channel, or any Discord id, that is not newer.
    private : bool
        Only one member sees it.
    reactions : bool
        Whether the bot may put reactions under it.
    tell : callable, optional
        Writes what went wrong for the member alone; by default it stands where the answer would.
    guild : int, optional
        The server of the channel.
    """

    def __init__(
        self,
        put: Put,
        channel: int,
        after: int,
        *,
        private: bool,
        reactions: bool,
        tell: Tell | None = None,
        guild: int | None = None,
    ) -> None:
        self._put = put
        self.guild = str(guild) if guild else None
        self.channel = channel
        self.after = after
        self._tell = tell
        self._last_line = -EVERY
        self._lines: set[asyncio.Task[None]] = set()
        self._writing = asyncio.Lock()
        self.private = private
        self.reactions = reactions and not private

    def say(self, doing: str) -> None:
        """Say what is being done, unless the last such line is only just written.

        Nothing waits for the line, and nothing fails with it: the work goes on meanwhile.
        """
        if monotonic() - self._last_line >= EVERY:
            self._last_line = monotonic()
            task = asyncio.create_task(self._line(doing))
            self._lines.add(task)
            task.add_done_callback(self._lines.discard)

    def counted(self, done: int, of: int) -> None:
        """Say how many songs have been heard for this answer."""
        self.say(f"Heard {done} of {of} songs…")

    async def _line(self, doing: str) -> None:
        try:
            async with self._writing:  # the first line sends the message that later ones edit
                await self._put(layouts.working(doing), ())
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            log.info("a line was not written", extra={"kind": type(error).__name__})

    async def show(
        self, view: ui.LayoutView, files: Sequence[discord.File] = ()
    ) -> discord.Message:
        """Write the message after every pending line, so that none overwrites it."""
        await self._last()
        return await self._put(view, files)

    async def tell(self, view: ui.LayoutView) -> None:
        """Write what went wrong."""
        await self._last()
        if self._tell is None or self.private:
            await self._put(view, ())
        else:
            await self._tell(view)

    async def _last(self) -> None:
        """Wait for every pending line."""
        if self._lines:
            await asyncio.wait(self._lines)  # unlike gather, it leaves them running when cancelled


def slate_of(interaction: discord.Interaction[Any], *, private: bool) -> Slate:
    """Return a slate on the answer to a deferred interaction."""

    async def put(view: ui.LayoutView, files: Sequence[discord.File]) -> discord.Message:
        return await interaction.edit_original_response(view=view, attachments=files)

    async def tell(view: ui.LayoutView) -> None:
        await errors.tell_instead(interaction, view)

    # An answer in the message that was pressed is as old as that.
    here = interaction.response.type is discord.InteractionResponseType.deferred_message_update
    after = interaction.message.id - 1 if here and interaction.message else interaction.id
    channel, reactions = interaction.channel_id or 0, _may_react(interaction)
    guild = interaction.guild_id
    return Slate(put, channel, after, private=private, reactions=reactions, tell=tell, guild=guild)


def _may_react(interaction: discord.Interaction[Any]) -> bool:
    """Whether the bot can react to the answer: not in a server that it is no member of."""
    if interaction.guild_id is None:
        return not interaction.context.private_channel
    may = interaction.app_permissions
    at_home = interaction.client.get_guild(interaction.guild_id) is not None
    return at_home and may.add_reactions and may.read_message_history


def slate_under(message: discord.Message) -> Slate:
    """Return a slate on a reply to a message in chat."""
    reply: discord.Message | None = None

    async def put(view: ui.LayoutView, files: Sequence[discord.File]) -> discord.Message:
        nonlocal reply
        if reply is None:
            reply = await message.reply(view=view, files=files)
        else:
            reply = await reply.edit(view=view, attachments=files)
        return reply

    guild = message.guild.id if message.guild else None
    channel = message.channel.id
    return Slate(put, channel, message.id, private=False, reactions=True, guild=guild)


async def answer(bot: Bot, slate: Slate, question: Question) -> None:
    """Answer a question on a slate, whatever happens."""
    began = monotonic()
    shown = None
    measures = bot.service.measures
    async with at_work(bot, slate):
        with measures.answer("bot", question.kind) as told:
            shown = await _answer(bot, slate, question, told)
        if shown is not None:
            took = round(monotonic() - began, 2)
            log.info("answered", extra={"seconds": took, "picks": len(shown.answer.picks)})
    await complete(bot, slate, shown)


async def _answer(bot: Bot, slate: Slate, question: Question, told: Told) -> Shown | None:
    """Show what a question finds; return the card, or None where it is no song yet."""
    since = await bot.service.members.meet(str(question.member))
    heard = await hear(bot, slate, question)
    if isinstance(heard, Choices):
        told.outcome = "choices"
        await slate.show(_which(heard, question))
        return None
    wish = question.wish
    if heard is None and wish.constraints == Constraints():
        opinions = await bot.service.members.opinions(str(question.member))
        if not any(opinion > 0 for opinion, _ in opinions.values()):
            told.outcome = "start"
            await slate.show(await _first_step(bot, question))
            return None
    slate.say("Choosing songs…")
    found = await bot.service.answers.recommend(
        heard,
        by=wish.by,
        member=str(question.member),
        since=since,
        count=wish.count,
        adventurous=None if wish.adventurous is None else wish.adventurous / 10,
        constraints=wish.constraints,
        progress=slate.counted,
    )
    if not found.picks:
        raise NotFound(
            " ".join(found.notes) or "I found nothing that fits.",
            "Leave out a wish, or try another song.",
        )
    intro = ""
    if question.clip is not None and heard is not None and clips.nameless(heard.track):
        intro = f"found for a clip by <@{question.member}>"
    return await feature(bot, slate, found.id, found, found.picks[0], intro=intro)


@contextlib.asynccontextmanager
async def at_work(bot: Bot, slate: Slate) -> AsyncIterator[None]:
    """Write on the slate what went wrong, that it took too long, or that the bot must stop."""
    with bot.working():
        try:
            async with bot.service.promptly():
                yield
        except asyncio.CancelledError:
            if not bot.stopping:
                raise
            with contextlib.suppress(discord.HTTPException):
                await slate.show(layouts.trouble("I am restarting.", "Ask again in a minute."))
        except Exception as error:  # noqa: BLE001 - the one handler tells them apart
            if trouble := errors.explain(error):
                try:
                    await slate.tell(layouts.trouble(trouble.sentence, trouble.hint))
                except discord.HTTPException as gone:
                    log.info("trouble not told", extra={"code": gone.code})


async def hear(bot: Bot, slate: Slate, question: Question) -> Heard | Choices | None:
    """Hear what a question is about; None if it starts from the member's own taste."""
    service = bot.service
    if question.clip is not None:
        data = await clips.read(question.clip, bot.cdn_hosts, service.seconds_left)
        slate.say("Listening to your clip…")
        return await service.songs.hear_clip(data, clips.name_of(question.clip))
    if question.track is not None:
        found: Track | Choices = await service.songs.get(question.track)
    elif question.text:
        slate.say(f"Looking for {words.plain(question.text, 80)}…")
        found = await service.songs.find(question.text)
    else:
        return None
    if isinstance(found, Choices):
        return found
    slate.say(f"Listening to {words.song(found)}…")
    return await service.songs.hear_track(found)


def _which(choices: Choices, question: Question) -> ui.LayoutView:
    select = Choose.offer(choices.tracks, question)
    return layouts.notice(words.which(choices), select)


async def _first_step(bot: Bot, question: Question) -> ui.LayoutView:
    """Say how to start, with songs to start from."""
    songs = await bot.service.catalogue.first_steps()
    return layouts.notice(
        "🎧 **Tell me one song you love**, and I find more like it.",
        *([Choose.offer(songs, question)] if songs else []),
        hint="A title, a link or a clip: `/recommend song:`. "
        f"{'Or start from one of these. ' if songs else ''}👍 and 👎 teach me what you like.",
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """One pick of an answer on a card of its own.

    Attributes
    ----------
    kept : str
        Id of the answer.
    cover : Cover or None
        None until one is found.
    genres : tuple of str
        Of its artist, as a service says.
    intro : str
        Markdown that says why it is here.
    card : Card or None
        None if only one member sees it.
    """

    kept: str
    answer: Answer
    pick: Pick
    cover: Cover | None = None
    genres: tuple[str, ...] = ()
    intro: str = ""
    card: Card | None = None


async def feature(
    bot: Bot,
    slate: Slate,
    kept: str,
    answer: Answer,
    pick: Pick,
    *,
    intro: str = "",
    sharer: str = "",
) -> Shown:
    """Show one pick of an answer as a card of its own.

    `intro` says why it is here, `sharer` is the member who shares it: their thumb counts under it.
    The card does not wait for what services know: `complete` adds it.
    """
    shown, cards = Shown(kept, answer, pick, intro=intro), bot.service.cards
    if slate.private:
        await _show(bot, slate, shown)
        return shown
    # Noted before it is there: it is found, whatever happens from now on.
    intended = await cards.intend(str(slate.channel), str(slate.after), guild=slate.guild)
    message = await _show(bot, slate, shown)
    query, track = answer.query.id if answer.query else None, pick.track.id
    where, now = str(message.channel.id), datetime.now(UTC)
    card = Card(str(message.id), where, track, now, query, slate.guild)
    await cards.keep(card, sharer)
    bot.dispatch("card", card)
    if sharer:
        bot.dispatch("recount", [card])
    if not slate.reactions or await offer_reactions(message):
        await cards.settle(intended)
    return replace(shown, card=card)


async def complete(bot: Bot, slate: Slate, shown: Shown | None) -> None:
    """Add to a card what arrives after it: its cover, and songs that are only heard now.

    Call it outside `at_work`: whatever happens now must not overwrite the card.
    """
    if shown is None:
        return
    try:
        with bot.working():
            fuller = await _fuller(bot, shown)
            if fuller != shown:
                async with bot.writing(fuller.card) if fuller.card else contextlib.nullcontext():
                    await _show(bot, slate, fuller)
    except (MusrecError, discord.HTTPException, aiohttp.ClientError, OSError) as error:
        log.info("a card was not completed", extra={"kind": type(error).__name__})
    except Exception:
        log.exception("a card was not completed")


async def _fuller(bot: Bot, shown: Shown) -> Shown:
    songs, answer, pick = bot.service.songs, shown.answer, shown.pick
    query, featured = await asyncio.gather(
        songs.listen(answer.query) if answer.query else _nothing(), songs.listen(pick.track)
    )
    if query is not None:
        answer = replace(answer, analysis=query.analysis, profile=query.profile)
    if featured is not None:
        # Its buttons go on naming the song by the id that it has had so far.
        track = replace(featured.track, id=pick.track.id)
        pick = replace(pick, track=track, profile=featured.profile)
    # What services say of the song asked about is kept for *Why?*; none of it is on the card.
    cover, genres, _ = await asyncio.gather(
        songs.cover(pick.track),
        songs.artist_genres(pick.track),
        songs.foreign(answer.query) if answer.query else _nothing(),
    )
    return replace(shown, answer=answer, pick=pick, cover=cover, genres=genres)


async def _nothing() -> None:
    """Hear nothing."""


async def _show(bot: Bot, slate: Slate, shown: Shown) -> discord.Message:
    answer, pick, kept = shown.answer, shown.pick, shown.kept
    picture = await _draw(bot, answer, pick)
    counts = await bot.service.cards.thumbs(shown.card.message) if shown.card else {}
    files = [layouts.file(picture, layouts.CARD_PICTURE)] if picture else []
    others = [other for other in answer.picks if other.track.id != pick.track.id]
    last = answer.picks[-1].track.id == pick.track.id

    def build(picture: Picture | None) -> ui.LayoutView:
        return layouts.card(
            answer.query,
            pick,
            mood=bot.service.answers.mood(pick.profile),
            picture=picture,
            cover=shown.cover,
            genres=shown.genres,
            notes=answer.notes,
            buttons=[
                *(
                    Thumb.button(kind, pick.track.id, counts.get(kind, 0))
                    for kind in (FeedbackKind.LIKE, FeedbackKind.DISLIKE)
                ),
                Preview.button(pick.track.id),
            ],
            more=[
                Keep.button(pick.track.id),
                Why.button(kept, pick.track.id),
                *([Next.button(kept, pick.track.id, last=last)] if others else []),
                *([Share.button(kept, pick.track.id)] if slate.private else []),
            ],
            others=Feature.offer(kept, others, bot) if others else None,
            intro=shown.intro,
        )

    try:
        return await slate.show(build(picture), files)
    except discord.HTTPException as error:
        if error.status != 413 and error.code != _TOO_LARGE:
            raise
        return await slate.show(build(None))


async def _draw(bot: Bot, answer: Answer, pick: Pick) -> Picture | None:
    """Draw a card; None if that fails, for the answer can do without."""
    try:
        return await bot.service.answers.card(answer, pick)
    except MusrecError:
        raise
    except Exception:
        log.exception("no picture")
        return None


def _in_company(interaction: discord.Interaction[Any]) -> bool:
    """Whether others than the member read along: a further card is then for the member alone."""
    return interaction.guild_id is not None or interaction.context.private_channel


class Why(Press, template=r"why:(?P<kept>[\w-]{11}):(?P<track>[^:]{1,40})"):
    """Shows every part of a pick's score, to any member."""

    @classmethod
    def button(cls, kept: str, track: str) -> Why:
        """Return the button under a card."""
        return cls(ui.Button(label="Why?", custom_id=f"why:{kept}:{track}"))

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        """Draw the terms of the score as bars; add what other services say when it comes."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        service = interaction.client.service
        answer, pick = await service.answers.kept_pick(self.about["kept"], self.about["track"])
        songs = [pick.track, *([answer.query] if answer.query else [])]
        picture = await service.answers.contributions(pick)

        def view(features: Sequence[Mapping[str, Mapping[str, float]]]) -> ui.LayoutView:
            said = heard + [
                line
                for song, theirs in zip(songs, features, strict=True)
                for line in words.elsewhere(song, theirs, named=song is not pick.track)
            ]
            systems = Systems.button(answer.query.id) if answer.query else None
            return layouts.why(pick, picture, said, systems)

        heard = words.playing([(s.title, await service.songs.heard(s.id)) for s in songs])
        known = [await service.songs.foreign(song, online=False) for song in songs]
        await interaction.edit_original_response(
            view=view(known), attachments=[layouts.file(picture, layouts.CHART_PICTURE)]
        )
        found = await asyncio.gather(*map(service.songs.foreign, songs))
        if found != known:
            await interaction.edit_original_response(view=view(found))


class Systems(Press, template=r"systems:(?P<track>[^:]{1,40})"):
    """Shows what the spectrogram alone and the features alone find for a song."""

    @classmethod
    def button(cls, track: str) -> Systems:
        """Return the button under the reasons."""
        return cls(ui.Button(label="Compare systems", custom_id=f"systems:{track}"))

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        """Show both lists to the member, and how much of them is the same."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        service = interaction.client.service
        heard = await service.songs.heard(self.about["track"])
        if heard is None:
            raise NotFound("I have not heard that song.", "Ask me about it with /recommend.")
        found = await service.catalogue.compare_systems(heard, SYSTEMS_SHOWN)
        await interaction.edit_original_response(view=layouts.systems(heard.track, found))


class Next(Press, template=r"next:(?P<kept>[\w-]{11}):(?P<track>[^:]{1,40})"):
    """Features the pick after this one."""

    @classmethod
    def button(cls, kept: str, track: str, *, last: bool) -> Next:
        """Return the button under a card; disabled under the last."""
        button: ui.Button[Any] = ui.Button(
            label="Next", custom_id=f"next:{kept}:{track}", disabled=last
        )
        return cls(button)

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        """Learn from "next", and show the next pick to the member."""
        private = _in_company(interaction)
        await interaction.response.defer(thinking=True, ephemeral=private)
        bot, slate = interaction.client, slate_of(interaction, private=private)
        shown = None
        async with at_work(bot, slate):
            answer = await bot.service.answers.kept(self.about["kept"])
            tracks = [pick.track.id for pick in answer.picks]
            here = tracks.index(self.about["track"]) if self.about["track"] in tracks else -1
            if here + 1 >= len(tracks):
                raise NotFound("That was the last one.", "Ask again with /recommend.")
            if here >= 0:
                member = str(interaction.user.id)
                await bot.service.members.learn(member, tracks[here], FeedbackKind.NEXT)
            shown = await feature(bot, slate, self.about["kept"], answer, answer.picks[here + 1])
        await complete(bot, slate, shown)


class Share(Press, template=r"post:(?P<kept>[\w-]{11}):(?P<track>[^:]{1,40})"):
    """Posts a card that only one member sees to the channel."""

    @classmethod
    def button(cls, kept: str, track: str) -> Share:
        """Return the button under a private card."""
        return cls(ui.Button(label="Share", emoji="📣", custom_id=f"post:{kept}:{track}"))

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        """Draw the card again for everyone, with the name of the member who shares it."""
        await interaction.response.defer(thinking=True)
        bot, slate = interaction.client, slate_of(interaction, private=False)
        shown = None
        async with at_work(bot, slate):
            answer, pick = await bot.service.answers.kept_pick(
                self.about["kept"], self.about["track"]
            )
            intro = f"shared by {interaction.user.mention}"
            if answer.query is not None:
                intro += f"\nfound for {words.song(answer.query)}"
            sharer = str(interaction.user.id)
            shown = await feature(
                bot, slate, self.about["kept"], answer, pick, intro=intro, sharer=sharer
            )
        await complete(bot, slate, shown)


class Feature(Press, template=r"feature:(?P<kept>[\w-]{11})"):
    """Features another pick of the same answer, in a message of its own."""

    @classmethod
    def offer(cls, kept: str, picks: Sequence[Pick], bot: Bot) -> Feature:
        """Return the select under a card."""
        return cls(
            ui.Select(
                custom_id=f"feature:{kept}",
                placeholder=f"{len(picks)} more: pick one to see it",
                options=[
                    layouts.option(
                        pick.track,
                        " · ".join(
                            (
                                *((str(pick.closeness),) if pick.closeness else ()),
                                ", ".join(bot.service.answers.mood(pick.profile)),
                            )
                        ),
                    )
                    for pick in picks[:25]
                ],
            )
        )

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        """Show the pick that was chosen to the member."""
        private = _in_company(interaction)
        await interaction.response.defer(thinking=True, ephemeral=private)
        bot, slate = interaction.client, slate_of(interaction, private=private)
        shown = None
        async with at_work(bot, slate):
            answer, pick = await bot.service.answers.kept_pick(
                self.about["kept"], str(self.values[0])
            )
            shown = await feature(bot, slate, self.about["kept"], answer, pick)
        await complete(bot, slate, shown)


class Preview(Press, template=r"play:(?P<track>[^:]{1,40})"):
    """Plays half a minute of a song, with a link to the page it comes from."""

    @classmethod
    def button(cls, track: str) -> Preview:
        """Return the button under a card."""
        return cls(ui.Button(label="Preview", emoji="▶️", custom_id=f"play:{track}"))

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        """Fetch the preview now: its address expires in minutes, and none of it is kept."""
        await interaction.response.defer(thinking=True, ephemeral=True)
        service, id_ = interaction.client.service, self.about["track"]
        track = await service.songs.get(id_)
        member = str(interaction.user.id)
        since = await service.members.meet(member)
        links = layouts.links(track, layouts.IN_A_ROW - 1)
        try:
            preview = await service.songs.preview(track)
        except MusrecError as error:
            trouble = errors.foreseen(error)
            said = f"{words.song(track)}\n{trouble.sentence}"
            view = layouts.notice(said, *links, hint=trouble.hint)
            await interaction.edit_original_response(view=view)
            return
        if all(button.url != preview.page_url for button in links):
            links.append(ui.Button(label=label(preview.provider), url=preview.page_url))
        # An ordinary message: Discord plays its attachment, but shows a file in a Components V2
        # layout as a download.
        plain = ui.View(timeout=None)
        for button in links[: layouts.IN_A_ROW]:
            plain.add_item(button)
        file = discord.File(io.BytesIO(preview.data), clips.file_name(track, preview.data))
        said = f"▶️ **{words.plain(track.title, 80)}** — {words.plain(track.artist, 80)}"
        await interaction.edit_original_response(content=said, view=plain, attachments=[file])
        await service.members.learn(member, id_, FeedbackKind.PREVIEW, since=since)


def described(track: Track) -> discord.SelectOption:
    """Return a track among others of its name, told apart by album and year."""
    return layouts.option(track, " · ".join(str(p) for p in (track.album, track.year) if p))


class Choose(Press, template=r"choose:(?P<member>\d+):(?P<wish>\d*/\d*/.*)"):
    """Continues with the song that the member meant."""

    @classmethod
    def offer(cls, tracks: Sequence[Track], question: Question) -> Choose:
        """Return the select of songs that share a name."""
        options = [described(track) for track in tracks[:25]]
        return cls(
            ui.Select(
                custom_id=f"choose:{question.member}:{question.wish.code}",
                placeholder="Pick a song",
                options=options,
            )
        )

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        """Answer in the same message."""
        asker = int(self.about["member"])
        if interaction.user.id != asker:
            raise NotFound("Only the member who asked can pick.", "Ask me with /recommend.")
        await interaction.response.defer()
        question = Question(asker, Wish.read(self.about["wish"]), track=str(self.values[0]))
        slate = slate_of(interaction, private=is_private(interaction))
        await answer(interaction.client, slate, question)
