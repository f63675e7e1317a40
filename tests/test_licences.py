"""The document of licences names every pinned package, in its pinned version."""

from __future__ import annotations

from pathlib import Path

from benchmarks import licences

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "licences.md"


def test_every_pinned_package_has_its_licence_in_the_document() -> None:
    rows = licences.read(DOCUMENT.read_text("utf-8"))
    assert set(rows) == set(licences.pinned(licences.CONSTRAINTS.read_text("utf-8")))
    assert not [row for row, licence in rows.items() if licence.startswith("not ")]


def test_what_is_installed_here_states_the_licence_of_the_document() -> None:
    rows, here = licences.read(DOCUMENT.read_text("utf-8")), licences.installed()
    both = rows.keys() & here.keys()
    assert both
    assert {row: rows[row] for row in both} == {row: here[row] for row in both}


def test_writing_the_document_again_keeps_its_words() -> None:
    document = DOCUMENT.read_text("utf-8")
    before, head, after = document.partition(licences.HEAD)
    assert head
    made = licences.table(licences.CONSTRAINTS.read_text("utf-8"), document)
    assert before + made + after.removeprefix(made.removeprefix(head)) == document
