"""Members: what they like, hear and did, and what is kept of them."""
