"""The words of the sandbox: those of /api/v1, as far as there are any."""
