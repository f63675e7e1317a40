"""The songs of a member's drop: around songs they like, from members like them, and one brave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from musrec.columns import Tracks
from musrec.drops.model import Part
from musrec.model import Catalogue, Constraints, Heard, Pick
from musrec.recommend import Request, Seed
from musrec.recommend.taste import l2_normalise
from musrec.titles import main_artist

if TYPE_CHECKING:
    from musrec.recommend import Picks, Recommender


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One song of an issue, and why it is in there.

    Attributes
    ----------
    query : Heard or None
        The song that it was found around, or that its card shows beside it.
    words : str
        What part it plays, in a sentence.
    listeners : tuple of str
        Whom a song of a mixtape is for.
    """

    part: Part
    pick: Pick
    words: str
    query: Heard | None = None
    listeners: tuple[str, ...] = ()


def personal(
    recommender: Recommender,
    member: str,
    seeds: Sequence[Heard],
    *,
    genres: Sequence[str] = (),
    size: int = 5,
    adventurous: float = 0.3,
    recent: frozenset[str] = frozenset(),
    now: datetime,
) -> list[Choice]:
    """Choose the songs of a member's drop.

    Some are found around songs that they liked, some come from members like them, and one, where
    there is room for it, is of no genre that they liked yet.

    Parameters
    ----------
    seeds : sequence of Heard
        Liked songs to look around, the first first; one for each song found so.
    genres : sequence of str
        Of what they liked, lower case, the most liked first.
    recent : frozenset of str
        Tracks that must not come again.

    Returns
    -------
    list of Choice
        At most `size`, of as many artists.
    """
    chosen: list[Choice] = []

    def ask(count: int, *around: Seed, brave: bool = False) -> Picks:
        # More than are wanted, for some may be by artists that are chosen already.
        request = Request(
            member=member,
            seeds=around,
            count=count + 2,
            adventurous=1.0 if brave else adventurous,
            constraints=Constraints(no_genres=frozenset(genres if brave else ())),
            now=now,
            recent=recent | {choice.pick.track.id for choice in chosen},
        )
        return recommender.recommend(request)

    brave = int(size > 1)
    for heard in seeds[: songs_around(size)]:
        words = f"Around “{heard.track.title}”, which you like."
        found = ask(1, Seed(heard.place, heard.track, heard.profile)).picks
        _take(chosen, (Choice(Part.SOUND, pick, words, heard) for pick in found), len(chosen) + 1)
    if (left := size - brave - len(chosen)) > 0:
        supported_first = sorted(ask(3 * left).picks, key=lambda pick: not _spoken_for(pick))
        _take(chosen, map(_unasked, supported_first), size - brave)
    if brave:
        # If every genre is liked already, any new song counts as brave.
        found = ask(1, brave=True).picks
        tried = (
            Choice(Part.BRAVE, pick, _brave_words(pick, genres, outside=bool(found)))
            for pick in found or ask(1).picks
        )
        _take(chosen, tried, len(chosen) + 1)
    return chosen


def songs_around(size: int) -> int:
    """Return how many songs of a drop are found around liked ones: half, the brave one apart."""
    return size // 2 if size > 1 else 1


def _take(chosen: list[Choice], candidates: Iterable[Choice], until: int) -> None:
    """Add candidates, one an artist, until there are so many."""
    artists = {main_artist(choice.pick.track) for choice in chosen} - {""}
    for candidate in candidates:
        if len(chosen) >= until:
            return
        artist = main_artist(candidate.pick.track)
        if artist not in artists:
            chosen.append(candidate)
            artists |= {artist} - {""}


def _spoken_for(pick: Pick) -> str:
    """Return why members with the same likes support a song; empty if none do."""
    return next((t.because for t in pick.terms if t.name == "members" and t.value > 0), "")


def _unasked(pick: Pick) -> Choice:
    """Explain a song that was found from the member alone."""
    if because := _spoken_for(pick):
        return Choice(Part.MEMBERS, pick, f"From members like you: {because}.")
    return Choice(Part.TASTE, pick, "It suits your taste as a whole.")


def most_liked(genres: Sequence[str]) -> list[str]:
    """Return each genre once, the one liked most often first, of equals the latest.

    Parameters
    ----------
    genres : sequence of str
        One per like, oldest first.
    """
    latest = {genre: place for place, genre in enumerate(genres)}
    return sorted(latest, key=lambda genre: (-genres.count(genre), -latest[genre]))


def _brave_words(pick: Pick, genres: Sequence[str], *, outside: bool) -> str:
    if not outside or not genres:
        return "The brave one: a song to try."
    genre = (pick.track.genre or "").lower()
    what = f"It is {genre}, and you" if genre else "You"
    return f"The brave one. {what} have liked {listed(genres[:3], 'and')} so far."


def with_likes(
    catalogue: Catalogue, choices: list[Choice], liked: Sequence[str]
) -> tuple[list[Choice], list[str]]:
    """Return the choices, and for each the liked song that sounds most like it; "" for none."""
    row_of = Tracks.of(catalogue.tracks).row_of
    own = [id_ for id_ in dict.fromkeys(liked) if id_ in row_of]
    if not own or not choices:
        return choices, [""] * len(choices)
    likes = l2_normalise(catalogue.vectors[[row_of[id_] for id_ in own]])
    found = l2_normalise(catalogue.vectors[[row_of[choice.pick.track.id] for choice in choices]])
    return choices, [own[near] for near in (found @ likes.T).argmax(axis=1)]


def listed(parts: Sequence[str], last: str) -> str:
    """Join parts with commas, and the last one with a word such as "and"."""
    return f" {last} ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)
