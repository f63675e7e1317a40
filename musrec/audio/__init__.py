"""Hearing: untrusted bytes become samples, and samples become an `Analysis`."""
