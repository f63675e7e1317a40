"""Make the font files of this folder: ``python subset_fonts.py FOLDER``, see README.md."""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTCollection, TTFont
from fontTools.ttLib.tables._c_m_a_p import CmapSubtable

HERE = Path(__file__).parent
LATIN = [
    *range(0x20, 0x7F),
    *range(0xA0, 0x530),
    *range(0x1D00, 0x1DC0),
    *range(0x1E00, 0x2400),
    *range(0x2460, 0x2500),
    *range(0x25A0, 0x27C0),
    *range(0xFB00, 0xFB07),
]
OTHER = [
    *range(0x20, 0x7F),
    *range(0x530, 0x1CC0),
    *(0x200C, 0x200D, 0x2010, 0x2013, 0x2026, 0x25CC),
    *range(0x2D00, 0x2DE0),
    *range(0xA8E0, 0xA900),
    *range(0xA9E0, 0xAA00),
    *range(0xAA60, 0xAA80),
    *range(0xAB00, 0xAB30),
    *range(0xFB13, 0xFE00),
    *range(0xFE70, 0xFF00),
]
SANS = (
    *("Arabic", "Armenian", "Bengali", "CanadianAboriginal", "Cherokee", "Devanagari", "Ethiopic"),
    *("Georgian", "Gujarati", "Gurmukhi", "Hebrew", "Kannada", "Khmer", "Lao", "Malayalam"),
    *("Myanmar", "NKo", "Oriya", "Sinhala", "Tamil", "Telugu", "Thaana", "Thai", "Tifinagh"),
)
TIBETAN = "NotoSerifTibetan-Regular.ttf"
KERNING = ["ccmp", "locl", "mark", "mkmk", "kern", "tnum", "case", "calt"]


def cut(font: TTFont, name: str, letters: set[int], layout: list[str]) -> None:
    """Write the part of `font` that draws `letters`, with one format 12 character map."""
    options = subset.Options()
    options.layout_features = layout
    options.hinting = False
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.notdef_outline = True
    options.glyph_names = False
    options.drop_tables += ["vhea", "vmtx", "VORG", "BASE", "DSIG", "meta"]
    font.flavor = None
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=letters)
    subsetter.subset(font)
    table = CmapSubtable.newSubtable(12)
    table.platformID, table.platEncID, table.language = 3, 10, 0
    table.format, table.reserved, table.length, table.nGroups = 12, 0, 0, 0
    table.cmap = font.getBestCmap()
    font["cmap"].tables = [table]
    font.save(HERE / name)


def level(codec: str, rows: range) -> set[int]:
    """Return the characters of some rows of a two-byte national standard."""
    found = set()
    for lead in rows:
        for trail in range(0x40, 0xFF):
            text = bytes([lead, trail]).decode(codec, errors="ignore")
            found |= {ord(text)} if len(text) == 1 else set()
    return found


def main(folder: Path) -> None:
    """Find each font below `folder` by its file name, and write its subset."""

    def find(name: str) -> Path:
        return next(folder.rglob(name))

    for weight in ("Medium", "SemiBold"):
        font = TTFont(find(f"Inter-{weight}.woff2"))
        cut(font, f"Inter-{weight}.ttf", set(LATIN), KERNING)
    asian = set(range(0x3000, 0x3100)) | set(range(0x3200, 0x3300)) | set(range(0xFF00, 0xFFF0))
    asian |= level("gb2312", range(0xB0, 0xD8)) | level("shift_jis", range(0x88, 0x99))
    asian |= level("euc_kr", range(0xB0, 0xC9)) | level("big5", range(0xA4, 0xC7))
    japanese = TTCollection(find("NotoSansCJK-Regular.ttc")).fonts[0]
    cut(japanese, "NotoSansCJK-Regular.otf", asian, [])
    for name in (*(f"NotoSans{script}-Regular.ttf" for script in SANS), TIBETAN):
        cut(TTFont(find(name)), name, set(OTHER), ["*"])
    emoji = TTFont(find("noto-emoji-emoji-500-normal.woff2"))
    single = {
        code
        for code in emoji.getBestCmap()
        if code >= 0x203C and not 0xFE00 <= code < 0xFE10 and not 0x1F3FB <= code < 0x1F400
    }
    cut(emoji, "NotoEmoji-Medium.ttf", {code for code in single if code < 0xE0000}, [])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
