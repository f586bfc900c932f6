"""The HTTP API: one application for each generation."""
