"""What `sluiceway doctor` says of the certificate that a server shows: whether a public authority vouches for it."""

import warnings
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from sluiceway.services.doctor import Finding, Verdict

SOON: Final = timedelta(days=14)


def judge_certificate(shown: bytes, authorities: Sequence[bytes], now: datetime) -> Finding:
    """Judge a certificate in PEM, with those between it and its authority, as a browser would.

    `authorities`: those that are trusted, in DER.
    """
    try:
        own, *between = x509.load_pem_x509_certificates(shown)
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        [name, *_] = names.get_values_for_type(x509.DNSName)
    except (ValueError, x509.ExtensionNotFound):
        return Finding("certificate", Verdict.WARNING, "the certificate names no host, so no public authority made it")
    if now >= own.not_valid_after_utc:
        return Finding("certificate", Verdict.WRONG, f"the certificate for {name} has run out: renew it")
    # Of one for all hosts of a domain, some host is asked after. For a name that no host can have, nobody vouches.
    host = f"any{name[1:]}" if name.startswith("*.") else name
    try:
        verifier = PolicyBuilder().store(Store(_read(authorities))).time(now).build_server_verifier(x509.DNSName(host))
        verifier.verify(own, between)
    except (ValueError, VerificationError):
        says = f"no public authority vouches for the certificate for {name}: browsers warn of it, or learn to look away"
        return Finding("certificate", Verdict.WARNING, says)
    left = own.not_valid_after_utc - now
    verdict = Verdict.WARNING if left < SOON else Verdict.OK
    says = f"a public authority vouches for the certificate for {name}, which runs out in {left.days} days"
    return Finding("certificate", verdict, says)


def _read(authorities: Sequence[bytes]) -> list[x509.Certificate]:
    """Read those that are well-formed: some old ones are not, and vouch for nothing that we would be shown."""
    read: list[x509.Certificate] = []
    for each in authorities:
        with (
            warnings.catch_warnings(action="error", category=CryptographyDeprecationWarning),
            suppress(ValueError, CryptographyDeprecationWarning),
        ):
            read.append(x509.load_der_x509_certificate(each))
    return read
