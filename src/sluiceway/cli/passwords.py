"""Asks for passwords: hidden at a terminal, a line of standard input otherwise."""

import getpass
import sys

from sluiceway.cli.failures import CommandFailed
from sluiceway.domain.rules import visible

SHORTEST = 10


def ask_password(email: str) -> str:
    """Ask a person for the password they have."""
    if sys.stdin.isatty():
        return getpass.getpass(f"Password of {visible(email)}: ")
    line = sys.stdin.readline()
    if not line:
        raise CommandFailed("A password is needed: type it at a terminal, or give it as a line of standard input.")
    return line.removesuffix("\n").removesuffix("\r")


def ask_new_password(email: str) -> str:
    """Ask for a new password: twice at a terminal, since nobody sees what they type."""
    password = ask_password(email)
    if len(password) < SHORTEST:
        raise CommandFailed(f"A password needs at least {SHORTEST} characters.")
    if sys.stdin.isatty() and getpass.getpass("Once more: ") != password:
        raise CommandFailed("The two passwords differ.")
    return password
