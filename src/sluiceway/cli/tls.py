"""TLS as a server of ours speaks it, where no proxy before it does: what it shows, and what it agrees to."""

import ssl
from typing import Final

from sluiceway.cli.failures import NOT_SET_UP, CommandFailed
from sluiceway.settings import Settings

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: authenticated, and with keys that are forgotten afterwards. Those of 1.3 all are."""


def identity_of(settings: Settings) -> ssl.SSLContext | None:
    """Read the certificate and the key that a server shows; None: it speaks HTTP alone. Raises CommandFailed."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        # Without the function, a key with a passphrase would have it asked for at the terminal.
        context.load_cert_chain(settings.tls_certificate, settings.tls_key, password=_no_passphrase)
    except (OSError, ValueError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
        raise CommandFailed(
            f"TLS_CERTIFICATE ({settings.tls_certificate}) and TLS_KEY ({settings.tls_key}) cannot be used: {reason}.",
            NOT_SET_UP,
        ) from failure
    return context


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase, which nobody is there to type")
