"""Whether two titles, artists or tracks mean the same song: the only reader of titles.

Search engines rank a live take, a karaoke track or a sped-up copy as high as the song itself. A
title is therefore taken apart, and what stands in brackets or after a dash is read: a version word
there ("live", "ライブ", "remix" ...) makes another recording of the same song, a neutral one
("remastered", "official video") changes nothing, nor does the title in another script, and anything
else belongs to the title. Guests ("feat. ...") change nothing, with or without brackets.

There are two kinds of sameness. `same_recording`: the very same audio. `recording_key`: the same
song in any version, for lists that should hold it once. Tracks of one recording share a key, unless
one of their titles has a typo or their credits begin with different artists.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePath
from typing import Protocol

from rapidfuzz import fuzz

from musrec.model import Track

SAME_SECONDS = 3.0
"""Largest difference between two durations of one recording: services round, and trim silence."""

TITLE_AGREES = 88.0
ARTIST_AGREES = 85.0
"""On rapidfuzz's scale of 0 to 100, after folding: one typo in a short title passes."""
DETAIL_AGREES = 65.0
"""The same for the remixer or the place of a live take: "Wembley" is "Wembley Stadium"."""


# Folding ------------------------------------------------------------------------------------------

_QUOTES = str.maketrans(dict.fromkeys("’‘‛`´′ʼʻ", "'"))
# Letters that Unicode does not decompose, and Arabic letters typed in place of one another.
_LETTERS = str.maketrans(
    {"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h"}
    | {"ŧ": "t", "ŋ": "ng", "ĸ": "k", "ə": "e", "ƶ": "z", "ꞌ": None}
    | {"ٱ": "ا", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه"}
)
# Accents, vowel points of Hebrew and Arabic, and characters without width. Japanese voiced marks
# make another letter, and so do the breve of й and ў and the dots of ї: those stay.
_MARKS = re.compile(
    "[\u0300-\u0305\u0307\u0309-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5"
    "\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u1ab0-\u1aff"
    "\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"
    "\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
    "|(?<![иу])\u0306|(?<!і)\u0308"
)
# Vowel signs, such as those of Hindi and Thai, and loose Japanese voiced marks: not alphanumeric to
# Python, yet part of a word.
_SIGNS = "".join(
    re.escape(sign)
    for sign in map(chr, [*range(0x0900, 0x1AB0), *range(0x1B00, 0x1D00), 0x3099, 0x309A])
    if unicodedata.category(sign) in ("Mn", "Mc")
)
_GAP = re.compile(rf"(?:[^\w{_SIGNS}]|_)+")
_ASCII_GAPS = {code: " " for code in range(128) if not chr(code).isalnum()}
_SPELT = re.compile(r"[!$+.*&']")
_INITIALS = re.compile(r"\b[^\W\d_](?:(?:[.*][^\W\d_])+(?![^\W_])|\.(?:\s*[^\W\d_]\.)+)")
_AND = re.compile(r"(?:(?<=[^\W_]{2} )|(?<=\b[rd] ))n(?= [^\W_]{2}| b\b)")


def fold(text: str) -> str:
    """Return a text as it is compared: lower case, no accents, words separated by one space.

    Signs that stand for letters become those letters (P!nk, Ke$ha), initials become one word
    (R.E.M.), "&", "+" and "'n'" become "and", and a name made only of signs stays as it is. Folding
    twice changes nothing.

    Examples
    --------
    >>> fold("Beyoncé – Halo (Live)")
    'beyonce halo live'
    """
    plain = text.lower() if text.isascii() else _without_marks(text)
    if _SPELT.search(plain):
        plain = _spelt_out(plain)
    if plain.isascii():
        plain = " ".join(plain.translate(_ASCII_GAPS).split())
    else:
        plain = unicodedata.normalize("NFC", _GAP.sub(" ", plain).strip())
    if " n " in plain:
        plain = _AND.sub("and", plain)
    return plain or " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _spelt_out(text: str) -> str:
    """Replace signs by the letters or words that they stand for."""
    text = text.replace("'n'", " n ").replace("'", "").replace("&", " and ")
    if "+" in text:
        text = re.sub(r"(?<=\w )\+(?= \w)", "and", text)
    if "!" in text:
        text = re.sub(r"(?<=[a-z])!(?=[a-z])", "i", text)
    if "$" in text:
        text = re.sub(r"\$(?=[a-z])|(?<=[a-z])\$+", lambda found: "s" * len(found[0]), text)
    if "." in text or "*" in text:
        text = _INITIALS.sub(lambda found: re.sub(r"[\s.*]", "", found[0]) + " ", text)
    return text


def _without_marks(text: str) -> str:
    """Return a text in lower case, composed, without accents."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_QUOTES)).casefold()
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", decomposed))
    return unicodedata.normalize("NFC", bare).translate(_QUOTES).translate(_LETTERS)


# What titles are decorated with -------------------------------------------------------------------

# For folded text. The lookarounds exclude words that are ordinary in titles: "live your life",
# "cover me".
_VERSIONS = {
    "live": r"(?<!\bto )(?<!\bwe )(?<!\byou )(?<!\bi )(?<!\bthey )(?<!\blong )(?<!\blet )"
    r"(?<!\bcan )(?<!\bwhere )"
    r"live(?:version\w*|mitschnitt|aufnahme|konzert|opname)?"
    r"(?! (?:and let|forever|your|my|a little|without|together|like|it up|life|wire|free"
    r"|fast|while|again)\b)(?! on$)"
    r"(?! to (?!air|tape|vinyl|track|disc|\d))(?! in (?:me|you|love|hope|the moment)\b)"
    r"(?! for (?:you|me|love|today|tonight|this|now|the (?:moment|night))\b)"
    r"|unplugged|tiny desk|colors show|kexp|audiotree|fan ?cam"
    r"|in concert|concert (?:version|recording|film)|concert(?=$| at | \d{4})"
    r"|en (?:vivo|directo|concierto|concert|direct|public)|^vivo$|(?:em|in) concerto|ao vivo"
    r"|dal vivo|(?:im|pa|fra|z|w) [ck]on[csz]ert\w*|kon[czs]ert(?:mitschnitt|version|aufnahme)"
    r"|kon[czs]ert(?=$| \d{4})|koncert(?:ni|owa|owy)|na zywo|nazivo|uzivo|zive|eloben"
    r"|canli|konser kaydi|livena|truc tiep|ζωνταν[αη]"
    r"|вживую|живьем|живо[йе] (?:звук|выступление|исполнение)|живая (?:запись|версия)|лайв|наживо"
    r"|концерт\w*|συναυλια"
    r"|ライブ|ライヴ|生演奏|生歌|コンサート|라이브|콘서트|공연|직캠|现场|現場|演唱会|演唱會|音乐会|音樂會"
    r"|แสดงสด|คอนเสิร์ต|लाइव|لايف|حفله|הופעה|לייב",
    "remix": r"remix(?:ed|es|version)?|remixe|remiks|remezcla\w*|rmx|rework(?:ed)?|refix|re edit"
    r"|bootleg|mash ?up|flip$|vip(?=$| mix| edit| remix| version)"
    r"|edit(?=$| by | \d{4}| re ?master)(?<!radio edit)(?<!single edit)(?<!album edit)"
    r"(?<!video edit)(?<!clean edit)(?<!explicit edit)(?<!original edit)(?<!tv edit)(?<!short edit)"
    r"(?<!mono edit)"
    r"|ремикс\w*|мэшап|리믹스|リミックス|マッシュアップ|混音|dj版|รีมิกซ์|रीमिक्स|ريمكس|רמיקס",
    "mixed": r"mixed(?=$| by )|dj (?:mix|set)|continuous mix|mega ?mix|non ?stop mix",
    "karaoke": r"karaoke(?:version)?|in the style of|originally performed"
    r"|(?:as )?made (?:famous|popular)|backing track|playback|minus ?one|sing ?along|^mr$"
    r"|^pista$|pista musical|base musicale|караоке|минусовка|минус$"
    r"|カラオケ|노래방|(?<!무)반주|(?<![无無])伴奏|卡拉ok|คาราโอเกะ|कराओके|كاريوكي|קריוקי",
    "cover": r"cover(?! (?:me|you|girl|up|my|your|it|her|him|the|story|ground)\b)"
    r"(?<!under cover)(?<!take cover)(?<!for cover)(?<!my cover)(?<!your cover)"
    r"|cover(?:s|version\w*)|covered by|tribut[eo]?s?|homenaje|hommage|homenagem"
    r"|lullab(?:y|ies) (?:version|rendition|cover)s?|8 ?bit|chiptune|renditions?"
    r"|music box (?:version|cover|ver)"
    r"|piano (?:version|cover|tribute|arrangement)|parod(?:y|ia|ie)|as performed by"
    r"|string quartet(?=$| version| tribute| cover| rendition| arrangement)"
    r"|кавер\w*|трибьют|пародия|カバー|カヴァー|(?:歌|弾い|叩い|演奏し)(?:って)?(?:て)?みた|オルゴール"
    r"|トリビュート|ピアノ(?:版|カバー|バージョン)|커버|헌정|翻唱|翻弹|翻彈|致敬|钢琴版|鋼琴版|คัฟเวอร์"
    r"|कवर|كوفر|קאבר",
    "sped up": r"sped ?up|speed(?:ed)? ?up|nightcore|^fast(?:er)?$|fast(?:er)? (?:version|ver|edit)"
    r"|pitched up|acelerad[oa]|accelere|przyspieszon[aey]|ускоренн\w+|спид ?ап"
    r"|ナイトコア|倍速|加速|배속|스페드업|สปีดอัพ",
    "slowed": r"slowed(?: down)?|slow (?:version|ver|reverb)|(?:and )?reverb(?:ed)?|daycore"
    r"|chopped(?: and| n| not)? (?:screwed|slopped)|ralentizad[oa]|ralenti|spowolnion[aey]"
    r"|замедленн\w+|減速|减速|慢速|슬로우",
    "acoustic": r"acoustic|acustic[ao]|acoustique|akustik\w*|akusti(?:sch\w*|sk|nen)|akoestisch\w*"
    r"|akustyczn\w*|stripped(?: down| back)?|piano (?:voix|voz)|voz e violao|voz y guitarra"
    r"|guitare voix|акустик\w*|акустическ\w*|ακουστικ\w*"
    r"|アコースティック|アコギ|弾き語り|어쿠스틱|不插电|不插電|อะคูสติก|אקוסטי\w*|اكوستيك",
    "instrumental": r"instrumental\w*|inst|instr|no vocals|without vocals|off vocals?|vocals? off"
    r"|strumentale|enstrumantal|sozsuz|sin voz|sem voz|sans paroles|инструментал\w*"
    r"|インスト(?!ール)\w*|オフボーカル|인스트\w*|纯音乐|純音樂|无人声|無人聲",
    "a cappella": r"a ?cap+el+a|vocals? only|акапел+а|アカペラ|아카펠라|清唱|[无無]伴奏|무반주",
    "demo": r"demos?(?:version)?|rough (?:mix|cut)|out ?take|alternate (?:take|mix|version)"
    r"|rehearsal|work tape|voice memo|early version|home recording|maqueta"
    r"|демо|デモ|데모|小样|小樣",
    "extended": r"extended|club (?:mix|version)|12 ?(?:inch|in)|12 (?:mix|version)|^12$"
    r"|long version|dub(?=$| mix$| version$)|maxi (?:single|version)|version (?:longue|larga)"
    r"|ロング(?:バージョン|ver)?",
    "short": r"(?:tv|movie|game|anime|short) (?:size|version|ver|edit|cut|mix)"
    r"|(?:tv|アニメ|ショート|ゲーム)(?:サイズ|バージョン)|ショートver",
    "loop": r"^(?:\d|10|12) ?(?:hours?|hrs?)$|\d+ ?(?:hours?|hrs?) (?:version|loop|mix)"
    r"|loop(?:ed)?$|\d+ ?(?:時間|小时|小時|시간)(?:耐久)?|耐久",
    "8d": r"8d|9d|16d|3d audio|binaural|bass ?boost(?:ed)?|432 ?hz",
}
_LANGUAGES = (
    "english|spanish|french|german|italian|portuguese|japanese|korean|chinese|mandarin|cantonese"
    "|russian|espanol|castellano|francais|deutsch|italiano|portugues|ingles|inglese|anglais"
)
# Versions of no kind above. "Ver" is also Spanish for "see".
_OTHER_VERSION = (
    r"vers(?:ion\w*|ao|ie|i|iyon\w*)|wersja|verz(?:e|ia|ija)|верси\w+|εκδοχη"
    r"|(?<!\ba )(?<!al )(?<!te )(?<!me )(?<!lo )(?<!la )(?<!que )(?<!para )(?<!quiero )ver$"
    r"|take \d+|re ?record(?:ed|ing)|regrabad[oa]"
    r"|(?:mix|edit|edition|radio|sessions?|reprise)(?=$| \d{1,4}$| with\b)"
    r"|(?:mix|short|directors) cut"
    rf"|^(?:in |en |auf |em )?(?:{_LANGUAGES})$"
    r"|版|バージョン|ヴァージョン|버전|버젼|เวอร์ชั่?น|वर्जन|نسخه|גי?רסה"
    r"|日本語|英語|中国語|韓国語|国语|國語|粤语|粵語|普通话|英文|한국어|영어|일본어|중국어"
)
# No Latin, Greek or Cyrillic letter may touch a word; Chinese and Japanese have no spaces.
_EDGES = (r"(?<![a-z\dͰ-ԯ])", r"(?![a-z\dͰ-ԯ])")


def _word_set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"{_EDGES[0]}(?:{pattern}){_EDGES[1]}")


_KIND = _words("|".join(f"({pattern})" for pattern in _VERSIONS.values()))
_KINDS = ("", *_VERSIONS)
_UNKNOWN_KIND = frozenset(("version",))
_OTHER = _words(_OTHER_VERSION)
# Words beside those of a version that do not say whose it is or where it was played.
_SMALL = _word_set(
    "a to at in on from the by of version versions versao versione versiyon ver mix edit en em "
    "de del desde du la le el im na no der die das и в с со из feat ft featuring 版 バージョン "
    "버전 session sessions performance performans recording recorded audio video 映像"
)

# Words about a video, a page or a file rather than about the song.
_PAGE = _word_set(
    "official officiel officielle oficial ufficiale offizielle offizielles offizieller resmi "
    "oficjalny oficjalna music musik musical musica lyric lyrics letra letras paroles testo "
    "songtext text tekst sozleri video videos videoclip musikvideo clip clipe klip teledysk "
    "audio visualizer visualiser visual mv m v pv hd hq uhd 4k 8k 1080p 720p full new upgrade "
    "upgraded restored performance premiere официальный официальное официальная клип видео "
    "видеоклип аудио текст песни премьера клипа трека "
    "flac mp3 320k 320kbps 256kbps 192kbps 128kbps kbps"
)
_PAGE_CJK = re.compile(
    r"(?>(?:公式|官方|正式|高清|高音質|歌詞付き|歌詞|歌词|字幕|動態|动态|完整|フル|ミュージックビデオ|공식|가사|뮤직비디오|자막|mv|pv)+)版?"
)
# Words about an edition that sounds the same.
_EDITION = _word_set(
    "in and with the version explicit clean mono stereo digital digitally re remaster "
    "remastered remastering master mastered mixed remasterizado remasterizada remasterise "
    "remasterisee remasterisado rimasterizzato rimasterizzata remastert remasterisiert "
    "remasteri ремастер ремастеринг リマスター リマスター版 리마스터 重制版 重製版 radio single "
    "album original"
)
_CUTS = _word_set("radio single album video original clean explicit mono stereo")
# Neutral beside other neutral words; part of the title where they stand alone.
_NOT_ALONE = _word_set("in and with the m v re master mastered mixed")
_YEAR = re.compile(r"\d{4}年?")
_NEUTRAL = re.compile(
    r"(?:feat|ft|featuring|with|w|avec|prod(?:uced)?)\b.*|(?:.* )?theme from .*"
    r"|(?:(?:music|songs?|taken|soundtrack) )?from .*|(?:.* )?(?:ost|soundtrack)\b.*"
    r"|(?:.* )?re ?master(?:ed)?\b.*|(?:.* )?(?:mono|stereo) mix\b.*|\d+ ?bit\b.*"
    r"|bonus(?: track)?\b.*|(?:super )?deluxe\b.*|expanded"
    r"|(?:.* )?\d+(?:th|st|nd|rd)? anniversary\b.*"
    r"|(?:.* )?(?:deluxe|special|expanded|limited|collectors?|remaster(?:ed)?|anniversary|bonus"
    r"|digital|\d{4}) edition"
    r"|(?:ncs|monstercat|official|new) release|free (?:download|dl)|colou?r coded\b.*"
    r"|(?:sub|subtitulad[oa]|legendado)(?: \w+)?|(?:eng|english|rom|han|romaji) (?:sub|subs|lyrics)"
    r"|lyrics? (?:by|in) .*|(?:de la (?:pelicula|serie|novela)|banda sonora|bande originale"
    r"|trilha sonora|aus dem film)\b.*"
    r"|.*(?:主題歌|主题曲|主題曲|挿入歌|插曲|片尾曲|片头曲|片頭曲|テーマ曲).*"
)
_GUESTS = re.compile(r"(?:feat|ft|featuring|prod)\b")
_ENDS_AS_VERSION = re.compile(
    r"\S+ \S+ .*\b(?:(?:remix|rmx|edit|mix|version|live)$|live (?:at|in|from)\b)"
)


# Taking titles apart ------------------------------------------------------------------------------

LONGEST_TITLE = 500
"""Characters; a longer title is not taken apart."""

_OPEN, _SHUT = "(\\[{【〔《「『〈≪", ")\\]}】〕》」』〉≫"
_DASH = r"\s(?:[-–—―~〜|•]+|//)\s"
_EMPTY = "-–—―~〜|•:/ " + re.sub(r"\\(.)", r"\1", _OPEN + _SHUT)
# A bracket that is cut off at the end is read as well.
_BRACKET = re.compile(rf"[{_OPEN}]([^{_OPEN}{_SHUT}]*)(?:[{_SHUT}]|$)")
_NESTED = re.compile(
    rf"[{_OPEN}]((?:[^{_OPEN}{_SHUT}]|[{_OPEN}][^{_OPEN}{_SHUT}]*[{_SHUT}])*)(?:[{_SHUT}]|$)"
)
_ANGLED = re.compile(r"<([^<>]+)>")
_LONE_SHUT = re.compile(f"[{_SHUT}]")
_TAIL = re.compile(rf"(?:{_DASH})+((?:(?!{_DASH}).)*)$")
_SLASHED = re.compile(r"\s[:/]\s((?:(?!\s[:/]\s).)*)$")
_BETWEEN_DASHES = re.compile(r"\s[-–—―~〜](\S[^-–—―~〜]*)[-–—―~〜]\s*$")
_FT = r"(?<!^\d\s)(?<!^\d\d\s)ft"  # not the feet of "10 ft. tall"
_WITH_GUESTS = re.compile(
    r"(?<!^little)(?<!\slittle)\s+("
    rf"(?:(?:feat|{_FT})\.\s*|(?:feat|{_FT}|featuring)\s+|prod\.\s*(?:by\s+)?|w/\s*)"
    r"(?!(?:of|deep|under|tall|high|long|wide|above|below|away|down)\b)(?!\d+\s*f)"
    rf"[^\s{_OPEN}{_SHUT}](?:(?!{_DASH})[^{_OPEN}])*)",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"(?<=\S)\s+(official(?: \w+){0,2} (?:video|audio|visuali[sz]er|mv)|m/?v"
    r"|(?:with )?lyrics?(?: video)?|(?:live|acoustic|karaoke|instrumental|extended) version"
    r"|(?:radio|single) (?:edit|version)|re-?master(?:ed)? \d{4}|\d{4} re-?master(?:ed)?"
    r"|en vivo|en directo|ao vivo|dal vivo|na żywo)\s*$",
    re.IGNORECASE,
)
# Quick to look for, in lower case: a title without either has no decoration.
_MARK = re.compile(rf"[<{_OPEN}\-–—―~〜|•:/]")
_SPACED_MARK = re.compile(r"\s[-–—―~〜|•:/]")
_BARE_WORD = re.compile(
    r"feat|ft|prod|w/|official|mv|m/v|lyric|version|edit|master|vivo|directo|żywo"
)
_PART = re.compile(r"^(?:\d+|[ivx]+)$")
_PART_NAMED = re.compile(r"\b(?:pt|part) (\d+|[ivx]+)\b")
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6", "vii": "7", "viii": "8"}
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Title:
    """A title, taken apart.

    Attributes
    ----------
    bare : str
        As it is written, without versions, guests and neutral decorations.
    song : str
        The same, folded: one name for all versions of a song by one artist. Empty only for an empty
        title.
    versions : frozenset of str
        Kinds of version: ``live``, ``remix``, ``cover`` ...; ``version`` for any other.
    detail : str
        The remixer, the place of a live take, the language: the words beside those of the version,
        folded.
    version_words : str
        Everything that names the versions, folded.
    """

    bare: str
    song: str
    versions: frozenset[str] = frozenset()
    detail: str = ""
    version_words: str = ""


@lru_cache(maxsize=4096)
def read_title(title: str) -> Title:
    """Take a title apart."""
    kinds = set[str]()
    named, details = list[str](), list[str]()

    def decorates(inside: str, rest: str, mark: str) -> bool:
        if _GUESTS.match(inside) and not _ENDS_AS_VERSION.match(inside):
            return True
        decoration = _decoration(inside)
        if decoration is None:
            return mark in "([" and _translates(inside, rest)
        found, detail = decoration
        if found:
            kinds.update(found)
            named.append(inside)
            details.append(detail)
        return True

    bare = _without(title, decorates)
    return Title(
        bare=bare,
        song=_parts_alike(fold(bare)),
        versions=frozenset(kinds - _UNKNOWN_KIND or kinds),
        detail=" ".join(" ".join(details).split()),
        version_words=" ".join(named),
    )


# Many titles end in the same few words: "live", "remastered 2011", "radio edit".
@lru_cache(maxsize=4096)
def _decoration(inside: str) -> tuple[frozenset[str], str] | None:
    """Return kinds of version and detail; no kinds for neutral words, None for part of a title."""
    kinds, beside = kinds_of_version(inside)
    if (not kinds or kinds == _UNKNOWN_KIND) and _is_neutral(inside):
        return frozenset(), ""
    if not kinds:
        return None
    return kinds, " ".join(word for word in beside.split() if word not in _SMALL)


def kinds_of_version(folded: str) -> tuple[frozenset[str], str]:
    """Return the kinds of version that a folded text names, and the text without their words.

    The words of the kind ``version`` stay: they are all that tells such versions apart.
    """
    kinds = frozenset([_KINDS[found.lastindex or 0] for found in _KIND.finditer(folded)])
    if kinds:
        return kinds, " ".join(_KIND.sub(" ", folded).split())
    return (_UNKNOWN_KIND if _OTHER.search(folded) else kinds), folded


def _may_be_decorated(title: str) -> bool:
    return bool(_MARK.search(title) or _BARE_WORD.search(title.lower()))


def song_title(title: str) -> str:
    """Return the name of the song, folded, without versions, guests and neutral decorations.

    "Heroes (Live at the BBC) - 2011 Remaster" and "Heroes feat. Nobody" are both "heroes"; brackets
    that belong to the name, as in "(I Can't Get No) Satisfaction", stay.
    """
    return read_title(title).song if _may_be_decorated(title) else _parts_alike(fold(title))


def versions(title: str) -> frozenset[str]:
    """Return the kinds of version that a title names in its brackets and after its dashes."""
    return read_title(title).versions if _may_be_decorated(title) else frozenset()


def without_page_words(title: str) -> str:
    """Return a title without what only describes a video: "[Official Video]", "| Lyrics".

    One word after the only dash stays: in "Madonna - Music" it is the title.
    """

    def describes_a_video(inside: str, rest: str, mark: str) -> bool:
        words = inside.split()
        if mark.isspace() and len(words) == 1 and not (_MARK.search(rest) or "lyrics" in words):
            return False
        about = any(word in _PAGE or _PAGE_CJK.fullmatch(word) for word in words)
        return about and _is_noise(words)

    return _without(title, describes_a_video)


def _without(title: str, unwanted: Callable[[str, str, str], bool]) -> str:
    """Return a title without its unwanted decorations, of which at least one word is left.

    `unwanted` takes a decoration, folded, the rest of the title, and the sign that opens the
    decoration: a bracket, or a space before a tail.
    """
    title = title if title.isascii() else unicodedata.normalize("NFKC", title)
    title = " ".join(title.split())
    dropped = len(title) <= LONGEST_TITLE
    while dropped:
        dropped = False
        for match in _decorations(title):
            shorter = f"{title[: match.start()]} {title[match.end() :]}"
            if shorter.strip(_EMPTY) and unwanted(fold(match[1]), shorter, match[0][0]):
                title = " ".join(shorter.split())
                dropped = True
                break
    return title


def _decorations(title: str) -> Iterator[re.Match[str]]:
    """Yield whatever may decorate a title, the last brackets first."""
    brackets = list(_BRACKET.finditer(title))
    yield from reversed(brackets)
    if brackets:
        yield from _NESTED.finditer(title)
    words = _BARE_WORD.search(title.lower()) is not None
    dashes = _SPACED_MARK.search(title) is not None
    for pattern, likely in (
        (_ANGLED, "<" in title),
        (_WITH_GUESTS, words),
        (_BETWEEN_DASHES, dashes),
        (_TAIL, dashes),
        (_SLASHED, dashes),
        (_BARE, words),
    ):
        match = pattern.search(title) if likely else None
        if match and not (_LONE_SHUT.search(match[1]) and not _BRACKET.search(match[1])):
            yield match


def _is_noise(words: list[str]) -> bool:
    """Whether all words are about a page, or about an edition that sounds the same."""
    known = (
        word in _PAGE
        or word in _EDITION
        or (word in ("edit", "mix") and not _CUTS.isdisjoint(words))
        or _YEAR.fullmatch(word)
        or _PAGE_CJK.fullmatch(word)
        for word in words
    )
    return not _NOT_ALONE.issuperset(words) and all(known)


def _is_neutral(inside: str) -> bool:
    return _is_noise(inside.split()) or _NEUTRAL.fullmatch(inside) is not None


def _translates(inside: str, rest: str) -> bool:
    """Whether one is in Latin letters and the other has none: GANGNAM STYLE(강남스타일)."""
    if (inside.isascii() and rest.isascii()) or _OTHER.search(inside):
        return False
    rest = fold(rest)
    if not set(_NUMBER.findall(inside)) <= set(_NUMBER.findall(rest)):
        return False
    latin, other = (bool(re.search("[a-z]", text)) for text in (inside, rest))
    return latin != other and all(any(map(str.isalpha, text)) for text in (inside, rest))


def _parts_alike(folded: str) -> str:
    """Return "pt ii" as "part 2"."""
    if "pt " not in folded and "part " not in folded:
        return folded
    return _PART_NAMED.sub(lambda found: f"part {_ROMAN.get(found[1], found[1])}", folded)


# Artists ------------------------------------------------------------------------------------------

_CREDIT = re.compile(
    r"\s*(?:[,;、/&+×()\[\]]|\b(?:feat|ft|featuring|with|and|x|vs)\b\.?)\s*", re.IGNORECASE
)
_MAY_NAME_GUESTS = re.compile(rf"[{_OPEN}fF](?:(?<=[{_OPEN}])|[eE][aA][tT]|[tT])")


def artists_agree(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two credits share an artist, however each service writes it.

    "Lady Gaga & Bruno Mars" is one name at one service and two at another, while "Prince" is not
    "Prince Royce".
    """
    theirs = _names(other)
    return any(
        fuzz.ratio(a, b) >= ARTIST_AGREES and _NUMBER.findall(a) == _NUMBER.findall(b)
        for a in _names(one)
        for b in theirs
    )


def _names(credit: Iterable[str]) -> set[str]:
    """Return every name that a credit may mean, folded: each entry whole, and its parts."""
    found = {part for name in credit for part in (name, *_CREDIT.split(name))}
    return {name for part in found if (name := fold_artist(part))}


def fold_artist(name: str) -> str:
    """Return an artist's name, folded, without a leading "the"."""
    return fold(name).removeprefix("the ")


def without_guests(credit: str) -> str:
    """Return an artist's name as written, without guests: "Eminem" for "Eminem ft. Dido"."""
    if not _MAY_NAME_GUESTS.search(credit):
        return credit
    return _without(
        credit, lambda inside, rest, _mark: bool(_GUESTS.match(inside)) or _translates(inside, rest)
    )


_SEVERAL = re.compile(r"\s*(?:[;\0]|\\\\)\s*|\s+/\s+|(?<=[^/]{4})/(?=[^/]{4})")
_WITH = re.compile(
    rf"(?<!^little)\s+[{_OPEN}]?(?:feat|ft|featuring)\b\.?\s+([^{_OPEN}{_SHUT}]+)[{_SHUT}]?\s*$",
    re.IGNORECASE,
)
_GUEST_LIST = re.compile(r"\s*(?:[,;、/&]|\band\b)\s*", re.IGNORECASE)


def artists_of(named: Iterable[str]) -> tuple[str, ...]:
    """Return the artists that a file's tags name, each once, main artist first.

    A credit is taken apart at semicolons and double backslashes, at "/" between names of four
    characters or more, and before guests; "Simon & Garfunkel" and "AC/DC" stay whole.
    """
    found: dict[str, str] = {}
    for credit in (part for text in named for part in _SEVERAL.split(text)):
        guests = _WITH.search(credit)
        names = [credit[: guests.start()], *_GUEST_LIST.split(guests[1])] if guests else [credit]
        for name in filter(None, map(str.strip, names)):
            found.setdefault(fold(name), name)
    return tuple(found.values())


def main_artist(track: Track) -> str:
    """Return the name of the main artist, folded; "" if unknown."""
    return fold_artist(without_guests(track.artists[0])) if track.artists else ""


# Tracks -------------------------------------------------------------------------------------------


class Named(Protocol):
    """The names and the duration of a recording, as far as they are known."""

    @property
    def title(self) -> str:
        """As a service or a member writes it."""

    @property
    def artists(self) -> tuple[str, ...]:
        """Main artist first; empty where unknown."""

    @property
    def album(self) -> str | None:
        """None where unknown."""

    @property
    def duration(self) -> float | None:
        """Seconds."""


_COPIERS = {
    "karaoke": re.compile(r"\bkaraoke\b|\bin the style of\b|\bbacking tracks?\b"),
    "cover": re.compile(
        r"\btributes? (?:to|by|band|artists?|players?|stars?|crew|all stars)\b|\S+ tributes?\b"
        r"|\bcover (?:band|version|nation|project)s?\b"
        r"|\blullab(?:y|ies) (?:renditions?|versions?|tributes?|covers?|players?|band|baby)\b"
        r"|\bvitamin string quartet\b|\bkidz bop\b"
    ),
}


def versions_of(track: Named) -> frozenset[str]:
    """Return the kinds of version by title, and by artists or albums that are all copies."""
    around = [fold(text) for text in (*track.artists, track.album or "")]
    copies = {name for name, of in _COPIERS.items() if any(of.search(text) for text in around)}
    return versions(track.title) | copies


def names_agree(one: Named, other: Named) -> bool:
    """Whether titles, versions, artists and durations agree; the unknown agrees with anything."""
    if versions_of(one) != versions_of(other) or not _titles_agree(one.title, other.title):
        return False
    if one.artists and other.artists and not artists_agree(one.artists, other.artists):
        return False
    if one.duration is None or other.duration is None:
        return True
    return abs(one.duration - other.duration) <= SAME_SECONDS


def _titles_agree(one: str, other: str) -> bool:
    a, b = read_title(one), read_title(other)
    if _parts(a.song) != _parts(b.song) or not _details_agree(a.detail, b.detail):
        return False
    return max(fuzz.ratio(a.song, b.song), fuzz.token_sort_ratio(a.song, b.song)) >= TITLE_AGREES


def _parts(folded: str) -> list[str]:
    """Return the numbers that tell movements, parts or years apart, however alike the rest is."""
    return sorted(word for word in folded.split()[1:] if _PART.match(word))


def _details_agree(one: str, other: str) -> bool:
    """Whether two details may be the same; an empty one may be any."""
    if not one or not other:
        return True
    ours, theirs = set(_NUMBER.findall(one)), set(_NUMBER.findall(other))
    return (ours <= theirs or theirs <= ours) and fuzz.token_set_ratio(one, other) >= DETAIL_AGREES


def same_recording(one: Track, other: Track) -> bool:
    """Whether two tracks are one recording: a shared identity, or names and duration that agree."""
    if any(other.identities.get(key) == value for key, value in one.identities.items()):
        return True
    return bool(one.artists and other.artists) and names_agree(one, other)


def recording_key(track: Track) -> str:
    """Return one key for all versions of a song by one artist; the id's if a name is unknown."""
    artist, title = main_artist(track), song_title(track.title)
    return f"{artist}\n{title}" if artist and title else f"\n{track.id}"


_GAPS = ("title", "artists", "album", "genre", "year", "isrc", "duration", "popularity")


def merge(known: Track, new: Track) -> Track:
    """Return a track with its gaps filled from another track of the same recording.

    Each filled field keeps its provenance. Identities and links are joined; where both tracks have
    one, `known` wins, but for names that were only guessed from a file's name.
    """
    stated = new.provenance.get("title", "file name")
    if known.provenance.get("title") == "file name" != stated:
        provenance = {**known.provenance, "title": stated}
        artists = new.artists or known.artists
        known = replace(known, title=new.title, artists=artists, provenance=provenance)
    filled = {
        name: value
        for name in _GAPS
        if getattr(known, name) in (None, "", ()) and (value := getattr(new, name)) is not None
    }
    said = {name: new.provenance[name] for name in filled if name in new.provenance}
    return replace(
        known,
        **filled,
        identities={**new.identities, **known.identities},
        links={**new.links, **known.links},
        provenance={**known.provenance, **said},
    )


# File names ---------------------------------------------------------------------------------------

_ENDING = re.compile(r"\.(?=\w*[a-z])\w{2,5}$", re.IGNORECASE)
_TWICE = re.compile(r"(\.\w{2,5})\1+$", re.IGNORECASE)  # song.mp3.mp3
# Downloaders write these in place of signs that file systems refuse.
_STAND_INS = str.maketrans({"⧸": "/", "｜": "|", "＂": '"', "＊": "*"})
_VIDEO_ID = re.compile(r"[\s_]*\[([\w-]{11})\]\s*$|-([\w-]{11})$")
_BETWEEN = re.compile(r"\s+[-–—|]+\s+|-{2,}|(?<=[^\W\d])\s*[–—]\s*(?=[^\W\d])")
_LOOSELY_BETWEEN = re.compile(r"-\s+|\s+-")
_NUMBER_AHEAD = re.compile(
    r"(?:0\d|\d-\d{2})[\s.]+(?=[^\s.\-–—|])|\d{1,3}[.)]\s*(?=[^\W\d])"
    r"|0\d{1,2}-(?=[^\W\d])|\d{2}-(?=[A-Z])"
)
# A track number as the first part of a name. Three digits before the only dash are a band: 311.
_NUMBER_FIRST = re.compile(
    r"(?:\d{1,2}|0\d{2}|\d-\d{2}|\d{3}(?=.*\S\s+[-–—|]))(?:\s+[-–—|]+\s+|--)"
)
_TRACK_NUMBER = re.compile(r"(?:audio ?)?track[ _]?\d{1,3}\s*[-–—.]+\s+", re.IGNORECASE)
_NUMBER_BETWEEN = re.compile(r"(?:^|\s[-–—|]\s+)(?:\d{1,2}|0\d{2}|\d-\d{2})\s+[-–—|]\s+(?=\S)")
_SCENE = re.compile(r"\d{2,3}-(\w+)-(\w+)")


def read_file_name(name: str) -> tuple[str, str]:
    """Return the artist and the title that a file's name states, as written.

    ``Artist - Title.mp3``, ``01 - Artist - Title.mp3``, ``Artist - Album - 03 - Title.mp3``,
    ``03. Title.flac``, ``artist--title.wav`` and
    ``Artist_-_Title_[Official_Video]_[dQw4w9WgXcQ].webm`` are read.

    Returns
    -------
    artist : str
        "" if the name states none.
    title : str
        Never empty.

    Examples
    --------
    >>> read_file_name("03 - Anna - Duet.mp3")
    ('Anna', 'Duet')
    """
    stem = _ENDING.sub("", _TWICE.sub(r"\1", PurePath(name).name))
    stem = unicodedata.normalize("NFC", stem).translate(_STAND_INS)
    if (found := _VIDEO_ID.search(stem)) and _is_video_id(
        found[1] or found[2], bracketed=found[1] is not None
    ):
        stem = stem[: found.start()]
    if "_" in stem and (scene := _SCENE.fullmatch(stem)):
        return _readable(scene[1]), _readable(scene[2])
    stem = without_page_words(stem.replace("_", " ")) or stem
    for number in (_TRACK_NUMBER, _NUMBER_AHEAD, _NUMBER_FIRST):
        if (found := number.match(stem)) and stem[found.end() :].strip():
            stem = stem[found.end() :]
    between = _BETWEEN.search(stem) or _LOOSELY_BETWEEN.search(stem)
    if between is None:
        title = _readable(stem)
        return "", title if title.strip(" .-–—") else "untitled"
    artist, title = stem[: between.start()], stem[between.end() :]
    inside = _NUMBER_BETWEEN.search(title)
    if inside and _decoration(fold(title[inside.end() :])) is None:
        title = title[inside.end() :]
    elif found := _NUMBER_AHEAD.match(title):
        title = title[found.end() :]
    if not title.strip():
        return "", _readable(artist) or "untitled"
    if not between[0].startswith("--"):
        return artist.strip(), title.strip()
    return _readable(artist), _readable(title)


def _is_video_id(text: str, *, bracketed: bool) -> bool:
    """Whether eleven characters are a video's id rather than a word."""
    if bracketed:
        return not text.isalpha() or text not in (text.lower(), text.upper(), text.title())
    return bool(re.search(r"[\d_]", text) and re.search("[a-z]", text) and re.search("[A-Z]", text))


def _readable(slug: str) -> str:
    """Return the words of a possible slug: "One More Time" for "one-more-time"."""
    words = slug.replace("_", " ").strip()
    return words if " " in words else words.replace("-", " ").title() if words.islower() else words
