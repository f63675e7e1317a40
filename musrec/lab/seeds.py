"""The claims of the five earlier systems beside what the laboratory measured.

Figures are read from the reports that the commands of the laboratory left in a folder; nothing is
written down here but the claims. A claim without a report says which command makes it, and a claim
without data says which data is missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musrec.evaluate.report import Cell, Report

HOLDS, FAILS, OPEN = "holds", "does not hold", "cannot be told"


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """One report that a command wrote: its facts, and its tables by title."""

    facts: Mapping[str, str]
    tables: Mapping[str, Sequence[Mapping[str, Any]]]

    @classmethod
    def read(cls, file: Path) -> Result | None:
        """Return a report, or None for a file that is none."""
        try:
            data = json.loads(file.read_text("utf-8"))
            tables = {
                table["title"]: [
                    dict(zip(table["columns"], row, strict=True)) for row in table["rows"]
                ]
                for table in data["tables"]
            }
            return cls(dict(data["facts"]), tables)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def row(self, title: str, name: str, **where: str) -> Mapping[str, Any] | None:
        """Return the row of a table whose first cell is `name`, and whose others are as stated."""
        for row in self.tables.get(title, ()):
            if next(iter(row.values()), None) == name and all(
                row.get(column) == value for column, value in where.items()
            ):
                return row
        return None


@dataclass(frozen=True, slots=True)
class Measured:
    """What a report says about a claim."""

    said: str
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim of an earlier system.

    Attributes
    ----------
    report : str
        Name of the report that measures it, without its ending.
    needs : str
        ``lastfm``, ``gtzan``, ``fma``, ``ratings``, or empty if the package brings its own data.
    read : callable
        Takes the report; returns None if it does not measure this claim.
    """

    system: str
    claim: str
    command: str
    report: str
    needs: str
    read: Callable[[Result], Measured | None]


def table(data: Path, results: Path) -> Report:
    """Return each claim beside what was measured of it.

    Parameters
    ----------
    data : Path
        Folder with ``gtzan`` and ``lastfm``; ``fma`` is looked for there, too.
    results : Path
        Folder of reports; folders inside it are searched too, and the newest report counts.
    """
    rows: list[tuple[Cell, ...]] = []
    for claim in CLAIMS:
        found, on = None, ""
        for result in _newest(results, claim.report):
            if claim.needs == "fma" and result.facts.get("Layout") != "fma":
                continue
            if (found := claim.read(result)) is not None:
                on = result.facts.get("Clips") or result.facts.get("Data", "")
                break
        command = claim.command.format(data=data)
        if found is None:
            rows.append((claim.system, claim.claim, None, _why(claim, data), command))
        else:
            verdict = f"{found.verdict}; " if found.verdict else ""
            rows.append((claim.system, claim.claim, found.said, f"{verdict}{on}", command))
    return Report(
        "The earlier systems' claims",
        f"Measured: from the newest reports in {results}.",
        ("system", "claim", "measured", "verdict and data", "command"),
        tuple(rows),
        (
            "A claim holds, or does not, if a 95% interval says so; otherwise it cannot be told.",
            "Without a verdict the figures speak for themselves, or there is no interval.",
            "Few clips say little about networks: full GTZAN or FMA decides, by the same commands.",
        ),
    )


def _newest(results: Path, name: str) -> list[Result]:
    files = sorted(results.rglob(f"{name}.json"), key=lambda file: -file.stat().st_mtime)
    return [result for file in files if (result := Result.read(file)) is not None]


def _why(claim: Claim, data: Path) -> str:
    """Return why nothing is measured: the data is missing, or the command was not run."""
    if claim.needs == "ratings":
        return "missing: ratings of drops by members"
    if claim.needs and not (data / claim.needs).is_dir():
        what = {"fma": "FMA-small with fma_metadata", "gtzan": "GTZAN", "lastfm": "Last.fm"}
        return f"missing: {what[claim.needs]} in {data / claim.needs}"
    return "not run yet"


