"""Songs: indexed from files, searched, and shown with everything heard in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from musrec import wording
from musrec.catalogue.model import Added, SongFilter, stored, tempo_range
from musrec.cli.opening import with_service
from musrec.cli.options import Json, Offline, Song
from musrec.cli.printing import (
    counted,
    err,
    named,
    out,
    print_json,
    print_notes,
    save,
    track_json,
)
from musrec.model import Analysis, Heard, NotAudio, NotFound, Profile, SoundKind

if TYPE_CHECKING:
    from musrec.model import FloatArray
    from musrec.service import Service
    from musrec.service.songs import Description

app = typer.Typer()

LISTED = 50
"""Files or songs that one answer lists, at most."""

WATCH_SECONDS = 5.0
"""Pause of `musrec add --watch` between two looks, at least."""


# Adding ---------------------------------------------------------------------------------------


@app.command()
def add(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        # Typer's own type would look at a drive before anything, and wait for one that hangs.
        typer.Argument(metavar="PATH", help="Audio files, or folders of them.", parser=Path),
    ],
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Take songs out whose files have gone (not on PostgreSQL)."),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on looking for changes until you press Ctrl-C.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Index audio files and folders, so that their songs can be recommended.

    Run it again to continue where it stopped, and to take in what is new, moved or changed.
    """
    if watch and as_json:
        raise NotFound("--watch never ends, so it prints no JSON.", "Leave one of them out.")

    async def job(service: Service) -> None:
        await service.songs.look_at(paths)
        steps = await add_with_progress(service, paths, prune=prune)
        if as_json:
            _print_added_json(steps)
        else:
            print_added(service, steps, prune=prune)
        if watch:
            await _watch(service, paths, steps, prune=prune)
        if steps and all(step.problem for step in steps):
            raise typer.Exit(NotAudio.exit_code)

    with_service(context, job)


