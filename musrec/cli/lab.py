"""The laboratory: experiments on a folder of music."""

from __future__ import annotations

import functools
import inspect
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musrec.cli.opening import load_settings, with_service
from musrec.cli.options import LISTENING, SHARED, Data, Json, Listening
from musrec.cli.printing import err, print_report
from musrec.model import NotFound

if TYPE_CHECKING:
    from musrec.evaluate.report import Report
    from musrec.lab.extraction import Measured
    from musrec.lab.page import Section
    from musrec.service import Service

app = typer.Typer()
lab = typer.Typer(
    name="lab",
    no_args_is_help=True,
    help="Run experiments on your own folder of music, and get an honest report.",
)
app.add_typer(lab)

Folder = Annotated[Path, typer.Argument(help="GTZAN, FMA, Spotify's dataset.csv, or folders.")]
Split = Annotated[
    str | None,
    typer.Option(help="official, artists or random; official where there is a test part."),
]
Epochs = Annotated[int, typer.Option(min=1, help="Passes of a network over its training clips.")]
Seed = Annotated[int, typer.Option(help="Seed of folds, weights and crops.")]
Mels = Annotated[int, typer.Option(help="Mel bands: 128, 64 or 32.")]
Device = Annotated[
    str | None, typer.Option(help="cpu or cuda; cuda where PyTorch finds one, by default.")
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Where checkpoints and reports go.")]
Under = Annotated[
    str | None,
    typer.Option(metavar="GENRE", help="Only its clips, labelled by sub-genre (FMA)."),
]

# Options that several commands take, each group written once: `_takes` adds them to a command, and
# what they were given is read from the command's context.


def _measuring(
    layout: Annotated[
        str | None, typer.Option(help="gtzan, fma, spotify or folders; found out by default.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=3, max=600, help="Seconds of each clip, from its middle.")
    ] = 30.0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that measure clips.")
    ] = None,
) -> None:
    """Take how the clips of a folder are measured."""


def _to_report(out: Out = Path("lab"), as_json: Json = False) -> None:
    """Take where the report goes."""


def _takes(*groups: Callable[..., None]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options of some groups to a command."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = dict(inspect.signature(command, eval_str=True).parameters)

        @functools.wraps(command)
        def run(**given: object) -> None:
            command(**{name: given[name] for name in own})

        shared = [inspect.signature(group, eval_str=True).parameters for group in groups]
        every = {name: each for part in (own, *shared) for name, each in part.items()}
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in every.values()]
        )
        return run

    return decorate


# Each command imports what it runs itself: NumPy, SciPy, scikit-learn and PyTorch come with it.


def _measured(
    context: typer.Context, folder: Path, under: str | None = None, *, only_mels: bool = False
) -> Measured:
    """Return the clips of a folder, measured as the command was asked."""
    from musrec.lab import datasets, extraction

    given = context.params
    data = datasets.read(folder, layout=given["layout"])
    if under is not None:
        data = datasets.under(data, under)
    cache = load_settings(context).paths.data / "lab"
    with err.status(f"Measuring {len(data.clips)} clips ...") as status:

        def tell(done: int, total: int) -> None:
            status.update(f"Measured {done} of {total} clips")

        return extraction.extract(
            data,
            cache,
            seconds=given["seconds"],
            only_mels=only_mels,
            workers=given["workers"],
            progress=tell,
        )


def _say(line: str) -> None:
    err.print(line, style="dim", markup=False)


def _report(
    context: typer.Context,
    title: str,
    sections: Sequence[Section],
    facts: Mapping[str, str],
    *packages: str,
    name: str = "",
) -> None:
    """Write a report with what someone needs to repeat it, and print its first table."""
    from musrec.lab import page

    given = context.params
    seed = {"Seed": str(given["seed"])} if "seed" in given else {}
    repeat = {**facts, "Command": _command(context), **seed, **page.versions(*packages)}
    paths = page.Page(title, repeat, tuple(sections)).write(
        given["out"] / f"{name or context.info_name}.html"
    )
    print_report(sections[0].report, as_json=given["as_json"])
    err.print(f"Wrote {', '.join(map(str, paths))}.", markup=False)


def _data(context: typer.Context, measured: Measured) -> dict[str, str]:
    """Return what a report says of its data."""
    given = context.params
    return {
        "Data": str(given["folder"]),
        "Layout": measured.layout,
        "Clips": f"{len(measured)} clips, the middle {given['seconds']:g} s of each",
    }


