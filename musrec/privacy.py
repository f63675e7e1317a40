"""What is kept of a member, area by area: the list behind `/privacy`.

A table that names a member belongs to exactly one area, and goes with the member when they ask:
deleting the row in ``members`` deletes them all. No audio and no signed address is ever kept.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Area:
    """One kind of thing kept of members.

    Attributes
    ----------
    name : str
        As members read it.
    table : str
        Of `musrec.store.schema`.
    what : str
        What is kept, and what for, in one sentence.
    until : str
        When it goes by itself.
    """

    name: str
    table: str
    what: str
    until: str = "until you delete it"


AREAS = (
    Area(
        "choices",
        "members",
        "Your id here, the name you use, whether listening is on and whether you paused.",
    ),
    Area(
        "feedback",
        "feedback",
        "Your thumbs, and what you played, skipped or finished: answers are fitted to them.",
    ),
    Area(
        "recommendations",
        "recommendations",
        "Which songs were recommended to you, so that they do not come back too soon.",
    ),
    Area(
        "answers",
        "answers",
        "The answers you asked for, so that their buttons go on working.",
        "30 days",
    ),
    Area(
        "reactions",
        "card_thumbs",
        "Under which cards your reactions have been counted, so that none counts twice.",
        "90 days",
    ),
    Area(
        "drops",
        "drops",
        "When and where your weekly drop comes, and how you like it; which songs were in it.",
    ),
    Area(
        "mixtapes",
        "mixtape_members",
        "Which servers' mixtapes may be made from what you like.",
    ),
    Area(
        "mixtape songs",
        "drop_listeners",
        "Which songs of a mixtape were said to be for you.",
    ),
)
"""Every area; a table that names members and is missing here fails the tests."""
