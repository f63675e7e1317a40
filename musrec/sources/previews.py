"""A track becomes audio, from the first provider that has this very recording."""

from __future__ import annotations

from collections.abc import Sequence

from musrec.model import Track
from musrec.sources.gate import Absent, Deadline, Refused, Unsupported
from musrec.sources.lookups import Lookups
from musrec.sources.provider import Preview, Provider
from musrec.sources.resolve import Missing


async def preview(
    providers: Sequence[Provider], track: Track, deadline: Deadline, lookups: Lookups
) -> Preview | Missing:
    """Return audio of a track from the first provider that has it.

    That none of them has any is kept for a while, so that they are not asked again and again.
    """
    refusals: list[str] = []
    names = "+".join(provider.name for provider in providers)
    nothing = f"preview:{track.id}:{names}"
    if not await lookups.nothing(nothing):
        for provider in providers:
            try:
                return await provider.audio(track, deadline)
            except (Absent, Unsupported):
                continue
            except Refused as refusal:
                refusals.append(str(refusal))
    if refusals:
        return Missing(
            f"I cannot get “{track.title}” right now: {'; '.join(refusals[:3])}.",
            "Try again in a minute, or send me a clip of it.",
        )
    await lookups.keep_nothing(nothing)
    return Missing(
        f"No service has a preview of “{track.title}”.",
        "Send me a clip of it, and I listen to that.",
    )
