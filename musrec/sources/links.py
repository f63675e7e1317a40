"""Links to songs, read by our own code and without any request.

Each provider brings the forms of its sites' links (`Site`). Every form that people paste is reduced
to a provider, a kind and an id; the address that is used from then on is written by us from those
three, never the one that was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from musrec.sources.provider import LIST_ID, Link, LinkKind, Site
from musrec.sources.providers import SITES

_names = [site.label for site in SITES]
WORKS = f"song links of {', '.join(_names[:-1])} and {_names[-1]}"
"""What a person may send, for sentences that refuse something else."""

HOPS = frozenset(
    f"https://{prefix}{host}"
    for site in SITES
    if site.short_hosts
    for host in (*site.short_hosts, *site.hosts)
    for prefix in ("", "www.")
)
"""Origins through which a short link may lead on the way to a page that `parse` knows."""

_PAGES = {host: site for site in SITES for host in site.hosts}
_SHORT = {host: site for site in SITES for host in site.short_hosts}
_SCHEMES = {f"{site.scheme}:": site for site in SITES if site.scheme}

_LONGEST = 2_000
_HTTP = re.compile(r"https?://", re.IGNORECASE)
_BARE_ADDRESS = re.compile(
    r"www\.\S|[\w-]+(?:\.[\w-]+)*\.(?:com|net|org|tv|fm|be|co|es|fi|link)/\S", re.IGNORECASE
)
_WORD = re.compile(r"[^\s<>()\[\]{}\"'`|*,]+")


def parse(text: str) -> Link | None:
    """Find the first link that we know in a text.

    Parameters
    ----------
    text : str
        A link, or a message that holds one; without a scheme, in ``<...>`` or in Markdown too,
        and right between words of a language without spaces.

    Returns
    -------
    Link or None
        None where the text holds no link of a known site.
    """
    for word in _words(text):
        bare = word.rstrip(".,;:!?")
        if link := _known(bare) or _known(re.split(r"[^\x21-\x7e]", bare)[0]):
            return link
    return None


def host(text: str) -> str | None:
    """Return the host of the first web address in a text; None where it must be a title.

    An address without a scheme counts where it stands alone; a site's own scheme makes an address.
    """
    for word in _words(text):
        if site := _of_scheme(word):
            return site.hosts[0]
        alone = len(text.split()) == 1 and _BARE_ADDRESS.match(word)
        if alone or _HTTP.match(word):
            try:
                return urlsplit(word if _HTTP.match(word) else f"https://{word}").hostname or ""
            except ValueError:
                return ""
    return None


def is_known(host: str) -> bool:
    """Whether some pages of a host can be read here."""
    return bool(_of_host(host) or _SHORT.get(host.removeprefix("www.")))


def _words(text: str) -> Iterator[str]:
    """Words that may be links, without what is written right before a scheme."""
    for word in _WORD.findall(text):
        scheme = _HTTP.search(word)
        start = scheme.start() if scheme else 0
        link = word[start:]
        if word[:start].endswith(("_", "~")):  # Discord's italics
            link = link.removesuffix(word[start - 1])
        if len(link) <= _LONGEST:
            yield link


def _of_scheme(word: str) -> Site | None:
    return next((site for it, site in _SCHEMES.items() if word.lower().startswith(it)), None)


def _of_host(host: str) -> Site | None:
    bare = host.removeprefix("www.")
    labels = bare.split(".")
    names = [bare, *("*." + ".".join(labels[start:]) for start in range(1, len(labels)))]
    return next((_PAGES[name] for name in names if name in _PAGES), None)


def _known(word: str) -> Link | None:
    if site := _of_scheme(word):
        return site.read(word.split(":")[1:], urlsplit(""))
    if "." not in word or "/" not in word:
        return None
    try:
        parts = urlsplit(word if "://" in word else f"https://{word}")
        strange = parts.username is not None or parts.port not in (None, 80, 443)
    except ValueError:
        return None
    if strange or parts.scheme.lower() not in ("http", "https"):
        return None
    host = parts.hostname or ""
    path = [segment for segment in parts.path.split("/") if segment]
    if short := _SHORT.get(host.removeprefix("www.")):
        return _short(short.name, host.removeprefix("www."), path)
    page = _of_host(host)
    return page.read(path, parts) if page else None


def _short(site: str, host: str, path: list[str]) -> Link | None:
    if not path or not all(LIST_ID.fullmatch(segment) for segment in path[:3]):
        return None
    where = f"{host}/{'/'.join(path[:3])}"
    return Link(site, LinkKind.SHORT, where, f"https://{where}")
