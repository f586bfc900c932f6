"""What a caller can ask for: one module for each group of verbs."""
