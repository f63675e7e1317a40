"""The local page: a door in the browser, like the bot's in Discord.

`app.build` makes the application of an open `musrec.service.Service`, and `app.serve` runs it.
Every page is rendered here and works without JavaScript; `static/page.js` only makes it quicker.
"""
