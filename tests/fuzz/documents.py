"""The committed documents, read so that what requests name is there, and requests written by them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, Phase, core, given, seed, settings
from hypothesis.internal.conjecture import engine
from hypothesis.internal.conjecture.engine import BUFFER_SIZE
from hypothesis.strategies import SearchStrategy
from hypothesis.vendor.pretty import RepresentationPrinter
from schemathesis import APIOperation, BaseSchema, Case, GenerationMode
from schemathesis.config import ChecksConfig, GenerationConfig, PositiveDataAcceptanceConfig, ProjectConfig
from schemathesis.config import ProjectsConfig as Projects
from schemathesis.generation import hypothesis as patches

# It changes Hypothesis for all tests of the process, once: they would draw other examples, and print none that fails.
patches.setup()
core.RepresentationPrinter = RepresentationPrinter  # type: ignore[attr-defined, misc]
engine.BUFFER_SIZE = BUFFER_SIZE

COMMITTED: Final = Path(__file__).parents[2] / "docs" / "api"
DOCUMENTS: Final = ("v1", "platform", "remote", "sandbox")
HOST: Final = "http://sluiceway.test"
ACCEPTED: Final = ["2xx", "401", "403", "404", "409", "422"]
"""How a request may be answered whose shape is right. 400 is for shapes."""
ALWAYS_RIGHT: Final = ("GET /clock", "POST /accounts")
"""Operations that nothing can be sent to that their documents do not allow."""
Known = Mapping[str, list[Any]]
"""What is there to be named, by kind: ids, accounts with their types, cursors of lists."""

_REFERENCES: Final = (
    *("source", "destination"),
    *("next_payment_minimum_account", "current_balance_account", "last_statement_balance_account"),
)
_OTHER_IDS: Final = {
    "rule_id": "rules",
    "rule_execution_id": "rule-executions",
    "card_id": "cards",
    "purchase_id": "purchases",
}
_SEGMENTS: Final = {"executions": "rule-executions"}
_CAPITAL: Final = re.compile("([A-Z])")
_SENT: Final = "Sent"


def committed(name: str) -> dict[str, Any]:
    return json.loads((COMMITTED / f"{name}.json").read_text(encoding="utf-8"))


def labels(name: str) -> list[str]:
    """List the operations of a document, as `POST /rules`."""
    return [f"{method.upper()} {path}" for path, methods in committed(name)["paths"].items() for method in methods]


def schema_of(name: str, known: Known) -> BaseSchema:
    """Read a document. Wherever a request names something it may be one of what is known."""
    document = committed(name)
    known = {**known, **{end: known.get(f"{end} of {name}", []) for end in ("source", "destination")}}
    structures = document["components"]["schemas"]
    # Answers may name whatever they like, so that requests get structures of their own.
    debts = {**known, "accounts": known["debts"]}
    structures |= {
        f"{_SENT}{title}": _sent(structure, debts if title == "Debt" else known)
        for title, structure in structures.items()
    }
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for parameter in operation["parameters"]:
                parameter["schema"] = _parameter(path, parameter, known)
            for content in operation.get("requestBody", {}).get("content", {}).values():
                content["schema"] = _sent(content["schema"], known)
    project = ProjectConfig(
        base_url=HOST + document["servers"][0]["url"],
        generation=GenerationConfig(with_security_parameters=False),
        checks=ChecksConfig(positive_data_acceptance=PositiveDataAcceptanceConfig(expected_statuses=ACCEPTED)),
    )
    return schemathesis.openapi.from_dict(document, config=schemathesis.Config(projects=Projects(default=project)))


def operation_of(schema: BaseSchema, label: str) -> APIOperation:
    method, path = label.split(" ")
    return schema[path][method.lower()]


def at_the_limits(operation: APIOperation, most: int | None = None) -> list[Case]:
    """Write requests at and beyond every limit that the document sets, at most so many of them, evenly chosen."""
    cases = list(
        operation.schema.iter_coverage_cases(
            operation,
            generation_modes=list(GenerationMode),
            generation_config=operation.schema.config.generation_for(operation=operation, phase="coverage"),
        )
    )
    return cases if most is None else cases[:: -(-len(cases) // most)]


def by_chance(operation: APIOperation, count: int, number: int, *, is_right: bool = False) -> list[Case]:
    """Write so many right and so many wrong requests, or only right ones.

    Others for each number, and the same ones for the same number, as long as the code stays as it is.
    """
    modes = [GenerationMode.POSITIVE]
    if not is_right and operation.label not in ALWAYS_RIGHT:
        modes.append(GenerationMode.NEGATIVE)
    return [case for mode in modes for case in _draw(operation.as_strategy(mode), count, number)]


def _draw(strategy: SearchStrategy[Case], count: int, number: int) -> list[Case]:
    # All of them are written before any is sent: what a world answers never changes what it is sent.
    drawn: list[Case] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(strategy)
    def draw(case: Case) -> None:
        drawn.append(case)

    draw()
    return drawn


def _parameter(path: str, parameter: Mapping[str, Any], known: Known) -> dict[str, Any]:
    name, schema = parameter["name"], parameter["schema"]
    match parameter["in"]:
        case "path":
            segment = path.partition(f"/{{{name}}}")[0].rpartition("/")[2]
            return _one_of(known[_SEGMENTS.get(segment, segment)])
        case "query" if name == "after":
            return _one_of(known[path])
        case "query":
            return _property(name, schema, known)
        case _:
            return schema


def _sent(value: Any, known: Known) -> Any:
    """Copy a part of a document for requests."""
    if isinstance(value, list):
        return [_sent(item, known) for item in value]
    if isinstance(value, str):
        return value.replace("#/components/schemas/", f"#/components/schemas/{_SENT}")
    if not isinstance(value, dict):
        return value
    return {
        key: {name: _property(name, part, known) for name, part in item.items()}
        if key == "properties"
        else _sent(item, known)
        for key, item in value.items()
    }


def _property(name: str, schema: dict[str, Any], known: Known) -> Any:
    words = _words(name)
    if words.endswith(("account_id", "source_id")):
        return _naming(schema, known["accounts"])
    if words == "account_ids":
        return schema | {"items": _one_of(known["accounts"])}
    if words in _OTHER_IDS:
        return _naming(schema, known[_OTHER_IDS[words]])
    if words == "zone":
        return _one_of(known["zones"])
    if words in _REFERENCES:
        return _naming(schema, known["source" if words == "source" else "destination"])
    return _sent(schema, known)


def is_name(parameter: str) -> bool:
    """Tell whether a parameter is an id. What it may be is then no matter of shape."""
    return _words(parameter).endswith(("id", "ids"))


def _words(name: str) -> str:
    return _CAPITAL.sub(r"_\1", name).lower()


def _naming(schema: dict[str, Any], known: list[Any]) -> dict[str, Any]:
    """Let a value be one of what is known, or null where it may be null."""
    null = [choice for choice in schema.get("anyOf", ()) if choice.get("type") == "null"]
    return {"anyOf": [_one_of(known), *null]} if null else _one_of(known)


def _one_of(known: list[Any]) -> dict[str, Any]:
    return {"enum": known}
