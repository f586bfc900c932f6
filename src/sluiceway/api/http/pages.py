"""The page that shows a document to people: one file of HTML, made once, with nothing to load from anywhere.

What a link leads to stands inside its `details`, not on them: so a browser opens them by itself.
"""

from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --soft: #5b6875; --line: #dfe4ea; --page: #fbfcfd; --card: #fff;
  --mark: #0b6e6e }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9ee; --soft: #9aa7b4; --line: #2b343d; --page: #12171c; --card: #191f26; --mark: #4fc3c3 }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem }
h1 { font-size: 1.8rem; margin: 0 0 .5rem }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem }
p { margin: .4rem 0 }
a { color: var(--mark) }
code { font: .875em/1.5 ui-monospace, monospace }
.soft { color: var(--soft) }
details { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0;
  padding: .6rem .9rem }
summary { cursor: pointer }
summary b { display: inline-block; min-width: 4.6rem; color: var(--mark) }
summary code { overflow-wrap: anywhere; margin-right: .3rem }
summary .soft { display: inline-block }
:target { scroll-margin-top: 4rem; outline: 2px solid var(--mark); outline-offset: .4rem; border-radius: .25rem }
table { border-collapse: collapse; table-layout: fixed; width: 100%; margin: .8rem 0 .4rem }
td, th { border-top: 1px solid var(--line); padding: .35rem .6rem .35rem 0; text-align: left; vertical-align: top;
  overflow-wrap: break-word }
th { font-weight: 600; color: var(--soft) }
tr > :nth-child(-n + 2) { width: 30% }
@media (max-width: 40rem) {
  tr, td, th, tbody, table { display: block }
  tr { border-top: 1px solid var(--line); padding: .4rem 0 }
  tr > * { border: 0; padding: 0 }
  tr > :nth-child(n) { width: auto }
  th:nth-child(n + 2) { display: none }
}
"""


def page(document: dict[str, Any]) -> bytes:
    """Write the page of a document."""
    info, base = document["info"], document["servers"][0]["url"]
    tags: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tags.setdefault(operation["tags"][0], []).append(_operation(base, path, method, operation))
    sections = "".join(f"<h2>{escape(tag)}</h2>{''.join(shown)}" for tag, shown in tags.items())
    schemas = "".join(_schema(name, schema) for name, schema in document["components"]["schemas"].items())
    credentials = "".join(
        f"<p>{escape(scheme.get('name', 'Authorization'))}: {_text(scheme['description'])}</p>"
        for scheme in document["components"]["securitySchemes"].values()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style><main><h1>{escape(info['title'])}</h1>"
        f"<p>{_text(info['description'])}</p>{credentials}"
        f'<p class="soft">The same for programs: <a href="{escape(base)}/openapi.json">openapi.json</a></p>'
        f"{sections}<h2>Structures</h2>{schemas}</main></html>"
    ).encode()


def _operation(base: str, path: str, method: str, operation: dict[str, Any]) -> str:
    rows = [
        (parameter["name"], _place(parameter), _kind(parameter["schema"]), parameter.get("description", ""))
        for parameter in operation["parameters"]
    ]
    body = operation.get("requestBody")
    asked = "" if body is None else f"<p>Body: {_kind(body['content']['application/json']['schema'])}</p>"
    return (
        f"<details><summary><b>{method.upper()}</b> "
        f"<code>{escape(base + path)}</code> <span class=soft>{escape(operation['summary'])}</span></summary>"
        f'<p id="{escape(operation["operationId"])}">{_text(operation["description"])}</p>{asked}'
        f"{_table('Parameter', rows)}{_table('Answer', _answers(operation['responses']))}</details>"
    )


def _place(parameter: dict[str, Any]) -> str:
    return f"{parameter['in']}, required" if parameter["required"] else parameter["in"]


def _answers(responses: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """List what is answered, statuses with the same structure in one row."""
    statuses: dict[str, list[tuple[str, str]]] = {}
    for status, answer in responses.items():
        kind = _kind(answer["content"]["application/json"]["schema"])
        statuses.setdefault(kind, []).append((status, answer["description"]))
    return [
        (", ".join(status for status, _ in found), "", kind, ", ".join(described for _, described in found))
        for kind, found in statuses.items()
    ]


def _table(title: str, rows: list[tuple[str, str, str, str]]) -> str:
    shown = "".join(
        f"<tr><td><code>{escape(name)}</code> <span class=soft>{escape(place)}</span><td>{kind}<td>{_text(described)}"
        for name, place, kind, described in rows
    )
    return f"<table><tr><th>{title}<th>Type<th>{shown}</table>"


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = [
        (key, "required" if key in required else "", _kind(value), value.get("description", ""))
        for key, value in schema.get("properties", {}).items()
    ]
    return (
        f"<details><summary><code>{escape(name)}</code></summary>"
        f'<p id="{escape(name)}">{_text(schema.get("description", ""))}</p>{_table("Field", rows)}</details>'
    )


def _kind(schema: dict[str, Any]) -> str:
    """Say what a schema allows, with links to the structures that it names."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(choice) for choice in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"<code>{escape(str(word))}</code>" for word in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    kind = escape(str(schema.get("format") or schema.get("type", "anything")))
    return f"{kind}, {schema['minimum']} to {schema['maximum']}" if "maximum" in schema else kind


def _text(text: str) -> str:
    """Escape text, and set what stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
