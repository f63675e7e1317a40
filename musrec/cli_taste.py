"""The command line, its second half: taste, blends, the map, comparisons, playlists, history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from musrec import cli
from musrec.cli import As, Json, Name, Offline, app, out
from musrec.model import Choices, MusrecError, NotFound, Track

if TYPE_CHECKING:
    from musrec.playlists.model import Playlist
    from musrec.service import Service

playlist = typer.Typer(no_args_is_help=True, help="Your own lists of songs.")
privacy = typer.Typer(no_args_is_help=True, help="What is kept of a member.")
app.add_typer(playlist, name="playlist")
app.add_typer(privacy, name="privacy")

ListName = Annotated[str, typer.Argument(metavar="PLAYLIST", help="What it is called.")]


def _to(default: str) -> Any:
    return typer.Option(
        "--picture", metavar="FILE", help="Where the picture goes.", show_default=default
    )


@app.command()
def taste(
    member: Name,
    picture: Annotated[Path, _to("taste.png")] = Path("taste.png"),
    as_json: Json = False,
) -> None:
    """Draw what a member likes, against everybody."""

    async def job(service: Service) -> None:
        found, drawn = await service.members.taste(member, member)
        path = await cli.save(drawn.png, picture)
        if as_json:
            cli.print_json(
                member=member,
                songs=found.songs,
                against=found.against,
                percentiles=dict(found.member),
                theirs=dict(found.server),
                genres=dict(found.genres),
                decades={str(year): count for year, count in found.decades.items()},
                signature=[cli.track_json(track) for track in found.signature],
                changed=found.changed,
                picture=str(path),
            )
            return
        _say(drawn.alt, path)

    cli.with_service(job)


@app.command()
def blend(
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The other member.")],
    member: Name,
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=25, help="How many.")] = 10,
    picture: Annotated[Path, _to("blend.png")] = Path("blend.png"),
    as_json: Json = False,
) -> None:
    """Put two tastes together: how alike, where they meet, and a list for both."""

    async def job(service: Service) -> None:
        names = (member, other)
        found, drawn = await service.members.blend(names, names, count=count)
        path = await cli.save(drawn.png, picture)
        if as_json:
            cli.print_json(
                members=list(names),
                alike=found.alike,
                meet=list(found.meet),
                part=found.part,
                genres=dict(found.genres),
                both=[cli.track_json(track) for track in found.both],
                songs=[
                    {**cli.track_json(song.track), "ours": song.ours, "theirs": song.theirs}
                    for song in found.songs
                ],
                picture=str(path),
            )
            return
        out.print(
            f"{escape(member)} and {escape(other)} are {found.alike} of 100 alike; 50 is chance."
        )
        for label, said in (("You meet", ", ".join(found.meet)), ("You part", found.part)):
            if said:
                out.print(f"{label}: {escape(said)}", highlight=False)
        out.print("For both:", highlight=False)
        for song in found.songs:
            fits = f"{song.ours:3d}% {song.theirs:3d}%"
            out.print(
                f"  {fits}  {escape(str(song.track))}  [dim]{song.track.id}[/]", highlight=False
            )
        _say("", path)

    cli.with_service(job)


@app.command("map")
def draw_map(
    member: As = None,
    picture: Annotated[Path, _to("map.png")] = Path("map.png"),
    as_json: Json = False,
) -> None:
    """Draw the catalogue in two dimensions, with what a member likes marked."""

    async def job(service: Service) -> None:
        atlas, drawn = await service.members.map(member)
        path = await cli.save(drawn.png, picture)
        if as_json:
            sizes = [int((atlas.groups == group).sum()) for group in range(len(atlas.names))]
            cli.print_json(
                groups=dict(zip(atlas.names, sizes, strict=True)),
                share=atlas.share,
                songs=[
                    {"id": track.id, "x": float(x), "y": float(y), "group": atlas.names[group]}
                    for track, (x, y), group in zip(
                        service.catalogue.songs.tracks, atlas.points, atlas.groups, strict=True
                    )
                ],
                picture=str(path),
            )
            return
        _say(drawn.alt, path)

    cli.with_service(job)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="A file, a title, a link or an id.")],
    b: Annotated[str, typer.Argument(help="Another one.")],
    picture: Annotated[Path, _to("compare.png")] = Path("compare.png"),
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Compare two songs feature by feature, and say what makes them alike."""

    async def job(service: Service) -> None:
        with cli.err.status("Listening"):
            ours, theirs = [await cli.hear(service, one, online=not offline) for one in (a, b)]
        found, drawn = await service.catalogue.compare(ours, theirs)
        path = await cli.save(drawn.png, picture)
        if as_json:
            cli.print_json(
                a=cli.track_json(ours.track),
                b=cli.track_json(theirs.track),
                alike=found.alike,
                match=found.match,
                because=dict(found.because),
                features=[asdict(feature) for feature in found.features],
                picture=str(path),
            )
            return
        out.print(
            f"{escape(str(theirs.track))} sounds more like {escape(str(ours.track))} than "
            f"{found.match}% of the catalogue; likeness {found.alike:.2f}, of which:",
            highlight=False,
        )
        for name, part in (*found.because[:5], *found.because[-3:]):
            out.print(f"  {part:+.2f}  {escape(name)}", highlight=False)
        _differences(found.differences)
        _say("", path)

    cli.with_service(job)


