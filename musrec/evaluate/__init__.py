"""Honest numbers: metrics, protocols and loaders; every figure in the docs comes from here."""
