"""What is kept: tracks, analyses, members and their feedback, in one SQL database."""
