"""Weekly drops and mixtapes: when one is due, what is in it, and how it comes exactly once.

A subscription (`Drop`) has one moment in every ISO week. `tick` claims the week's issue in the
database, decides what is in it, keeps that, and posts it message by message, marking each before
and after. A process that dies leaves a lease that runs out; whoever claims the issue next goes on
behind the last mark, and looks first whether the message in between had been posted. Nothing here
knows where messages go: a `Poster` posts them, and every instant comes from a clock given as an
argument.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo, available_timezones

from musrec.model import (
    Answer,
    Catalogue,
    Constraints,
    Explanation,
    FeedbackKind,
    Heard,
    MusrecError,
    NotFound,
    Pick,
    Term,
    Track,
)
from musrec.store import codec
from musrec.titles import main_artist, recording_key

if TYPE_CHECKING:
    from musrec.model import Feedback, FloatArray
    from musrec.recommend import Picks, Recommender
    from musrec.service import Service

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]

SEASON = timedelta(days=91)
"""No song comes twice in a drop within it."""

SPREAD = timedelta(minutes=10)
"""Drops of one hour are spread over so long, each always at its own minute."""

LEASE = timedelta(minutes=3)
"""How long a claimed issue is left alone after its last sign of life."""

SIDE_BY_SIDE = 4
"""Drops that one process posts at the same time, well below what Discord lets it send."""

ATTEMPTS = 5
"""How often one issue is tried; then it is given up for its week."""

PATIENCE = 2
"""Weeks in a row that may fail or stay unanswered before a drop is paused."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SIZES = range(1, 11)
QUESTIONS = 3
ARTISTS_A_QUESTION = 25
SONGS_AN_ARTIST = 5
"""Songs that liking an artist likes, the best known first."""

_LIKES_LOOKED_AT = 30


class Undeliverable(MusrecError):
    """Nothing can be posted where a drop goes, and trying again would not help."""

    exit_code = 9


# When --------------------------------------------------------------------------------------------


@cache
def zones() -> tuple[str, ...]:
    """Return the names of all time zones, those that people look for first."""
    cities = {name for name in available_timezones() if "/" in name and name[:4] != "Etc/"}
    return ("UTC", *sorted(cities))


