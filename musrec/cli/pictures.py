"""Commands that draw: tastes, the map of the catalogue, comparisons and spectrograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from musrec import wording
from musrec.catalogue.model import Difference
from musrec.cli.opening import with_service
from musrec.cli.options import Count, Json, MaybeMember, Member, Offline, Song, picture_to
from musrec.cli.printing import (
    err,
    named,
    out,
    print_json,
    print_picture,
    save_picture,
    track_json,
)
from musrec.model import NotFound

if TYPE_CHECKING:
    from musrec.service import Service

app = typer.Typer()


@app.command()
def taste(
    context: typer.Context,
    member: Member,
    picture: Annotated[Path | None, picture_to("taste.png")] = None,
    as_json: Json = False,
) -> None:
    """Draw what a member likes, compared with everyone."""

    async def job(service: Service) -> None:
        found, drawn = await service.members.taste(member, member)
        path = save_picture(drawn, picture, "taste.png", as_json=as_json)
        if as_json:
            print_json(
                member=member,
                songs=found.songs,
                likes=found.likes,
                against=found.against,
                percentiles=dict(found.member),
                theirs=dict(found.server),
                genres=dict(found.genres),
                decades={str(year): count for year, count in found.decades.items()},
                artists=list(found.artists),
                signature=[track_json(track) for track in found.signature],
                changed=found.changed,
                picture=path and str(path),
            )
            return
        print_picture(path, drawn.alt)

    with_service(context, job)


@app.command()
def blend(
    context: typer.Context,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The other member.")],
    member: Member,
    count: Count = 10,
    picture: Annotated[Path | None, picture_to("blend.png")] = None,
    as_json: Json = False,
) -> None:
    """Blend two tastes: how alike they are, where they meet, and songs for both."""

    async def job(service: Service) -> None:
        names = (member, other)
        found, drawn = await service.members.blend(names, names, count=count)
        path = save_picture(drawn, picture, "blend.png", as_json=as_json)
        if as_json:
            print_json(
                members=list(names),
                alike=found.alike,
                meet=list(found.meet),
                part=found.part,
                genres=dict(found.genres),
                both=[track_json(track) for track in found.both],
                songs=[
                    {**track_json(song.track), "ours": song.ours, "theirs": song.theirs}
                    for song in found.songs
                ],
                picture=path and str(path),
            )
            return
        out.print(
            f"{escape(member)} and {escape(other)} are {found.alike}% alike; 50% would be chance."
        )
        for label, words in (("In common", ", ".join(found.meet)), ("Different", found.part)):
            if words:
                out.print(f"{label}: {escape(words)}")
        out.print("Songs for both:")
        for song in found.songs:
            out.print(f"  {song.ours:3d}% {song.theirs:3d}%  {named(song.track)}")
        print_picture(path)

    with_service(context, job)


@app.command("map")
def draw_map(
    context: typer.Context,
    member: MaybeMember = None,
    picture: Annotated[Path | None, picture_to("map.png")] = None,
    as_json: Json = False,
) -> None:
    """Draw the catalogue as a map, with a member's likes marked."""

    async def job(service: Service) -> None:
        atlas, drawn = await service.members.map(member)
        path = save_picture(drawn, picture, "map.png", as_json=as_json)
        if as_json:
            sizes = [int((atlas.groups == group).sum()) for group in range(len(atlas.names))]
            print_json(
                groups=dict(zip(atlas.names, sizes, strict=True)),
                share=atlas.share,
                songs=[
                    {"id": track.id, "x": float(x), "y": float(y), "group": atlas.names[group]}
                    for track, (x, y), group in zip(
                        service.catalogue.songs.tracks, atlas.points, atlas.groups, strict=True
                    )
                ],
                picture=path and str(path),
            )
            return
        print_picture(path, drawn.alt)

    with_service(context, job)


@app.command()
def compare(
    context: typer.Context,
    a: Song,
    b: Annotated[str, typer.Argument(help="The song to compare it with.")],
    picture: Annotated[Path | None, picture_to("compare.png")] = None,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Compare two songs feature by feature, and say what makes them alike."""

    async def job(service: Service) -> None:
        with err.status("Listening"):
            ours, theirs = [
                await service.songs.hear_path_or_name(song, online=not offline) for song in (a, b)
            ]
        found, drawn = await service.catalogue.compare(ours, theirs)
        path = save_picture(drawn, picture, "compare.png", as_json=as_json)
        if as_json:
            print_json(
                a=track_json(ours.track),
                b=track_json(theirs.track),
                alike=found.alike,
                closeness=found.closeness,
                because=dict(found.because),
                features=[asdict(feature) for feature in found.features],
                picture=path and str(path),
            )
            return
        out.print(
            f"{escape(str(ours.track))} and {escape(str(theirs.track))}: "
            f"{wording.closeness(found.closeness)}. Likeness {found.alike:.2f} of 1, made up of:"
        )
        for name, part in (*found.because[:5], *found.because[-3:]):
            out.print(f"  {part:+.2f}  {escape(name)}")
        _print_differences(found.differences)
        print_picture(path)

    with_service(context, job)


def _print_differences(differences: Sequence[Difference]) -> None:
    table = Table("feature", "a", "b", "standard deviations apart", box=None, padding=(0, 2, 0, 0))
    for one in sorted(differences, key=lambda one: one.apart):
        table.add_row(one.name, one.ours, one.theirs, f"{one.apart:.2f}")
    out.print(table)


@app.command()
def gallery(
    context: typer.Context,
    genre: Annotated[str, typer.Option(help="Only this genre.")] = "",
    intensity: Annotated[
        str, typer.Option(metavar="high|low", help="Only this end of the scale.")
    ] = "",
    picture: Annotated[Path | None, picture_to("gallery.png")] = None,
    as_json: Json = False,
) -> None:
    """Draw spectrograms of the most and the least intense songs heard here."""
    if intensity not in ("", "high", "low"):
        raise NotFound(f"There is no intensity called {intensity!r}.", "Choose high or low.")

    async def job(service: Service) -> None:
        rows, drawn = await service.catalogue.gallery(genre.lower(), intensity)
        path = save_picture(drawn, picture, "gallery.png", as_json=as_json)
        if as_json:
            print_json(
                rows={row.label: [track_json(track) for track, _, _ in row.songs] for row in rows},
                picture=path and str(path),
            )
            return
        print_picture(path, drawn.alt)

    with_service(context, job)
