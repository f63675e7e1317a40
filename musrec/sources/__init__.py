"""The outside world: links and titles become tracks, tracks become audio and candidates."""
