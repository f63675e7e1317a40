"""Spectrogram cards and small charts, drawn with NumPy and Pillow."""

from musrec.pictures.cards import card, contributions
from musrec.pictures.comparisons import compare, gallery
from musrec.pictures.portraits import catalogue_map, taste
from musrec.pictures.sheet import song

__all__ = ["card", "catalogue_map", "compare", "contributions", "gallery", "song", "taste"]
