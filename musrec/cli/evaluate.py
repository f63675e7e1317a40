"""Evaluation: every figure of the documents, measured again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musrec.cli.opening import finish, load_settings, with_service
from musrec.cli.options import LISTENING, SHARED, Data, Json, Listening
from musrec.cli.printing import print_report
from musrec.model import MusrecError

if TYPE_CHECKING:
    from musrec.service import Service

app = typer.Typer(
    name="evaluate",
    no_args_is_help=True,
    help="Measure how well it works, by protocols that anyone can repeat.",
)

Tables = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Measure the shipped models on these tables instead."),
]

# Each command imports its protocol itself: NumPy, SciPy and scikit-learn come with it.


@app.command()
def genre(tables: Tables = None, data: Data = SHARED, as_json: Json = False) -> None:
    """Measure how often the genre is right on artists never heard, and when it is unsure."""
    from musrec.audio import tagger
    from musrec.evaluate.genre import run, unfamiliar

    print_report(run(tables, data / "gtzan"), as_json=as_json)
    if tables is None and (data / "music").is_dir() and tagger.status().installed:
        print_report(unfamiliar(data), as_json=as_json)


@app.command()
def similarity(tables: Tables = None, data: Data = SHARED, as_json: Json = False) -> None:
    """Measure how often neighbours by other artists share a genre, and how many hubs there are."""
    from musrec.evaluate.similarity import run

    print_report(run(tables, data / "gtzan"), as_json=as_json)


@app.command()
def closeness(data: Data = SHARED, as_json: Json = False) -> None:
    """Measure what songs called close, very close or a stretch have in common."""
    from musrec.evaluate.closeness import run

    print_report(run(data / "gtzan"), as_json=as_json)


@app.command()
def parts(data: Data = SHARED, as_json: Json = False) -> None:
    """Measure what rhythm and harmony are worth beside the rest of the sound."""
    from musrec.evaluate.parts import run

    for report in run(data):
        print_report(report, as_json=as_json)


@app.command()
def artists(
    context: typer.Context,
    music: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of music with a tracks.csv in it.")
    ] = None,
    data: Data = SHARED,
    as_json: Json = False,
) -> None:
    """Measure how near an artist's other songs are, heard from real files."""
    from musrec.evaluate.artists import run

    report = finish(run(music or data / "music", load_settings(context)))
    print_report(report, as_json=as_json)


@app.command()
def descriptors(data: Data = SHARED, as_json: Json = False) -> None:
    """Check that tempo, key and kind hold across halves, speeds, pitches and titles."""
    from musrec.evaluate.descriptors import run

    print_report(run(data), as_json=as_json)


@app.command()
def hearing(
    table: Annotated[
        Path | None,
        typer.Option(
            "--tables", metavar="DIR", help="Folder with clips.csv, audio and annotations."
        ),
    ] = None,
    data: Data = SHARED,
    as_json: Json = False,
) -> None:
    """Compare tempo, beats and key with labels, beside librosa."""
    try:
        from musrec.evaluate.hearing import run
    except ModuleNotFoundError as missing:
        raise MusrecError(
            f"{missing.name} is not installed.", "Install musrec with its extra `dev`."
        ) from None

    for report in run(table or data / "gtzan"):
        print_report(report, as_json=as_json)


@app.command()
def tagger(data: Data = SHARED, as_json: Json = False) -> None:
    """Compare the tagger with its published outputs."""
    from musrec.audio.tagger import load
    from musrec.evaluate.tagger import run

    print_report(run(data, load()), as_json=as_json)


@app.command()
def tags(data: Data = SHARED, as_json: Json = False) -> None:
    """Measure from which share a tag may be said of a song."""
    from musrec.audio.tagger import load
    from musrec.evaluate.tags import run

    print_report(run(data, load()), as_json=as_json)


@app.command()
def instruments(data: Data = SHARED, as_json: Json = False) -> None:
    """Measure from which share an instrument or a voice may be said of a song."""
    from musrec.evaluate.instruments import run

    for report in run(data):
        print_report(report, as_json=as_json)


@app.command()
def described(data: Data = SHARED, as_json: Json = False) -> None:
    """Describe ten songs in words, beside their titles and labels."""
    from musrec.evaluate.described import run

    print_report(run(data), as_json=as_json)


@app.command()
def recommend(data: Listening = LISTENING, as_json: Json = False) -> None:
    """Measure rankings, cold start, learning from feedback, variety and the truth of reasons."""
    from musrec.evaluate.recommend import run

    for report in run(data):
        print_report(report, as_json=as_json)


@app.command()
def systems(context: typer.Context, data: Data = SHARED, as_json: Json = False) -> None:
    """Compare the spectrogram alone, the features alone and the whole, by genre."""
    from musrec.evaluate.systems import run

    report = finish(run(data / "gtzan", load_settings(context)))
    print_report(report, as_json=as_json)


@app.command()
def satisfaction(context: typer.Context, as_json: Json = False) -> None:
    """Average how well drops and mixtapes suited members, as they rated them here."""
    from musrec.evaluate.satisfaction import report

    async def job(service: Service) -> None:
        print_report(report(await service.drops.ratings()), as_json=as_json)

    with_service(context, job)


@app.command()
def playlists(data: Data = SHARED, as_json: Json = False) -> None:
    """Measure how well three distances continue playlists."""
    from musrec.evaluate.playlists import run

    for report in run(data):
        print_report(report, as_json=as_json)


@app.command()
def explain(data: Data = SHARED, as_json: Json = False) -> None:
    """Replace every property that a card names, and see whether the pick falls."""
    from musrec.evaluate.explain import run

    for report in run(data):
        print_report(report, as_json=as_json)


@app.command()
def sentences(data: Data = SHARED, as_json: Json = False) -> None:
    """Count first words, shapes and repetitions in the reasons of real answers."""
    from musrec.evaluate.sentences import run

    for report in run(data):
        print_report(report, as_json=as_json)
