"""Hearing: untrusted bytes become samples, samples become an `Analysis`."""