# What the reports say -----------------------------------------------------------------------------


def _bounds(interval: object) -> tuple[float, float] | None:
    """Return both ends of ``0.1 to 0.2`` or ``+1% to +2%``."""
    parts = str(interval).replace("%", "").split(" to ")
    try:
        low, high = map(float, parts)
    except ValueError:
        return None
    return low, high


def _above_zero(interval: object) -> str:
    bounds = _bounds(interval)
    if bounds is None:
        return ""
    return HOLDS if bounds[0] > 0 else FAILS if bounds[1] < 0 else OPEN


def _as_much(interval: object, claimed: float) -> str:
    """Return whether an interval says that a claimed size is reached."""
    bounds = _bounds(interval)
    if bounds is None:
        return ""
    return FAILS if bounds[1] < claimed else HOLDS if bounds[0] >= claimed else OPEN


def _apart(better: object, worse: object) -> str:
    """Return whether one interval lies above another."""
    one, other = _bounds(better), _bounds(worse)
    if one is None or other is None:
        return ""
    return HOLDS if one[0] > other[1] else FAILS if one[1] < other[0] else OPEN


def _paired(result: Result, one: object, other: object) -> str:
    """Return whether the paired difference of two models says that the first is better."""
    for row in result.tables.get("Differences", ()):
        verdict = _above_zero(row["95% CI"])
        if (row["first"], row["second"]) == (one, other):
            return verdict
        if (row["first"], row["second"]) == (other, one):
            return {HOLDS: FAILS, FAILS: HOLDS}.get(verdict, verdict)
    return ""


def _towns(result: Result) -> list[str]:
    """Return the populations of a study of recommenders, real listening first."""
    found = [title.partition(", ")[2] for title in result.tables if title.startswith("Lists, ")]
    return sorted(found, key=lambda town: town != "Last.fm")


def _together(result: Result) -> Measured | None:
    said, verdicts = [], []
    for town in _towns(result):
        for row in result.tables[f"Lists, {town}"]:
            if str(row["system"]).startswith("hybrid - "):
                half = str(row["system"]).removeprefix("hybrid - ")
                said.append(
                    f"{row['NDCG@10']:+.3f} NDCG@10 ({row['95% CI']}) over {half} on {town}"
                )
                verdicts.append(_above_zero(row["95% CI"]))
    return Measured("; ".join(said), verdicts[0]) if said else None


def _gain(kind: str, percent: float) -> Callable[[Result], Measured | None]:
    def read(result: Result) -> Measured | None:
        said, verdicts = [], []
        for town in _towns(result):
            for system in ("hybrid", "content"):
                row = result.row(f"Feedback, {town}", system, feedback=kind)
                if row is not None:
                    said.append(f"{system} {row['gain']} ({row['95% CI']}) on {town}")
                    verdicts.append(
                        f"better: {_above_zero(row['95% CI'])}, {percent:.0f}%: "
                        f"{_as_much(row['95% CI'], percent)}"
                    )
        return Measured("; ".join(said), verdicts[0]) if said else None

    return read


def _diverse(result: Result) -> Measured | None:
    said = []
    for town in _towns(result):
        rows = [result.row(f"Lists, {town}", name) for name in ("hybrid", "content", "popular")]
        each = [f"{row['system']} {row['diversity']:.2f}" for row in rows if row is not None]
        said.append(f"{', '.join(each)} on {town}")
    return Measured("; ".join(said)) if said else None


def _fast(result: Result) -> Measured | None:
    said = []
    for town in _towns(result):
        row = result.row(f"Speed, {town}", "hybrid")
        if row is not None:
            said.append(
                f"answer {row['answer, ms']} ms, after a like "
                f"{row['like until next answer, ms']} ms on {town}"
            )
    return Measured("; ".join(said)) if said else None


def _satisfied(result: Result) -> Measured | None:
    row = result.row("Satisfaction", "all")
    if row is None:
        return None
    return Measured(f"{row['mean']} of 5 in {row['ratings']} ratings by {row['members']} members")


