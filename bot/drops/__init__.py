"""Weekly drops and mixtapes: how they are asked for, and how they reach a channel."""