def _differences(differences: Sequence[Any]) -> None:
    from rich.table import Table

    table = Table("feature", "a", "b", "deviations apart", box=None, padding=(0, 2, 0, 0))
    for one in sorted(differences, key=lambda one: one.apart):
        table.add_row(one.name, one.ours, one.theirs, f"{one.apart:.2f}")
    out.print(table)


@app.command()
def gallery(
    genre: Annotated[str, typer.Option(help="Only this genre.")] = "",
    intensity: Annotated[str, typer.Option(metavar="high|low", help="Only this end.")] = "",
    picture: Annotated[Path, _to("gallery.png")] = Path("gallery.png"),
    as_json: Json = False,
) -> None:
    """Draw spectrograms of the most and the least intense songs heard here."""
    if intensity not in ("", "high", "low"):
        raise NotFound(f"There is no intensity called {intensity!r}.", "It is high or low.")

    async def job(service: Service) -> None:
        rows, drawn = await service.catalogue.gallery(genre.lower(), intensity)
        path = await cli.save(drawn.png, picture)
        if as_json:
            cli.print_json(
                rows={
                    row.label: [cli.track_json(track) for track, _, _ in row.songs] for row in rows
                },
                picture=str(path),
            )
            return
        _say(drawn.alt, path)

    cli.with_service(job)


@app.command()
def history(
    member: Name,
    kind: Annotated[
        str, typer.Option(metavar="all|liked|disliked|played|skipped", help="Only this.")
    ] = "all",
    song: Annotated[str, typer.Option(help="Part of a title or an artist.")] = "",
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
    as_json: Json = False,
) -> None:
    """Show what a member did, the newest first."""

    async def job(service: Service) -> None:
        from musrec.members.model import HISTORY_KINDS, HistoryFilter

        if kind not in HISTORY_KINDS:
            raise NotFound(
                f"There is no kind called {kind!r}.", f"It is {', '.join(HISTORY_KINDS)}."
            )
        found = await service.members.history(
            member, HistoryFilter(kind, song), page=page - 1, size=20
        )
        if as_json:
            cli.print_json(
                page=found.page + 1,
                pages=found.pages,
                total=found.total,
                events=[
                    {"at": event.at.isoformat(), "kind": event.kind, **cli.track_json(track)}
                    for event, track in found.events
                ],
            )
            return
        for event, track in found.events:
            out.print(
                f"{event.at:%Y-%m-%d %H:%M}  {event.kind:<8} "
                f"{escape(str(track))}  [dim]{track.id}[/]",
                highlight=False,
            )
        out.print(f"Page {found.page + 1} of {found.pages}, {found.total} in all.", highlight=False)

    cli.with_service(job)


def _say(text: str, path: Path) -> None:
    if text:
        out.print(escape(text), highlight=False)
    out.print(f"The picture is at [bold]{escape(str(path))}[/]", highlight=False)


# Playlists ----------------------------------------------------------------------------------------


@playlist.command()
def create(name: ListName, member: Name, as_json: Json = False) -> None:
    """Make a playlist."""

    async def job(service: Service) -> None:
        made = await service.playlists.create(member, name)
        _tell(made, "is there.", as_json=as_json)

    cli.with_service(job)


