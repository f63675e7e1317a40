"""What members can ask, short enough for a phone."""

from __future__ import annotations

from discord import ui

from bot.cards import layouts

TEXT = """\
### I listen to music and find more of it
**Ask** — `/recommend` with a link, a title or a clip. Or send me a clip: here, in a direct \
message, or by mentioning me. On any message: *Apps → Find similar*.
**Teach me** — 👍 and 👎 under a card, as buttons or reactions. They count from your next answer on.
**Look closer** — *Why?* shows what counted, *Preview* plays the song, *Next* shows you the next \
one, *Share* shows it to everyone. `/show` tells what I hear in a song.
**Yours** — `/taste`, `/blend`, `/playlist`, `/history`, `/drops` every week. `/listening` learns \
from Spotify, if you let it. `/privacy` shows and deletes what I keep; I keep no audio.
-# `/search` `/map` `/compare` `/gallery` show the songs I know · `/status` says how I am doing · \
`/setup` and `/mixtape` are for server managers"""


def welcome() -> ui.LayoutView:
    """Return the one page of help."""
    return layouts.page(layouts.text(TEXT))
