"""A server that speaks TLS itself: only what is recommended, to nobody in the clear, and with no more patience."""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sluiceway.cli.failures import NOT_SET_UP, CommandFailed
from sluiceway.cli.limits import Limits
from sluiceway.cli.serving import serve_until
from sluiceway.cli.tls import identity_of
from sluiceway.settings import Settings, read_settings
from sluiceway.storage.database import Database
from sluiceway.wiring import running

HEAD = b"GET /api/v1/accounts HTTP/1.1\r\nhost: x\r\n"
PAGE = b"GET /api/v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n"
PATIENT = Limits(head_s=100, body_s=100, unread_s=100, idle_s=100, linger_s=0.2)
SOON_S = 20.0
MANY = 100


class Identity(NamedTuple):
    certificate: Path
    key: Path


def make_identity(folder: Path, passphrase: bytes | None = None) -> Identity:
    """Make a key and a certificate of its own for 127.0.0.1, which vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sluiceway.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Identity(folder / "certificate.pem", folder / "key.pem")
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    sealed = serialization.NoEncryption() if passphrase is None else serialization.BestAvailableEncryption(passphrase)
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed),
    )
    return made


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("tls"))


@asynccontextmanager
async def serving(database: Database, identity: Identity, limits: Limits = PATIENT) -> AsyncGenerator[int]:
    """Serve over TLS on a free port of this machine."""
    settings = Settings(tls_certificate=identity.certificate, tls_key=identity.key)
    ready, stop = asyncio.Event(), asyncio.Event()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        sock.bind(("127.0.0.1", 0))
        async with running(database, settings, with_worker=False) as parts:
            server = asyncio.create_task(serve_until(stop, parts, sock, ready.set, limits, settings))
            await asyncio.wait_for(ready.wait(), 30)
            try:
                yield sock.getsockname()[1]
            finally:
                stop.set()
                await asyncio.wait_for(server, SOON_S)


def trusting(identity: Identity, *, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(identity.certificate))
    context.maximum_version = newest
    return context


async def open_line(port: int, tls: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, ssl=tls, limit=4096)


async def agreed(port: int, tls: ssl.SSLContext) -> tuple[str, str]:
    """Agree on TLS; give its version, and the name of the cipher."""
    _, writer = await open_line(port, tls)
    connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
    version, cipher = connection.version(), connection.cipher()
    writer.close()
    assert version
    assert cipher
    return version, cipher[0]


async def test_it_answers_over_tls_and_says_so_to_browsers(database: Database, identity: Identity) -> None:
    async with serving(database, identity) as port:
        url = f"https://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, verify=trusting(identity)) as http:
            api = await http.get("/api/v1/rules")
            page = await http.get("/sign-in", headers={"accept": "text/html"})
            shown = await http.get("/app/session")

    assert api.status_code == 401
    assert page.status_code == 200
    for answer in (page, shown):
        assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_the_newest_version_is_preferred_and_none_before_1_2_is_spoken(
    database: Database, identity: Identity
) -> None:
    async with serving(database, identity) as port:
        best, _ = await agreed(port, trusting(identity))
        second, cipher = await agreed(port, trusting(identity, newest=ssl.TLSVersion.TLSv1_2))
        old = trusting(identity)
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.warns(DeprecationWarning, match="TLSv1 is deprecated"):
            old.minimum_version = ssl.TLSVersion.TLSv1
        with pytest.raises((ssl.SSLError, OSError)):
            await agreed(port, old)

    assert (best, second) == ("TLSv1.3", "TLSv1.2")
    assert cipher.startswith("ECDHE-")


def test_every_suite_is_authenticated_and_forgets_its_keys(identity: Identity) -> None:
    context = identity_of(Settings(tls_certificate=identity.certificate, tls_key=identity.key))
    assert context is not None
    ciphers = [each["name"] for each in context.get_ciphers()]

    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    assert ciphers
    # The first are the strongest: those of 1.3, then 256 bits before 128.
    assert ciphers[0] == "TLS_AES_256_GCM_SHA384"
    for name in ciphers:
        assert name.startswith(("TLS_", "ECDHE-")), name
        assert "GCM" in name or "CHACHA20" in name, name


@pytest.mark.parametrize("cipher", ["AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA"])
async def test_a_weaker_suite_is_not_agreed_to(database: Database, identity: Identity, cipher: str) -> None:
    tls = trusting(identity, newest=ssl.TLSVersion.TLSv1_2)
    tls.set_ciphers(f"{cipher}:@SECLEVEL=0")
    async with serving(database, identity) as port:
        with pytest.raises((ssl.SSLError, OSError)):
            await agreed(port, tls)
        await agreed(port, trusting(identity))


async def test_nobody_is_answered_in_the_clear(database: Database, identity: Identity) -> None:
    async with serving(database, identity) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + b"\r\n")
        said = b""
        with suppress(OSError):
            said = await asyncio.wait_for(reader.read(), SOON_S)
        writer.close()

    assert b"HTTP" not in said


async def test_what_is_said_together_with_the_last_word_about_tls_is_heard(
    database: Database, identity: Identity
) -> None:
    """A client of TLS 1.3 may ask in the same packet in which it agrees."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting(identity).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    async with serving(database, identity) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                incoming.write(await asyncio.wait_for(reader.read(65536), SOON_S))
        client.write(HEAD + b"connection: close\r\n\r\n")
        writer.write(outgoing.read())
        answer = b""
        while b"\r\n" not in answer:
            incoming.write(await asyncio.wait_for(reader.read(65536), SOON_S))
            with suppress(ssl.SSLWantReadError):
                answer += client.read(65536)
        writer.close()

    assert answer.startswith(b"HTTP/1.1 401")


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, begin: bytes) -> None:
    """Send a byte now and then, until the server has had enough."""
    with suppress(OSError):
        writer.write(begin)
        while not reader.at_eof():
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(65536), 0.3)
            writer.write(b"x")
            await writer.drain()
    writer.close()


