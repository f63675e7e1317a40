"""Data flows one way: which package may import which, and no cycle at run time."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for package in ("bot", "musrec")
    for file in (ROOT / package).rglob("*.py")
}
WORDS = {
    *("musrec", "musrec.model", "musrec.titles", "musrec.wording", "musrec.sites"),
    "musrec.formats",
    "musrec.archives",
    "musrec.columns",
}
RECORDS = {name for name in MODULES if name.endswith(".model")}
HEARING = {"musrec.audio", "musrec.space", "musrec.recommend"}
DOORS = {"musrec.service", "musrec.settings"}
AREAS = ("members", "catalogue", "playlists", "drops")
# Package to the packages that it may import, beside itself, `WORDS` and `RECORDS`.
MAY_IMPORT = {
    "bot": DOORS | {"musrec.web"},
    "musrec.cli": DOORS
    | {
        "musrec.web",
        "musrec.train",
        "musrec.evaluate",
        "musrec.audio",
        "musrec.demo",
        "musrec.lab",
    },
    "musrec.library": DOORS,
    "musrec.web": DOORS,
    "musrec.lab": HEARING | {"musrec.evaluate", "musrec.pictures", "musrec.train"},
    "musrec.service": {f"musrec.{area}" for area in AREAS}
    | HEARING
    | {"musrec.store", "musrec.sources", "musrec.pictures", "musrec.settings"},
    "musrec.store": set(),
    **{f"musrec.{area}": HEARING for area in AREAS},
    "musrec.pictures": {"musrec.audio"},
    "musrec.recommend": {"musrec.audio"},
    "musrec.space": {"musrec.audio"},
    "musrec.audio": {"musrec.settings"},
    "musrec.sources": {"musrec.settings"},
}


def imports(name: str, *, at_run_time: bool) -> set[str]:
    """Return the modules of ours that a module imports, lazily and for types included or not."""
    found: set[str] = set()
    nodes: list[ast.AST] = [ast.parse(MODULES[name].read_text("utf-8"))]
    while nodes:
        node = nodes.pop()
        lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        typed = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if not at_run_time or not (lazy or typed):
            nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & MODULES.keys() or {node.module}
    return {module for module in found if module in MODULES and module != name}


def package_of(name: str) -> str:
    return "bot" if name.split(".", maxsplit=1)[0] == "bot" else ".".join(name.split(".")[:2])


@pytest.mark.parametrize("name", [name for name in MODULES if package_of(name) in MAY_IMPORT])
def test_a_module_imports_only_what_its_package_may(name: str) -> None:
    own = package_of(name)
    allowed = MAY_IMPORT[own] | {own}
    others = imports(name, at_run_time=False) - WORDS - RECORDS
    assert {module for module in others if package_of(module) not in allowed} == set()


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_records_import_nothing_but_the_shared_words(name: str) -> None:
    assert imports(name, at_run_time=False) <= {"musrec.model"}


def test_the_engine_does_not_know_discord() -> None:
    engine = [file for name, file in MODULES.items() if name.startswith("musrec")]
    assert not [file for file in engine if "import discord" in file.read_text("utf-8")]


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """Return the nodes of a cycle of the graph, the first once more at the end; empty if none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as found:
        return list(found.args[1])
    return []


def test_no_import_cycles_at_run_time() -> None:
    assert cycle({name: imports(name, at_run_time=True) for name in MODULES}) == []
    assert len(cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == 4, "a cycle would be found"