def _model(result: Result, names: Sequence[str]) -> Mapping[str, Any] | None:
    """Return the most accurate of some models."""
    rows = [row for name in names if (row := result.row("Models", name)) is not None]
    return max(rows, key=lambda row: float(row["accuracy"]), default=None)


def _accuracy(row: Mapping[str, Any]) -> str:
    return f"{row['model']} {row['accuracy']:.3f} ({row['95% CI']})"


def _better(one: Sequence[str], other: Sequence[str]) -> Callable[[Result], Measured | None]:
    def read(result: Result) -> Measured | None:
        first, second = _model(result, one), _model(result, other)
        if first is None or second is None:
            return None
        verdict = _paired(result, first["model"], second["model"]) or _apart(
            first["95% CI"], second["95% CI"]
        )
        return Measured(f"{_accuracy(first)}, {_accuracy(second)}", verdict)

    return read


def _reaches(names: Sequence[str], accuracy: float) -> Callable[[Result], Measured | None]:
    def read(result: Result) -> Measured | None:
        row = _model(result, names)
        if row is None:
            return None
        return Measured(_accuracy(row), _as_much(row["95% CI"], accuracy))

    return read


def _any_genre(result: Result) -> Measured | None:
    row = _model(result, [str(each["model"]) for each in result.tables.get("Models", ())])
    if row is None:
        return None
    gap = row.get("gap")
    more = "" if gap is None else f"; {gap:+.3f} on a random split, which is leakage"
    return Measured(f"{_accuracy(row)} on artists never heard before{more}")


def _precisions(
    result: Result, systems: Sequence[tuple[str, str]], column: str = "system"
) -> list[tuple[str, Mapping[str, Any]]]:
    found = []
    for name, kind in systems:
        row = result.row("Retrieval", name, distance=kind)
        if row is not None:
            found.append((kind if column == "distance" else name, row))
    return found


