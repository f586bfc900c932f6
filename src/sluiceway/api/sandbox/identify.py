"""Who is calling the sandbox: `Authorization: ApiKey <key>`, as in /api/v1."""

from typing import Final

from sluiceway.domain.errors import Unauthenticated

SCHEME: Final = b"apikey"
MAX_SECRET: Final = 256


def read_secret(header: bytes | None) -> str:
    """Read the key out of the Authorization header. Raises Unauthenticated."""
    scheme, space, secret = (header or b"").partition(b" ")
    secret = secret.strip()
    if not space or scheme.lower() != SCHEME or not 1 <= len(secret) <= MAX_SECRET or not secret.isascii():
        raise Unauthenticated
    return secret.decode("ascii")
