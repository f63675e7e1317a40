"""What a pick's score owes to each property that it audibly shares with another song."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from musrec.model import Profile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from musrec.model import FloatArray, Place, Places, Trait, TraitKind

    Property = tuple[TraitKind, str]

AUDIBLE = 0.1
"""Share of a clip from which a tag is heard."""

MARKED = 75.0
"""Percentile beyond which, at either end, a descriptor sets a song apart."""

SAME_TEMPO = 0.06
"""Octaves within which two tempi are the same: 4%."""


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


def shared(query: Profile, pick: Profile, usual: Mapping[str, float]) -> list[Property]:
    """Return the properties that two songs audibly share.

    Parameters
    ----------
    usual : mapping of str to float
        Mean share of each tag in the catalogue: both songs have clearly more of a shared tag.
    """
    found: list[Property] = []
    for tag, share in query.tags.items():
        both = min(share, pick.tags.get(tag, 0.0))
        if both >= AUDIBLE and both > 1.2 * (usual.get(tag, 0.0) + 0.05):
            found.append(("tag", tag))
    for name, place in query.percentiles.items():
        other = pick.percentiles.get(name, 50.0)
        if name != "tempo" and (min(place, other) >= MARKED or max(place, other) <= 100 - MARKED):
            found.append(("descriptor", name))
    if query.tempo and pick.tempo and abs(np.log2(query.tempo / pick.tempo)) < SAME_TEMPO:
        found.append(("tempo", ""))
    if query.key and query.key == pick.key:
        found.append(("key", ""))
    return found
