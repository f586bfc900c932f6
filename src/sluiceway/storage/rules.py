"""Owns the tables rule, rule_revision and approval. A rule is enabled exactly while it stands under an approval."""

import json
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sluiceway.domain.errors import InvalidParameters
from sluiceway.domain.ids import AccountId, ApprovalId, OrganizationId, PersonId, RuleId
from sluiceway.domain.revisions import RevisionKey, RuleRecord, RuleState
from sluiceway.domain.rules import (
    Aside,
    AsideKind,
    OnFunds,
    Remote,
    Rule,
    Scheduled,
    canonical,
    fingerprint,
    read_rule,
)
from sluiceway.domain.schedule import Occurrence
from sluiceway.storage.database import ReadTx, WriteTx, execute, fetch_all, fetch_one
from sluiceway.storage.queries import load, only

QUERIES = load(__file__)


async def rule_states(
    tx: ReadTx, keys: Iterable[tuple[OrganizationId, RuleId]]
) -> dict[tuple[OrganizationId, RuleId], RuleState]:
    """Read the present state of rules; those that do not exist are left out."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await fetch_all(
        tx,
        QUERIES["rule_states"],
        {
            "organization_ids": [key[0] for key in wanted],
            "ids": [key[1] for key in wanted],
            "only": only({key[0] for key in wanted}),
        },
    )
    return {(row[0], row[1]): RuleState(*row) for row in rows}


async def revisions(tx: ReadTx, keys: Iterable[RevisionKey]) -> dict[RevisionKey, Rule]:
    """Read revisions of rules.

    One that is not what was signed, or that this version cannot read, is left out: it must not run.
    """
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await fetch_all(
        tx,
        QUERIES["revisions"],
        {
            "organization_ids": [key.organization_id for key in wanted],
            "rule_ids": [key.rule_id for key in wanted],
            "revisions": [key.revision for key in wanted],
            "only": only({key.organization_id for key in wanted}),
        },
    )
    found: dict[RevisionKey, Rule] = {}
    for *key, definition, signed in rows:
        with suppress(InvalidParameters):
            rule = read_rule(definition)
            if fingerprint(rule) == signed:
                found[RevisionKey(*key)] = rule
    return found


async def rules_fired_by_funds(
    tx: ReadTx, keys: Iterable[tuple[OrganizationId, AccountId]]
) -> dict[tuple[OrganizationId, AccountId], list[RuleState]]:
    """Find the enabled incoming-funds rules of accounts, each account's in the order in which they run."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await fetch_all(
        tx,
        QUERIES["rules_fired_by_funds"],
        {
            "organization_ids": [key[0] for key in wanted],
            "account_ids": [key[1] for key in wanted],
            "only": only({key[0] for key in wanted}),
        },
    )
    found: dict[tuple[OrganizationId, AccountId], list[RuleState]] = {}
    for organization_id, account_id, *state in rows:
        state_now = RuleState(organization_id, state[0], state[1], state[2], state[3], is_deleted=False)
        found.setdefault((organization_id, account_id), []).append(state_now)
    return found


async def insert_rule(
    tx: WriteTx, organization_id: OrganizationId, rule_id: RuleId, rule: Rule, secret: str, at: datetime
) -> None:
    """Add a rule with its first revision, disabled, and the secret that it shares with remote services."""
    row = _rule_row(organization_id, rule_id, 1, rule, at) | {"secret": secret}
    await execute(tx, QUERIES["insert_rule"], row)
    await execute(tx, QUERIES["insert_revision"], row)


async def rule_secret(tx: WriteTx, organization_id: OrganizationId, rule_id: RuleId, fresh: str) -> str:
    """Read the secret of a rule that exists; `fresh` becomes it if it has none yet."""
    row = {"organization_id": organization_id, "id": rule_id, "secret": fresh}
    found = await fetch_one(tx, QUERIES["rule_secret"], row)
    assert found is not None, "whoever asks for a secret has the rule"
    return str(found[0])


async def revise_rule(
    tx: WriteTx, organization_id: OrganizationId, rule_id: RuleId, revision: int, rule: Rule, at: datetime
) -> None:
    """Add a revision and make it the present one, which disables the rule and revokes its approval."""
    row = _rule_row(organization_id, rule_id, revision, rule, at)
    await execute(tx, QUERIES["insert_revision"], row)
    await execute(tx, QUERIES["revise_rule"], row)
    await execute(tx, QUERIES["revoke_approvals"], row)


