"""The laboratory: experiments on a folder of music."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musrec.cli.opening import load_settings, with_service
from musrec.cli.options import LISTENING, SHARED, Data, Json, Listening
from musrec.cli.printing import err, print_report
from musrec.model import MusrecError, NotFound

if TYPE_CHECKING:
    from musrec.evaluate.report import Report
    from musrec.lab.extraction import Measured
    from musrec.lab.page import Page
    from musrec.service import Service

app = typer.Typer()
lab = typer.Typer(
    name="lab",
    no_args_is_help=True,
    help="Run experiments on your own folder of music, and get an honest report.",
)
app.add_typer(lab)

Folder = Annotated[Path, typer.Argument(help="GTZAN, FMA, Spotify's dataset.csv, or folders.")]
Layout = Annotated[
    str | None, typer.Option(help="gtzan, fma, spotify or folders; found out by default.")
]
Seconds = Annotated[float, typer.Option(min=3, max=600, help="Of each clip, from its middle.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes that measure clips.")]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Where checkpoints and reports go.")]
Split = Annotated[
    str | None,
    typer.Option(help="official, artists or random; official where there is a test part."),
]
Epochs = Annotated[int, typer.Option(min=1, help="Times that a network sees every clip.")]
Seed = Annotated[int, typer.Option(help="Of folds, weights and crops.")]

Under = Annotated[
    str | None,
    typer.Option(metavar="GENRE", help="Only its clips, labelled by sub-genre (FMA)."),
]

# Each command imports what it runs itself: NumPy, SciPy, scikit-learn and PyTorch come with it.


def _measured(
    context: typer.Context,
    folder: Path,
    layout: str | None,
    seconds: float,
    workers: int | None,
    under: str | None = None,
) -> Measured:
    from musrec.lab import datasets, extraction

    data = datasets.read(folder, layout=layout)
    if under is not None:
        data = datasets.under(data, under)
    cache = load_settings(context).paths.data / "lab"
    with err.status(f"Measuring {len(data.clips)} clips ...") as status:

        def tell(done: int, total: int) -> None:
            status.update(f"Measured {done} of {total} clips")

        return extraction.extract(data, cache, seconds=seconds, workers=workers, progress=tell)


def _say(line: str) -> None:
    err.print(line, style="dim", markup=False)


def _written(page: Page, file: Path, *, as_json: bool) -> None:
    paths = page.write(file)
    for section in page.sections[:1]:
        print_report(section.report, as_json=as_json)
    err.print(f"Wrote {', '.join(map(str, paths))}.", markup=False)


@lab.command()
def inspect(
    context: typer.Context,
    folder: Folder,
    layout: Layout = None,
    under: Under = None,
    seconds: Seconds = 30.0,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Read a data set, measure its clips once, and say what is left out and why."""
    from musrec.lab import study

    measured = _measured(context, folder, layout, seconds, workers, under)
    for report in study.inspected(measured):
        print_report(report, as_json=as_json)


@lab.command()
def compare(
    context: typer.Context,
    folder: Folder,
    models: Annotated[
        str, typer.Option(help="Names with commas between; see docs/lab.md.")
    ] = "majority,knn,lr,svc,mlp,boosting,tags",
    features: Annotated[
        str, typer.Option(help="Families of features with commas between; all by default.")
    ] = "",
    layout: Layout = None,
    under: Under = None,
    split: Split = None,
    seconds: Seconds = 30.0,
    workers: Workers = None,
    folds: Annotated[
        int, typer.Option(min=2, max=20, help="Parts that take turns at being tested.")
    ] = 5,
    epochs: Epochs = 40,
    mels: Annotated[int, typer.Option(help="128, 64 or 32.")] = 64,
    seed: Seed = 0,
    out: Out = Path("lab"),
    as_json: Json = False,
) -> None:
    """Compare models by genre, artists kept apart, and write the report."""
    from musrec.lab import page, study
    from musrec.lab.recipe import Recipe

    measured = _measured(context, folder, layout, seconds, workers, under)
    names = _names(models)
    recipe = Recipe("cnn", epochs=epochs, mels=mels, seed=seed)
    sections = study.compared(
        measured,
        names,
        recipe,
        out,
        folds=folds,
        features=_names(features),
        split=split,
        seed=seed,
        say=_say,
    )
    command = f"compare {folder} --models {models} --epochs {epochs} --seed {seed}"
    command += f" --features {features}" if features else ""
    command += f" --under {under}" if under else ""
    command += f" --split {split}" if split else ""
    facts = _facts(folder, measured, seconds, command) | {"Seed": str(seed)}
    facts |= page.versions("numpy", "scikit-learn", "torch")
    whole = page.Page("Models compared", facts, sections)
    _written(whole, out / "compare.html", as_json=as_json)


