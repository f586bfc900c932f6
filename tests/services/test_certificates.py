"""What doctor says of the certificate that a server shows, made by an authority of the test's own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sluiceway.services.certificates import judge_certificate
from sluiceway.services.doctor import Verdict
from sluiceway.settings import Settings
from sluiceway.storage.database import Database
from sluiceway.wiring import examine

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Made(NamedTuple):
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def make(subject: str, by: Made | None = None, *, host: str | None = None, days: int = 90) -> Made:
    """Make a certificate: for a host, or of an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    signer = key if by is None else by.key
    usage = x509.KeyUsage(
        digital_signature=host is not None,
        key_cert_sign=host is None,
        crl_sign=host is None,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if by is None else by.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return Made(builder.sign(signer, hashes.SHA256()), key)


ROOT = make("An authority")
BETWEEN = make("One that it trusts", ROOT)
STRANGER = make("Somebody")


@pytest.mark.parametrize(
    ("shown", "verdict", "says"),
    [
        pytest.param(
            make("m", BETWEEN, host="money.example").pem + BETWEEN.pem, Verdict.OK, "in 90 days", id="vouched for"
        ),
        pytest.param(
            make("m", BETWEEN, host="*.money.example").pem + BETWEEN.pem,
            Verdict.OK,
            "for *.money.example, which runs out in 90 days",
            id="vouched for, of every host of a domain",
        ),
        pytest.param(
            make("m", BETWEEN, host="my_money.example").pem + BETWEEN.pem,
            Verdict.WARNING,
            "no public authority",
            id="of what can be no host",
        ),
        pytest.param(
            make("m", BETWEEN, host="money.example", days=13).pem + BETWEEN.pem,
            Verdict.WARNING,
            "in 13 days",
            id="soon over",
        ),
        pytest.param(
            make("m", ROOT, host="money.example", days=0).pem, Verdict.WRONG, "money.example has run out", id="over"
        ),
        pytest.param(
            make("m", BETWEEN, host="money.example").pem, Verdict.WARNING, "no public authority", id="a gap between"
        ),
        pytest.param(
            make("m", STRANGER, host="money.example").pem, Verdict.WARNING, "no public authority", id="a stranger's"
        ),
        pytest.param(make("m", host="money.example").pem, Verdict.WARNING, "no public authority", id="its own"),
        pytest.param(make("m", ROOT).pem, Verdict.WARNING, "names no host", id="no host"),
        pytest.param(b"nothing", Verdict.WARNING, "names no host", id="none"),
    ],
)
def test_a_certificate_is_judged_as_a_browser_would(shown: bytes, verdict: Verdict, says: str):
    finding = judge_certificate(
        shown, [ROOT.certificate.public_bytes(serialization.Encoding.DER), b"no certificate"], NOW
    )

    assert finding.check == "certificate"
    assert finding.verdict is verdict
    assert says in finding.says


async def test_doctor_looks_at_the_certificate_where_there_is_one(
    database: Database, database_url: str, tmp_path: Path
):
    del database
    file = tmp_path / "certificate.pem"
    file.write_bytes(make("m", ROOT, host="money.example", days=3650).pem)
    settings = Settings(database_url=database_url, data_dir=tmp_path)
    without = await examine(settings)
    found = await examine(Settings(database_url=database_url, data_dir=tmp_path, tls_certificate=file, tls_key=file))

    assert "certificate" not in {finding.check for finding in without}
    # No public authority has ever heard of ours.
    [certificate] = [finding for finding in found if finding.check == "certificate"]
    assert "no public authority vouches for the certificate for money.example" in certificate.says