async def set_aside(tx: WriteTx, organization_id: OrganizationId, rule_id: RuleId, asides: Sequence[Aside]) -> None:
    """Keep these parts beside a rule, and no others."""
    parts = [{"kind": each.kind, "path": each.path, "part": each.part, "note": each.note} for each in asides]
    row = {"organization_id": organization_id, "id": rule_id, "parts": json.dumps(parts) if parts else None}
    await execute(tx, QUERIES["set_aside"], row)


async def set_aside_of(tx: ReadTx, organization_id: OrganizationId, rule_id: RuleId) -> list[Aside]:
    """Read what is kept beside a rule."""
    found = await fetch_one(tx, QUERIES["set_aside_of"], {"organization_id": organization_id, "id": rule_id})
    parts: list[dict[str, Any]] = [] if found is None or found[0] is None else found[0]
    return [Aside(AsideKind(each["kind"]), each["path"], each["part"], each["note"]) for each in parts]


async def enable_rule(
    tx: WriteTx,
    record: RuleRecord,
    approval_id: ApprovalId,
    person_id: PersonId,
    at: datetime,
    first: Occurrence | None = None,
) -> None:
    """Put a rule's present revision under a person's approval; `first` is when its schedule fires next."""
    row = {
        "organization_id": record.organization_id,
        "id": record.id,
        "rule_id": record.id,
        "revision": record.revision,
        "fingerprint": record.fingerprint,
        "person_id": person_id,
        "approval_id": approval_id,
        "next_fire_at": first and first.at,
        "next_nominal": first and first.nominal,
        "at": at,
    }
    await execute(tx, QUERIES["revoke_approvals"], row)
    await execute(tx, QUERIES["insert_approval"], row | {"id": approval_id})
    await execute(tx, QUERIES["enable_rule"], row)


async def disable_rule(
    tx: WriteTx, organization_id: OrganizationId, rule_id: RuleId, at: datetime, *, is_deleted: bool = False
) -> None:
    """Take a rule's approval away, and delete the rule softly if asked."""
    row = {"organization_id": organization_id, "id": rule_id, "rule_id": rule_id, "at": at, "is_deleted": is_deleted}
    await execute(tx, QUERIES["disable_rule"], row)
    await execute(tx, QUERIES["revoke_approvals"], row)


async def find_rule(tx: ReadTx, organization_id: OrganizationId, rule_id: RuleId) -> RuleRecord | None:
    """Find a rule at its present revision, deleted or not."""
    row = await fetch_one(tx, QUERIES["find_rule"], {"organization_id": organization_id, "id": rule_id})
    return None if row is None else _read_record(row)


async def list_rules(
    tx: ReadTx,
    organization_id: OrganizationId,
    *,
    source_id: AccountId | None = None,
    only_enabled: bool = False,
    ids: Collection[str] | None = None,
    before_id: str | None = None,
    offset: int = 0,
    limit: int | None = None,
) -> list[RuleRecord]:
    """List rules that are not deleted, newest first; `ids` restricts them (None: all)."""
    rows = await fetch_all(
        tx,
        QUERIES["list_rules"],
        {
            "organization_id": organization_id,
            "source_id": source_id,
            "only_enabled": only_enabled,
            "ids": None if ids is None else sorted(ids),
            "before_id": before_id,
            "offset": offset,
            "limit": limit,
        },
    )
    return [_read_record(row) for row in rows]


def _rule_row(
    organization_id: OrganizationId, rule_id: RuleId, revision: int, rule: Rule, at: datetime
) -> dict[str, object]:
    trigger = rule.trigger
    kind = (
        "ON_FUNDS_TRANSFERRED"
        if isinstance(trigger, OnFunds)
        else "SCHEDULED"
        if isinstance(trigger, Scheduled)
        else "REMOTE_API"
        if isinstance(trigger, Remote)
        else "MANUAL"
    )
    return {
        "organization_id": organization_id,
        "id": rule_id,
        "rule_id": rule_id,
        "revision": revision,
        "definition": canonical(rule).decode(),
        "fingerprint": fingerprint(rule),
        "trigger_type": kind,
        "trigger_account_id": rule.account_id,
        "source_account_id": rule.account_id or rule.steps[0].actions[0].source,
        "at": at,
    }


def _read_record(row: tuple[Any, ...]) -> RuleRecord:
    return RuleRecord(
        organization_id=row[0],
        id=row[1],
        rule=read_rule(row[6]),
        revision=row[2],
        fingerprint=row[3],
        approval_id=row[4],
        position=row[5],
        created_at=row[7],
        updated_at=row[8],
        deleted_at=row[9],
    )
