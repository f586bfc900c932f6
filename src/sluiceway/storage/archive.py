"""A backup's file: a ZIP of one COPY text for each table, with a manifest, and at its very end a seal over every byte.

Any `unzip` reads it. The seal stands in the archive's comment: the SHA-256 of all bytes before it, or, made with a key,
their HMAC-SHA-256, which nobody without the key can make anew.
"""

import hashlib
import hmac
import json
import os
import zipfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final, Self

FORMAT: Final = 1
LEAST_KEY: Final = 32

_MANIFEST: Final = "manifest.json"
_PIECE: Final = 1 << 20
_PLAIN: Final = b"sluiceway-sha256:"
_KEYED: Final = b"sluiceway-hmac-sha256:"
_HEX: Final = 64


@dataclass(eq=False)
class BadBackup(Exception):
    """A file that is no backup, or not the one that was written."""

    reason: str

    def __str__(self) -> str:
        """Say what is wrong with it."""
        return self.reason


@dataclass(frozen=True, slots=True)
class TableCopy:
    """What is in a backup of one table: its columns in order, how many rows, and the hash of their COPY text."""

    name: str
    columns: tuple[str, ...]
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class AuditHead:
    """Where an organization's audit log ended: the audit of what is restored has to find it again."""

    organization_id: str
    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is of. `schema`: name and SHA-256 of each migration, in order."""

    backup_id: str
    taken_at: datetime
    """A moment just before the snapshot: whatever was acknowledged by then is in it."""
    made_by: str
    postgresql: str
    schema: tuple[tuple[str, str], ...]
    tables: tuple[TableCopy, ...]
    heads: tuple[AuditHead, ...]

    @property
    def rows(self) -> int:
        """Count the rows of all tables."""
        return sum(table.rows for table in self.tables)

    def as_json(self) -> bytes:
        """Write it down."""
        written = {"format": FORMAT, **asdict(self), "taken_at": self.taken_at.isoformat()}
        return json.dumps(written, indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read what `as_json` wrote. Raises BadBackup."""
        try:
            read: dict[str, Any] = json.loads(text)
            found = read.pop("format")
            if found != FORMAT:
                raise BadBackup(f"its format is {found}, and this program reads format {FORMAT}")
            return cls(
                backup_id=read["backup_id"],
                taken_at=datetime.fromisoformat(read["taken_at"]),
                made_by=read["made_by"],
                postgresql=read["postgresql"],
                schema=tuple((name, sha256) for name, sha256 in read["schema"]),
                tables=tuple(
                    TableCopy(each["name"], tuple(each["columns"]), each["rows"], each["sha256"])
                    for each in read["tables"]
                ),
                heads=tuple(AuditHead(each["organization_id"], each["number"], each["hash"]) for each in read["heads"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as failure:
            raise BadBackup("its manifest cannot be read") from failure


class ArchiveWriter:
    """Writes a backup into a file that is not called what it will be called until it is whole and on disk."""

    def __init__(self, file: IO[bytes]) -> None:
        """Write into an open, empty file."""
        self._file = file
        # The fastest level: of text like this it saves four fifths, and slower ones little more.
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)

    @contextmanager
    def table(self, name: str) -> Generator[IO[bytes]]:
        """Write one table's text."""
        with self._zip.open(f"{name}.copy", "w", force_zip64=True) as member:
            yield member

    def abandon(self) -> None:
        """Let go of a file that will not be finished."""
        with suppress(ValueError, OSError):
            self._zip.close()

    def finish(self, manifest: Manifest, key: bytes | None) -> None:
        """Write the manifest and the seal, and wait for the disk."""
        self._zip.writestr(_MANIFEST, manifest.as_json())
        mark = _PLAIN if key is None else _KEYED
        self._zip.comment = mark + b"0" * _HEX
        self._zip.close()
        self._file.flush()
        end = self._file.seek(0, os.SEEK_END) - _HEX
        digest = _digest(self._file, end, key)
        self._file.seek(end)
        self._file.write(digest)
        self._file.flush()
        os.fsync(self._file.fileno())


class Archive:
    """A backup's file that is what was written."""

    def __init__(self, file: IO[bytes]) -> None:
        """Read an open file whose seal has been checked."""
        try:
            self._zip = zipfile.ZipFile(file)
            self.manifest = Manifest.from_json(self._zip.read(_MANIFEST))
        except (zipfile.BadZipFile, KeyError) as failure:
            raise BadBackup("it is no backup of Sluiceway") from failure

    def pieces(self, table: TableCopy) -> Iterable[bytes]:
        """Give a table's text in pieces. Raises BadBackup where it is not the text that was written."""
        digest = hashlib.sha256()
        try:
            with self._zip.open(f"{table.name}.copy") as member:
                while piece := member.read(_PIECE):
                    digest.update(piece)
                    yield piece
        except (zipfile.BadZipFile, KeyError) as failure:
            raise BadBackup(f"the table {table.name} is missing or damaged in it") from failure
        if digest.hexdigest() != table.sha256:
            raise BadBackup(f"the table {table.name} is not what the manifest says")


@contextmanager
def open_archive(path: Path, key: bytes | None) -> Generator[Archive]:
    """Open a backup, after checking every byte of it. Raises BadBackup."""
    try:
        with path.open("rb") as file:
            _check_seal(file, key)
            yield Archive(file)
    except OSError as failure:
        raise BadBackup(failure.strerror or str(failure)) from failure


def _check_seal(file: IO[bytes], key: bytes | None) -> None:
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        raise BadBackup("it is empty")
    file.seek(max(0, size - _HEX - len(_KEYED)))
    ending = file.read()
    mark = ending[:-_HEX]
    if not mark.endswith((_PLAIN, _KEYED)):
        raise BadBackup("it does not end as a backup does: it was cut off, or is none")
    is_keyed = mark.endswith(_KEYED)
    if is_keyed and key is None:
        raise BadBackup("it was sealed with a key: name it with --key-file")
    if not is_keyed and key is not None:
        raise BadBackup("it was sealed without a key, so that anybody may have written it; leave --key-file out")
    if not hmac.compare_digest(_digest(file, size - _HEX, key), ending[-_HEX:]):
        raise BadBackup(
            "it is not what was written, or was sealed with another key" if is_keyed else "it is not what was written"
        )


def _digest(file: IO[bytes], end: int, key: bytes | None) -> bytes:
    """Hash the first `end` bytes of a file."""
    digest = hashlib.sha256() if key is None else hmac.new(key, digestmod=hashlib.sha256)
    file.seek(0)
    left = end
    while left:
        piece = file.read(min(_PIECE, left))
        if not piece:
            raise BadBackup("it became shorter while it was read")
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest().encode()
