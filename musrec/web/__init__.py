"""The local page: a door in the browser, like the bot's in Discord.

`app.build` makes the application of an open `musrec.service.Service`; `app.serve` runs it alone,
and `app.beside` beside the bot. Every page is rendered here and works without JavaScript;
`static/page.js` only makes it quicker. Programs ask by `api` and `subsonic`, with a member's key.
"""