@lab.command()
def train(
    context: typer.Context,
    folder: Folder,
    network: Annotated[
        str, typer.Option("--model", help="cnn, crnn, resnet, cnn1d or transfer.")
    ] = "crnn",
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the network as an ONNX file.")
    ] = None,
    layout: Layout = None,
    under: Under = None,
    split: Split = None,
    seconds: Seconds = 30.0,
    workers: Workers = None,
    epochs: Epochs = 40,
    mels: Annotated[int, typer.Option(help="128, 64 or 32.")] = 64,
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 2e-3,
    seed: Seed = 0,
    out: Out = Path("lab"),
    as_json: Json = False,
) -> None:
    """Train one network, going on where an earlier run stopped."""
    from musrec.lab import page, study

    study.need_torch()
    from musrec.lab import exported, training
    from musrec.lab.recipe import Recipe

    if network not in study.NETWORKS:
        raise MusrecError(
            f"There is no network {network!r}.", f"Use one of: {', '.join(study.NETWORKS)}."
        )
    measured = _measured(context, folder, layout, seconds, workers, under)
    recipe = Recipe(network, epochs=epochs, mels=mels, rate=rate, seed=seed)
    trained, sections = study.trained_on(
        measured, recipe, out / network, split=split, seed=seed, say=_say
    )
    training.log(trained.curve, out / network / "log")
    command = f"train {folder} --model {network} --epochs {epochs} --seed {seed}"
    command += f" --under {under}" if under else ""
    command += f" --split {split}" if split else ""
    facts = _facts(folder, measured, seconds, command)
    facts |= {"Seed": str(seed), "Threads": str(recipe.threads), **page.versions("numpy", "torch")}
    whole = page.Page(f"{network} trained", facts, sections)
    _written(whole, out / f"{network}.html", as_json=as_json)
    if export is not None:
        err.print(f"Wrote {exported.export(trained, export)}.", markup=False)


def _facts(folder: Path, measured: Measured, seconds: float, command: str) -> dict[str, str]:
    """Return what someone needs to repeat a report."""
    return {
        "Data": str(folder),
        "Layout": measured.layout,
        "Clips": f"{len(measured)} clips of {folder.name}, the middle {seconds:g} s of each",
        "Command": f"musrec lab {command}",
    }


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


@lab.command()
def retrieve(
    context: typer.Context,
    folder: Folder,
    network: Annotated[
        str | None, typer.Option("--model", help="Train this network, and use its vectors, too.")
    ] = None,
    layout: Layout = None,
    split: Split = None,
    seconds: Seconds = 30.0,
    workers: Workers = None,
    epochs: Epochs = 40,
    seed: Seed = 0,
    out: Out = Path("lab"),
    as_json: Json = False,
) -> None:
    """Compare ways to find similar songs: pixels, features, our space, a network's vectors."""
    from musrec.lab import page, study

    measured = _measured(context, folder, layout, seconds, workers)
    sections = study.retrieved(
        measured, network, out, split=split, epochs=epochs, seed=seed, say=_say
    )
    command = f"retrieve {folder}" + (f" --model {network}" if network else "")
    facts = _facts(folder, measured, seconds, command) | {"Seed": str(seed)}
    facts |= page.versions("numpy", "scikit-learn", "torch", "faiss-cpu")
    _written(page.Page("Retrieval", facts, sections), out / "retrieve.html", as_json=as_json)


@lab.command()
def spectrograms(
    context: typer.Context,
    folder: Folder,
    target: Annotated[Path, typer.Argument(help="Where the pictures go.")],
    layout: Layout = None,
    seconds: Seconds = 30.0,
    workers: Workers = None,
) -> None:
    """Write one picture of the mel spectrogram per song, resuming a run that was stopped."""
    from musrec.lab import looking

    measured = _measured(context, folder, layout, seconds, workers)
    made, kept = looking.write_spectrograms(measured, target, workers=workers)
    said = f"Wrote {made} picture{'' if made == 1 else 's'} to {target}"
    err.print(f"{said}; {kept} were there before." if kept else f"{said}.", markup=False)


