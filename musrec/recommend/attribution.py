"""What a pick's score owes to each property that it audibly shares with another song."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from musrec.model import Profile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from musrec.model import FloatArray, Place, Places, Trait, TraitKind

    Property = tuple[TraitKind, str]


class Replacing(Protocol):
    """Songs of the catalogue with properties replaced: `musrec.space.Without`."""

    def replaced(self, row: int, what: Sequence[Property]) -> Places:
        """Return a song (t rows) with each of t properties replaced by the catalogue's median."""

    def replaced_together(self, row: int, what: Sequence[Sequence[Property]]) -> Places:
        """Return a song (t rows) with each of t sets of properties replaced."""

    def alike(self, query: Place, songs: Places) -> FloatArray:
        """Return the similarities (t,) of a query to songs that were returned by the others."""


def only(profile: Profile, traits: Sequence[Trait]) -> Profile:
    """Return a profile with nothing but these properties."""
    kinds = {(trait.kind, trait.name) for trait in traits}
    return Profile(
        {tag: share for tag, share in profile.tags.items() if ("tag", tag) in kinds},
        {
            name: place
            for name, place in profile.percentiles.items()
            if ("descriptor", name) in kinds
        },
        {},
        profile.tempo if ("tempo", "") in kinds else None,
        profile.key if ("key", "") in kinds else None,
    )
