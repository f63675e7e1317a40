"""Renders every kind of message to PNG with SimCord's preview and Debian's chromium.

`python -m tests.bot.render DIR` writes them; `docs/pictures` holds the ones worth showing.
"""
