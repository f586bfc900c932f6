"""Claim what is due, run it, finish it."""
