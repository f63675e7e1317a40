"""`python -m bot` runs the bot; `python -m bot --check` tells whether it will work."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bot import logs
from bot.serve import Finding, check, serve
from musrec.model import MusrecError
from musrec.settings import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells use it."""


def main() -> int:
    """Run the bot; return 0, or the exit code of the error that stopped it."""
    parser = argparse.ArgumentParser(prog="python -m bot", description="The Discord bot.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the TOML file to use")
    parser.add_argument(
        "--check", action="store_true", help="tell whether the configuration will work, and stop"
    )
    arguments = parser.parse_args()
    try:
        settings = load(arguments.config)
        logs.configure(settings)
        if arguments.check:
            return asyncio.run(_say(check(settings)))
        asyncio.run(serve(settings))
    except MusrecError as error:
        print(f"✗ {error}", file=sys.stderr)  # noqa: T201 - for the person who starts it
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


async def _say(findings: AsyncIterator[Finding]) -> int:
    """Print findings as they come; return 1 if one of them is bad."""
    good = True
    async for finding in findings:
        good = good and finding.good
        print(f"{'✓' if finding.good else '✗'} {finding.what}", flush=True)  # noqa: T201
        if finding.hint:
            print(f"  {finding.hint}", flush=True)  # noqa: T201
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
