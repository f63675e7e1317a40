"""What is kept of members is declared, and goes with them."""

from __future__ import annotations

from musrec.members.privacy import AREAS
from musrec.store import schema


def test_every_table_about_members_belongs_to_an_area() -> None:
    about = {
        table.name
        for table in schema.metadata.sorted_tables
        if table is schema.members
        or any(key.column.table is schema.members for key in table.foreign_keys)
    }
    assert about == {area.table for area in AREAS}
    for table in about - {"members"}:
        (key,) = [
            key
            for key in schema.metadata.tables[table].foreign_keys
            if key.column.table is schema.members
        ]
        assert key.ondelete == "CASCADE"