def _said(found: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    return ", ".join(f"{name} {row['P@10']:.3f} ({row['95% CI']})" for name, row in found)


def _latent(result: Result) -> Measured | None:
    networks = ("crnn", "cnn", "resnet", "transfer", "cnn1d")
    own = _precisions(result, [(name, "cosine") for name in networks])
    rest = _precisions(result, [("features", "cosine"), ("our space", "cosine")])
    if not own or not rest:
        return None
    verdict = _apart(own[0][1]["95% CI"], rest[0][1]["95% CI"])
    return Measured(f"P@10: {_said([*own, *rest])}", verdict)


def _trees(result: Result) -> Measured | None:
    said = [
        f"{row['search']} {row['times exact']} times exact search, recall {row['recall']:.2f}"
        for row in result.tables.get("Search", ())
        if row["search"] != "exact"
    ]
    return Measured("; ".join(said)) if said else None


def _distances(result: Result) -> Measured | None:
    kinds = ("euclidean", "cosine", "correlation")
    found = _precisions(result, [("features", kind) for kind in kinds], "distance")
    return Measured(f"P@10: {_said(found)}") if len(found) == len(kinds) else None


def _pictures(result: Result) -> Measured | None:
    names = ("pixels", "picture embedding", "features")
    found = _precisions(result, [(name, "cosine") for name in names])
    shared = result.row("Overlap of the lists", "pixels")
    if len(found) != len(names) or shared is None:
        return None
    best = max(found[:2], key=lambda each: float(each[1]["P@10"]))[1]
    verdict = _apart(best["95% CI"], found[2][1]["95% CI"])
    overlap = f"pixels and features share {shared['features']:.0%} of their lists"
    return Measured(f"P@10: {_said(found)}; {overlap}", verdict)


def _seen(result: Result) -> Measured | None:
    said = []
    rows = result.tables.get("Seen and measured", ())
    for number, row in enumerate(rows, start=1):
        columns = list(row)
        said.append(f"{row['seen']} and {columns[number]} {row[columns[number]]:+.2f}")
    return Measured(f"rank correlation: {', '.join(said)}") if said else None


def _named_clusters(result: Result) -> Measured | None:
    rows = result.tables.get("Clusters", ())
    said = [f"{row['cluster']} ({row['clips']}, {row['most frequent label']})" for row in rows]
    return Measured(f"{len(said)} clusters. {'; '.join(said)}") if said else None


_FEATURE_MODELS = ("knn", "lr", "svc", "mlp", "boosting")
_RECOMMENDERS = "musrec lab recommenders --data {data}/lastfm"
_COMPARE = "musrec lab compare {data}/gtzan --models lr,svc,mlp,tags,cnn1d,cnn,crnn"
_FMA = "musrec lab compare FMA --models lr,cnn1d,cnn,crnn"
_RETRIEVE = "musrec lab retrieve {data}/gtzan"

CLAIMS = (
    Claim(
        "hybrid recommender",
        "content and collaborative filtering together beat either",
        _RECOMMENDERS,
        "recommenders",
        "",
        _together,
    ),
    Claim(
        "hybrid recommender",
        "explicit feedback makes recommendations 15% better",
        _RECOMMENDERS,
        "recommenders",
        "",
        _gain("explicit", 15),
    ),
    Claim(
        "hybrid recommender",
        "implicit feedback makes recommendations 12% better",
        _RECOMMENDERS,
        "recommenders",
        "",
        _gain("implicit", 12),
    ),
    Claim(
        "hybrid recommender",
        "its lists are varied",
        _RECOMMENDERS,
        "recommenders",
        "",
        _diverse,
    ),
    Claim(
        "hybrid recommender",
        "it answers, and follows feedback, at once",
        _RECOMMENDERS,
        "recommenders",
        "",
        _fast,
    ),
    Claim(
        "hybrid recommender",
        "listeners are satisfied",
        _RECOMMENDERS,
        "recommenders",
        "ratings",
        _satisfied,
    ),
    Claim(
        "genre classification",
        "a CNN on mel spectrograms beats feature models",
        _COMPARE,
        "compare",
        "gtzan",
        _better(("cnn",), _FEATURE_MODELS),
    ),
    Claim(
        "genre classification",
        "networks reach 67% of FMA-small",
        _FMA,
        "compare",
        "fma",
        _reaches(("cnn", "crnn", "resnet"), 0.67),
    ),
    Claim(
        "latent vectors",
        "a CRNN beats a CNN",
        _COMPARE,
        "compare",
        "gtzan",
        _better(("crnn",), ("cnn",)),
    ),
    Claim(
        "latent vectors",
        "vectors of a trained network find similar songs better than features",
        f"{_RETRIEVE} --model crnn",
        "retrieve",
        "gtzan",
        _latent,
    ),
    Claim("latent vectors", "trees make the search fast", _RETRIEVE, "retrieve", "gtzan", _trees),
    Claim(
        "distances on features",
        "Euclidean, cosine and correlation distance find much the same",
        _RETRIEVE,
        "retrieve",
        "gtzan",
        _distances,
    ),
    Claim(
        "distances on features",
        "the genre of any song can be told",
        _COMPARE,
        "compare",
        "gtzan",
        _any_genre,
    ),
    Claim(
        "distances on features",
        "a 1-D CNN on statistics is right for 28.5% of FMA-small",
        _FMA,
        "compare",
        "fma",
        _reaches(("cnn1d",), 0.285),
    ),
    Claim(
        "spectrogram images",
        "pictures of spectrograms find similar songs better than features",
        _RETRIEVE,
        "retrieve",
        "gtzan",
        _pictures,
    ),
    Claim(
        "spectrogram images",
        "a spectrogram shows what is measured in the sound",
        "musrec lab gallery {data}/gtzan",
        "gallery",
        "gtzan",
        _seen,
    ),
    Claim(
        "spectrogram images",
        "songs form clusters that can be named",
        "musrec lab clusters {data}/gtzan",
        "clusters",
        "gtzan",
        _named_clusters,
    ),
)
