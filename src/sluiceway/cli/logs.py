"""What a process that stays says of itself on standard error: one JSON line each, or words for a person at a terminal.

A line names the request, execution or organization that it is about by id. It holds no amounts, and nothing that opens
anything: whatever looks like a secret is masked before it is written, whoever logged it. Nothing that came from outside
begins a line of its own or commands a terminal.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final, TextIO, cast

import structlog

from sluiceway.services.tracing import here, named
from sluiceway.settings import MASK, Settings

Line = MutableMapping[str, Any]

_SECRET_NAMES: Final = re.compile(
    r"pass(word|wd)?$|secret$|token$|^authorization$|^(set-)?cookie$|^api_key$", re.IGNORECASE
)
_TRACEBACK: Final = "exception"
_SECRETS: Final = (
    # Ours: keys, access tokens, rules' secrets, sessions, webhooks' secrets.
    (re.compile(r"\b((?:sk|at|rs|ss|si|whsec)_)[A-Za-z0-9+/=_-]{12,}"), rf"\1{MASK}"),
    (re.compile(r"\b(ApiKey|Bearer|Basic)\s+[^\s'\",;\]}]+", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"(://[^\s:/@]*:)[^\s@]+@"), rf"\1{MASK}@"),
    (
        re.compile(
            r"([\"']?(?:password|secret|token|authorization|cookie)[\"']?\s*[=:]\s*)"
            r"(\"[^\"]*\"|'[^']*'|[^\s&,;)}\]]+)",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
)


def log_to_stderr(settings: Settings, stream: TextIO | None = None) -> None:
    """Write everything that is logged, by whichever library, in one form; to `stream`, if not to standard error."""
    out: TextIO = sys.stderr if stream is None else stream
    shared: list[Callable[[Any, str, Line], Any]] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        add_trace,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        # As plain text: others would print every local variable, secrets among them.
        structlog.processors.format_exc_info,
    ]
    is_json = settings.log_format == "json" or (settings.log_format is None and not out.isatty())
    renderer: Callable[[Any, str, Line], Any]
    if is_json:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=True)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback, timestamp_key="at"
        )
    # JSON escapes whatever breaks a line; for people, it has to be done.
    made_plain: list[Callable[[Any, str, Line], Any]] = [mask] if is_json else [mask, keep_to_the_line]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*shared, *made_plain, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *made_plain, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # Others' libraries say what they send and receive when they are asked to say everything.
    logging.getLogger("sluiceway").setLevel(level)


def add_trace(_logger: object, _method: str, line: Line) -> Line:
    """Name the trace that this is a part of, unless the line names that of what it is about."""
    return {**named(here()), **line}


def mask(_logger: object, _method: str, line: Line) -> Line:
    """Mask what looks like a secret, wherever it is in a line."""
    return {name: MASK if _SECRET_NAMES.search(name) else _masked(value) for name, value in line.items()}


def keep_to_the_line(_logger: object, _method: str, line: Line) -> Line:
    """Escape what breaks a line, moves a cursor or turns text around, and indent what has lines of its own."""
    return {name: _on_lines(name, value) if isinstance(value, str) else value for name, value in line.items()}


def _on_lines(name: str, text: str) -> str:
    if name != _TRACEBACK:
        return _escaped(text)
    return "\n".join(f"    {_escaped(each)}" for each in text.split("\n"))


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _masked(value: object) -> object:
    if isinstance(value, str):
        for secret, instead in _SECRETS:
            value = secret.sub(instead, value)
        return value
    if isinstance(value, Mapping):
        return mask(None, "", {str(name): each for name, each in cast("Mapping[object, object]", value).items()})
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(each) for each in cast("Iterable[object]", value)]
    return value if value is None or isinstance(value, bool | int | float) else _masked(repr(value))
