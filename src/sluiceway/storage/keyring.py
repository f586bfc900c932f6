"""Seals what we have to show again: a database, or a backup of it, opens nothing without a key that is kept elsewhere.

A sealed value names its key, and is bound to its place: in another column or another row it does not open (ADR 45).
"""

import base64
import binascii
import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sluiceway.domain.ids import OrganizationId

PREFIX: Final = "sw1."
"""What every sealed value begins with, and nothing that we seal: none of it has a point."""
KEY_BYTES: Final = 32
MISSING: Final = "there is no SECRET_KEY"
_NONCE_BYTES: Final = 12
_ID_LENGTH: Final = 16
_MODE: Final = 0o600


class Column(NamedTuple):
    """Where sealed values are."""

    table: str
    name: str

    def __str__(self) -> str:
        """Write it as SQL does."""
        return f"{self.table}.{self.name}"


RULE_SECRET: Final = Column("rule", "secret")
ENDPOINT_SECRET: Final = Column("webhook_endpoint", "secret")
PREVIOUS_ENDPOINT_SECRET: Final = Column("webhook_endpoint", "previous_secret")
TOTP_SECRET: Final = Column("totp", "secret")
COLUMNS: Final = (RULE_SECRET, ENDPOINT_SECRET, PREVIOUS_ENDPOINT_SECRET, TOTP_SECRET)
"""All that the database keeps and that has to be shown again. Everything else that opens a door is a hash."""


@dataclass(eq=False)
class SecretsLocked(Exception):
    """There is no key for a secret, or a sealed value is not what was sealed for its place."""

    reason: str

    def __str__(self) -> str:
        """Say why."""
        return self.reason


@dataclass(frozen=True, slots=True)
class Key:
    """A key, and the name that values which it has sealed bear: a hash of it, so that none has to be chosen."""

    id: str
    material: bytes

    def __repr__(self) -> str:
        """Name it, and nothing more: it ends up in logs and tracebacks."""
        return f"Key({self.id})"


def new_key(random_bytes: Callable[[int], bytes]) -> str:
    """Make a key, as it is written in the environment or in a file."""
    return base64.b64encode(random_bytes(KEY_BYTES)).decode()


def read_keys(text: str, *, at_least: int = 0) -> tuple[Key, ...]:
    """Read keys between white space or commas; the first one seals, all open. Raises SecretsLocked."""
    keys: list[Key] = []
    for word in text.replace(",", " ").split():
        try:
            material = base64.b64decode(word, altchars=b"-_" if {"-", "_"} & set(word) else None, validate=True)
        except (binascii.Error, ValueError):
            material = b""
        if len(material) != KEY_BYTES:
            # What was given is not repeated: it is a secret, if a wrong one.
            raise SecretsLocked(
                f"each key of SECRET_KEY has to be {KEY_BYTES} random bytes in base64,"
                " as `sluiceway secrets new-key` makes them"
            )
        keys.append(Key(hashlib.sha256(b"sluiceway key\0" + material).hexdigest()[:_ID_LENGTH], material))
    if len({key.id for key in keys}) < len(keys):
        raise SecretsLocked("SECRET_KEY has the same key twice")
    if len(keys) < at_least:
        raise SecretsLocked("there is no key in it")
    return tuple(keys)


