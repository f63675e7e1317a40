"""Any title can be written: on one line, within its width, without boxes for letters."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import features

from musrec.pictures import contributions, draw, lettering
from musrec.pictures.draw import Canvas
from tests.support.drawn import picked, song

ODD = [
    "@everyone <@&1234> **bold** `code` ||spoiler||",
    "line\nbreak\r\n\ttab\x00null\x1b[31mred\u2028separator",
    "\u202eevil \u2066direction\u2069 \u200bzero\u200d width\ufeff",
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324" * 30,
    "👨‍👩‍👧‍👦🏳️‍🌈👍🏽🇩🇪1️⃣ party 🔥🔥🔥",
    "夜に駆ける — 방탄소년단 — 周杰倫 — 周杰伦",
    "مرحبا بالعالم 2024 (Remix)",
    "שלום feat. Ελληνικά и Кириллица",
    "สวัสดี हिन्दी Việt Nam İstanbul ßẞ",
    "𝓗𝓮𝓵𝓵𝓸 ｗｉｄｅ ﬁne Ⅻ ℃",
    "𒀀𒁀 ꙮ 𓀀 ߷ \U0010fffd \ud800",
    "W" * 5000,
    "i" * 5000,
    "",
    "   ",
]
titles = st.one_of(
    st.sampled_from(ODD),
    st.text(max_size=60),
    st.text(st.sampled_from("Ẅg̈🔥あ한ش ש@\n\u202e\u0301·…."), max_size=60),
)


@settings(max_examples=150, deadline=None)
@given(titles, st.sampled_from([33, 36, 42]), st.integers(0, 500), st.booleans())
def test_text_never_leaves_its_box(title: str, size: int, width: int, bold: bool) -> None:
    canvas = Canvas(160, "dark")
    weight: lettering.Weight = "bold" if bold else "medium"
    taken = canvas.text((60, 80), title, size, weight=weight, width=width)
    touched = np.argwhere((np.asarray(canvas.image) != canvas.look.background).any(axis=2))
    assert taken <= width + 1
    if len(touched):
        (top, left), (bottom, right) = touched.min(axis=0), touched.max(axis=0)
        assert left >= 60
        assert right <= 60 + width
        assert top >= 80 - 1.4 * size
        assert bottom <= 80 + 0.75 * size


@settings(max_examples=50, deadline=None)
@given(titles, st.sampled_from(["left", "middle", "right"]), st.floats(-50, 850))
def test_text_never_leaves_the_picture_whatever_its_anchor(
    title: str, anchor: draw.Anchor, x: float
) -> None:
    canvas = Canvas(80, "dark")
    room = {"left": 800 - x, "right": x, "middle": 2 * min(x, 800 - x)}[anchor]
    assert canvas.text((x, 50), title, 33, anchor=anchor) <= max(0, room) + 1


@settings(max_examples=300, deadline=None)
@example("A\u202a\u0300")
@given(titles)
def test_a_clean_title_is_one_line_of_letters_that_the_fonts_have(title: str) -> None:
    line = lettering.clean(title)
    assert line == line.strip()
    assert all(
        unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        or letter in "\u200c\u200d"
        for letter in line
    )
    assert lettering.clean(line) == line
    for run in lettering._runs(line, "bold"):
        missing = [
            letter for letter in run.text if ord(letter) not in lettering._coverage(run.font)
        ]
        assert not missing


SCRIPTS = {
    "Amharic": "ጥላሁን ገሠሠ",
    "Armenian": "Սարի Սիրուն Յար",
    "Bengali": "যদি বন্ধু যাবার চাও",
    "Burmese": "ကြိုးကြာသံ",
    "Cherokee": "ᏣᎳᎩ",
    "Devanagari": "तुम्हीं हो क्या",
    "Georgian": "სულიკო",
    "Gujarati": "ચોગાડા તારા",
    "Gurmukhi": "ਲਾਵਾਂ ਪ੍ਰੇਮ",
    "Inuktitut": "ᐃᓄᒃᑎᑐᑦ",
    "Kannada": "ಮುಂಗಾರು ಮಳೆ",
    "Khmer": "ស្ត្រីស្រុកខ្មែរ",
    "Lao": "ດອກຈຳປາ",
    "Malayalam": "മലരേ നിന്നെ",
    "N'Ko": "ߒߞߏ",
    "Odia": "ଓଡ଼ିଆ ଗୀତ",
    "Persian": "می\u200cخواهم",
    "Sinhala": "ශ්\u200dරී ලංකා මාතා",
    "Tamazight": "ⵜⴰⵎⴰⵣⵉⵖⵜ",
    "Tamil": "முன்பே வா",
    "Telugu": "సామజవరగమన",
    "Thaana": "ދިވެހި",
    "Tibetan": "བོད་རྒྱལ་གླུ་ བསྒྲུབས",
}


@pytest.mark.parametrize("title", SCRIPTS.values(), ids=SCRIPTS)
def test_a_title_in_any_living_script_is_kept_and_set_in_one_font(title: str) -> None:
    line = lettering.clean(title)
    assert unicodedata.normalize("NFD", line) == unicodedata.normalize("NFD", title)
    [run] = lettering._runs(line, "medium")
    missing = bytes(lettering._font(run.font, 40).getmask("\U0010fffd"))
    letters = [letter for letter in line if unicodedata.category(letter).startswith("L")]
    assert letters
    for letter in letters:
        assert bytes(lettering._font(run.font, 40).getmask(letter)) != missing


@pytest.mark.parametrize("title", SCRIPTS.values(), ids=SCRIPTS)
def test_no_script_is_cut_at_the_top_or_bottom_of_its_line(title: str) -> None:
    image, _ = lettering.mask(lettering.clean(title), 40, "bold")
    drawn = np.asarray(image)
    assert drawn.max() == 255
    assert not drawn[0].any()
    assert not drawn[-1].any()


@pytest.mark.skipif(not features.check("raqm"), reason="this Pillow has no libraqm")
@pytest.mark.parametrize("title", ["क्या", "ស្ត្រី", "ကြို", "ශ්\u200dරී", "བསྒྲུ", "مرحبا"])
def test_letters_that_join_or_stack_are_shaped(title: str) -> None:
    apart = sum(lettering.measure(letter, 40, "medium") for letter in title)
    assert 0 < lettering.measure(lettering.clean(title), 40, "medium") < 0.95 * apart


def test_a_cut_never_separates_what_is_drawn_as_one() -> None:
    whole = "ශ්\u200dරී " * 9
    for width in range(20, 400, 7):
        cut = lettering.fit(whole, 30, "medium", width).removesuffix(lettering.ELLIPSIS)
        assert not cut.endswith(("\u200d", "\u0dca"))
        assert whole.startswith(cut)


def test_a_text_is_readable_if_anything_of_it_can_be_drawn() -> None:
    assert not any(lettering.readable(title) for title in ("𒀀𒁀 𒀀", "", "  ", "\U0010fffd"))
    assert all(lettering.readable(title) for title in ("𒀀 song", "7", "🔥", "!!!", "夜"))


@pytest.mark.parametrize(
    "title",
    [
        "Séculaire feat. Nÿme",
        "Ωμέγα",
        "Кино",
        "夜に駆ける",
        "아이유",
        "周杰倫",
        "שלום",
        "مرحبا",
        "สวัสดี",
    ],
)
def test_letters_of_many_scripts_are_drawn_as_letters_not_boxes(title: str) -> None:
    assert lettering.clean(title) == title
    for run in lettering._runs(title, "medium"):
        font = lettering._font(run.font, 40)
        box = font.getmask("\U0010fffd")
        for letter in run.text:
            assert bytes(font.getmask(letter)) != bytes(box)


def test_coverage_matches_what_the_font_draws() -> None:
    font = lettering._font(lettering.LATIN["medium"], 40)
    box = bytes(font.getmask("\U0010fffd"))
    known = lettering._coverage(lettering.LATIN["medium"])
    assert ord("ß") in known
    assert ord("夜") not in known
    assert bytes(font.getmask("夜")) == box


def test_joined_emoji_become_one_and_unknown_letters_a_mark() -> None:
    assert lettering.clean("👨‍👩‍👧‍👦 family") == "👨 family"
    assert lettering.clean("👍🏽") == "👍"
    assert lettering.clean("𒀀𒁀𒀀 song") == "· song"
    assert lettering.clean("𝓗𝓮𝓵𝓵𝓸") == "Hello"


def test_a_title_too_long_ends_in_an_ellipsis_and_fills_its_width() -> None:
    long = "The Very Long Title of a Song That Nobody Remembers"
    cut = lettering.fit(long, 36, "bold", 400)
    assert cut.endswith("…")
    assert long.startswith(cut[:-1])
    assert 340 < lettering.measure(cut, 36, "bold") <= 400


def test_right_to_left_titles_put_their_latin_part_on_the_left() -> None:
    runs = lettering._runs("مرحبا world", "bold")
    assert [run.text.strip() for run in runs] == ["world", "مرحبا"]


@pytest.mark.parametrize("title", ODD)
def test_alternative_text_is_one_line_that_can_be_sent(title: str) -> None:
    alt = contributions(picked(song(title, title))).alt
    assert alt.encode().decode() == alt
    assert 0 < len(alt) <= 1024
    assert all(unicodedata.category(letter) not in ("Cc", "Cf") for letter in alt)


@settings(max_examples=100, deadline=None)
@given(titles, st.integers(20, 400), st.integers(1, 3))
def test_wrapped_lines_fit_and_nothing_is_lost_before_the_last(
    title: str, width: int, lines: int
) -> None:
    wrapped = lettering.wrap(title, 21, "medium", width, lines)
    assert len(wrapped) <= lines
    assert all(lettering.measure(line, 21, "medium") <= width for line in wrapped)
    if not any(line.endswith("…") or not line for line in wrapped):
        assert " ".join(wrapped) == lettering.clean(title)


def test_alternative_text_is_cut_between_words_or_else_within_a_long_one() -> None:
    assert draw.shorten("👩\u200d🎤 Zo\u00adë\u202e b\nc") == "👩🎤 Zoë b c"
    assert draw.shorten("The taste of " + "x" * 1000, 100) == "The taste of " + "x" * 86 + "…"
    assert draw.shorten("one two three", 10) == "one two…"
