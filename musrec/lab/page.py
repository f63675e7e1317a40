"""A report as one page that needs nothing else, and the same in Markdown and JSON."""

from __future__ import annotations

import base64
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import musrec
from musrec.evaluate.report import Report, cell
from musrec.model import MusrecError


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture with its caption: SVG or HTML without scripts, or the bytes of a PNG."""

    caption: str
    content: str | bytes


@dataclass(frozen=True, slots=True)
class Section:
    """A table with the figures that belong to it."""

    report: Report
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """One report.

    Attributes
    ----------
    facts : mapping of str to str
        Data, split, seed, commands: what someone needs to repeat it.
    """

    title: str
    facts: Mapping[str, str]
    sections: tuple[Section, ...]

    def write(self, file: Path) -> tuple[Path, ...]:
        """Write the page, and beside it the same in Markdown and JSON; return the three paths.

        Raises
        ------
        MusrecError
            They cannot be written.
        """
        forms = {".html": self.html(), ".md": self.markdown(), ".json": self.json()}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            for ending, text in forms.items():
                file.with_suffix(ending).write_text(text, "utf-8")
        except OSError as error:
            raise MusrecError(
                f"{file} cannot be written: {error.strerror}.", "Name another file with --out."
            ) from None
        return tuple(map(file.with_suffix, forms))

    def markdown(self) -> str:
        """Return the tables with their protocols; pictures are only in the page."""
        facts = "\n".join(f"- {name}: {value}" for name, value in self.facts.items())
        tables = "\n".join(section.report.markdown() for section in self.sections)
        return f"# {self.title}\n\n{facts}\n\n{tables}"

    def json(self) -> str:
        """Return the tables as one JSON object."""
        tables = [asdict(section.report) for section in self.sections]
        whole = {"title": self.title, "facts": dict(self.facts), "tables": tables}
        return json.dumps(whole, ensure_ascii=False, indent=2)

    def html(self) -> str:
        """Return the page, self-contained: style and pictures inside, no script."""
        facts = "".join(
            f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in self.facts.items()
        )
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self.title)}</title><style>{_STYLE}</style></head><body><main>"
            f"<h1>{escape(self.title)}</h1><dl>{facts}</dl>"
            + "".join(map(_section, self.sections))
            + "</main></body></html>\n"
        )


def versions(*packages: str) -> dict[str, str]:
    """Return what a result depends on beside its data: versions of Python and of packages."""
    found = {"musrec": musrec.__version__, "Python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _section(section: Section) -> str:
    report = section.report
    head = "".join(
        f'<th scope="col">{escape(name).replace("_", "_<wbr>")}</th>' for name in report.columns
    )
    rows = "".join(
        "<tr>" + "".join(_cell(cell(value)) for value in row) + "</tr>" for row in report.rows
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return (
        f"<section><h2>{escape(report.title)}</h2><p>{escape(report.protocol)}</p>"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        + (f"<ul>{notes}</ul>" if notes else "")
        + "".join(map(_figure, section.figures))
        + "</section>"
    )


def _cell(text: str) -> str:
    return f"<td{' class=long' if len(text) > _LONG else ''}>{escape(text)}</td>"


_LONG = 32
"""Letters from which on a cell of a table is broken into lines."""


def _figure(figure: Figure) -> str:
    drawn = figure.content
    if isinstance(drawn, bytes):
        data = base64.b64encode(drawn).decode()
        drawn = f'<img alt="{escape(figure.caption)}" src="data:image/png;base64,{data}">'
    return f"<figure>{drawn}<figcaption>{escape(figure.caption)}</figcaption></figure>"


_STYLE = """
:root{color-scheme:light dark;--ink:#1d2129;--soft:#5a6270;--line:#d5d9e0;--back:#fff}
@media (prefers-color-scheme:dark){
:root{--ink:#e8eaee;--soft:#a3abb8;--line:#3a404b;--back:#16181d}}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:76rem;margin:0 auto;padding:1rem}section>p,section>ul{max-width:56rem}
h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2.5rem}
p,li,figcaption,dt{color:var(--soft)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}
dd{margin:0}dd,p,li{overflow-wrap:anywhere}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .7rem;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap}
td{vertical-align:top}th{white-space:normal;vertical-align:bottom}
td.long{white-space:normal;min-width:15rem}
figure{margin:1.5rem 0;overflow-x:auto}figcaption{margin-top:.5rem}
svg{min-width:30rem}svg,img{width:100%;height:auto;max-width:44rem}
svg text{fill:var(--ink);font:13px system-ui,sans-serif}svg text.on{fill:#fff}
.gallery{list-style:none;margin:0;padding:0;display:grid;gap:.6rem;
grid-template-columns:repeat(auto-fill,minmax(7rem,1fr))}
.gallery li{line-height:1.25;font-size:.85rem;overflow-wrap:anywhere}
.gallery img{display:block;width:100%;aspect-ratio:1;margin-bottom:.2rem}
.gallery .hit img{outline:3px solid #4a9c5d;outline-offset:-3px}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:1rem}
.pair .gallery{grid-template-columns:repeat(auto-fill,minmax(4.5rem,1fr))}
.pair strong{display:block;margin:.3rem 0}
svg .axis{stroke:var(--soft)}svg .mark{stroke:var(--soft);stroke-dasharray:4 4}
"""