class Keyring:
    """The keys that a process has. Those of a file are read again once it has changed, so that nothing has to stop."""

    def __init__(
        self,
        text: str = "",
        *,
        random_bytes: Callable[[int], bytes],
        file: Path | None = None,
    ) -> None:
        """Hold the keys of a text, or those of a file.

        Raises SecretsLocked for what is no key, and for a file that cannot be read.
        """
        self.file = file
        self._random_bytes = random_bytes
        self._state: tuple[int, ...] | None = None
        self._keys: tuple[Key, ...] = ()
        if file is None:
            self._keys = read_keys(text)
        else:
            self._renew()

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing can be sealed."""
        return not self._keys

    def ids(self) -> list[str]:
        """Name the keys; the first one seals."""
        self._renew()
        return [key.id for key in self._keys]

    @property
    def mark(self) -> str:
        """Give what values begin with that the present key has sealed. Raises SecretsLocked."""
        return f"{PREFIX}{self._first().id}."

    def marks(self) -> list[str]:
        """Give what values begin with that any of the keys has sealed."""
        return [f"{PREFIX}{key_id}." for key_id in self.ids()]

    def seal(self, column: Column, organization_id: OrganizationId, row_id: str, plain: str) -> str:
        """Seal a value for its place with the first key. Raises SecretsLocked."""
        assert not is_sealed(plain), "sealed twice, it would be opened once"
        key, nonce = self._first(), self._random_bytes(_NONCE_BYTES)
        sealed = AESGCM(key.material).encrypt(nonce, plain.encode(), _place(column, organization_id, row_id))
        return f"{PREFIX}{key.id}.{base64.urlsafe_b64encode(nonce + sealed).decode().rstrip('=')}"

    def open(self, column: Column, organization_id: OrganizationId, row_id: str, sealed: str) -> str:
        """Open a value in its place. Raises SecretsLocked, also for one that was never sealed."""
        version, _, rest = sealed.partition(".")
        key_id, _, body = rest.partition(".")
        if f"{version}." != PREFIX:
            raise SecretsLocked(f"a secret in {column} is not sealed: sluiceway secrets rotate")
        key = self._find(key_id)
        try:
            raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
            place = _place(column, organization_id, row_id)
            return AESGCM(key.material).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place).decode()
        except (InvalidTag, ValueError) as failure:
            raise SecretsLocked(f"a secret in {column} was changed, or belongs elsewhere") from failure

    def derive(self, purpose: str) -> str:
        """Derive a key of 256 bits for one purpose from the first, in base64 (HKDF, RFC 5869). Raises SecretsLocked."""
        info = f"sluiceway {purpose}".encode()
        return base64.b64encode(HKDF(SHA256(), KEY_BYTES, None, info).derive(self._first().material)).decode()

    def _first(self) -> Key:
        self._renew()
        if not self._keys:
            raise SecretsLocked(MISSING)
        return self._keys[0]

    def _find(self, key_id: str) -> Key:
        for _ in range(2):
            for key in self._keys:
                if key.id == key_id:
                    return key
            self._renew()
        if not self._keys:
            raise SecretsLocked(MISSING)
        raise SecretsLocked(f"the key {key_id}, which has sealed a secret, is not among those of SECRET_KEY")

    def _renew(self) -> None:
        """Read the file again if it has changed. One that has gone or cannot be read takes no key away."""
        if self.file is None:
            return
        try:
            facts = self.file.stat()
            state = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
            if state == self._state:
                return
            self._keys, self._state = read_keys(self.file.read_text(encoding="utf-8"), at_least=1), state
        except (OSError, UnicodeDecodeError, SecretsLocked) as failure:
            if self._state is None:
                raise SecretsLocked(f"the file with the key cannot be used: {self.file}: {failure}") from failure


NO_KEYS: Final = Keyring(random_bytes=lambda _: b"")
"""For who has nothing to seal or open."""


def is_sealed(value: str) -> bool:
    """Tell a sealed value from a plain one."""
    return value.startswith(PREFIX)


def key_id_of(sealed: str) -> str:
    """Name the key that has sealed a value."""
    return sealed.removeprefix(PREFIX).partition(".")[0]


def make_key_file(file: Path, random_bytes: Callable[[int], bytes]) -> None:
    """Make a file with a new key, for its owner alone, unless there is one: of many who try at once, one makes it."""
    if not file.exists():
        _write(file, f"{new_key(random_bytes)}\n", may_replace=False)


def add_key(file: Path, random_bytes: Callable[[int], bytes]) -> None:
    """Put a new key before those of a file. Whoever runs sees it at once, and seals with it from then on."""
    _write(file, f"{new_key(random_bytes)}\n{file.read_text(encoding='utf-8')}", may_replace=True)


def _write(file: Path, text: str, *, may_replace: bool) -> None:
    """Write a file whole or not at all, and have it on disk before anything is sealed with what is in it."""
    handle, name = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            if may_replace:
                facts = file.stat()
                os.fchmod(opened.fileno(), facts.st_mode & 0o777)
                with suppress(PermissionError):
                    os.fchown(opened.fileno(), facts.st_uid, facts.st_gid)
            else:
                os.fchmod(opened.fileno(), _MODE)
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        if may_replace:
            temporary.replace(file)
        else:
            with suppress(FileExistsError):
                os.link(temporary, file)
        folder = os.open(file.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)


def _place(column: Column, organization_id: OrganizationId, row_id: str) -> bytes:
    return f"sluiceway\n{column}\n{organization_id}\n{row_id}".encode()
