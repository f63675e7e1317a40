"""Discord only: events come in, the engine's service is called, messages go out."""
