"""Who is calling the remote API: a bearer of an access token, or of a rule's secret, each in a header of its own."""

from typing import Final

from sluiceway.api.http import Credential
from sluiceway.domain.access import Caller
from sluiceway.domain.errors import Unauthenticated
from sluiceway.services.edge import Edge

SCHEME: Final = b"bearer"
MAX_SECRET: Final = 256


def read_secret(header: bytes | None) -> str:
    """Read what stands behind `Bearer`. Raises Unauthenticated."""
    scheme, space, secret = (header or b"").partition(b" ")
    secret = secret.strip()
    if not space or scheme.lower() != SCHEME or not 1 <= len(secret) <= MAX_SECRET or not secret.isascii():
        raise Unauthenticated
    return secret.decode("ascii")


async def _by_token(edge: Edge, header: bytes | None) -> Caller:
    return await edge.identify_token(read_secret(header))


async def _by_rule_secret(edge: Edge, header: bytes | None) -> Caller:
    return await edge.identify_rule_secret(read_secret(header))


ACCESS_TOKEN: Final = Credential("accessToken", "x-sequence-access-token", "`Bearer <access token>`", _by_token)
RULE_SECRET: Final = Credential("ruleSecret", "x-sequence-signature", "`Bearer <rule secret>`", _by_rule_secret)
