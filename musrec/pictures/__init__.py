"""Seeing: spectrogram cards and small charts, drawn with NumPy and Pillow."""

from musrec.pictures.cards import card, contributions

__all__ = ["card", "contributions"]
