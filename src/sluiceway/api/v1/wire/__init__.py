"""The words of v1: structures for bodies and answers, and pure functions that read and show them."""
