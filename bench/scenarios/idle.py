"""What a single caller waits for on an idle server: from sending a trigger to seeing that it is settled."""

import http.client
import json
import random
import time
from collections.abc import Mapping
from contextlib import closing

from bench.figures import Row, latencies
from bench.load import Target
from bench.stage import HOST, Stage

_PAUSES_S = (0.02, 0.12)
"""Between two triggers, so that each finds the server idle, and every phase of its polling."""
_LOOK_AGAIN_S = 0.001
_LONGEST_S = 10


def idle(stage: Stage) -> list[Row]:
    """Trigger one rule after the other, and look until it has run."""
    chance = random.Random(3)
    answered_s: list[float] = []
    settled_s: list[float] = []
    with closing(http.client.HTTPConnection(HOST, stage.port, timeout=_LONGEST_S)) as connection:
        # The first finds a worker that may only just have started.
        _trigger(connection, chance.choice(stage.seeded.triggers))
        until = time.perf_counter() + stage.options.seconds
        while time.perf_counter() < until:
            time.sleep(chance.uniform(*_PAUSES_S))
            answered, settled = _trigger(connection, chance.choice(stage.seeded.triggers))
            answered_s.append(answered)
            settled_s.append(settled)
    return [
        {
            "scenario": "idle",
            "requests": len(settled_s),
            **latencies(settled_s),
            **{f"answer_{name}": value for name, value in latencies(answered_s).items()},
            "callers": 1,
            "errors": 0,
        }
    ]


def _trigger(connection: http.client.HTTPConnection, target: Target) -> tuple[float, float]:
    """Trigger a rule, and tell after how many seconds that was answered, and after how many it was settled."""
    began = time.perf_counter()
    run = _ask(connection, target, {"Idempotency-Key": f"idle-{time.time_ns()}"})
    answered_s = time.perf_counter() - began
    look = Target("GET", f"/api/v1/rule-executions/{run['execution_id']}", target.key, "", is_idempotent=False)
    while _ask(connection, look)["status"] == "in_progress":
        if time.perf_counter() - began > _LONGEST_S:
            raise SystemExit(f"{run['execution_id']} was not settled in {_LONGEST_S} s")
        time.sleep(_LOOK_AGAIN_S)
    return answered_s, time.perf_counter() - began


def _ask(connection: http.client.HTTPConnection, target: Target, headers: Mapping[str, str] | None = None) -> Row:
    given = {"Authorization": f"ApiKey {target.key}", "Content-Type": "application/json", **(headers or {})}
    connection.request(target.method, target.path, target.body or None, given)
    answer = connection.getresponse()
    told: Row = json.loads(answer.read())
    if answer.status != http.client.OK:
        raise SystemExit(f"{target.path} was answered {answer.status}: {told}")
    found: Row = told["data"]
    return found
