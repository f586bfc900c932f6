"""demo.json in the data folder: what the demo printed, for scripts and other commands. Only its owner can read it."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec

from sluiceway.cli.failures import CommandFailed

FILE_NAME: Final = "demo.json"


class _Person(msgspec.Struct):
    password: str


class _Rule(msgspec.Struct):
    secret: str = ""


class RemoteService(msgspec.Struct):
    """A service that a rule of the demo asks: where it is, and the secret that questions are signed with."""

    url: str
    secret: str


class DemoFile(msgspec.Struct):
    """What is read back: what works only as long as it is known."""

    api_key: str
    person: _Person
    access_token: str = ""
    rules: dict[str, _Rule] = msgspec.field(default_factory=dict[str, _Rule])
    tax_service: RemoteService | None = None


def read_demo_file(data_dir: Path) -> DemoFile | None:
    """Read what an earlier start wrote; None where the file is missing or cannot be understood."""
    try:
        return msgspec.json.decode((data_dir / FILE_NAME).read_bytes(), type=DemoFile)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None
    except OSError as failure:
        raise CommandFailed(f"{data_dir / FILE_NAME} cannot be read: {failure.strerror}.") from failure


def write_demo_file(data_dir: Path, content: dict[str, Any]) -> None:
    """Write the file in one piece, readable by nobody else: a crash leaves the old one or the new one."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, unfinished = tempfile.mkstemp(prefix=f".{FILE_NAME}.", dir=data_dir)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        Path(unfinished).replace(data_dir / FILE_NAME)
    except OSError as failure:
        raise CommandFailed(f"{data_dir} cannot be written to: {failure.strerror}.") from failure
