"""Discord only: events come in, the engine's service is called, messages go out.

A folder an area that a member would name; what each answer looks like is in `bot.cards`. Nothing
here decides what is recommended, and nothing in `musrec` knows of this package.
"""
