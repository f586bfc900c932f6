"""Sluiceway: an open, self-hosted money router."""
