"""Metrics, protocols and loaders; every figure in the documents comes from here."""
