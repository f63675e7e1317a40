"""A first look at everything, without a key or a network."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from musrec.cli.opening import load_settings, run
from musrec.cli.options import SHARED, Data
from musrec.cli.printing import out, print_answer
from musrec.cli.recommend import draw_card
from musrec.cli.songs import add_with_progress, print_added
from musrec.model import Constraints, FeedbackKind, MusrecError

if TYPE_CHECKING:
    from musrec.service import Service

app = typer.Typer()

_MEMBER = "demo"


@app.command()
def demo(
    context: typer.Context,
    data: Data = SHARED,
    folder: Annotated[Path, typer.Option(help="Folder for what the demo writes.")] = Path("demo"),
) -> None:
    """See it work: listen to some music, recommend, take a thumb, and recommend again."""
    music = _music(data / "music", folder / "tunes")
    settings = load_settings(context)
    own = settings.paths.model_copy(update={"data": folder.absolute()})
    settings = settings.model_copy(update={"paths": own, "store": type(settings.store)()})
    run(settings, lambda service: _demonstrate(service, music, folder / "card.png"))


def _music(given: Path, composed: Path) -> Path:
    """Return a folder with music in it: the one given, else one of tunes composed here."""
    # NumPy comes with it, which `musrec --help` does not need.
    from musrec.demo import has_music, write_tunes

    if has_music(given):
        return given
    out.print(f"There is no music in {escape(str(given))}: musrec composes some tunes of its own.")
    try:
        write_tunes(composed)
    except OSError as error:
        raise MusrecError(
            f"{composed} cannot be written: {error.strerror}.",
            "Choose another place for the demo with --folder.",
        ) from None
    return composed


async def _demonstrate(service: Service, music: Path, card: Path) -> None:
    out.rule("1. Listen to some music")
    await service.members.delete(_MEMBER)
    steps = await add_with_progress(service, [music])
    print_added(service, steps)
    clips = sorted(step.path for step in steps if not step.problem)
    if not clips:
        raise MusrecError(f"No song in {music} can be heard.", "Choose other music with --data.")
    clip = clips[len(clips) // 2]

    out.rule(f"2. Recommend songs for a clip: {escape(clip.name)}")
    constraints = Constraints(repeats=True)
    heard = await service.songs.hear_path_or_name(str(clip), online=False)
    before = await service.answers.recommend(
        heard, member=_MEMBER, constraints=constraints, online=False
    )
    print_answer(before, await draw_card(service, before, card), as_json=False)

    if before.picks:
        first = before.picks[0].track
        out.rule(f"3. Give {escape(first.title)} a thumbs-down, and ask again")
        await service.members.learn(_MEMBER, first.id, FeedbackKind.DISLIKE)
        after = await service.answers.recommend(
            heard, member=_MEMBER, constraints=constraints, online=False
        )
        print_answer(after, None, as_json=False)

    out.rule("What to try next")
    program = "musrec" if shutil.which("musrec") else sys.argv[0]
    for words, what in (
        ("add ~/Music", "index your own music"),
        ("recommend SONG", "a file, title or link"),
        ("like ID --as me", "then ask again with --as me"),
        ("show SONG", "everything heard in it"),
    ):
        out.print(f"  {program} {words:<16}  {what}", soft_wrap=True)
