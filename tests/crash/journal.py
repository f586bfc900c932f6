"""What load clients write to disk: each request before it is sent, each answer after it has come.

Many clients share one file. Whoever writes waits until the disk has it; what comes meanwhile is the next lot, so that
one flush serves them all.
"""

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Journal:
    """A file that only grows. `with` ends once everything is on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lines: list[bytes] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def write(self, line: dict[str, Any]) -> None:
        """Write a line and wait until it cannot be lost any more."""
        on_disk: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.append(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._waiting.append(on_disk)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        await on_disk

    async def _flush(self) -> None:
        while self._lines:
            lines, self._lines = self._lines, []
            waiting, self._waiting = self._waiting, []
            await asyncio.to_thread(self._put, b"".join(lines))
            for each in waiting:
                if not each.done():
                    each.set_result(None)
        self._flushing = None

    def _put(self, text: bytes) -> None:
        view = memoryview(text)
        while view:
            view = view[os.write(self._file, view) :]
        os.fdatasync(self._file)

    async def close(self) -> None:
        if self._flushing is not None:
            await self._flushing
        os.close(self._file)


@dataclass
class Story:
    """What the journal says of one request: what it was, and every answer, in order."""

    kind: str
    number: int
    key: str
    subject: str | None
    answers: list["Told"] = field(default_factory=list)
    cuts: int = 0

    @property
    def is_acknowledged(self) -> bool:
        return any(told.status < 300 for told in self.answers)


@dataclass(frozen=True)
class Told:
    """One answer: the status, the body, and whether it said that it was a replay."""

    status: int
    body: str
    is_replay: bool


def read(path: Path) -> dict[int, Story]:
    """Read a journal back, by the number of the request."""
    stories: dict[int, Story] = {}
    answers: defaultdict[int, list[Told]] = defaultdict(list)
    cuts: defaultdict[int, int] = defaultdict(int)
    for line in _lines(path):
        number = line["n"]
        if "kind" in line:
            stories[number] = Story(line["kind"], number, line["key"], line.get("subject"))
        elif "status" in line:
            answers[number].append(Told(line["status"], line["body"], line["replay"]))
        else:
            cuts[number] += 1
    for number, story in stories.items():
        story.answers, story.cuts = answers[number], cuts[number]
    return stories


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Give what stands in a file that may still be written to."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)
