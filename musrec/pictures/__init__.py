"""Seeing: spectrogram cards and small charts, drawn with NumPy and Pillow."""

from musrec.pictures.cards import card, contributions
from musrec.pictures.draw import Picture

__all__ = ["Picture", "card", "contributions"]
