"""Members: what they like, play and did, and what is kept about them."""