async def test_who_never_agrees_on_tls_is_cut_off_like_who_never_sends_a_head(
    database: Database, identity: Identity
) -> None:
    async with serving(database, identity, replace(PATIENT, head_s=1)) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MANY)]
        async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=trusting(identity)) as http:
            answers = [(await http.get("/api/v1/rules")).status_code for _ in range(10)]
        for reader, _ in silent:
            with suppress(OSError):
                assert await asyncio.wait_for(reader.read(), SOON_S) == b""
        for _, writer in silent:
            writer.close()

    assert answers == [401] * 10


@pytest.mark.parametrize(
    ("begin", "limits"),
    [
        pytest.param(HEAD, replace(PATIENT, head_s=1), id="heads"),
        pytest.param(
            b"POST /api/v1/transfers HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n{",
            replace(PATIENT, body_s=1),
            id="bodies",
        ),
    ],
)
async def test_slow_clients_are_cut_off_over_tls_too(
    database: Database, identity: Identity, begin: bytes, limits: Limits
) -> None:
    tls = trusting(identity)
    async with serving(database, identity, limits) as port:
        lines = [await open_line(port, tls) for _ in range(20)]
        slow = asyncio.gather(*(drip(*line, begin) for line in lines))
        async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=tls) as http:
            answers = [(await http.get("/api/v1/rules")).status_code for _ in range(10)]
            await asyncio.wait_for(slow, SOON_S)

    assert answers == [401] * 10


async def test_who_does_not_read_an_answer_is_cut_off_over_tls_too(database: Database, identity: Identity) -> None:
    async with serving(database, identity, replace(PATIENT, unread_s=1)) as port:
        # Pages for a client whose buffers are small, until the kernels take no more.
        reader, writer = await open_line(port, trusting(identity))
        writer.write(PAGE * 200)
        await asyncio.sleep(4)
        whole = b""
        with suppress(OSError):
            while chunk := await asyncio.wait_for(reader.read(65536), SOON_S):
                whole += chunk
        writer.close()

    assert whole.count(b"HTTP/1.1 200") < 200


async def test_connections_have_places_over_tls_too(database: Database, identity: Identity) -> None:
    tls = trusting(identity)
    async with serving(database, identity, replace(PATIENT, connections=16)) as port:
        lines = [await open_line(port, tls) for _ in range(18)]
        # Nobody agrees with whoever comes then, and who has said nothing yet counts as well.
        with pytest.raises((ssl.SSLError, OSError)):
            await open_line(port, tls)
        answers: list[bytes] = []
        for reader, writer in lines:
            writer.write(HEAD + b"\r\n")
            answers.append(await asyncio.wait_for(reader.readuntil(b"\r\n"), SOON_S))
        for _, writer in lines:
            writer.close()

    assert [answer[9:12] for answer in answers] == [b"401"] * 16 + [b"503"] * 2


async def test_a_server_that_stops_does_not_wait_for_who_has_not_agreed(database: Database, identity: Identity) -> None:
    async with serving(database, identity) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        agreed_line = await open_line(port, trusting(identity))
    with suppress(OSError):
        assert await asyncio.wait_for(reader.read(), SOON_S) == b""
    writer.close()
    agreed_line[1].close()


def test_a_key_that_does_not_fit_is_refused_by_name(identity: Identity, tmp_path: Path) -> None:
    other = make_identity(tmp_path)
    for wrong in (other.key, tmp_path / "nowhere.pem", identity.certificate):
        with pytest.raises(CommandFailed, match="TLS_KEY") as refused:
            identity_of(Settings(tls_certificate=identity.certificate, tls_key=wrong))
        assert refused.value.status == NOT_SET_UP
    assert identity_of(Settings()) is None


def test_a_key_with_a_passphrase_is_refused_and_nobody_asked(tmp_path: Path) -> None:
    sealed = make_identity(tmp_path, b"open sesame")

    with pytest.raises(CommandFailed, match="passphrase"):
        identity_of(Settings(tls_certificate=sealed.certificate, tls_key=sealed.key))


def test_one_of_the_two_alone_is_refused() -> None:
    for name in ("TLS_CERTIFICATE", "TLS_KEY"):
        with pytest.raises(ValueError, match="go together"):
            read_settings({name: "/somewhere.pem"})
    read = read_settings({"TLS_CERTIFICATE": "/a.pem", "TLS_KEY": "/b.pem"})
    assert (read.tls_certificate, read.tls_key) == (Path("/a.pem"), Path("/b.pem"))
