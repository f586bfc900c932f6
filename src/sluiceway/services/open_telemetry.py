"""Spans for OpenTelemetry. Imported only where a deployment asks for it (`pip install 'sluiceway[tracing]'`).

Everything that the standard's variables can choose, they choose: where spans go, how many of them, under which name.
"""

from collections.abc import Iterable, Mapping
from contextvars import Token
from datetime import datetime
from importlib.metadata import version
from threading import Thread
from types import TracebackType
from typing import Final, Self

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)
from opentelemetry.trace import Span as TheirSpan

from sluiceway.domain.ids import ExecutionId
from sluiceway.services.tracing import CURRENT, Attribute, Kind, Place, Span, Tracing, place_of

MOST_LINKS: Final = 1024
"""How many calls or executions a batch's span points at; those of the standard's default, 128, are too few."""
PREFIX: Final = "sluiceway."
_LINKS: Final = "OTEL_SPAN_LINK_COUNT_LIMIT"
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP: Final = "http/protobuf"
_KINDS: Final[Mapping[Kind, SpanKind]] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
}
_MS: Final = 1_000_000
_US: Final = 1_000


class _Ids(RandomIdGenerator):
    """Random ids, and for the next span the ones that it has to have."""

    wanted: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        return super().generate_trace_id() if self.wanted is None else self.wanted[0]

    def generate_span_id(self) -> int:
        if self.wanted is None:
            return super().generate_span_id()
        (_, span_id), self.wanted = self.wanted, None
        return span_id


class OpenTelemetry(Tracing):
    """Makes spans and hands them to a processor."""

    is_on = True

    def __init__(self, processor: SpanProcessor, environment: Mapping[str, str]) -> None:
        """Hand spans to `processor`; of the environment, read what the SDK leaves to us."""
        self._ids = _Ids()
        resource = Resource.create({SERVICE_VERSION: version("sluiceway")})
        if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: "sluiceway"}))
        limits = SpanLimits() if environment.get(_LINKS) else SpanLimits(max_links=MOST_LINKS)
        self._provider = TracerProvider(
            resource=resource, id_generator=self._ids, span_limits=limits, shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer: Tracer = self._provider.get_tracer("sluiceway", version("sluiceway"))

    def span(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        within: Place | None = None,
        is_apart: bool = False,
        began: datetime | None = None,
        links: Iterable[Place | None] = (),
        **attributes: Attribute,
    ) -> Span:
        """Make a span."""
        parent = within or (None if is_apart else CURRENT.get().place)
        made = self._tracer.start_span(
            name,
            Context() if parent is None else set_span_in_context(NonRecordingSpan(_theirs(parent)), Context()),
            _KINDS[kind],
            _named(attributes),
            [Link(_theirs(place)) for place in links if place is not None],
            None if began is None else int(began.timestamp() * 1_000_000) * _US,
        )
        return _Span(made)

    def execution(self, execution_id: ExecutionId) -> Place | None:
        """Tell where the span of an execution is. Whether it is sampled is decided by its trace, each time alike."""
        trace_id, span_id = place_of(execution_id)
        sampling = self._provider.sampler.should_sample(Context(), trace_id, "execution")
        return Place(trace_id, span_id, sampling.decision is Decision.RECORD_AND_SAMPLE)

    def executed(self, execution_id: ExecutionId, links: Iterable[Place | None], **attributes: Attribute) -> None:
        """Make the span of an execution."""
        self._ids.wanted = place_of(execution_id)
        try:
            self._tracer.start_span(
                "execution",
                Context(),
                attributes=_named({"execution_id": execution_id, **attributes}),
                links=[Link(_theirs(place)) for place in links if place is not None],
                start_time=_made_at_ns(execution_id),
            ).end()
        finally:
            self._ids.wanted = None

    def close(self, within_s: float) -> None:
        """Hand over what is left. The exporter asks a collector that is away several times, which nobody waits for."""
        closing = Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(within_s)


class _Span(Span):
    """A span under way."""

    def __init__(self, theirs: TheirSpan) -> None:
        self._theirs = theirs
        context = theirs.get_span_context()
        self.place = Place(context.trace_id, context.span_id, bool(context.trace_flags & TraceFlags.SAMPLED))
        self._token: Token[Span] | None = None

    def note(self, **attributes: Attribute) -> None:
        self._theirs.set_attributes(_named(attributes))

    def link(self, *places: Place | None) -> None:
        for place in places:
            if place is not None:
                self._theirs.add_link(_theirs(place))

    def fail(self, kind: str) -> None:
        self._theirs.set_attribute("error.type", kind)
        self._theirs.set_status(StatusCode.ERROR)

    def __enter__(self) -> Self:
        self._token = CURRENT.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            CURRENT.reset(self._token)
        if kind is not None:
            # Its name and no more: what an exception says may be what somebody sent.
            self.fail(kind.__name__)
        self._theirs.end()


def open_telemetry(environment: Mapping[str, str], *, is_on_console: bool) -> OpenTelemetry:
    """Make the tracing that the standard's variables ask for. Raises ValueError for what is not offered."""
    exporter: SpanExporter = ConsoleSpanExporter() if is_on_console else _otlp(environment)
    return OpenTelemetry(BatchSpanProcessor(exporter), environment)


def _otlp(environment: Mapping[str, str]) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 -- as above

    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), _HTTP)
    if protocol != _HTTP:
        raise ValueError(f"{_PROTOCOLS[1]} must be {_HTTP}, not {protocol!r}")
    return OTLPSpanExporter()


def _theirs(place: Place) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if place.is_sampled else TraceFlags.DEFAULT)
    return SpanContext(place.trace_id, place.span_id, is_remote=True, trace_flags=flags)


def _named(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """Give our attributes our prefix; those of the standard are written with double underscores for dots."""
    return {name.replace("__", ".") if "__" in name else PREFIX + name: value for name, value in attributes.items()}


def _made_at_ns(execution_id: ExecutionId) -> int:
    """Read when an id was made, by the real clock: organizations' clocks may stand elsewhere."""
    assert execution_id[14] == "7", "executions have ids that say when they were made"
    return int(execution_id.replace("-", "")[:12], 16) * _MS
