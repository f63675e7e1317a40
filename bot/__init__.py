"""Discord only: events come in, the engine's service is called, messages go out.

One folder per area that a member would name; `bot.cards` holds how each answer looks. Nothing here
decides what is recommended, and nothing in `musrec` knows of this package.
"""
