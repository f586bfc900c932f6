"""The command line: every command is a thin shell around a service. `main` is the program `sluiceway`."""

from sluiceway.cli.app import main

__all__ = ["main"]
