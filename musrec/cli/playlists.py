"""A member's playlists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from musrec.cli.opening import with_service
from musrec.cli.options import Count, Json, MaybeMember, Member, Offline, Song
from musrec.cli.printing import (
    counted,
    err,
    named,
    out,
    print_answer,
    print_json,
    save,
    track_json,
)
from musrec.model import NotFound
from musrec.playlists.model import FORMATS, MOST_AROUND, Playlist

if TYPE_CHECKING:
    from musrec.service import Service

app = typer.Typer(name="playlist", no_args_is_help=True, help="Make, fill and export playlists.")

Name = Annotated[str, typer.Argument(metavar="PLAYLIST", help="Its name.")]


@app.command()
def create(context: typer.Context, name: Name, member: Member, as_json: Json = False) -> None:
    """Create a playlist."""

    async def job(service: Service) -> None:
        made = await service.playlists.create(member, name)
        _tell(made, f"Created {_bold(made)}.", as_json=as_json)

    with_service(context, job)


@app.command()
def add(
    context: typer.Context,
    name: Name,
    songs: Annotated[
        list[str], typer.Argument(metavar="SONG", help="One or more titles, links or ids.")
    ],
    member: Member,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Add songs to a playlist."""

    async def job(service: Service) -> None:
        kept = await service.playlists.named(member, name)
        tracks = [await service.songs.find_one(song, online=not offline) for song in songs]
        added = await service.playlists.add(kept, [track.id for track in tracks])
        kept = await service.playlists.named(member, name)
        _tell(
            kept,
            f"Added {counted(added)} to {_bold(kept)}, which now holds {kept.songs:,}.",
            as_json=as_json,
            added=added,
        )

    with_service(context, job)


@app.command()
def remove(
    context: typer.Context,
    name: Name,
    song: Annotated[str, typer.Argument(help="A title or an id.")],
    member: Member,
    as_json: Json = False,
) -> None:
    """Remove a song from a playlist."""

    async def job(service: Service) -> None:
        kept = await service.playlists.named(member, name)
        found = await service.playlists.remove_song(kept, song)
        words = f"Removed {escape(str(found))} from {_bold(kept)}."
        _tell(kept, words, as_json=as_json, removed=found.id)

    with_service(context, job)


@app.command()
def delete(context: typer.Context, name: Name, member: Member, as_json: Json = False) -> None:
    """Delete a playlist."""

    async def job(service: Service) -> None:
        kept = await service.playlists.named(member, name)
        await service.playlists.delete(kept)
        _tell(kept, f"Deleted {_bold(kept)}.", as_json=as_json)

    with_service(context, job)


@app.command()
def show(
    context: typer.Context,
    member: Member,
    name: Annotated[
        str, typer.Argument(metavar="[PLAYLIST]", help="Leave it out to list your playlists.")
    ] = "",
    as_json: Json = False,
) -> None:
    """List the songs of a playlist, or your playlists."""

    async def job(service: Service) -> None:
        if name:
            await _show_songs(service, member, name, as_json=as_json)
        else:
            await _show_all(service, member, as_json=as_json)

    with_service(context, job)


async def _show_songs(service: Service, member: str, name: str, *, as_json: bool) -> None:
    kept = await service.playlists.named(member, name)
    tracks = await service.playlists.songs(kept)
    if as_json:
        print_json(name=kept.name, songs=[track_json(track) for track in tracks])
        return
    for place, track in enumerate(tracks, start=1):
        out.print(f"{place:5}  {named(track)}")


async def _show_all(service: Service, member: str, *, as_json: bool) -> None:
    own = await service.playlists.of(member)
    if as_json:
        print_json(playlists=[{"name": one.name, "songs": one.songs} for one in own])
        return
    if not own:
        raise NotFound("You have no playlist yet.", "`musrec playlist create` makes one.")
    for one in own:
        out.print(f"{one.songs:6,}  {escape(one.name)}")


@app.command()
def export(
    context: typer.Context,
    name: Name,
    member: Member,
    form: Annotated[
        str, typer.Option("--format", metavar="|".join(FORMATS), help="File format.")
    ] = "m3u8",
    to: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write to.")] = Path(),
    as_json: Json = False,
) -> None:
    """Write a playlist to a file; m3u8 points to your own files where songs came from them."""
    how = next((one for one in FORMATS if one == form), None)
    if how is None:
        raise NotFound(
            f"There is no format called {form!r}.", f"Choose one of {', '.join(FORMATS)}."
        )

    async def job(service: Service) -> None:
        kept = await service.playlists.named(member, name)
        made = await service.playlists.export(kept, how, local=True)
        if not made.data:
            raise NotFound(
                f"This format needs an address for each song, and no song of {kept.name} has one.",
                "Try m3u8 or csv.",
            )
        path = save(made.data, to / made.file)
        words = f"Wrote {_bold(kept)} to {escape(str(path))}."
        if made.missing:
            words += f" Left out {len(made.missing)} of {kept.songs} songs: no address is known."
        missing = [track.id for track in made.missing]
        _tell(kept, words, as_json=as_json, file=str(path), missing=missing)

    with_service(context, job)


@app.command("from")
def from_song(
    context: typer.Context,
    song: Song,
    count: Annotated[
        int, typer.Option("-n", "--count", min=1, max=MOST_AROUND, help="How many songs.")
    ] = 25,
    to: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write an m3u8, csv or json file."),
    ] = None,
    member: MaybeMember = None,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """List a song and others that sound like it, or write them to a file."""

    async def job(service: Service) -> None:
        with err.status("Listening"):
            heard = await service.songs.hear_path_or_name(song, online=not offline)
        tracks = await service.playlists.around(heard, count=count, member=member)
        if to is not None:
            made = await service.playlists.as_file(heard.track.title, tracks, to)
            save(made.data, to)
        missing = [track.id for track in made.missing] if to else []
        if as_json:
            print_json(
                file=to and str(to), songs=[track_json(track) for track in tracks], missing=missing
            )
            return
        if to is None:
            for place, track in enumerate(tracks, start=1):
                out.print(f"{place:5}  {named(track)}")
            return
        words = f"Wrote {counted(len(tracks))} to {escape(str(to))}."
        if missing:
            words += f" A player finds no file or address for {len(missing)} of them."
        out.print(words)

    with_service(context, job, song)


@app.command("continue")
def go_on(
    context: typer.Context,
    name: Name,
    member: Member,
    count: Count = 10,
    add: Annotated[bool, typer.Option("--add", help="Add them to the playlist.")] = False,
    as_json: Json = False,
) -> None:
    """Recommend songs that continue a playlist."""

    async def job(service: Service) -> None:
        kept = await service.playlists.named(member, name)
        answer = await service.playlists.continued(kept, count=count)
        if add:
            await service.playlists.add(kept, [pick.track.id for pick in answer.picks])
        print_answer(answer, None, as_json=as_json)

    with_service(context, job)


def _tell(kept: Playlist, words: str, *, as_json: bool, **more: Any) -> None:
    if as_json:
        print_json(playlist=kept.name, songs=kept.songs, **more)
    else:
        out.print(words)


def _bold(kept: Playlist) -> str:
    return f"[bold]{escape(kept.name)}[/]"
