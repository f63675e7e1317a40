"""What members think of songs: thumbs by button or reaction, and listening with their consent."""
