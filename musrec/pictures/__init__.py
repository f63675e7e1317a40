"""Seeing: spectrogram cards and small charts, drawn with NumPy and Pillow."""
