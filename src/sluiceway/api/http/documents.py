"""The OpenAPI 3.1 document of a generation, made from its operations and the structures that they name."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

import msgspec

from sluiceway.api.http.generation import Generation
from sluiceway.api.http.operations import Offer
from sluiceway.api.http.queries import Parameter
from sluiceway.domain.access import Permission

_REF = "#/components/schemas/{name}"
_SCHEMES: Mapping[str, dict[str, str]] = {"Bearer": {"type": "http", "scheme": "bearer"}}
"""Schemes of the Authorization header that OpenAPI knows by name."""
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Info:
    """What a document says of its generation as a whole."""

    title: str
    description: str
    scheme: str
    """The word before the key in the Authorization header."""
    error: type
    """The structure of an error."""
    key_refusals: tuple[int, ...] = (409, 422)
    """Statuses of what can be wrong with an idempotency key."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Headers that every operation takes besides, each with what it is for."""
    permissions: Mapping[Permission, str] = field(default_factory=dict[Permission, str])
    """Permissions that this generation calls otherwise."""


def document(generation: Generation, info: Info) -> Document:
    """Write the document."""
    kinds = _kinds(generation.operations, info)
    schemas, components = msgspec.json.schema_components(kinds, schema_hook=_anything, ref_template=_REF)
    known = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, Any] = {}
    for operation in generation.operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, known, info)
    made: Document = {
        "openapi": "3.1.0",
        "info": {"title": info.title, "version": "1", "description": info.description},
        "servers": [{"url": generation.prefix}],
        "security": [],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _credentials(generation.operations)},
    }
    if any(operation.credential is None for operation in generation.operations):
        made["security"].append({"key": []})
        made["components"]["securitySchemes"]["key"] = {
            **_SCHEMES.get(info.scheme, {"type": "apiKey", "in": "header", "name": "Authorization"}),
            "description": f"`{info.scheme} <key>`",
        }
    return cast("Document", _plain(made))


def _credentials(operations: Iterable[Offer]) -> Document:
    """Describe what callers of some operations show instead of a key."""
    known = {operation.credential for operation in operations if operation.credential is not None}
    return {
        one.name: {"type": "apiKey", "in": one.place, "name": one.header, "description": one.description}
        for one in sorted(known, key=lambda one: one.name)
    }


def _kinds(operations: Iterable[Offer], info: Info) -> list[type]:
    kinds = {info.error: None}
    for operation in operations:
        kinds[operation.answer] = None
        if operation.body is not None:
            kinds[operation.body] = None
    return list(kinds)


def _operation(operation: Offer, known: dict[type, Any], info: Info) -> Document:
    shown: Document = {
        "operationId": operation.name,
        "tags": [operation.path.split("/")[1]],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": _parameters(operation, info),
    }
    if (permission := operation.permission_told) is not None:
        shown["description"] += f" Permission: `{info.permissions.get(permission, permission)}`."
    if operation.credential is not None:
        shown["security"] = [{operation.credential.name: []}]
    if operation.body is not None:
        shown["requestBody"] = {
            "required": operation.is_body_required,
            "content": {"application/json": {"schema": known[operation.body]}},
        }
    shown["responses"] = {
        str(operation.status): _response(operation.status, known[operation.answer], _replay(operation))
    } | {str(status): _response(status, known[info.error], {}) for status in _refusals(operation, info)}
    return shown


def _refusals(operation: Offer, info: Info) -> list[int]:
    """List the statuses of what can go wrong: with every operation, with bodies, with keys, with this one."""
    body = (413, 415) if operation.body is not None else ()
    keys = info.key_refusals if operation.is_idempotent else ()
    permission = (403,) if operation.credential is None else ()
    return sorted({400, 401, 429, 500, 503, *permission, *body, *keys, *operation.refusals})


def _response(status: int, schema: Any, headers: Document) -> Document:  # noqa: ANN401 -- a JSON schema
    request_id = {"X-Request-ID": {"description": "The request's id.", "schema": {"type": "string"}}}
    return {
        "description": HTTPStatus(status).phrase,
        "headers": request_id | headers,
        "content": {"application/json": {"schema": schema}},
    }


def _replay(operation: Offer) -> Document:
    if not operation.is_idempotent:
        return {}
    described = "`true` when the answer is that of the first request with this idempotency key."
    return {"Idempotent-Replayed": {"description": described, "schema": {"type": "string", "const": "true"}}}


def _parameters(operation: Offer, info: Info) -> list[Document]:
    shown = [
        _parameter("path", name, "The id, in any spelling.", {"type": "string"}, is_required=True)
        for name in operation.path_ids
    ]
    shown += [_query(parameter) for parameter in operation.parameters]
    text = {"type": "string", "minLength": 1, "pattern": "^[\\x21-\\x7e]+$"}
    if operation.is_idempotent:
        described = "Repeating a request with its key gives the first answer again and does nothing else."
        shown.append(_parameter("header", "Idempotency-Key", described, text | {"maxLength": 255}))
    described = "An id of your own for this request; it comes back in the answer."
    shown.append(_parameter("header", "X-Request-ID", described, {"type": "string"}))
    shown += [_parameter("header", name, about, {"type": "string"}) for name, about in info.headers.items()]
    return shown


def _query(parameter: Parameter) -> Document:
    described = parameter.description
    return _parameter("query", parameter.name, described, parameter.schema(), is_required=parameter.is_required)


def _parameter(place: str, name: str, described: str, schema: Document, *, is_required: bool = False) -> Document:
    shown: Document = {"in": place, "name": name, "required": is_required, "schema": schema}
    return shown | ({"description": described} if described else {})


def _anything(kind: type) -> Document:
    """Describe a body that may be any JSON, declared as an `object`."""
    assert kind is object, f"{kind} is no structure"
    return {"description": "Any JSON."}


def _plain(value: Any) -> Any:  # noqa: ANN401 -- walks JSON
    """Name structures as people would, and say that a Decimal is written as a number."""
    if isinstance(value, dict):
        pairs = cast("Document", value)
        if pairs.get("format") == "decimal":
            pairs = {key: item for key, item in pairs.items() if key != "format"} | {"type": "number"}
        return {_name(key): _plain(item) for key, item in pairs.items()}
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[object]", value)]
    return _name(value) if isinstance(value, str) else value


def _name(text: str) -> str:
    """Turn `Page_RuleSummary_` into `PageOfRuleSummary`."""
    return re.sub(r"\b(Page|Envelope|Items)_(\w+)_(?!\w)", r"\1Of\2", text)
