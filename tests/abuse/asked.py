"""Every operation of every document, asked rightly: by whom, about what, and with which body."""

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

COMMITTED: Final = Path(__file__).parents[2] / "docs" / "api"
DOCUMENTS: Final = ("v1", "platform", "remote", "sandbox", "app")
TAKES_ANYTHING: Final = {("remote", "/accounts"), ("remote", "/rules/{id}/trigger")}
"""Whose bodies may be any JSON, as documented, for programs that were written for what they stand in for."""
NOBODY: Final = "01890a5d-ac96-774b-bcce-b302099a8057"
"""An id that nothing has."""
DEEPEST: Final = 5
"""How deep examples go where a document allows what it likes."""

_SEGMENTS: Final = {"executions": "rule-executions", "runs": "rule-executions"}
_IDS: Final = {
    "purchase_?id": "purchases",
    "rule_?id": "rules",
    "card_?id": "cards",
    "person_?id": "people",
    "(account_?|source_?|destination_?)id": "accounts",
    "id": "accounts",
}
"""What fields name, by the ends of their own names; an `id` alone is that of an account, in both generations."""
_TIMES: Final = re.compile(r"(_at|date|from|to|until)", re.IGNORECASE)

Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Operation:
    """What is asked, and by whom."""

    document: str
    method: str
    path: str
    target: str
    headers: Mapping[str, str]
    body: Any = None
    schema: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    is_body_required: bool = True

    @property
    def label(self) -> str:
        """Name it for people."""
        return f"{self.document} {self.method} {self.path}"

    @property
    def takes_body(self) -> bool:
        """Tell whether a body of it is read."""
        return bool(self.schema)

    @property
    def takes_anything(self) -> bool:
        """Tell whether any JSON will do."""
        return (self.document, self.path) in TAKES_ANYTHING


def committed(name: str) -> dict[str, Any]:
    """Read a document."""
    return json.loads((COMMITTED / f"{name}.json").read_text(encoding="utf-8"))


def operations(
    known: Mapping[str, Sequence[Any]],
    credentials: Callable[[str], Mapping[str, str]],
    number: int = 0,
) -> list[Operation]:
    """List all operations. Where a document leaves a choice, `number` decides: others for another one."""
    found: list[Operation] = []
    for name in DOCUMENTS:
        document = committed(name)
        prefix = document["servers"][0]["url"].rstrip("/")
        examples = Examples(document["components"]["schemas"], known, number)
        for path, methods in document["paths"].items():
            for method, told in methods.items():
                content = told.get("requestBody", {}).get("content", {}).get("application/json", {})
                schema = content.get("schema", {})
                found.append(
                    Operation(
                        name,
                        method.upper(),
                        path,
                        prefix + _named(path, told["parameters"], known),
                        credentials(name),
                        examples.of(schema) if schema else None,
                        schema,
                        told.get("requestBody", {}).get("required", True),
                    )
                )
    return found


def _named(path: str, parameters: Sequence[Mapping[str, Any]], known: Mapping[str, Sequence[Any]]) -> str:
    for parameter in parameters:
        if parameter["in"] == "path":
            place = f"{{{parameter['name']}}}"
            segment = path.partition(f"/{place}")[0].rpartition("/")[2]
            path = path.replace(place, str([*known.get(_SEGMENTS.get(segment, segment), ()), NOBODY][0]))
    return path


class Examples:
    """Writes what a schema allows, one of the many things."""

    def __init__(self, components: Mapping[str, Any], known: Mapping[str, Sequence[Any]], number: int) -> None:
        self._components = components
        self._known = known
        self._chance = random.Random(number)
        self._number = number

    def of(self, schema: Mapping[str, Any], name: str = "", depth: int = 0) -> Any:
        """Write an example; the first choice of each for number 0."""
        if name == "definition":
            return self._known["definitions"][0]
        if "$ref" in schema:
            return self.of(self._components[schema["$ref"].rpartition("/")[2]], name, depth)
        choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("enum")
        if choices:
            chosen = self._chosen([each for each in choices if each != {"type": "null"}], depth)
            return chosen if "enum" in schema else self.of(chosen, name, depth)
        if "const" in schema:
            return schema["const"]
        kind = schema.get("type", "object")
        if kind == "object":
            required = schema.get("required", ())
            return {
                key: self.of(part, key, depth + 1)
                for key, part in schema.get("properties", {}).items()
                if key in required or depth < DEEPEST
            }
        if kind == "array":
            return [self.of(schema.get("items", {}), name, depth + 1)] * max(1, schema.get("minItems", 1))
        return self._plain(str(kind), schema, name)

    def _chosen(self, choices: Sequence[Any], depth: int) -> Any:
        if depth >= DEEPEST:
            return min(choices, key=lambda each: len(json.dumps(each)))
        return choices[0] if self._number == 0 else self._chance.choice(choices)

    def _plain(self, kind: str, schema: Mapping[str, Any], name: str) -> Any:
        if kind == "boolean":
            return True
        if kind == "integer":
            return max(100, schema.get("minimum", 0)) if schema.get("maximum", 100) >= 100 else schema["maximum"]
        if kind == "number":
            return 5.5
        for end, kinds in _IDS.items():
            if re.search(rf"(^|_|[a-z]){end}$", name, re.IGNORECASE) and self._known.get(kinds):
                return self._known[kinds][0]
        if schema.get("format") == "date-time" or _TIMES.search(name[-5:]):
            return "2030-01-08T14:00:00Z"
        if name.lower() == "email":
            return "somebody@example.com"
        if name.lower() == "url":
            return "https://hooks.example/x"
        return "text"


def leaves(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """List what has nothing below it, and where it stands."""
    if isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


_MARK: Final = "a place for what no JSON writer writes"


def with_token(value: Any, path: Path_, token: bytes) -> bytes:
    """Write a body in which something stands that no JSON writer writes."""
    copied = json.loads(json.dumps(value))
    place = copied
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = _MARK
    return json.dumps(copied).encode().replace(json.dumps(_MARK).encode(), token)
