"""Spans: from the call that asks for money to be moved to the webhook that tells of it, across every process."""

import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_trace_id

from sluiceway.api.app import create_app
from sluiceway.api.http import traced
from sluiceway.cli.logs import add_trace
from sluiceway.services.edge import Edge
from sluiceway.services.engine import Engine
from sluiceway.services.errands import work_off
from sluiceway.services.open_telemetry import OpenTelemetry
from sluiceway.services.tracing import NO_TRACING, Place, place_of, read_traceparent
from sluiceway.storage.database import Database
from tests.api.client import open_api
from tests.services.post import OK, posting
from tests.support import World, fixed, on_demand, plain_engine
from tests.taxes import amount, asking, headers, remote

THEIRS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@dataclass
class Collected:
    """What a collector was handed."""

    exporter: InMemorySpanExporter
    tracing: OpenTelemetry

    def all(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all() if span.name == name]

    def only(self, name: str) -> ReadableSpan:
        [span] = self.named(name)
        return span


@pytest.fixture
def collected() -> Generator[Collected]:
    exporter = InMemorySpanExporter()
    yield Collected(exporter, tracing := OpenTelemetry(SimpleSpanProcessor(exporter), {}))
    tracing.close(1)


@pytest.fixture
def engine(database: Database, collected: Collected) -> Engine:
    return replace(plain_engine(database), tracing=collected.tracing)


def points_at(span: ReadableSpan) -> set[int]:
    return {link.context.span_id for link in span.links}


def trace_of(span: ReadableSpan) -> int:
    return span.get_span_context().trace_id


async def test_a_call_is_followed_to_the_money_that_it_moves(world: World, collected: Collected):
    await world.account("income")
    await world.account("savings")
    await world.deposit("income", 100_000)
    await world.rule("save", on_demand("income", fixed(2_500, "income", "savings")))
    collected.exporter.clear()
    edge = Edge(world.engine)
    async with open_api(world, edge, traced(create_app(edge), world.engine)) as api:
        answer = await api.with_headers(traceparent=THEIRS).post(f"/rules/{api.rule('save')}/trigger", {})
        assert answer.status_code == 200, answer.text
        await api.get("/accounts")
        await world.settle()

    [run] = await world.executions("save")
    trace_id, span_id = place_of(run.id)
    call = collected.only("POST /api/v1/rules/{id}/trigger")
    batch, settled, ran = collected.only("batch of triggers"), collected.only("settle"), collected.only("execution")
    assert (trace_of(call), call.parent and call.parent.span_id) == (int(THEIRS[3:35], 16), int(THEIRS[36:52], 16))
    assert dict(call.attributes or {})["http.response.status_code"] == 200
    assert points_at(call) == {span_id}
    assert points_at(batch) == {call.get_span_context().span_id, span_id}
    assert points_at(settled) == {span_id}
    assert (trace_of(ran), ran.get_span_context().span_id) == (trace_id, span_id)
    assert points_at(ran) == {settled.get_span_context().span_id}
    assert ran.start_time is not None
    assert call.start_time is not None
    # An id has milliseconds.
    assert ran.start_time >= call.start_time - 1_000_000
    [moved] = [each for each in await world.transfers() if each.execution_id == run.id]
    assert dict(ran.attributes or {}) == {
        "sluiceway.execution_id": run.id,
        "sluiceway.organization_id": world.organization_id,
        "sluiceway.status": "executed",
        "sluiceway.transfer_ids": (moved.id,),
    }
    within = settled.get_span_context().span_id
    parts = {span.name for span in collected.all() if span.parent and span.parent.span_id == within}
    assert parts == {"claim", "load", "plan", "write"}
    # Who only reads moves no money.
    assert not collected.named("GET /api/v1/accounts")


async def test_nobody_unknown_fills_a_collector_or_chooses_a_trace(world: World, collected: Collected):
    edge = Edge(world.engine)
    async with open_api(world, edge, traced(create_app(edge), world.engine)) as api:
        collected.exporter.clear()
        for secret in (None, "sk_" + "x" * 38):
            refused = await api.with_secret(secret).with_headers(traceparent=THEIRS).post("/transfers", {})
            assert refused.status_code == 401
        assert collected.all() == []

        # A failure says in one word what it was: the rest may be somebody's.
        refused = await api.with_headers(traceparent="00-nonsense").post("/transfers", {"amount": "canary"})
    assert refused.status_code in (400, 422)
    assert "canary" not in str([span.to_json() for span in collected.all()])
    assert collected.only("POST /api/v1/transfers").parent is None