@lab.command()
def sheets(
    context: typer.Context,
    folder: Folder,
    clips: Annotated[
        str, typer.Option(help="Ids with commas between; one clip of each label by default.")
    ] = "",
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="At most so many.")] = 6,
    layout: Layout = None,
    seconds: Seconds = 30.0,
    workers: Workers = None,
    out: Out = Path("lab"),
    as_json: Json = False,
) -> None:
    """Draw waveform, spectrogram, roll-off and zero crossings of clips over time."""
    from musrec.lab import looking, page

    measured = _measured(context, folder, layout, seconds, workers)
    section = looking.sheets(measured, _names(clips), count=count, seconds=seconds)
    command = f"sheets {folder}" + (f" --clips {clips}" if clips else "")
    facts = _facts(folder, measured, seconds, command) | page.versions("numpy")
    _written(page.Page("Sheets", facts, (section,)), out / "sheets.html", as_json=as_json)


@lab.command()
def gallery(
    context: typer.Context,
    folder: Folder,
    by: Annotated[
        str, typer.Option(help="A statistic, or a column of the data set such as popularity.")
    ] = "spectral_centroid_mean",
    layout: Layout = None,
    seconds: Seconds = 30.0,
    workers: Workers = None,
    out: Out = Path("lab"),
    as_json: Json = False,
) -> None:
    """Show the spectrograms that are highest and lowest in a column, and what that looks like."""
    from musrec.lab import looking, page

    measured = _measured(context, folder, layout, seconds, workers)
    sections = (
        looking.high_and_low(measured, by),
        page.Section(looking.seen_and_measured(measured)),
    )
    facts = _facts(folder, measured, seconds, f"gallery {folder} --by {by}")
    facts |= page.versions("numpy")
    _written(
        page.Page(f"High and low {by}", facts, sections), out / "gallery.html", as_json=as_json
    )


@lab.command()
def clusters(
    context: typer.Context,
    folder: Folder,
    layout: Layout = None,
    seconds: Seconds = 30.0,
    workers: Workers = None,
    seed: Seed = 0,
    out: Out = Path("lab"),
    as_json: Json = False,
) -> None:
    """Find clusters: how many, where they lie on a map, what they have in common."""
    from musrec.lab import looking, page

    measured = _measured(context, folder, layout, seconds, workers)
    facts = _facts(folder, measured, seconds, f"clusters {folder}") | {"Seed": str(seed)}
    facts |= page.versions("numpy", "scikit-learn")
    whole = page.Page("Clusters", facts, (looking.clusters(measured, seed=seed),))
    _written(whole, out / "clusters.html", as_json=as_json)


@lab.command()
def recommenders(
    context: typer.Context,
    data: Listening = LISTENING,
    members: Annotated[int, typer.Option(min=20, help="Users of Last.fm, as a server.")] = 300,
    server: Annotated[int, typer.Option(min=20, help="Members of the simulated server.")] = 60,
    seeds: Annotated[int, typer.Option(min=1, max=20, help="Splits, drawn one after another.")] = 3,
    out: Out = Path("lab"),
    as_json: Json = False,
) -> None:
    """Compare content, user-based, item-based and hybrid recommendation, and what feedback gains.

    Without Last.fm only the simulated server is measured. Ratings of drops come from the store.
    """
    from musrec.evaluate import satisfaction
    from musrec.lab import page
    from musrec.lab import recommenders as study

    async def ratings(service: Service) -> Report:
        return satisfaction.report(await service.drops.ratings())

    rated = with_service(context, ratings)
    drawn = range(seeds)
    with err.status("Comparing on a simulated server ...") as status:
        sections = study.compared(study.simulated(server), drawn)
        facts = {"Data": f"a simulated server of {server} members"}
        try:
            town = study.last_fm(data, members)
        except NotFound as error:
            facts["Missing"] = str(error)
        else:
            status.update("Comparing on Last.fm ...")
            sections = (*study.compared(town, drawn), *sections)
            facts["Data"] = f"{members} users of Last.fm and {facts['Data']}"
    facts["Seeds"] = ", ".join(map(str, drawn))
    facts["Command"] = (
        f"musrec lab recommenders --data {data} --members {members} --server {server} "
        f"--seeds {seeds}"
    )
    facts |= page.versions("numpy", "scipy", "scikit-learn")
    whole = page.Page("Recommenders compared", facts, (*sections, page.Section(rated)))
    _written(whole, out / "recommenders.html", as_json=as_json)


@lab.command("seeds")
def claims(data: Data = SHARED, out: Out = Path("lab"), as_json: Json = False) -> None:
    """List what the earlier systems claimed beside what the reports in --out measured."""
    from musrec.lab import page
    from musrec.lab import seeds as earlier

    whole = page.Page(
        "The earlier systems' claims",
        {"Reports": str(out), "Data": str(data), "Command": f"musrec lab seeds --data {data}"},
        (page.Section(earlier.table(data, out)),),
    )
    _written(whole, out / "seeds.html", as_json=as_json)
