"""Spectrogram cards and small charts, drawn with NumPy and Pillow."""

from musrec.pictures.cards import card, contributions
from musrec.pictures.comparisons import Difference, Row, compare, gallery
from musrec.pictures.portraits import Taste, catalogue_map, taste

__all__ = [
    "Difference",
    "Row",
    "Taste",
    "card",
    "catalogue_map",
    "compare",
    "contributions",
    "gallery",
    "taste",
]
