"""Whether the loads ran under every feature that a user would have on: each leaves rows, and none may be missing."""

from typing import Final, LiteralString

from bench.figures import Row
from bench.observing import Observer

_LEFT: Final[dict[str, LiteralString]] = {
    "every key has a limit of calls": "SELECT NOT EXISTS (SELECT FROM api_key WHERE calls_per_minute IS NULL)",
    "calls were counted": "SELECT EXISTS (SELECT FROM call_bucket)",
    "answers were kept under their keys": "SELECT EXISTS (SELECT FROM idempotency)",
    "calls are in the audit log": "SELECT EXISTS (SELECT FROM audit_entry WHERE actor_kind = 'API_KEY')",
    "runs were approved by a person": "SELECT EXISTS (SELECT FROM execution WHERE approval_id IS NOT NULL)",
    "runs say why": "SELECT EXISTS (SELECT FROM execution WHERE trace IS NOT NULL)",
    "what happened is to be told": "SELECT EXISTS (SELECT FROM outbox)",
}


def features(observer: Observer) -> Row:
    """Look for what each of them leaves behind; one that left nothing is an error."""
    missing = [what for what, query in _LEFT.items() if observer.rows(query) != [(True,)]]
    return {"scenario": "features", "on": len(_LEFT) - len(missing), "missing": missing, "errors": len(missing)}
