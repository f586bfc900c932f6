"""The app's words: structures, and the pure functions that read and show them."""
