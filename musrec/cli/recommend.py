"""Recommendations for a song, and the thumbs that teach them."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from musrec.catalogue.model import By
from musrec.cli.opening import with_service
from musrec.cli.options import Adventurous, Count, Json, MaybeMember, Member, Offline, Song
from musrec.cli.printing import (
    complain,
    err,
    out,
    print_answer,
    print_json,
    print_notes,
    save,
    track_json,
)
from musrec.model import Answer, Constraints, FeedbackKind, MusrecError, Track

if TYPE_CHECKING:
    from musrec.service import Service

app = typer.Typer()

_CARD = "musrec-card.png"


class Voice(Enum):
    """What `--voice` takes."""

    SUNG = "sung"
    INSTRUMENTAL = "instrumental"


Named = Annotated[str, typer.Argument(metavar="SONG", help="An id, title or link.")]


@app.command()
def recommend(
    context: typer.Context,
    song: Song,
    count: Count = 5,
    member: MaybeMember = None,
    card: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to write the card; with --json it is written only if named.",
            show_default=_CARD,
        ),
    ] = None,
    no_card: Annotated[bool, typer.Option("--no-card", help="Write no card.")] = False,
    genre: Annotated[list[str] | None, typer.Option(help="Only this genre; repeatable.")] = None,
    instrument: Annotated[
        list[str] | None, typer.Option(help="Only with this, such as piano; repeatable.")
    ] = None,
    voice: Annotated[Voice | None, typer.Option(help="Only sung, or only instrumental.")] = None,
    adventurous: Adventurous = None,
    by: Annotated[
        By, typer.Option(help="Compare by everything, the spectrogram's picture or features alone.")
    ] = By.SOUND,
    repeats: Annotated[
        bool, typer.Option("--repeats", help="Allow songs recommended lately.")
    ] = False,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Recommend songs that sound like this one and suit the member."""

    async def job(service: Service) -> None:
        with err.status("Listening") as status, service.budget():
            heard = await service.songs.hear_path_or_name(song, online=not offline)
            answer = await service.answers.recommend(
                heard,
                by=by,
                member=member,
                count=count,
                adventurous=adventurous,
                constraints=Constraints(
                    only_genres=frozenset(name.lower() for name in genre or ()),
                    only_instruments=frozenset(name.lower() for name in instrument or ()),
                    voice=voice.value if voice else "",
                    repeats=repeats,
                ),
                online=not offline,
                progress=lambda done, of: status.update(f"Heard {done} of {of} songs"),
            )
            drawn, unwritten = None, None
            to = card or (None if as_json else Path(_CARD))
            if to and not no_card:
                try:
                    drawn = await draw_card(service, answer, to)
                except MusrecError as error:  # the songs are what was asked for
                    unwritten = error
        print_answer(answer, drawn, as_json=as_json)
        if unwritten:
            complain("MusrecError", str(unwritten), unwritten.hint, as_json=False)
            raise typer.Exit(unwritten.exit_code)

    with_service(context, job, song)


@app.command("compare-systems")
def compare_systems(
    context: typer.Context,
    song: Song,
    count: Count = 10,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Compare what the spectrogram's picture alone and the features alone find for a song."""

    async def job(service: Service) -> None:
        with err.status("Listening"), service.budget():
            heard = await service.songs.hear_path_or_name(song, online=not offline)
            found = await service.catalogue.compare_systems(heard, count)
        if as_json:
            print_json(
                query=track_json(heard.track),
                by_spectrogram=[track_json(track) for track in found.by_spectrogram],
                by_features=[track_json(track) for track in found.by_features],
                shared=found.shared,
                jaccard=found.jaccard,
                correlation=found.correlation,
                among=found.among,
                left_out=found.left_out,
            )
            return
        table = Table("", "by spectrogram", "by features", title=escape(str(heard.track)))
        pairs = zip(found.by_spectrogram, found.by_features, strict=True)
        for place, (one, other) in enumerate(pairs, start=1):
            table.add_row(str(place), escape(str(one)), escape(str(other)))
        out.print(table)
        alike = "" if found.correlation is None else f", rank correlation {found.correlation:+.2f}"
        out.print(f"{found.shared} in both lists, Jaccard {found.jaccard:.2f}{alike}")
        if found.left_out:
            print_notes([f"{found.left_out:,} songs have no spectrogram here and were left out."])

    with_service(context, job, song)


async def draw_card(service: Service, answer: Answer, path: Path) -> Path | None:
    """Draw the first pick of an answer beside its query; None if there is no pick."""
    if not answer.picks:
        return None
    return save((await service.answers.card(answer, answer.picks[0])).png, path)


# Thumbs ---------------------------------------------------------------------------------------


@app.command()
def like(context: typer.Context, song: Named, member: Member, as_json: Json = False) -> None:
    """Give a song a thumbs-up; it counts in the next answer."""
    _thumb(context, song, member, FeedbackKind.LIKE, as_json=as_json)


@app.command()
def dislike(context: typer.Context, song: Named, member: Member, as_json: Json = False) -> None:
    """Give a song a thumbs-down; it and songs that sound like it stay away."""
    _thumb(context, song, member, FeedbackKind.DISLIKE, as_json=as_json)


def _thumb(
    context: typer.Context, song: str, member: str, kind: FeedbackKind, *, as_json: bool
) -> None:
    async def job(service: Service) -> None:
        found = await service.songs.find_one(song, online=False)
        changed = await service.members.learn(member, found.id, kind, name=member)
        _print_thumb(found, member, kind, changed=changed, as_json=as_json)

    with_service(context, job)


@app.command()
def unthumb(context: typer.Context, song: Named, member: Member, as_json: Json = False) -> None:
    """Take back a thumbs-up or thumbs-down."""

    async def job(service: Service) -> None:
        found = await service.songs.find_one(song, online=False)
        thumbs = (FeedbackKind.LIKE, FeedbackKind.DISLIKE)
        changed = await service.members.forget(member, found.id, *thumbs)
        _print_thumb(found, member, None, changed=changed, as_json=as_json)

    with_service(context, job)


def _print_thumb(
    song: Track, member: str, kind: FeedbackKind | None, *, changed: bool, as_json: bool
) -> None:
    if as_json:
        print_json(track=track_json(song), member=member, kind=kind, changed=changed)
        return
    words = {FeedbackKind.LIKE: "likes", FeedbackKind.DISLIKE: "dislikes"}
    verb = words[kind] if kind else "has no thumb on"
    note = "" if changed else " (as before)"
    out.print(f"{escape(member)} {verb} {escape(str(song))}{note}.")