@playlist.command("add")
def add_song(
    name: ListName,
    song: Annotated[
        list[str], typer.Argument(help="A title, a link or an id; several if you like.")
    ],
    member: Name,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Put songs in a playlist."""

    async def job(service: Service) -> None:
        kept = await service.playlists.named(member, name)
        tracks = [await _one(service, text, online=not offline) for text in song]
        added = await service.playlists.add(kept, [track.id for track in tracks])
        kept = await service.playlists.named(member, name)
        _tell(kept, f"got {added} more and holds {kept.songs}.", as_json=as_json, added=added)

    cli.with_service(job)


@playlist.command()
def remove(
    name: ListName,
    song: Annotated[str, typer.Argument(help="A title or an id.")],
    member: Name,
    as_json: Json = False,
) -> None:
    """Take a song out of a playlist."""

    async def job(service: Service) -> None:
        kept = await service.playlists.named(member, name)
        found = await service.playlists.remove_song(kept, song)
        _tell(kept, f"lost {found}.", as_json=as_json, removed=found.id)

    cli.with_service(job)


@playlist.command()
def delete(name: ListName, member: Name, as_json: Json = False) -> None:
    """Delete a playlist with all that is in it."""

    async def job(service: Service) -> None:
        kept = await service.playlists.named(member, name)
        await service.playlists.delete(kept)
        _tell(kept, "is deleted.", as_json=as_json)

    cli.with_service(job)


@playlist.command("show")
def show_playlist(
    member: Name,
    name: Annotated[str, typer.Argument(metavar="[PLAYLIST]", help="None lists all.")] = "",
    as_json: Json = False,
) -> None:
    """Show what is in a playlist, or which there are."""

    async def job(service: Service) -> None:
        if not name:
            own = await service.playlists.of(member)
            if as_json:
                cli.print_json(playlists=[{"name": one.name, "songs": one.songs} for one in own])
                return
            for one in own:
                out.print(f"{one.songs:6,}  {escape(one.name)}", highlight=False)
            if not own:
                raise NotFound("There is no playlist yet.", "`musrec playlist create` makes one.")
            return
        kept = await service.playlists.named(member, name)
        tracks = await service.playlists.songs(kept)
        if as_json:
            cli.print_json(name=kept.name, songs=[cli.track_json(track) for track in tracks])
            return
        for place, track in enumerate(tracks, start=1):
            out.print(f"{place:5}  {escape(str(track))}  [dim]{track.id}[/]", highlight=False)

    cli.with_service(job)


@playlist.command()
def export(
    name: ListName,
    member: Name,
    form: Annotated[
        str, typer.Option("--format", metavar="m3u8|csv|json|spotify", help="As what.")
    ] = "m3u8",
    to: Annotated[Path, typer.Option(metavar="DIR", help="Which folder it goes to.")] = Path(),
    as_json: Json = False,
) -> None:
    """Write a playlist as a file; m3u8 names your own files where songs came from them."""

    async def job(service: Service) -> None:
        from musrec.playlists.model import FORMATS

        how = next((one for one in FORMATS if one == form), None)
        if how is None:
            raise NotFound(f"There is no format called {form!r}.", f"It is {', '.join(FORMATS)}.")
        kept = await service.playlists.named(member, name)
        made = await service.playlists.export(kept, how, local=True)
        if not made.data:
            raise NotFound(f"No song of {kept.name} has an address for that.", "Try m3u8 or csv.")
        path = await cli.save(made.data, to / made.file)
        missing = [track.id for track in made.missing]
        said = f"is at {path}."
        if missing:
            said += f" {len(missing)} of {kept.songs} songs have no address for it."
        _tell(kept, said, as_json=as_json, file=str(path), missing=missing)

    cli.with_service(job)


@playlist.command("continue")
def go_on(
    name: ListName,
    member: Name,
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=25, help="How many.")] = 10,
    add: Annotated[bool, typer.Option("--add", help="Put them in at once.")] = False,
    as_json: Json = False,
) -> None:
    """Recommend songs for a whole playlist."""

    async def job(service: Service) -> None:
        kept = await service.playlists.named(member, name)
        answer = await service.playlists.continued(kept, count=count)
        cli.print_answer(answer, None, as_json=as_json)
        if add:
            await service.playlists.add(kept, [pick.track.id for pick in answer.picks])

    cli.with_service(job)


async def _one(service: Service, text: str, *, online: bool) -> Track:
    found = await service.songs.find(text, online=online)
    if isinstance(found, Choices):
        lines = "\n".join(f"  {track.id}  {track}" for track in found.tracks)
        raise NotFound(f"{found.why}\n{lines}", "Say which one by its id.")
    return found


def _tell(kept: Playlist, said: str, *, as_json: bool, **more: Any) -> None:
    if as_json:
        cli.print_json(playlist=kept.name, songs=kept.songs, **more)
    else:
        out.print(f"[bold]{escape(kept.name)}[/] {escape(said)}", highlight=False)


# Privacy ------------------------------------------------------------------------------------------


@privacy.command("show")
def show_privacy(member: Name, as_json: Json = False) -> None:
    """Say what is kept of a member, and how much of it there is."""

    async def job(service: Service) -> None:
        kept = await service.members.about(member)
        if as_json:
            cli.print_json(**{name: len(rows) for name, rows in kept.items()})
            return
        for area in service.members.areas:
            out.print(
                f"[bold]{area.name}[/] {len(kept[area.name])}\n  {area.what} Kept {area.until}.",
                highlight=False,
            )

    cli.with_service(job)


@privacy.command("export")
def export_privacy(
    member: Name,
    to: Annotated[Path, typer.Option(metavar="FILE", help="Where it goes.")] = Path("my-music.zip"),
    as_json: Json = False,
) -> None:
    """Write everything kept of a member as one zip of JSON and pictures."""

    async def job(service: Service) -> None:
        path = await cli.save(await service.members.export(member, member), to)
        if as_json:
            cli.print_json(member=member, file=str(path))
        else:
            out.print(f"Everything is at [bold]{escape(str(path))}[/]", highlight=False)

    cli.with_service(job)


@privacy.command("delete")
def delete_privacy(
    member: Name,
    sure: Annotated[bool, typer.Option("--yes", help="Do it.")] = False,
    as_json: Json = False,
) -> None:
    """Delete everything kept of a member, for good."""
    if not sure:
        raise MusrecError(f"Everything about {member} would be deleted for good.", "Add --yes.")

    async def job(service: Service) -> None:
        known = await service.members.delete(member)
        if as_json:
            cli.print_json(member=member, deleted=bool(known))
        else:
            said = "is deleted" if known else "was not there"
            out.print(f"What was kept of {escape(member)} {said}.", highlight=False)

    cli.with_service(job)
