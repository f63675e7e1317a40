"""Asking for songs: `/recommend`, `/search`, "Find similar" on a message, clips in chat."""