def zone_named(text: str) -> str:
    """Return a time zone's name as it is written, whatever the case of `text`.

    Raises
    ------
    NotFound
        There is none; the hint names some that read alike.
    """
    wanted = text.strip().replace(" ", "_").casefold()
    for name in zones():
        if name.casefold() == wanted:
            return name
    near = suggest_zones(text, 3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "Try Europe/Berlin."
    raise NotFound(f"There is no time zone called {text.strip()[:60]!r}.", hint)


def suggest_zones(text: str, limit: int = 25) -> list[str]:
    """Complete a time zone's name from its beginning, a city or anything near it."""
    wanted = text.strip().replace(" ", "_").casefold()
    inside = [name for name in zones() if wanted in name.casefold()]
    # A city's beginning is what people type: it comes before the same letters elsewhere.
    inside.sort(key=lambda name: not name.rpartition("/")[2].casefold().startswith(wanted))
    if inside:
        return inside[:limit]
    from rapidfuzz import fuzz, process

    cities = {name: name.rpartition("/")[2].casefold() for name in zones()}
    found = process.extract(wanted, cities, scorer=fuzz.ratio, limit=limit, score_cutoff=60)
    return [name for _, _, name in found]


@dataclass(frozen=True, slots=True)
class Schedule:
    """One moment in every ISO week, as the clocks of one place show it.

    Attributes
    ----------
    weekday : int
        0 is Monday.
    hour : int
        0 to 23.
    zone : str
        IANA name.
    """

    weekday: int
    hour: int
    zone: str

    def at(self, week: str) -> datetime:
        """Return the moment in an ISO week such as ``2026-W43``, in UTC.

        An hour that the clocks skip begins when they have been put forward (PEP 495's reading of
        such a time); of an hour that they show twice it is the first.
        """
        day = date.fromisocalendar(int(week[:4]), int(week[6:]), self.weekday + 1)
        return datetime.combine(day, time(self.hour), ZoneInfo(self.zone)).astimezone(UTC)

    def week_of(self, now: datetime) -> str:
        """Return the ISO week that a calendar on the wall there shows."""
        return _week(now.astimezone(ZoneInfo(self.zone)).date())

    def __str__(self) -> str:
        return f"{WEEKDAYS[self.weekday]}, {self.hour:02}:00, {self.zone.replace('_', ' ')}"


def _week(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


FRIDAY_EVENING = Schedule(WEEKDAYS.index("Friday"), 18, "UTC")
"""When a drop comes where nobody said when."""


# What is kept ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Drop:
    """A subscription: a member's weekly drop, or a server's weekly mixtape.

    Attributes
    ----------
    id : int
        0 until it is kept.
    member, guild : str or None
        Whose it is; exactly one of the two.
    channel : str or None
        Where it is posted; None means to the member directly.
    home : str or None
        Where it was set up, and where trouble is told.
    size : int
        Songs, 1 to 10.
    adventurous : float
        0 to 1.
    active : bool
        Whether it comes every week.
    trouble : str
        Why it was paused; empty where it was not.
    since : datetime
        When it was last set up; nothing that was due before is caught up.
    """

    member: str | None
    guild: str | None
    schedule: Schedule
    since: datetime
    channel: str | None = None
    home: str | None = None
    size: int = 5
    adventurous: float = 0.3
    active: bool = True
    trouble: str = ""
    id: int = 0

    @property
    def delay(self) -> timedelta:
        """How long after its hour this one comes: always the same, and spread over all."""
        owner = f"{self.member or ''}:{self.guild or ''}"
        digest = hashlib.blake2b(owner.encode(), digest_size=4).digest()
        return timedelta(seconds=int.from_bytes(digest) % int(SPREAD.total_seconds()))

    def due(self, week: str) -> datetime:
        """Return when it is due in an ISO week, in UTC."""
        return self.schedule.at(week) + self.delay

    def latest(self, now: datetime) -> str:
        """Return the newest ISO week in which it has been due."""
        today = now.astimezone(ZoneInfo(self.schedule.zone)).date()
        weeks = (_week(today - timedelta(weeks=back)) for back in range(3))
        return next(week for week in weeks if self.due(week) <= now)

    def following(self, now: datetime) -> datetime:
        """Return when it is due next, in UTC."""
        today = now.astimezone(ZoneInfo(self.schedule.zone)).date()
        dues = (self.due(_week(today + timedelta(weeks=ahead))) for ahead in range(3))
        return next(due for due in dues if due > now)


class State(StrEnum):
    """How far a week's issue is."""

    OPEN = "open"
    ASKED = "asked"
    POSTED = "posted"
    FAILED = "failed"


class Part(StrEnum):
    """What a message of an issue is there for."""

    OPENING = "opening"
    SOUND = "sound"
    MEMBERS = "members"
    TASTE = "taste"
    BRAVE = "brave"
    TOGETHER = "together"
    APART = "apart"
    QUESTIONS = "questions"
    INVITATION = "invitation"


@dataclass(frozen=True, slots=True)
class Post:
    """One message of an issue.

    Attributes
    ----------
    position : int
        From 0.
    words : str
        What is said in it beside the card; plain text, with titles of songs in it.
    track, answer : str or None
        The song it features, and the kept answer that it is the only pick of.
    listeners : tuple of str
        Members whom a song of a mixtape is for.
    began : datetime or None
        When somebody last set out to post it.
    message : str or None
        What it was posted as.
    """

    position: int
    part: Part
    words: str
    track: str | None = None
    answer: str | None = None
    listeners: tuple[str, ...] = ()
    began: datetime | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Issue:
    """One week of a drop, in the hands of one process.

    Attributes
    ----------
    token : str
        Known to the process that holds the lease alone.
    attempts : int
        How often it was claimed, this time included.
    posts : tuple of Post
        Empty until it is decided what is in it.
    """

    id: int
    drop: Drop
    week: str
    state: State
    token: str
    attempts: int
    posts: tuple[Post, ...] = ()


class Poster(Protocol):
    """Where messages go. Raises `Undeliverable` where trying again would not help."""

    async def post(self, issue: Issue, post: Post, answer: Answer | None, *, again: bool) -> str:
        """Post a message and return its id.

        Parameters
        ----------
        answer : Answer or None
            With the one pick that it features.
        again : bool
            Nobody can tell whether it had been posted before: the message has to say so.
        """

    async def find(self, issue: Issue, post: Post) -> str | None:
        """Look for a message that may have been posted since `post.began`.

        Returns
        -------
        str or None
            Its id, "" where it is surely not there, None where nobody can tell.
        """

    async def tell(self, drop: Drop, words: str) -> bool:
        """Tell whose drop it is about trouble; say whether they could be told."""

    async def there(self, drop: Drop, member: str) -> bool:
        """Whether a member is still where a drop is posted; with direct messages everybody is."""


class Unposted:
    """A `Poster` for where there are no messages: the issue is read from the store instead."""

    async def post(self, issue: Issue, post: Post, answer: Answer | None, *, again: bool) -> str:  # noqa: ARG002
        """Post nothing."""
        return f"{issue.id}.{post.position}"

    async def find(self, issue: Issue, post: Post) -> str | None:  # noqa: ARG002
        """Find nothing: nothing was posted."""
        return ""

    async def tell(self, drop: Drop, words: str) -> bool:  # noqa: ARG002
        """Tell nobody."""
        return False

    async def there(self, drop: Drop, member: str) -> bool:  # noqa: ARG002
        """Nobody can leave a place that is none."""
        return True


# Posting, exactly once ---------------------------------------------------------------------------


async def tick(service: Service, poster: Poster, clock: Clock) -> int:
    """Post whatever is due and nobody else is posting; return how many issues were finished.

    Call it every minute or so, in as many processes as there are. After a longer pause each drop
    comes once, whatever number of weeks it was.
    """
    room = asyncio.Semaphore(SIDE_BY_SIDE)

    async def attend(drop: Drop, open_week: str | None) -> bool:
        async with room:
            try:
                state = await _attend(service, poster, drop, open_week, clock)
            except Exception:
                # One drop in trouble holds up no other; its lease says when it is tried again.
                log.exception("drop failed", extra={"drop": drop.id})
                return False
        return state in (State.POSTED, State.ASKED)

    due = await service.store.due_drops(clock())
    return sum(await asyncio.gather(*(attend(*one) for one in due)))


async def _attend(
    service: Service, poster: Poster, drop: Drop, open_week: str | None, clock: Clock
) -> State | None:
    now = clock()
    week = drop.latest(now)
    if drop.due(week) < drop.since:
        week = ""
    week = max(week, open_week or "")
    if not week:
        await service.store.wake_drop(drop.id, drop.following(now))
        return None
    issue = await _claim(service, drop, week, now)
    return await _carry_out(service, poster, issue, clock) if issue else None


async def drop_now(service: Service, poster: Poster, drop: Drop, clock: Clock) -> State | None:
    """Post this week's issue without waiting for its hour.

    One that ended with questions is made anew, from what was answered or thumbed since; one that
    was given up goes on where it stopped.

    Returns
    -------
    State or None
        How far it came; None where it has come already, or somebody is posting it.
    """
    now = clock()
    week = drop.schedule.week_of(now)
    await service.store.reopen_issue(drop.id, week, now)
    issue = await _claim(service, drop, week, now)
    return await _carry_out(service, poster, issue, clock) if issue else None


async def _claim(service: Service, drop: Drop, week: str, now: datetime) -> Issue | None:
    token = secrets.token_hex(8)
    return await service.store.claim_drop(
        drop, week, token, now, until=now + LEASE, following=drop.following(now)
    )


async def _carry_out(service: Service, poster: Poster, issue: Issue, clock: Clock) -> State:
    """Post what is not posted yet of an issue that was claimed."""
    store, drop = service.store, issue.drop
    try:
        if issue.attempts > ATTEMPTS:
            await store.finish_issue(issue, State.FAILED, drop.following(clock()))
            await _lose_patience(service, poster, drop, "Posting failed for weeks.")
            return State.FAILED
        if not issue.posts:
            await _who_left(service, poster, drop)
            issue = await compose(service, issue, clock())
        for post in issue.posts:
            if post.message is None and not await _post(service, poster, issue, post, clock):
                return State.OPEN
    except Undeliverable as error:
        await store.finish_issue(issue, State.FAILED, drop.following(clock()))
        await _pause(service, poster, drop, f"{error} {error.hint}".strip())
        return State.FAILED
    except Exception:
        log.exception("drop interrupted", extra={"drop": drop.id, "attempt": issue.attempts})
        await store.release_issue(issue, clock() + timedelta(minutes=2**issue.attempts))
        return State.OPEN
    asked = {post.part for post in issue.posts} & {Part.QUESTIONS, Part.INVITATION}
    state = State.ASKED if asked else State.POSTED
    if not await store.finish_issue(issue, state, drop.following(clock())):
        return State.OPEN
    if asked:
        await _lose_patience(service, poster, drop, "Nobody answered me.")
    return state


async def _who_left(service: Service, poster: Poster, drop: Drop) -> None:
    """See that nothing is made in a server from the likes of somebody who is not in it any more.

    Raises
    ------
    Undeliverable
        It is the member whose drop it is.
    """
    if drop.member is not None and not await poster.there(drop, drop.member):
        raise Undeliverable("You left the server that it was posted in.")
    if drop.member is None:
        for member in await service.store.mixtape_members(drop.id):
            if not await poster.there(drop, member):
                await service.store.join_mixtape(drop.id, member, there=False)


async def _post(service: Service, poster: Poster, issue: Issue, post: Post, clock: Clock) -> bool:
    """Post one message; False where another process took the issue over meanwhile."""
    found = None if post.began is None else await poster.find(issue, post)
    if not found:
        answer = None
        if post.answer is not None:
            with contextlib.suppress(NotFound):  # its song may have gone since
                answer = await service.kept_answer(post.answer)
            if answer is None or not answer.picks:
                await service.store.skip_post(issue, post.position)
                return True
        now = clock()
        if not await service.store.begin_post(issue, post.position, now, until=now + LEASE):
            return False
        again = post.began is not None and found is None
        found = await poster.post(issue, post, answer, again=again)
    await service.store.end_post(issue, post.position, found)
    return True


async def _lose_patience(service: Service, poster: Poster, drop: Drop, why: str) -> None:
    """Pause a drop that has come to nothing too many weeks in a row."""
    states = await service.store.drop_states(drop.id, PATIENCE)
    if len(states) == PATIENCE and len(set(states)) == 1:
        await _pause(service, poster, drop, why)


async def _pause(service: Service, poster: Poster, drop: Drop, why: str) -> None:
    """Stop a drop, and say so once: paused first, so that nobody is told twice."""
    await service.store.pause_drop(drop.id, why)
    what = "your weekly drop" if drop.member else "this server's mixtape"
    command = "/drops on" if drop.member else "/mixtape on"
    try:
        told = await poster.tell(drop, f"I paused {what}: {why} {command} starts it again.")
    except Exception:
        log.exception("nobody could be told", extra={"drop": drop.id})
        told = False
    log.info("drop paused", extra={"drop": drop.id, "told": told})


# What is in it -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One song of an issue, and why it is in there.

    Attributes
    ----------
    query : Heard or None
        The song that it was found around, or that its card shows beside it.
    words : str
        What part it plays, in a sentence.
    listeners : tuple of str
        Whom a song of a mixtape is for.
    """

    part: Part
    pick: Pick
    words: str
    query: Heard | None = None
    listeners: tuple[str, ...] = ()


async def compose(service: Service, issue: Issue, now: datetime) -> Issue:
    """Decide what is in an issue, and keep that, each of its songs as an answer of its own."""
    if issue.drop.member is None:
        opening, choices = await _mixtape(service, issue, now)
    else:
        opening, choices = await _personal(service, issue, issue.drop.member, now)
    posts, answers = [opening], dict[str, dict[str, Any]]()
    for position, choice in enumerate(choices, start=1):
        query = choice.query
        answer = Answer(
            query=query.track if query else None,
            analysis=query.analysis if query else None,
            profile=query.profile if query else None,
            picks=(choice.pick,),
        )
        kept = secrets.token_urlsafe(8)
        answers[kept] = codec.pack_answer(answer)
        track = choice.pick.track.id
        posts.append(Post(position, choice.part, choice.words, track, kept, choice.listeners))
    blends = await _blends(service, issue, posts)
    return await service.store.compose_issue(issue, posts, now, answers=answers, blends=blends)


async def _blends(service: Service, issue: Issue, posts: Sequence[Post]) -> dict[str, str]:
    """Return which blend chose each song of a member's drop."""
    member = issue.drop.member
    if member is None:
        return {}
    tracks = [post.track for post in posts if post.track]
    return await service.choose(lambda recommender, _: recommender.served(member, tracks))


async def _personal(
    service: Service, issue: Issue, member: str, now: datetime
) -> tuple[Post, list[Choice]]:
    drop, store = issue.drop, service.store
    events = await store.feedback(member)
    liked = [event.track for event in events if event.kind is FeedbackKind.LIKE]
    if not liked and artists_to_ask(service.catalogue):
        words = "Your drop starts with what you like: pick some artists, and it is on its way."
        return Post(0, Part.QUESTIONS, words), []
    recent = await store.dropped(drop.id, now - SEASON)
    lately = now - timedelta(days=service.settings.recommend.repeat_after_days)
    recent |= set(await store.recommended(member, lately))
    names = await store.tracks(liked)
    seeds = await _seeds(service, issue, liked[-_LIKES_LOOKED_AT:])
    genres = {track.genre.lower() for track in names.values() if track.genre}
    choices, near = await service.choose(
        lambda recommender, catalogue: _with_likes(
            catalogue,
            personal(
                recommender,
                member,
                seeds,
                genres=frozenset(genres),
                size=drop.size,
                adventurous=drop.adventurous,
                recent=frozenset(recent),
                now=now,
            ),
            liked,
        )
    )
    choices = await _beside(service, choices, near)
    last = await store.previous_issue(issue)
    shown = await store.tracks({event.track for event in events})
    lines = [_thumbs(events, shown, last, now)]
    if not choices:
        lines.append("I have no song left that would be new to you; I go on listening.")
    elif len(choices) < drop.size:
        lines.append(f"Only {len(choices)} of {drop.size} songs are left that are new to you.")
    return Post(0, Part.OPENING, "\n".join(lines)), choices


async def _seeds(service: Service, issue: Issue, liked: Sequence[str]) -> list[Heard]:
    """Choose liked songs to look around this week: other ones every week, newer ones rather."""
    import numpy as np

    if not liked:
        return []
    rng = np.random.default_rng(list(f"{issue.drop.id} {issue.week}".encode()))
    chances = np.linspace(1, 2, len(liked))
    order = rng.choice(len(liked), len(liked), replace=False, p=chances / chances.sum())
    seeds: list[Heard] = []
    for at in order:
        if len(seeds) < _around(issue.drop.size) and (heard := await service.heard(liked[at])):
            seeds.append(heard)
    return seeds


def _around(size: int) -> int:
    """Return how many songs of a drop are found around liked ones: half, the brave one apart."""
    return size // 2 if size > 1 else 1


def _with_likes(
    catalogue: Catalogue, choices: list[Choice], liked: Sequence[str]
) -> tuple[list[Choice], list[str]]:
    """Return the choices, and for each the liked song that sounds most like it; "" for none."""
    from musrec.recommend.taste import unit

    row_of = {track.id: row for row, track in enumerate(catalogue.tracks)}
    own = [id_ for id_ in dict.fromkeys(liked) if id_ in row_of]
    if not own or not choices:
        return choices, [""] * len(choices)
    likes = unit(catalogue.vectors[[row_of[id_] for id_ in own]])
    found = unit(catalogue.vectors[[row_of[choice.pick.track.id] for choice in choices]])
    return choices, [own[near] for near in (found @ likes.T).argmax(axis=1)]


async def _beside(service: Service, choices: list[Choice], near: list[str]) -> list[Choice]:
    """Put a liked song beside those that were not found around one, for their cards."""
    return [
        choice if choice.query else replace(choice, query=await service.heard(like))
        for choice, like in zip(choices, near, strict=True)
    ]


def personal(
    recommender: Recommender,
    member: str,
    seeds: Sequence[Heard],
    *,
    genres: frozenset[str] = frozenset(),
    size: int = 5,
    adventurous: float = 0.3,
    recent: frozenset[str] = frozenset(),
    now: datetime,
) -> list[Choice]:
    """Choose the songs of a member's drop.

    Some are found around songs that they liked, some come from members like them, and one, where
    there is room for it, is of no genre that they liked yet.

    Parameters
    ----------
    seeds : sequence of Heard
        Liked songs to look around, the first first; one for each song found so.
    genres : frozenset of str
        Of what they liked, lower case.
    recent : frozenset of str
        Tracks that must not come again.

    Returns
    -------
    list of Choice
        At most `size`, of as many artists.
    """
    from musrec.recommend import Request, Seed

    chosen: list[Choice] = []

    def ask(count: int, *around: Seed, brave: bool = False) -> Picks:
        # More than are wanted, for some may be by artists that are chosen already.
        request = Request(
            member=member,
            seeds=around,
            count=count + 2,
            adventurous=1.0 if brave else adventurous,
            constraints=Constraints(no_genres=genres if brave else frozenset()),
            now=now,
            recent=recent | {choice.pick.track.id for choice in chosen},
        )
        return recommender.recommend(request)

    brave = int(size > 1)
    for heard in seeds[: _around(size)]:
        words = f"Around “{heard.track.title}”, which you like."
        found = ask(1, Seed(heard.place, heard.track, heard.profile)).picks
        _take(chosen, (Choice(Part.SOUND, pick, words, heard) for pick in found), len(chosen) + 1)
    if (left := size - brave - len(chosen)) > 0:
        supported_first = sorted(ask(3 * left).picks, key=lambda pick: not _spoken_for(pick))
        _take(chosen, map(_unasked, supported_first), size - brave)
    if brave:
        # Where every genre is liked already, what is left is being tried out.
        found = ask(1, brave=True).picks
        tried = (
            Choice(Part.BRAVE, pick, _brave_words(pick, genres, outside=bool(found)))
            for pick in found or ask(1).picks
        )
        _take(chosen, tried, len(chosen) + 1)
    return chosen


def _take(chosen: list[Choice], candidates: Iterable[Choice], until: int) -> None:
    """Add candidates, one an artist, until there are so many."""
    artists = {main_artist(choice.pick.track) for choice in chosen} - {""}
    for candidate in candidates:
        if len(chosen) >= until:
            return
        artist = main_artist(candidate.pick.track)
        if artist not in artists:
            chosen.append(candidate)
            artists |= {artist} - {""}


def _spoken_for(pick: Pick) -> str:
    """Return what members who like the same say for a song; empty where none does."""
    return next((t.because for t in pick.terms if t.name == "members" and t.value > 0), "")


def _unasked(pick: Pick) -> Choice:
    """Say what speaks for a song that was found from the member alone."""
    if because := _spoken_for(pick):
        return Choice(Part.MEMBERS, pick, f"From members like you: {because}.")
    return Choice(Part.TASTE, pick, "For your taste as a whole.")


def _brave_words(pick: Pick, genres: frozenset[str], *, outside: bool) -> str:
    if not outside or not genres:
        return "The brave one: a song to try."
    genre = (pick.track.genre or "").lower()
    what = f"It is {genre}, and you" if genre else "You"
    return f"The brave one. {what} have liked {_listed(sorted(genres)[:3], 'and')} so far."


def _thumbs(
    events: Sequence[Feedback], tracks: Mapping[str, Track], last: datetime | None, now: datetime
) -> str:
    """Say in one line what a member thumbed since the last drop, or in the last week."""
    since = last or now - timedelta(weeks=1)
    said = []
    for kind, sign in ((FeedbackKind.LIKE, "👍"), (FeedbackKind.DISLIKE, "👎")):
        found = [event.track for event in events if event.kind is kind and event.at > since]
        titles = [f"“{tracks[track].title}”" for track in found[::-1]]
        if titles:
            more = [f"{len(titles) - 2} more"] if len(titles) > 2 else []
            said.append(f"{sign} {_listed(titles[:2] + more, 'and')}")
    when = "the last drop" if last else "last week"
    return f"Since {when}: {'; '.join(said)}." if said else f"No thumbs since {when}."


def _listed(parts: Sequence[str], last: str) -> str:
    return f" {last} ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)


# Mixtapes ----------------------------------------------------------------------------------------


async def _mixtape(service: Service, issue: Issue, now: datetime) -> tuple[Post, list[Choice]]:
    drop, store = issue.drop, service.store
    members = await store.mixtape_members(drop.id)
    opinions = {member: await store.feedback(member) for member in members}
    opinions = {member: events for member, events in opinions.items() if _likes(events)}
    if not opinions:
        words = (
            "A mixtape for this server, every week: from what you agree on, and what you do not. "
            "Say that it may be made from your likes, and give some songs a thumb."
        )
        return Post(0, Part.INVITATION, words), []
    recent = frozenset(await store.dropped(drop.id, now - SEASON))
    liked = [e.track for events in opinions.values() for e in events if e.kind is FeedbackKind.LIKE]
    choices, near = await service.choose(
        lambda _, catalogue: _with_likes(
            catalogue, mixtape(catalogue, opinions, size=drop.size, recent=recent), liked
        )
    )
    choices = await _beside(service, choices, near)
    tracks = await store.tracks({e.track for events in opinions.values() for e in events})
    lines = [*_common_ground(opinions, tracks)]
    if not choices:
        lines.append("I have no song left that would be new to all of you; I go on listening.")
    elif len(choices) < drop.size:
        lines.append(f"Only {len(choices)} of {drop.size} songs are left that are new to you all.")
    return Post(0, Part.OPENING, "\n".join(lines), listeners=tuple(opinions)), choices


def _likes(events: Iterable[Feedback]) -> bool:
    return any(event.kind is FeedbackKind.LIKE for event in events)


def _common_ground(
    opinions: Mapping[str, Sequence[Feedback]], tracks: Mapping[str, Track]
) -> list[str]:
    """Name the songs that most agree on, and that most are divided about."""
    ups, downs = (
        Counter(e.track for events in opinions.values() for e in events if e.kind is kind)
        for kind in (FeedbackKind.LIKE, FeedbackKind.DISLIKE)
    )
    lines = []
    agreed = {track: count for track, count in ups.items() if count > 1 and not downs[track]}
    if agreed:
        best = max(agreed, key=lambda track: (agreed[track], track))
        lines.append(f"You agree on “{tracks[best].title}”: {agreed[best]} 👍.")
    divided = {track: min(count, downs[track]) for track, count in ups.items() if downs[track]}
    if divided:
        most = max(divided, key=lambda track: (divided[track], ups[track], track))
        lines.append(
            f"You are of two minds about “{tracks[most].title}”: {ups[most]} 👍, {downs[most]} 👎."
        )
    return lines


def mixtape(
    catalogue: Catalogue,
    opinions: Mapping[str, Sequence[Feedback]],
    *,
    size: int = 5,
    recent: frozenset[str] = frozenset(),
) -> list[Choice]:
    """Choose songs for several members: what they agree on, then what divides them.

    A song is as near to a member as the mean of their likes is to it (cosine), told as the share
    of the catalogue that is less near. They agree where the least pleased is pleased most ("least
    misery": Masthoff, Group Recommender Systems, 2015), and are divided where the two ends are
    furthest apart. No song that one of them liked already or has a thumb down on is picked.

    Parameters
    ----------
    opinions : mapping of member to their feedback
        Members without a like in the catalogue are left out.

    Returns
    -------
    list of Choice
        At most `size`, of as many artists; a fifth of them, at least one where there are two
        members, from what divides them.
    """
    import numpy as np

    row_of = {track.id: row for row, track in enumerate(catalogue.tracks)}
    members, places = _nearness(catalogue, opinions, row_of)
    if not members:
        return []
    known = {e.track for events in opinions.values() for e in events if e.kind.explicit} | recent
    taken = {recording_key(catalogue.tracks[row_of[id_]]) for id_ in known if id_ in row_of}
    artists: set[str] = set()
    chosen: list[Choice] = []

    def take(order: FloatArray, until: int, part: Part) -> None:
        for row in np.argsort(-order, kind="stable"):
            track = catalogue.tracks[row]
            if len(chosen) >= until:
                return
            if recording_key(track) in taken or main_artist(track) in artists:
                continue
            taken.add(recording_key(track))
            artists.update({main_artist(track)} - {""})
            chosen.append(_shared(catalogue, int(row), members, places[:, row], part))

    apart = max(1, size // 5) if len(members) > 1 and size > 1 else 0
    least, most = places.min(axis=0), places.max(axis=0)
    take(least + places.mean(axis=0) / 1000, size - apart, Part.TOGETHER)
    if apart:
        take(most - least, size, Part.APART)
    return chosen


def _nearness(
    catalogue: Catalogue, opinions: Mapping[str, Sequence[Feedback]], row_of: Mapping[str, int]
) -> tuple[list[str], FloatArray]:
    """Return members and (members, n), 0 to 100: the share of songs less near to each."""
    import numpy as np

    from musrec.recommend.taste import unit

    liked = {
        member: [
            row_of[event.track]
            for event in events
            if event.kind is FeedbackKind.LIKE and event.track in row_of
        ]
        for member, events in opinions.items()
    }
    members = [member for member, rows in liked.items() if rows]
    if not members:
        return [], np.zeros((0, len(catalogue)), np.float32)
    vectors = unit(catalogue.vectors)
    tastes = np.stack([vectors[liked[member]].mean(axis=0) for member in members])
    order = np.argsort(np.argsort(tastes @ vectors.T, axis=1), axis=1)
    return members, (100.0 * order / len(catalogue)).astype(np.float32)


def _shared(
    catalogue: Catalogue, row: int, members: list[str], places: FloatArray, part: Part
) -> Choice:
    """Say of a song how near it is to each of several members."""
    least, most = int(places.min()), int(places.max())
    if part is Part.APART:
        listeners = [m for m, place in zip(members, places, strict=True) if place == places.max()]
        because = (
            f"closer to what {'they like' if len(listeners) > 1 else 'one of you likes'} than "
            f"{most}% of the songs here; to another of you it is closer than {least}%"
        )
        words, value = "What you do not agree on.", float(places.max() - places.min())
    else:
        listeners = members
        who = {1: "the one of you who joined likes", 2: "both of you like"}.get(
            len(members), f"each of the {len(members)} of you likes"
        )
        because = f"closer than {least}% of the songs here to what {who}"
        words, value = "What you agree on.", float(places.min())
    pick = Pick(
        track=catalogue.tracks[row],
        score=value / 100,
        match=least if part is Part.TOGETHER else most,
        terms=(Term("members", value / 100, because),),
        explanation=Explanation(f"{because[0].upper()}{because[1:]}.", causes=("members",)),
        profile=catalogue.profiles[row],
    )
    return Choice(part, pick, words, listeners=tuple(listeners))


# Starting from nothing ---------------------------------------------------------------------------


def artists_to_ask(catalogue: Catalogue) -> list[list[tuple[str, str]]]:
    """Return questions, each a list of artists and their genre, to choose from.

    At most three questions of 25 artists each. Every question goes through all genres, the best
    known artists of each first; an empty catalogue has none.
    """
    songs: dict[str, list[Track]] = {}
    for track in catalogue.tracks:
        if track.artists:
            songs.setdefault(track.artists[0], []).append(track)
    by_genre: dict[str, list[tuple[float, int, str]]] = {}
    for artist, theirs in songs.items():
        genre = Counter(track.genre or "" for track in theirs).most_common(1)[0][0]
        known = max(track.popularity or 0.0 for track in theirs)
        by_genre.setdefault(genre, []).append((-known, -len(theirs), artist))
    ranked = sorted(
        (place, genre, artist)
        for genre, artists in by_genre.items()
        for place, (_, _, artist) in enumerate(sorted(artists))
    )
    dealt = [(artist, genre) for _, genre, artist in ranked][: QUESTIONS * ARTISTS_A_QUESTION]
    size = min(ARTISTS_A_QUESTION, -(-len(dealt) // QUESTIONS))
    return [dealt[start : start + size] for start in range(0, len(dealt), max(size, 1))]


def songs_of(catalogue: Catalogue, artists: Iterable[str]) -> list[Track]:
    """Return the songs that liking some artists likes, at most five an artist."""
    found = []
    for artist in dict.fromkeys(artists):
        theirs = [track for track in catalogue.tracks if track.artists[:1] == (artist,)]
        theirs.sort(key=lambda track: (-(track.popularity or 0.0), track.id))
        found += theirs[:SONGS_AN_ARTIST]
    return found