def _command(context: typer.Context) -> str:
    """Return the whole command line, with the defaults of today."""
    words = ["musrec", "lab", str(context.info_name)]
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        if isinstance(value, bool):
            words += (parameter.opts if value else parameter.secondary_opts)[:1]
        elif value is not None and value != "":
            words += [parameter.opts[0]] if parameter.param_type_name == "option" else []
            words.append(str(value))
    return shlex.join(words)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


@lab.command("inspect")
@_takes(_measuring)
def inspect_folder(
    context: typer.Context, folder: Folder, under: Under = None, as_json: Json = False
) -> None:
    """Read a data set, measure its clips once, and say what is left out and why."""
    from musrec.lab import study

    for report in study.inspected(_measured(context, folder, under)):
        print_report(report, as_json=as_json)


@lab.command()
@_takes(_measuring, _to_report)
def compare(
    context: typer.Context,
    folder: Folder,
    models: Annotated[
        str, typer.Option(help="Names with commas between; see docs/lab.md.")
    ] = "majority,knn,lr,svc,mlp,boosting,tags",
    features: Annotated[
        str, typer.Option(help="Families of features with commas between; all by default.")
    ] = "",
    under: Under = None,
    split: Split = None,
    folds: Annotated[
        int, typer.Option(min=2, max=20, help="Folds that take turns at being tested.")
    ] = 5,
    leakage: Annotated[
        bool,
        typer.Option(help="Show beside folds of artists what random folds gain by leakage."),
    ] = True,
    epochs: Epochs = 40,
    mels: Mels = 64,
    seed: Seed = 0,
    device: Device = None,
    out: Out = Path("lab"),
) -> None:
    """Compare models by genre, artists kept apart, and write the report."""
    from musrec.lab import study
    from musrec.lab.recipe import Recipe

    names = study.known(_names(models))
    recipe = Recipe("cnn", epochs=epochs, mels=mels, seed=seed, device=study.device(names, device))
    measured = _measured(context, folder, under, only_mels=study.only_mels(names))
    sections = study.compared(
        measured,
        names,
        recipe,
        out,
        folds=folds,
        leakage=leakage,
        features=_names(features),
        split=split,
        seed=seed,
        say=_say,
    )
    facts = _data(context, measured) | {"Split": study.stated(measured, split, seed, folds)}
    facts |= {"Threads": str(recipe.threads), "Device": recipe.device}
    _report(context, "Models compared", sections, facts, "numpy", "scikit-learn", "torch")


@lab.command()
@_takes(_measuring, _to_report)
def train(
    context: typer.Context,
    folder: Folder,
    network: Annotated[
        str, typer.Option("--model", help="cnn, crnn, resnet, cnn1d or transfer.")
    ] = "crnn",
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the network as an ONNX file.")
    ] = None,
    under: Under = None,
    split: Split = None,
    epochs: Epochs = 40,
    mels: Mels = 64,
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 2e-3,
    seed: Seed = 0,
    device: Device = None,
    out: Out = Path("lab"),
) -> None:
    """Train one network, going on where an earlier run stopped."""
    from musrec.lab import study
    from musrec.lab.recipe import Recipe

    study.need_torch()
    from musrec.lab import exported

    study.known([network], study.NETWORKS)
    chosen = study.device([network], device)
    recipe = Recipe(network, epochs=epochs, mels=mels, rate=rate, seed=seed, device=chosen)
    if export is not None:
        exported.check(recipe)
    measured = _measured(context, folder, under, only_mels=study.only_mels([network]))
    trained, sections = study.trained_on(
        measured, recipe, out / network, split=split, seed=seed, say=_say
    )
    facts = _data(context, measured) | {"Split": study.stated(measured, split, seed)}
    facts |= {"Threads": str(recipe.threads), "Device": recipe.device}
    _report(context, f"{network} trained", sections, facts, "numpy", "torch", name=network)
    if export is not None:
        err.print(f"Wrote {exported.export(trained, export)}.", markup=False)


