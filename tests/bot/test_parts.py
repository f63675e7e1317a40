"""The small parts: names of selects, permissions, words."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime

import discord
import pytest
from discord import ui
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot import errors, logs
from bot.app import PERMISSIONS, intents, invitation
from bot.cards import layouts, words
from bot.errors import UNKNOWN_INTERACTION
from bot.feedback.thumbs import kind_of
from bot.recommend.answering import Choose, Question, Wish
from musrec.model import FeedbackKind, NotFound, Track
from musrec.pictures import lettering
from musrec.playlists.export import link
from musrec.settings import Settings
from musrec.sources.providers import LABELS


@given(genre=st.text(max_size=60))
@example(genre="R&B/Soul")
@example(genre="Música: Popular")
@example(genre="s+piano/x")
def test_a_wish_survives_the_name_of_a_select(genre: str) -> None:
    whole = Wish.of(10, 10, genre, "spectrogram", "female voice", "instrumental")
    for wish in (Wish(), Wish.of(3, 0, genre), whole, Wish.of(None, None, genre, voice="sung")):
        name = Choose.offer([Track("x", "T")], Question(2**63, wish)).item.custom_id
        assert len(name) <= 100
        found = re.fullmatch(Choose.__discord_ui_compiled_template__, name)
        assert found
        assert Wish.read(found["wish"]) == wish


def test_a_select_from_before_there_were_instruments_is_read() -> None:
    assert Wish.read("5//sound/r&b/soul") == Wish.of(5, None, "r&b/soul")


@given(st.text())
@example("Nobody knows [click](https://evil.example), @everyone.")
def test_what_was_typed_stays_text_in_what_went_wrong(typed: str) -> None:
    trouble = errors.explain(NotFound(f"Nobody knows “{typed}”.", "`/help` helps."))
    assert trouble is not None
    assert trouble.hint == "`/help` helps."
    assert "](" not in trouble.sentence.replace("\\](", "")
    assert "@everyone" not in trouble.sentence
    assert "://" not in trouble.sentence


def test_permissions_asked_for_are_the_fewest() -> None:
    assert (
        discord.Permissions(
            view_channel=True,
            send_messages=True,
            send_messages_in_threads=True,
            read_message_history=True,
            attach_files=True,
            add_reactions=True,
        )
        == PERMISSIONS
    )
    assert f"permissions={PERMISSIONS.value}" in invitation(1)


def test_privileged_intents_are_asked_for_only_where_configured() -> None:
    plain = intents(Settings())
    assert not any((plain.message_content, plain.presences, plain.members))
    wanted = Settings(discord={"message_content": True, "presences": True})
    assert intents(wanted).message_content
    assert intents(wanted).presences
    assert intents(wanted, privileged=False) == plain


@given(st.text(alphabet=st.sampled_from("\\*_~`|<>[]()#@:/-+ \n\u202eab1éхя題"), max_size=60))
@example("@everyone")
@example("<@&123> and <@456>")
@example("**bold** _it_ ~~no~~ ||spoiler|| `code`")
@example("[click](https://evil.example)")
@example("# heading\n> quote")
@example("- list")
def test_titles_are_shown_as_they_are_and_nothing_else(hostile: str) -> None:
    said = words.plain(hostile)
    assert not set(said) & set("\n\u202e")
    assert "@everyone" not in said
    assert "://" not in said
    signs = re.findall(r"\\(.)|([*_~`|<>\[\]#])", said)
    assert not [bare for _, bare in signs if bare]
    assert not said.startswith(("#", ">", "-", "+"))


@pytest.mark.parametrize("nothing", ["\u200d", "\u3164", "\u200c \u2800", "\ud800", "\u202e"])
def test_a_title_that_shows_nothing_is_called_untitled(nothing: str) -> None:
    assert "**untitled**" in words.title(Track("x", nothing, ("A",)))


def test_joiners_stay_where_scripts_and_emoji_need_them() -> None:
    for text in ("می\u200cخواهم", "👩\u200d🎤"):
        assert words.plain(text) == text


def test_a_long_title_fits_where_it_must() -> None:
    assert len(words.bare("x" * 500, 100)) == 100
    assert words.bare("x" * 500, 100).endswith("…")


def test_a_message_never_exceeds_what_discord_takes_and_cuts_whole_lines() -> None:
    tracks = [
        Track(str(n), "題" * 200, ("歌" * 200,), links={"deezer": "https://x.example/" + "a" * 150})
        for n in range(40)
    ]
    lines = [words.song(track) for track in tracks]
    view = layouts.page(layouts.text("\n".join(lines)), layouts.text("-# page 1 of 9"))
    texts = [item.content for item in view.walk_children() if isinstance(item, ui.TextDisplay)]
    assert sum(map(len, texts)) <= layouts.MOST_TEXT
    assert texts[1] == "-# page 1 of 9"
    assert set(texts[0].splitlines()[:-1]) <= set(lines)
    assert len("\n".join(lines[:10])) < layouts.MOST_TEXT


def test_links_lead_only_to_pages_and_cannot_break_out() -> None:
    track = Track("x", "T", ("A",), links={"deezer": "https://a.example/b) [x](javascript:1"})
    ((_, page),) = words.addresses(track)
    assert not {")", "(", " ", "]"} & set(page)
    for bad in ("javascript:alert(1)", "file:///etc/passwd", "https://", "https://[::1/x"):
        assert words.addresses(Track("x", "T", links={"x": bad})) == []


def test_a_song_leads_to_the_same_page_wherever_it_is_written() -> None:
    links = {name: f"https://{name}.example/1" for name in ("unknown", *reversed(LABELS))}
    track = Track("x", "T", links=links)
    names, pages = zip(*words.addresses(track), strict=True)
    assert names == (*LABELS.values(), "Unknown")
    assert words.address(track) == link(track) == pages[0] == links["spotify"]


def test_a_song_without_a_page_links_to_a_search_and_an_unknown_clip_to_nothing() -> None:
    assert "search_query=T%20A" in str(words.address(Track("x", "T", ("A",))))
    assert words.address(Track("x", "T", ("A",), identities={"sha256": "0"})) is None


def test_what_other_services_say_has_its_origin_and_ours_does_not() -> None:
    track = Track(
        "x",
        "T",
        year=2001,
        genre="folk rock",
        popularity=0.854,
        links={"deezer": "https://deezer.example/1"},
        provenance={"year": "deezer", "popularity": "deezer", "genre": "starter"},
    )
    lines = words.elsewhere(track, {"reccobeats": {"tempo": 90.0}})
    assert lines == [
        "**ReccoBeats says** 90\u00a0BPM",
        "**[Deezer](https://deezer.example/1) says** popularity\u00a085% · 2001",
    ]
    assert words.elsewhere(Track("x", "T"), {}) == []


def test_dates_are_written_as_the_server_wants() -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    written = {style: words.date(at, style) for style in words.DATES}
    assert written.pop("reader") == f"<t:{int(at.timestamp())}:D>"
    assert written == {style: words.DATES[style] for style in written}


def test_thumbs_are_known_in_every_shade() -> None:
    assert kind_of("👍🏽") is kind_of("👍") is FeedbackKind.LIKE
    assert kind_of("👎\ufe0f") is FeedbackKind.DISLIKE
    assert kind_of("🔥") is None


@pytest.mark.parametrize("json_lines", [False, True])
def test_no_secret_reaches_the_log(json_lines: bool, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(
        discord={"token": SecretStr("s3cret.token")}, log={"json_lines": json_lines}
    )
    before = logging.getLogger().handlers[:]
    try:
        logs.configure(settings)
        logging.getLogger("bot").warning("started with s3cret.token", extra={"guilds": 2})
        line = capsys.readouterr().err
    finally:
        logging.getLogger().handlers[:] = before
    assert "s3cret" not in line
    assert "guilds" in line


@pytest.mark.parametrize("json_lines", [False, True])
@pytest.mark.parametrize(
    "hostile",
    [
        *("\n2026-11-27T00:00:00 ERROR bot: forged", "\x1b[2J\x07", "\x7f\x9b31m"),
        *("\u2028\u2029", "\u202egnp.exe", "\ud800", "\U000e0041", "\r\0"),
    ],
)
def test_nothing_from_outside_breaks_a_line_of_the_log(
    json_lines: bool, hostile: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = logging.getLogger().handlers[:]
    try:
        logs.configure(Settings(log={"json_lines": json_lines}))
        log = logging.getLogger("bot")
        log.warning("a title: %s", hostile, extra={"song": hostile})
        log.error("failed", exc_info=ValueError(hostile))
        told = capsys.readouterr().err
    finally:
        logging.getLogger().handlers[:] = before
    records = [line for line in told.split("\n") if line and not line.startswith("    ")]
    assert len(records) == 2
    assert not set(told) & (set(hostile) - set("\n")) - set(map(chr, range(32, 127)))
    if json_lines:
        first, second = map(json.loads, records)
        assert first["song"] == hostile
        assert second["error"].endswith(f"ValueError: {hostile}")


def test_who_typed_stays_out_of_the_log_and_a_completion_too_late_is_no_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = logging.getLogger().handlers[:]
    tree = logging.getLogger("discord.app_commands.tree")
    late = type("Late", (Exception,), {"code": UNKNOWN_INTERACTION})
    try:
        logs.configure(Settings())
        for error in (late(), ValueError("a real one")):
            tree.error("in %r (Guild: %s, User: %s)", "recommend", 1, 987654321, exc_info=error)
        line = capsys.readouterr().err
    finally:
        logging.getLogger().handlers[:] = before
    assert line.count("completion failed") == 1
    assert "a real one" in line
    assert "987654321" not in line


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("both at 90\u00a0BPM", "both at 90\u00a0BPM"),
        ("a \u00a0 b", "a b"),
        ("a\u00a0\u00a0b", "a b"),
        ("\u00a0a\u00a0", "a"),
    ],
)
def test_one_no_break_space_stays_and_wider_gaps_close(written: str, kept: str) -> None:
    assert words.plain(written) == kept
    assert lettering.clean(written) == kept


def test_a_known_id_is_enough_for_a_page() -> None:
    ids = {"spotify": "0DiWol3AO6WpXZgp0goxAV", "deezer": "7", "youtube": "../x", "isrc": "X"}
    link = "https://www.deezer.com/de/track/7"
    track = Track("x", "A", identities=ids, links={"deezer": link})
    assert words.addresses(track) == [
        ("Spotify", "https://open.spotify.com/track/0DiWol3AO6WpXZgp0goxAV"),
        ("Deezer", link),
    ]
