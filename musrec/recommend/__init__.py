"""Choosing: candidates are scored as a sum of named terms, varied, and explained from the same."""
