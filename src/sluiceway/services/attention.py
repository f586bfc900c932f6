"""Which rules have failed and not recovered, and everything else that needs a person, in the order of its urgency."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sluiceway.domain.attention import Need, NeedKind, blocked_feeds, title_of
from sluiceway.domain.executions import ExecutionStatus
from sluiceway.domain.ids import AccountId, ExecutionId, OrganizationId, RuleId
from sluiceway.domain.ledger import Account
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import visible
from sluiceway.domain.webhooks import Because
from sluiceway.storage import attention as stored
from sluiceway.storage.attention import FailedRun
from sluiceway.storage.database import ReadTx
from sluiceway.storage.organizations import Organization
from sluiceway.storage.webhooks import list_endpoints

MOST_FAILURES: Final = 200
"""How far back failures are looked through, over all rules together."""
MOST_APPROVALS: Final = 100
MOST_OF_A_KIND: Final = 10
"""So many of each sort are named; of more, only how many."""
_NAMED: Final = 2
_MORE: Final = {
    NeedKind.FAILED_RUN: ("more rules have failed", "Look at the runs"),
    NeedKind.FEED: ("more accounts keep rules from working", "Look at the accounts"),
    NeedKind.DRAFT: ("more rules have not been reviewed", "Look at the rules"),
}


async def failing_rules(tx: ReadTx, organization_id: OrganizationId) -> dict[RuleId, FailedRun]:
    """Give the latest failure of each rule that has had no run without one since."""
    latest: dict[RuleId, FailedRun] = {}
    for run in await stored.failed_runs(tx, organization_id, MOST_FAILURES):
        latest.setdefault(run.rule_id, run)
    failed: dict[RuleId, ExecutionId] = {rule_id: run.id for rule_id, run in latest.items()}
    recovered = await stored.succeeded_since(tx, organization_id, failed)
    return {rule_id: run for rule_id, run in latest.items() if rule_id not in recovered}


async def what_needs_you(
    tx: ReadTx,
    organization: Organization,
    accounts: dict[AccountId, Account],
    rules: Sequence[RuleRecord],
    real_now: datetime,
) -> list[Need]:
    """List what needs a person. `rules` are those that are not deleted."""
    by_id = {record.id: record for record in rules}
    now = organization.clock.read(real_now)
    found: list[Need] = []
    if organization.stopped_for is not None:
        title = "No money moves: the audit has found something wrong"
        said = f"{organization.stopped_for} Reading goes on. Whoever runs the server has to look at it and release it."
        found.append(Need(NeedKind.PAUSED, title, said, "Look at it", at=organization.paused_at))
    elif organization.paused_at is not None:
        said = "No rule moves anything until you let them go on. What would have run waits."
        found.append(Need(NeedKind.PAUSED, "All rules are paused", said, "Resume", at=organization.paused_at))
    waiting, expires_at = await stored.count_to_approve(tx, organization.id, MOST_APPROVALS)
    if waiting:
        more = "or more " if waiting == MOST_APPROVALS else ""
        title = f"{waiting} {more}transfer{'' if waiting == 1 else 's'} wait{'s' if waiting == 1 else ''} for you"
        said = f"Nothing of it moves before you approve it. {'It' if waiting == 1 else 'The first of them'} expires"
        found.append(Need(NeedKind.APPROVALS, title, said, "Decide", at=expires_at))
    failing = await failing_rules(tx, organization.id)
    found += _some([_failure(by_id[rule_id], run) for rule_id, run in failing.items() if rule_id in by_id])
    enabled = [record for record in rules if record.is_enabled]
    found += _some([_feed(*each) for each in blocked_feeds(accounts, enabled, now)])
    found += await _drafts(tx, organization.id, rules)
    for endpoint in await list_endpoints(tx, organization.id, real_now):
        if endpoint.disabled_because in (Because.GONE, Because.SILENT):
            why = "said that it is gone" if endpoint.disabled_because is Because.GONE else "failed for too long"
            said = f"It {why}, so nothing is sent there. What is pending is kept."
            title = f"The webhook to {visible(endpoint.url)} is off"
            found.append(Need(NeedKind.WEBHOOK, title, said, "Look at it", endpoint.id, at=endpoint.disabled_at))
    return found


def _some(needs: list[Need]) -> list[Need]:
    """Name the first ones, and count the others."""
    rest = len(needs) - MOST_OF_A_KIND
    if rest <= 0:
        return needs
    kind = needs[0].kind
    said, action = _MORE[kind]
    return [*needs[:MOST_OF_A_KIND], Need(kind, f"{rest} {said}", "They are not listed here.", action)]


def _failure(record: RuleRecord, run: FailedRun) -> Need:
    what = "failed" if run.status is ExecutionStatus.FAILED else "moved only a part"
    return Need(
        NeedKind.FAILED_RUN,
        f"{title_of(record.rule.name)} {what}",
        run.error_message or "Some of its transfers could not be made.",
        "See why",
        run.id,
        record.id,
        run.created_at,
    )


def _feed(account: Account, problem: str, blocked: Sequence[RuleRecord]) -> Need:
    names = [title_of(record.rule.name) for record in blocked[:_NAMED]]
    rest = len(blocked) - len(names)
    listed = " and ".join(names) if not rest else f"{', '.join(names)} and {rest} more"
    return Need(
        NeedKind.FEED,
        f"{visible(account.name)} {problem}",
        f"{listed} cannot work without it.",
        "Look at the account",
        account.id,
        at=account.reported.updated_at,
    )


async def _drafts(tx: ReadTx, organization_id: OrganizationId, rules: Sequence[RuleRecord]) -> list[Need]:
    disabled = [record for record in rules if not record.is_enabled]
    reviewed = await stored.reviewed(tx, organization_id, {record.id: record.revision for record in disabled})
    return [
        Need(
            NeedKind.DRAFT,
            f"{title_of(record.rule.name)} has not been reviewed",
            "It moves nothing until a person has read and enabled it."
            if record.revision == 1
            else "It was changed, and moves nothing until a person has read and enabled it as it is now.",
            "Review it",
            record.id,
            record.id,
            record.updated_at,
        )
        for record in disabled
        if record.id not in reviewed
    ]
