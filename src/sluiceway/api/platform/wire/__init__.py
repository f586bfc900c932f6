"""The words of /platform/v1: structures, and the pure functions that read and show them."""