@lab.command()
@_takes(_measuring, _to_report)
def retrieve(
    context: typer.Context,
    folder: Folder,
    network: Annotated[
        str | None,
        typer.Option("--model", help="Train this network, and compare its vectors, too."),
    ] = None,
    image_encoder: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Compare an ONNX network for images, too."),
    ] = None,
    split: Split = None,
    epochs: Epochs = 40,
    seed: Seed = 0,
    device: Device = None,
    out: Out = Path("lab"),
) -> None:
    """Compare ways to find similar songs: pixels, features, our space, a network's vectors."""
    from musrec.lab import study

    names = study.known([network] if network else [], study.NETWORKS)
    chosen = study.device(names, device)
    measured = _measured(context, folder)
    sections = study.retrieved(
        measured,
        network,
        out,
        image_encoder=image_encoder,
        split=split,
        epochs=epochs,
        seed=seed,
        device=chosen,
        say=_say,
    )
    facts = _data(context, measured)
    if network:
        facts |= {"Split": study.stated(measured, split, seed), "Device": chosen}
    packages = ("numpy", "scikit-learn", "torch", "faiss-cpu")
    _report(context, "Retrieval", sections, facts, *packages)


@lab.command()
@_takes(_measuring)
def spectrograms(
    context: typer.Context,
    folder: Folder,
    target: Annotated[Path, typer.Argument(help="Where the pictures go.")],
) -> None:
    """Write one picture of the mel spectrogram per song, resuming a run that was stopped."""
    from musrec.lab import looking

    measured = _measured(context, folder, only_mels=True)
    made, kept = looking.write_spectrograms(measured, target, workers=context.params["workers"])
    said = f"Wrote {made} picture{'' if made == 1 else 's'} to {target}"
    err.print(f"{said}; {kept} were there before." if kept else f"{said}.", markup=False)


@lab.command()
@_takes(_measuring, _to_report)
def sheets(
    context: typer.Context,
    folder: Folder,
    clips: Annotated[
        str, typer.Option(help="Ids with commas between; one clip of each label by default.")
    ] = "",
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many clips at most.")] = 6,
) -> None:
    """Draw waveform, spectrogram, roll-off and zero crossings of clips over time."""
    from musrec.lab import looking

    measured = _measured(context, folder, only_mels=True)
    seconds = context.params["seconds"]
    section = looking.sheets(measured, _names(clips), count=count, seconds=seconds)
    _report(context, "Sheets", [section], _data(context, measured), "numpy")


@lab.command()
@_takes(_measuring, _to_report)
def gallery(
    context: typer.Context,
    folder: Folder,
    by: Annotated[
        str, typer.Option(help="A statistic, or a column of the data set such as popularity.")
    ] = "spectral_centroid_mean",
) -> None:
    """Show the spectrograms that are highest and lowest in a column, and what that looks like."""
    from musrec.lab import looking, page

    measured = _measured(context, folder)
    both = page.Section(looking.seen_and_measured(measured))
    sections = [looking.high_and_low(measured, by), both]
    _report(context, f"High and low {by}", sections, _data(context, measured), "numpy")


@lab.command()
@_takes(_measuring, _to_report)
def clusters(context: typer.Context, folder: Folder, seed: Seed = 0) -> None:
    """Find clusters: how many, where they lie on a map, what they have in common."""
    from musrec.lab import looking

    measured = _measured(context, folder)
    sections = [looking.clusters(measured, seed=seed)]
    _report(context, "Clusters", sections, _data(context, measured), "numpy", "scikit-learn")


@lab.command()
@_takes(_to_report)
def recommenders(
    context: typer.Context,
    data: Listening = LISTENING,
    members: Annotated[
        int, typer.Option(min=20, help="Users of Last.fm to draw as a server.")
    ] = 300,
    server: Annotated[int, typer.Option(min=20, help="Members of the simulated server.")] = 60,
    seeds: Annotated[int, typer.Option(min=1, max=20, help="Splits to average over.")] = 3,
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
    sections = (*sections, page.Section(rated))
    _report(context, "Recommenders compared", sections, facts, "numpy", "scipy", "scikit-learn")


@lab.command("seeds")
@_takes(_to_report)
def claims(context: typer.Context, data: Data = SHARED, out: Out = Path("lab")) -> None:
    """List what the earlier systems claimed beside what the reports in --out measured."""
    from musrec.lab import page
    from musrec.lab import seeds as earlier

    sections = [page.Section(earlier.table(data, out))]
    facts = {"Reports": str(out), "Data": str(data)}
    _report(context, "The earlier systems' claims", sections, facts)