async def test_a_remote_service_and_a_webhook_are_told_our_trace(
    engine: Engine, database_url: str, collected: Collected
):
    async with posting(engine, database_url) as post:
        await post.listen("execution.*")
        post.answers(OK)
        await post.world.account("taxes")
        await post.world.deposit("income", 100_000)
        async with asking(post.world, amount(700)) as (world, service):
            await world.rule("tax", on_demand("income", remote(service)))
            await world.trigger("tax")
            while await work_off(world.engine, world.organization_id):
                pass
        await post.tell()

        [run] = await post.world.executions("tax")
        [question], [heard] = service.requests, post.requests()
    trace_id, span_id = place_of(run.id)
    ask, told = collected.only("ask for an amount"), collected.only("tell a webhook")
    assert (trace_of(ask), ask.parent and ask.parent.span_id) == (trace_id, span_id)
    assert headers(question)["traceparent"] == _header(ask)
    assert heard.headers["traceparent"] == _header(told)
    assert points_at(told) == {span_id}
    assert {"tracestate", "baggage"}.isdisjoint({*headers(question), *heard.headers})
    written = str([span.to_json() for span in collected.all()])
    assert str(service.port) not in written, "where services are is nobody's business"


async def test_who_traces_nothing_tells_no_trace(database: Database, database_url: str):
    async with posting(plain_engine(database), database_url) as post:
        await post.listen("*")
        await post.world.deposit("income", 100)
        await post.tell()

        assert "traceparent" not in post.requests()[0].headers
    assert NO_TRACING.span("x").place is None


def test_every_process_finds_an_execution_in_the_same_trace_sampled_or_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    exporter = InMemorySpanExporter()
    tracing, other = (OpenTelemetry(SimpleSpanProcessor(exporter), {}) for _ in range(2))
    ids: list[Any] = [f"0197a1b2-c3d4-7{n:03x}-8000-{n:012x}" for n in range(400)]
    kept = {each for each in ids if (place := tracing.execution(each)) and place.is_sampled}
    for each in ids:
        assert other.execution(each) == tracing.execution(each)
        tracing.executed(each, [])
        with other.span("ask", within=other.execution(each)):
            pass

    spans = exporter.get_finished_spans()
    assert 60 < len(kept) < 140, "about a quarter, although ids are no dice"
    assert {trace_of(span) for span in spans} == {place_of(each)[0] for each in kept}
    assert len(spans) == 2 * len(kept)


def test_a_line_of_the_log_names_the_trace_that_it_is_a_part_of(collected: Collected):
    assert add_trace(None, "", {"event": "x"}) == {"event": "x"}
    with collected.tracing.span("work") as span:
        assert span.place is not None
        in_it = add_trace(None, "", {"event": "x"})
        about = add_trace(None, "", {"event": "x", "trace_id": "of an execution"})

    assert in_it == {"event": "x", "trace_id": format_trace_id(span.place.trace_id)}
    assert about["trace_id"] == "of an execution"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ([THEIRS], Place(int(THEIRS[3:35], 16), int(THEIRS[36:52], 16))),
        ([THEIRS[:-1] + "0"], Place(int(THEIRS[3:35], 16), int(THEIRS[36:52], 16), is_sampled=False)),
        (["cc" + THEIRS[2:] + "-more"], Place(int(THEIRS[3:35], 16), int(THEIRS[36:52], 16))),
        ([], None),
        ([THEIRS, THEIRS], None),
        ([THEIRS.upper()], None),
        ([THEIRS + "-more"], None),
        (["ff" + THEIRS[2:]], None),
        ([f"00-{'0' * 32}-{'1' * 16}-01"], None),
        ([f"00-{'1' * 32}-{'0' * 16}-01"], None),
        ([THEIRS + "\n"], None),
        (["00-1-2-01"], None),
        ([""], None),
    ],
)
def test_a_trace_is_gone_on_with_only_where_it_is_said_as_the_standard_has_it(sent: list[str], read: Place | None):
    assert read_traceparent([each.encode() for each in sent]) == read


def test_a_failure_of_what_is_traced_is_named_and_not_repeated(collected: Collected):
    with pytest.raises(ValueError, match="canary"), collected.tracing.span("work"):
        raise ValueError("canary")

    span = collected.only("work")
    assert dict(span.attributes or {}) == {"error.type": "ValueError"}
    assert (span.status.is_ok, span.events) == (False, ())
    assert "canary" not in span.to_json()


def test_who_does_not_trace_loads_nothing_of_it():
    program = (
        "import asyncio, sys\n"
        "from sluiceway import wiring\n"
        "from sluiceway.settings import read_settings\n"
        "async def main():\n"
        "    async with wiring.tracing_of(read_settings({})) as tracing:\n"
        "        assert not tracing.is_on\n"
        "asyncio.run(main())\n"
        "print(sorted(name for name in sys.modules if 'opentelemetry' in name.split('.')[0]))\n"
    )

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "[]"


def _header(span: ReadableSpan) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"
