"""Golden pairs as they are written: files, messages, placeholders, and how an answer is held against one."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from sluiceway.domain.ids import IdKind, format_id, parse_id, to_base32

HERE: Final = Path(__file__).parent
PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)(?::([a-z_ ]+))?\}")

KINDS: Final = {
    "account": IdKind.ACCOUNT,
    "rule": IdKind.RULE,
    "execution": IdKind.EXECUTION,
    "triggered": IdKind.EXECUTION,
    "transfer": IdKind.TRANSFER,
    "card": IdKind.CARD,
    "key": IdKind.KEY,
}
UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
SHAPES: Final = {
    "datetime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
    "date": r"\d{4}-\d\d-\d\d",
    "month": r"(?:0[1-9]|1[0-2])/\d\d",
    "request_id": r"\S+",
    "last_four": r"\d{4}",
    "cursor": r"\S+",
    "text": r".+",
}


class Message(NamedTuple):
    """A request or a response: the first line, headers, a body where there is one."""

    line: str
    headers: dict[str, str]
    body: str | None


@dataclass(frozen=True)
class Pair:
    """A pair with the file that it stands in."""

    generation: str
    file: str
    operation: str
    name: str
    response: Message
    request: Message | None = None
    before: tuple[Message, ...] = ()
    refusal: str | None = None
    given: tuple[str, ...] = ()
    extensions: frozenset[str] = frozenset()
    cut: frozenset[str] = frozenset()
    needs: str | None = None
    is_soon: bool = False
    """Whether the answer is so only soon after what went before."""

    def __str__(self) -> str:
        return f"{self.generation}/{self.file}: {self.name}"


def read_pairs() -> list[Pair]:
    """Read all files."""
    return [pair for path in sorted(HERE.glob("*/*.yaml")) for pair in _read_file(path)]


def _read_file(path: Path) -> list[Pair]:
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(written) <= {"operation", "source", "needs", "pairs"}, path
    assert written["source"], path
    return [_read_pair(path, written, pair) for pair in written["pairs"]]


def _read_pair(path: Path, file: dict[str, Any], pair: dict[str, Any]) -> Pair:
    known = {"name", "given", "before", "request", "response", "extensions", "cut", "soon", "refusal", "because"}
    assert set(pair) <= known, (path, pair["name"])
    assert ("request" in pair) != ("refusal" in pair and "because" in pair), (path, pair["name"])
    before = pair.get("before", [])
    return Pair(
        generation=path.parent.name,
        file=path.stem,
        operation=file["operation"],
        name=pair["name"],
        response=read_message(pair["response"]),
        request=None if "request" not in pair else read_message(pair["request"]),
        before=tuple(read_message(text) for text in ([before] if isinstance(before, str) else before)),
        refusal=pair.get("refusal"),
        given=tuple(pair.get("given", ())),
        extensions=frozenset(pair.get("extensions", ())),
        cut=frozenset(pair.get("cut", ())),
        needs=file.get("needs"),
        is_soon=pair.get("soon", False),
    )


def read_message(text: str) -> Message:
    head, _, body = text.partition("\n\n")
    line, *headers = head.strip().split("\n")
    named = dict(header.split(": ", 1) for header in headers)
    return Message(line.strip(), named, body.strip() or None)


@dataclass
class Bindings:
    """What the names in a pair stand for. Ids are kept as canonical text and written as the generation writes them."""

    generation: str
    values: dict[tuple[str, str], str] = field(default_factory=dict)

    def copy(self) -> "Bindings":
        return Bindings(self.generation, dict(self.values))

    def bind(self, kind: str, name: str, value: str) -> None:
        self.values[_family(kind), name] = value

    def fill(self, text: str) -> str:
        """Write what names stand for in a request, where all of them are known."""
        return PLACEHOLDER.sub(lambda found: self._write(found[1], found[2] or ""), text)

    def _write(self, kind: str, name: str) -> str:
        value = self.values[_family(kind), name]
        return _write_id(self.generation, kind, value) if kind in KINDS else value

    def match(self, expected: str, actual: str, where: str) -> None:
        """Hold a text against what is expected, and learn what new names stand for."""
        pattern, learned, last = "", list[tuple[str, str]](), 0
        for found in PLACEHOLDER.finditer(expected):
            pattern += re.escape(expected[last : found.start()])
            kind, name = found[1], found[2]
            if name is not None and (_family(kind), name) in self.values:
                pattern += re.escape(self._write(kind, name))
            else:
                pattern += f"({_shape(self.generation, kind)})"
                learned.append((kind, name or ""))
            last = found.end()
        pattern += re.escape(expected[last:])
        matched = re.fullmatch(pattern, actual, re.DOTALL)
        assert matched, f"{where}: {actual!r} is not {expected!r}"
        for (kind, name), value in zip(learned, matched.groups(), strict=True):
            if name:
                self.bind(kind, name, (parse_id(KINDS[kind], value) or value) if kind in KINDS else value)


def _family(kind: str) -> str:
    return "execution" if kind == "triggered" else kind


def _write_id(generation: str, kind: str, value: str) -> str:
    # The remote API answers a trigger with an execution's id as /platform/v1 writes it.
    if generation == "platform" or (generation, kind) == ("remote", "execution"):
        return value
    if kind == "triggered":
        return f"exec_{to_base32(value)}"
    return f"ru_{to_base32(value)}" if (generation, kind) == ("remote", "rule") else format_id(KINDS[kind], value)


def _shape(generation: str, kind: str) -> str:
    if kind not in KINDS:
        return SHAPES[kind]
    if generation == "platform" or (generation, kind) == ("remote", "execution"):
        return UUID
    prefix = _write_id(generation, kind, "00000000-0000-0000-0000-000000000000").partition("_")[0]
    return f"{prefix}_[0-9A-HJKMNP-TV-Z]{{26}}"


class Differences:
    """Holds an answer against a pair: exact, but for placeholders and the extensions that the pair lists."""

    def __init__(
        self, bindings: Bindings, extensions: frozenset[str] = frozenset(), cut: frozenset[str] = frozenset()
    ) -> None:
        self.bindings = bindings
        self.unused = set(extensions)
        self.extensions = extensions
        self.cut = cut

    def compare(self, expected: Any, actual: Any, where: str = "") -> None:
        if isinstance(expected, Mapping):
            self._compare_objects(expected, actual, where)
        elif isinstance(expected, list):
            assert isinstance(actual, list), f"{where}: {actual!r} is no list"
            assert len(actual) == len(expected), f"{where}: {len(actual)} entries: {actual!r}"
            for wanted, found in zip(expected, actual, strict=True):
                self.compare(wanted, found, f"{where}.*")
        elif isinstance(expected, str):
            assert isinstance(actual, str), f"{where}: {actual!r} is not {expected!r}"
            self.bindings.match(expected, actual, where)
        else:
            # A number is a number: what was documented as 12.50 may come as 12.5. true is none.
            kinds = (int, float) if isinstance(expected, float) else type(expected)
            assert isinstance(actual, kinds), f"{where}: {actual!r} is not {expected!r}"
            assert isinstance(actual, bool) == isinstance(expected, bool), f"{where}: {actual!r} is not {expected!r}"
            assert actual == expected, f"{where}: {actual!r} is not {expected!r}"

    def _compare_objects(self, expected: Mapping[str, Any], actual: Any, where: str) -> None:
        assert isinstance(actual, dict), f"{where}: {actual!r} is no object"
        missing = expected.keys() - actual.keys()
        assert not missing, f"{where}: {sorted(missing)} are missing"
        for key, value in actual.items():
            path = f"{where}.{key}".removeprefix(".")
            if key in expected:
                self.compare(expected[key], value, path)
            elif where not in self.cut:
                assert path in self.extensions, f"{path} is documented nowhere, and no extension"
                self.unused.discard(path)


def decode(body: str) -> Any:
    return json.loads(body)
