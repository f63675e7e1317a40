"""The licence of every pinned package, as its own metadata states it.

``python -m benchmarks.licences docs/licences.md`` writes the table of that document again. A
package that is not installed here, such as one for another system, keeps its row while its version
does.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"
HEAD = "| package | version | licence |\n|---|---|---|\n"
_ROW = re.compile(r"^\| ([a-z0-9-]+) \| (\d\S*) \| (.+) \|$", re.MULTILINE)

Rows = dict[tuple[str, str], str]
"""Name and version of a package to its licence."""


def pinned(constraints: str) -> list[tuple[str, str]]:
    """Return name and version of every pinned package; some have one version per Python."""
    found = re.findall(r"^([\w.-]+)==([^\s;]+)", constraints, re.MULTILINE)
    return [(name.lower(), version) for name, version in found]


def read(document: str) -> Rows:
    """Return the rows of a document."""
    return {(name, version): licence for name, version, licence in _ROW.findall(document)}


def installed() -> Rows:
    """Return what packages installed here state."""
    return {(_name(one), one.version): stated(one) for one in distributions()}


def stated(package: Distribution) -> str:
    """Return the licence that a package states; an SPDX expression where it has one."""
    expressions, fields, classifiers = (
        [str(text) for text in package.metadata.get_all(key) or []]
        for key in ("License-Expression", "License", "Classifier")
    )
    # Some packages put the whole text of their licence into this field.
    named = [field for field in fields if field and "\n" not in field and len(field) < 40]
    classes = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License ::")]
    return ", ".join(expressions or named or classes) or "not stated"


def _name(package: Distribution) -> str:
    return re.sub(r"[-_.]+", "-", str(package.metadata["Name"])).lower()


def table(constraints: str, document: str) -> str:
    """Return the table of the pinned set."""
    known = read(document) | installed()
    return HEAD + "".join(
        f"| {name} | {version} | {known.get((name, version), 'not installed here')} |\n"
        for name, version in pinned(constraints)
    )


def main() -> None:
    """Write the table of a document again; its other words stay."""
    path = Path(sys.argv[1])
    before, head, after = path.read_text("utf-8").partition(HEAD)
    rest = after[len("".join(f"{row[0]}\n" for row in re.finditer(_ROW, after))) :]
    made = table(CONSTRAINTS.read_text("utf-8"), head + after)
    path.write_text(before + made + rest, "utf-8")


if __name__ == "__main__":
    main()
