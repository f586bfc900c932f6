"""Asks for passwords: hidden at a terminal, a line of standard input otherwise."""

import getpass
import sys

from sluiceway.cli.failures import CommandFailed
from sluiceway.domain.rules import visible


def ask_password(email: str) -> str:
    """Ask a person for the password they have."""
    return ask_secret(f"Password of {visible(email)}", "a password")


def ask_secret(prompt: str, what: str) -> str:
    """Ask for something that nobody may see."""
    if sys.stdin.isatty():
        return getpass.getpass(f"{prompt}: ")
    line = sys.stdin.readline()
    if not line:
        raise CommandFailed(
            f"{what[:1].upper()}{what[1:]} is needed: type it at a terminal, or give it as a line of standard input."
        )
    return line.removesuffix("\n").removesuffix("\r")


def ask_new_password(email: str) -> str:
    """Ask for a new password: twice at a terminal, since nobody sees what they type."""
    from sluiceway.services.new_passwords import SHORTEST

    password = ask_password(email)
    if len(password) < SHORTEST:
        raise CommandFailed(f"A password needs at least {SHORTEST} characters.")
    if sys.stdin.isatty() and getpass.getpass("Once more: ") != password:
        raise CommandFailed("The two passwords differ.")
    return password
