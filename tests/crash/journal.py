"""What load clients write to a file: each request before it is sent, each answer after it has come.

Each line is one write to an open file. It is not flushed to the disk: the system is not what is killed, and whoever
writes is not either, so that a line which was written is there at the end, and flushing would only slow the load.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Journal:
    """A file that only grows, open for as long as the load lasts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, line: dict[str, Any]) -> None:
        """Hand a line to the system, which keeps it however this process ends."""
        view = memoryview(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        while view:
            view = view[os.write(self._file, view) :]

    def close(self) -> None:
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
