"""What is known of a member's taste, the catalogue around it, and playlists."""
