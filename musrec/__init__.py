"""The engine: it hears music, knows what its members like, recommends, and says why."""

__version__ = "0.1.0"
