"""Who is calling /platform/v1: `Authorization: Bearer <key>`; and what the key's permissions grant there."""

from dataclasses import replace
from typing import Final

from sluiceway.domain.access import Grant, Permission, Principal
from sluiceway.domain.errors import Unauthenticated

SCHEME: Final = b"bearer"
MAX_SECRET: Final = 256


def read_secret(header: bytes | None) -> str:
    """Read the key out of the Authorization header. Raises Unauthenticated."""
    scheme, space, secret = (header or b"").partition(b" ")
    secret = secret.strip()
    if not space or scheme.lower() != SCHEME or not 1 <= len(secret) <= MAX_SECRET or not secret.isascii():
        raise Unauthenticated
    return secret.decode("ascii")


def see_as(principal: Principal) -> Principal:
    """Let whoever may read a rule read its executions too, as this API documents READ_RULES."""
    rules = principal.grants.get(Permission.READ_RULES)
    if rules is None:
        return principal
    runs = principal.grants.get(Permission.READ_RULE_EXECUTIONS, Grant())
    both = Grant(rules.is_for_every or runs.is_for_every, rules.resources | runs.resources)
    return replace(principal, grants={**principal.grants, Permission.READ_RULE_EXECUTIONS: both})