async def add_with_progress(
    service: Service, paths: list[Path], *, prune: bool = False
) -> list[Added]:
    """Index files and folders while a bar shows how far it is; return one step per file."""
    with _bar() as show:
        return [step async for step in service.songs.add(paths, show, prune=prune)]


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """Show a bar; yield what moves it, given how many songs are done, and of how many."""
    # Only this needs it: 10 ms that other commands and `musrec --help` are spared.
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("Listening"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("", total=None, rate="")

        def show(done: int, of: int) -> None:
            speed = bar.tasks[task].finished_speed or bar.tasks[task].speed
            rate = f"{speed:.1f} songs/s" if speed else ""
            bar.update(task, completed=done, total=of, rate=rate)

        yield show


async def _watch(service: Service, paths: list[Path], steps: list[Added], *, prune: bool) -> None:
    """Look again and again, and print what is new; looking takes a twentieth of the time at most.

    Every system tells of changes in its own way, and a drive on the network of none: looking works
    everywhere.
    """
    import asyncio
    import time

    out.print("Watching for changes. Press Ctrl-C to stop.")
    told = {(step.path, step.problem, step.gone) for step in steps}
    pause = WATCH_SECONDS
    while True:
        await asyncio.sleep(pause)
        began = time.monotonic()
        steps = [step async for step in service.songs.add(paths, prune=prune)]
        pause = max(WATCH_SECONDS, 20 * (time.monotonic() - began))
        news = [
            step
            for step in steps
            if not step.known and (step.path, step.problem, step.gone) not in told
        ]
        told = {(step.path, step.problem, step.gone) for step in steps if step.problem or step.gone}
        if news:
            print_added(service, news, prune=prune)


def _print_added_json(steps: list[Added]) -> None:
    print_json(
        added=[
            {"path": stored(step.path), **track_json(step.track)}
            for step in steps
            if step.track and not step.gone
        ],
        known=sum(step.known and not step.problem for step in steps),
        problems=[
            {"path": stored(step.path), "problem": step.problem} for step in steps if step.problem
        ],
        gone=[stored(step.path) for step in steps if step.gone],
    )


def print_added(service: Service, steps: list[Added], *, prune: bool = False) -> None:
    """Print how many files were added, what was wrong with others, and which have gone."""
    problems = [step for step in steps if step.problem]
    gone = [step for step in steps if step.gone]
    added = sum(step.track is not None and not step.gone for step in steps)
    known = sum(step.known and not step.problem for step in steps)
    out.print(
        f"Added {counted(added)}, {known:,} known already, {len(problems):,} could not be added. "
        f"The catalogue holds {counted(len(service.catalogue))}."
    )
    for step in problems[:LISTED]:
        out.print(f"  {escape(str(step.path))}: {escape(step.problem)}")
    if len(problems) > LISTED:
        out.print(f"  ... and {len(problems) - LISTED:,} more; --json lists them all.")
    if gone:
        done = (
            "Taken out, as the files have gone:"
            if prune
            else "These files have gone; --prune takes their songs out:"
        )
        out.print(done)
        for step in gone[:LISTED]:
            out.print(f"  {escape(str(step.path))}")
        if len(gone) > LISTED:
            out.print(f"  ... and {len(gone) - LISTED:,} more.")


@app.command()
def rehear(context: typer.Context, offline: Offline = False, as_json: Json = False) -> None:
    """Hear songs again that an older version heard; stop and run it again as you like.

    Their older analyses serve until then. The bot does the same by itself, in quiet hours.
    """

    async def job(service: Service) -> None:
        with _bar() as show:
            steps = [step async for step in service.songs.rehear(show, online=not offline)]
        problems = [step for step in steps if step.problem]
        if as_json:
            print_json(
                heard=[track_json(step.track) for step in steps if not step.problem],
                problems=[{"id": p.track.id, "problem": p.problem} for p in problems],
            )
            return
        out.print(
            f"Heard {counted(len(steps) - len(problems))} again; {len(problems):,} could not be, "
            "and keep what was heard before."
            if steps
            else "Every song was heard by this version."
        )
        for step in problems[:LISTED]:
            out.print(f"  {named(step.track)}: {escape(step.problem)}")
        if len(problems) > LISTED:
            out.print(f"  ... and {len(problems) - LISTED:,} more; --json lists them all.")

    with_service(context, job)


@app.command()
def remove(
    context: typer.Context,
    songs: Annotated[
        list[str],
        typer.Argument(
            metavar="SONG", help="Titles or ids; files or folders for the songs heard there."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Take songs out of the catalogue; files and thumbs are kept."""

    async def job(service: Service) -> None:
        removed = [track for song in songs for track in await service.songs.remove(song)]
        if as_json:
            print_json(removed=[track_json(track) for track in removed])
            return
        for track in removed[:LISTED]:
            out.print(f"Took out {named(track)}")
        if len(removed) > LISTED:
            out.print(f"... and {len(removed) - LISTED:,} more.")
        out.print(f"The catalogue holds {counted(len(service.catalogue))}.")

    with_service(context, job)


@app.command()
def export(
    context: typer.Context,
    to: Annotated[Path, typer.Argument(metavar="FILE", help="Such as songs.npz.")],
    as_json: Json = False,
) -> None:
    """Write vectors, tags and descriptors of all songs to a file for NumPy.

    docs/python.md describes its columns.
    """
    if to.suffix != ".npz":
        raise NotFound(f"{to.name} does not end in .npz.", "Name it like songs.npz.")

    async def job(service: Service) -> None:
        path, songs = save(await service.catalogue.export(), to), len(service.catalogue)
        if as_json:
            print_json(file=str(path), songs=songs)
        else:
            out.print(f"Wrote {counted(songs)} to {escape(str(path))}.")

    with_service(context, job)


# Searching ------------------------------------------------------------------------------------


@app.command()
def search(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="Title, artist or both.")] = "",
    artist: Annotated[str, typer.Option(help="Part of an artist's name.")] = "",
    genre: Annotated[str, typer.Option(help="Genre, as tagged or as heard.")] = "",
    mood: Annotated[str, typer.Option(help="Such as calm or happy.")] = "",
    key: Annotated[str, typer.Option(help="Such as 'A minor'; 'A' finds both modes.")] = "",
    tempo: Annotated[str, typer.Option(metavar="BPM", help="Such as 120 or 100-120.")] = "",
    instrument: Annotated[str, typer.Option(help="Such as piano or 'female voice'.")] = "",
    voice: Annotated[str, typer.Option(help="sung or instrumental.")] = "",
    limit: Annotated[
        int, typer.Option("-n", "--limit", min=1, max=100, help="List at most this many songs.")
    ] = 10,
    as_json: Json = False,
) -> None:
    """Search the catalogue by names and by sound."""
    if not (text or artist or genre or mood or key or tempo or instrument or voice):
        raise NotFound("Tell me what to search for.", "Give a title, or how it should sound.")

    async def job(service: Service) -> None:
        bpm = tempo_range(tempo) if tempo else None
        wanted = SongFilter(text, artist, genre, mood, key, bpm, instrument, voice)
        found = await service.catalogue.search(wanted, limit)
        if as_json:
            print_json(tracks=[track_json(track) for track in found])
            return
        for track in found:
            out.print(f"[dim]{track.id}[/]  {escape(str(track))}")

    with_service(context, job)


# Showing --------------------------------------------------------------------------------------


@app.command()
def show(
    context: typer.Context, song: Song, offline: Offline = False, as_json: Json = False
) -> None:
    """Show everything heard in a song."""

    async def job(service: Service) -> None:
        with err.status("Listening"):
            heard = await service.songs.hear_path_or_name(song, online=not offline)
        description = service.songs.describe(heard)
        foreign = await service.songs.foreign(heard.track, online=not offline)
        if as_json:
            print_json(**_heard_json(heard, description), foreign=foreign)
        else:
            _print_heard(heard, description, foreign)
            print_notes(service.answers.notes)

    with_service(context, job, song)


def _print_heard(
    heard: Heard, description: Description, foreign: Mapping[str, Mapping[str, float]]
) -> None:
    analysis, profile = heard.analysis, heard.profile
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("[bold]Song[/]", named(heard.track))
    table.add_row("[bold]Heard[/]", f"{analysis.seconds:.1f} s of {analysis.kind}")
    music = analysis.kind is SoundKind.MUSIC
    for label, words in _music(analysis) if music else ():
        table.add_row(f"[bold]{label}[/]", words)
    if analysis.loudness is not None:
        table.add_row("[bold]Loudness[/]", f"{analysis.loudness:.1f} LUFS")
    for label, words in _labels(profile, description):
        table.add_row(f"[bold]{label}[/]", escape(words))
    for name, percentile in profile.percentiles.items():
        bar, descriptor = "█" * round(percentile / 5), description.definitions[name]
        than = f"{descriptor.higher} than {percentile:.0f}% of {descriptor.population}"
        table.add_row(name, f"{bar:<20} {than}")
    for origin, values in foreign.items():
        shown = ", ".join(f"{name} {value:g}" for name, value in values.items())
        table.add_row(f"[bold]{escape(origin)}[/] says", escape(shown))
    out.print(table)
    if not music:
        out.print(wording.no_music(analysis.kind))
    for name in dict.fromkeys(one.population for one in description.definitions.values()):
        out.print(f"{name}: {description.populations[name]}.", style="dim")


def _labels(profile: Profile, description: Description) -> Iterator[tuple[str, str]]:
    if description.genres:
        doubt = "" if description.genre else "unsure: "
        yield "Genre", doubt + _shares(description.genres, 3)
    if profile.tags:
        yield "Tags", _shares(profile.tags, 8)
    if profile.instruments:
        yield "Instruments", wording.instruments(profile.instruments)
    if description.labels:
        yield "Encoder", _shares(description.labels, 3)


def _music(analysis: Analysis) -> Iterator[tuple[str, str]]:
    if (rhythm := analysis.rhythm) and rhythm.tempo:
        other = f"; otherwise {wording.tempo(rhythm.alternative)}" if rhythm.alternative else ""
        yield "Tempo", f"{wording.tempo(rhythm.tempo)}, {rhythm.confidence:.0%} sure{other}"
    if harmony := analysis.harmony:
        cents = round(harmony.tuning)
        tuned = f"; tuned {cents:+} cents" if cents else ""
        sure = f"{harmony.confidence:.0%} sure{tuned}"
        yield "Key", f"{wording.key(harmony)}, {sure}"
    if analysis.voice:
        yield "Voice", wording.voice(analysis.voice)


def _shares(values: Mapping[str, float], most: int) -> str:
    best = sorted(values.items(), key=lambda item: -item[1])[:most]
    return ", ".join(f"{name} {share:.0%}" for name, share in best)


def _heard_json(heard: Heard, description: Description) -> dict[str, Any]:
    analysis, profile = heard.analysis, heard.profile
    return {
        "track": track_json(heard.track),
        "seconds": analysis.seconds,
        "kind": analysis.kind,
        "analyser": analysis.version,
        "rhythm": analysis.rhythm and asdict(analysis.rhythm),
        "harmony": analysis.harmony and asdict(analysis.harmony),
        "loudness": analysis.loudness,
        "voice": analysis.voice and asdict(analysis.voice),
        "descriptors": dict(analysis.descriptors),
        "percentiles": dict(profile.percentiles),
        "definitions": {name: asdict(one) for name, one in description.definitions.items()},
        "populations": dict(description.populations),
        "genre": description.genre,
        "genres": dict(description.genres),
        "tags": dict(profile.tags),
        "instruments": dict(profile.instruments),
        "singing": profile.voice,
        # In the order of `tags`: their deviations, and one row per second.
        "tag_deviations": _rounded(analysis.tag_std),
        "taggram": _rounded(analysis.taggram),
        "embedding": _rounded(analysis.embedding),
        "encoded": analysis.encoded
        and {
            "encoder": analysis.encoded.encoder,
            "vector": _rounded(analysis.encoded.vector),
            "labels": dict(analysis.encoded.labels),
        },
        # JSON has no NaN: a statistic that is not known is null.
        "statistics": {
            name: None if isnan(value) else value for name, value in description.statistics.items()
        },
    }


def _rounded(values: FloatArray | None) -> list[Any] | None:
    return None if values is None else values.round(4).astype(float).tolist()
