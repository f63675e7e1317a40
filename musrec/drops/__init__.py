"""Weekly drops and mixtapes: when one is due, what is in it, and how it comes exactly once."""
