"""The zoo: faults that comparable systems really had, each as a change of one place in ours.

`C-...` are the numbers of the incidents in the project's list of them; `-` is a fault of systems like ours alone.
"""

from typing import Final

from tests.mutants.running import Mutant

_UNIT = "tests/unit"
_SERVICES = "tests/services"

ZOO: Final[tuple[Mutant, ...]] = (
    # Idempotency and exactly once.
    Mutant(
        "a key is not claimed",
        "C-I1",
        "services/idempotency.py",
        "    await claim(tx, claims, engine.now())\n",
        "    await claim(tx, claims[:0], engine.now())\n",
        (f"{_SERVICES}/test_idempotency.py",),
    ),
    Mutant(
        "the same key twice in a batch is two calls",
        "C-I1",
        "services/idempotency.py",
        "index if key is None else first.setdefault(key, index)",
        "index if key is None else first.setdefault((key, index), index)",
        (f"{_SERVICES}/test_idempotency.py",),
    ),
    Mutant(
        "a key with another body is answered",
        "C-I2",
        "services/idempotency.py",
        "    if remembered.body_hash != idempotency.body_hash:\n        return IdempotencyKeyMismatch()\n",
        "",
        (f"{_SERVICES}/test_idempotency.py",),
    ),
    Mutant(
        "the header has another name",
        "C-I3",
        "api/http/headers.py",
        'sent = headers.get(b"idempotency-key")',
        'sent = headers.get(b"x-idempotency-key")',
        ("tests/api/test_idempotency_of_every_post.py",),
    ),
    Mutant(
        "a key is unique over all organizations",
        "C-I7",
        "storage/idempotency.sql",
        "SELECT i.organization_id, i.scope, i.key, i.body_hash, i.status, i.answer\n"
        "FROM idempotency i\n"
        "JOIN unnest(%(organization_ids)s::uuid[], %(scopes)s::text[], %(keys)s::text[]) AS w "
        "(organization_id, scope, key)\n"
        "    ON i.organization_id = w.organization_id AND i.scope = w.scope AND i.key = w.key\n"
        "WHERE (%(only)s::uuid IS NULL OR i.organization_id = %(only)s);\n",
        "SELECT w.organization_id, i.scope, i.key, i.body_hash, i.status, i.answer\n"
        "FROM idempotency i\n"
        "JOIN unnest(%(organization_ids)s::uuid[], %(scopes)s::text[], %(keys)s::text[]) AS w "
        "(organization_id, scope, key)\n"
        "    ON i.scope = w.scope AND i.key = w.key\n"
        "WHERE (%(only)s::uuid IS NULL OR %(only)s IS NOT NULL);\n",
        (f"{_SERVICES}/test_idempotency.py",),
    ),
    Mutant(
        "a key is unique over all paths",
        "C-I7",
        "services/idempotency.py",
        "    return ClaimKey(command.organization_id, idempotency.scope, idempotency.key)\n",
        '    return ClaimKey(command.organization_id, "", idempotency.key)\n',
        (f"{_SERVICES}/test_idempotency.py",),
    ),
    Mutant(
        "what was answered is not what is replayed",
        "C-I5",
        "services/idempotency.py",
        "    return Answer(remembered.status, remembered.answer, is_replay=True)\n",
        "    return Answer(200, remembered.answer, is_replay=True)\n",
        ("tests/api/test_idempotency_of_every_post.py",),
    ),
    Mutant(
        "a retried payment has another key at the bank",
        "C-I6",
        "services/handover.py",
        "        key=leg.id,\n",
        '        key=type(leg.id)(f"{leg.id[:-1]}{leg.attempts % 10}"),\n',
        (f"{_SERVICES}/test_handing_over.py",),
    ),
    Mutant(
        "the bank is not asked before it is told again",
        "C-I6",
        "services/handover.py",
        "    is_asked = leg.attempts > 1 or organization.restored_at is not None\n",
        "    is_asked = False\n",
        (f"{_SERVICES}/test_handing_over.py",),
    ),
    Mutant(
        "an event is told of what may not be committed",
        "C-I9",
        "services/movements.py",
        "        await insert_events(tx, self._events)\n",
        "        await insert_events(tx, self._events[:0])\n",
        (f"{_SERVICES}/test_webhooks.py",),
    ),
    # Concurrency, overdraft, atomicity.
    Mutant(
        "holds are not counted",
        "C-C1",
        "domain/ledger/account.py",
        "            return Cents(balance.posted - balance.held_out)\n",
        "            return Cents(balance.posted)\n",
        (f"{_SERVICES}/test_life_of_a_transfer.py", f"{_UNIT}/test_ledger.py", f"{_UNIT}/test_scenarios.py"),
    ),
    Mutant(
        "accounts are read without being locked",
        "C-C2",
        "storage/accounts.sql",
        "ORDER BY a.organization_id, a.id\nFOR NO KEY UPDATE OF a;\n\n-- name: write_balances",
        "ORDER BY a.organization_id, a.id;\n\n-- name: write_balances",
        (
            f"{_SERVICES}/test_transfers.py",
            f"{_SERVICES}/test_order.py",
            "tests/concurrency/test_interleavings.py::test_in_whatever_order_their_statements_run_what_must_hold_holds",
        ),
    ),
    Mutant(
        "a conflict in the database is not tried again",
        "C-C4",
        "storage/database.py",
        "        if isinstance(failure, errors.SerializationFailure | errors.DeadlockDetected):\n"
        "            return True\n",
        "",
        ("tests/db/test_database.py",),
    ),
    Mutant(
        "money is moved to where it is",
        "C-C5",
        "domain/rules/checking.py",
        "    if action.source == action.destination:\n",
        "    if False:\n",
        (f"{_UNIT}/test_checking.py",),
    ),
    Mutant(
        "an account falls below its floor",
        "C-C6",
        "services/reports.py",
        "    if spendable is not None and spendable >= report.amount:\n",
        "    if spendable is not None:\n",
        (f"{_SERVICES}/test_life_of_a_transfer.py",),
    ),
    Mutant(
        "accounts are locked in the order in which they are named",
        "C-C8",
        "storage/accounts.sql",
        "ORDER BY a.organization_id, a.id\nFOR NO KEY UPDATE OF a;\n\n-- name: write_balances",
        "ORDER BY a.organization_id, a.id DESC\nFOR NO KEY UPDATE OF a;\n\n-- name: write_balances",
        (
            "tests/db/test_queries.py",
            "tests/concurrency/test_interleavings.py::test_in_whatever_order_their_statements_run_what_must_hold_holds",
        ),
    ),
    Mutant(
        "what a bank reports twice is booked twice",
        "C-C10",
        "services/reports.py",
        "if report.id in fresh}\n",
        "}\n",
        (f"{_SERVICES}/test_handing_over.py",),
    ),
    # Workers, queues, recovery.
    Mutant(
        "a lease never ends",
        "C-W1",
        "storage/legs.sql",
        "    WHERE organization_id = %(organization_id)s::uuid AND due_at <= %(at)s\n"
        "        AND (leased_until IS NULL OR leased_until <= %(now)s)\n",
        "    WHERE organization_id = %(organization_id)s::uuid AND due_at <= %(at)s\n"
        "        AND (leased_until IS NULL OR %(now)s IS NULL)\n",
        (f"{_SERVICES}/test_leases.py", f"{_SERVICES}/test_handing_over.py"),
    ),
    Mutant(
        "whoever lost the lease writes all the same",
        "C-W3",
        "storage/legs.sql",
        "WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND fence = %(fence)s\n"
        "    AND status = 'PROCESSING'\n",
        "WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND fence >= %(fence)s\n"
        "    AND status = 'PROCESSING'\n",
        (f"{_SERVICES}/test_leases.py", f"{_SERVICES}/test_handing_over.py"),
    ),
    Mutant(
        "what another worker settles is settled again",
        "C-W6",
        "storage/organizations.sql",
        "WHERE id = ANY (%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED;",
        "WHERE id = ANY (%(ids)s::uuid[]) ORDER BY id;",
        ("tests/worker/test_many_workers.py", f"{_SERVICES}/test_order.py", f"{_SERVICES}/test_pause.py"),
    ),
    # Schedules and time.
    Mutant(
        "two schedulers pass the gate at once",
        "C-T1",
        "storage/organizations.sql",
        "WHERE id = ANY (%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE;\n",
        "WHERE id = ANY (%(ids)s::uuid[]) ORDER BY id;\n",
        (f"{_SERVICES}/test_schedules_at_once.py", f"{_SERVICES}/test_approvals.py"),
    ),
    Mutant(
        "a rule that was edited fires as it was",
        "C-T2",
        "services/settlement.py",
        "        if is_live and (state.approval_id is None or state.approval_id != execution.approval_id):\n",
        "        if is_live and False:\n",
        (f"{_SERVICES}/test_settlement.py", f"{_SERVICES}/test_approvals.py"),
    ),
    Mutant(
        "the first missed occurrence is caught up on, not the latest",
        "C-T3",
        "services/schedules.py",
        "    return latest_missed(schedule, rule.fires_at - _TICK, at)\n",
        "    return next_fire(schedule, rule.fires_at - _TICK)\n",
        (f"{_SERVICES}/test_schedules.py",),
    ),
    Mutant(
        "the 31st is skipped in a shorter month",
        "C-T5",
        "domain/schedule.py",
        "day=min(day, length), fold=0)\n",
        "day=min(day, 28), fold=0)\n",
        (f"{_UNIT}/test_schedule.py", f"{_UNIT}/test_schedule_calendar.py"),
    ),
    Mutant(
        "an hour that comes twice fires at the second",
        "C-T6",
        "domain/schedule.py",
        "    fires = nominal - _ORIGIN - before\n",
        "    fires = nominal - _ORIGIN - behind\n",
        (f"{_UNIT}/test_schedule_zones.py", f"{_UNIT}/test_schedule.py"),
    ),
    Mutant(
        "a limit's month is counted in UTC whatever the rule's zone",
        "C-T7",
        "domain/rules/model.py",
        '        return self.trigger.schedule.zone if isinstance(self.trigger, Scheduled) else "UTC"\n',
        '        return "UTC"\n',
        (f"{_UNIT}/test_scenarios.py", f"{_UNIT}/test_planning_agrees_with_the_oracle.py", f"{_SERVICES}/test_caps.py"),
    ),
    # Money, rules, imports.
    Mutant(
        "a share is rounded to the nearest cent",
        "C-M1",
        "domain/money.py",
        "    return Cents(amount * percent // WHOLE)\n",
        "    return Cents(round(amount * percent / WHOLE))\n",
        (f"{_UNIT}/test_money.py",),
    ),
    Mutant(
        "the cent that is left over goes to nobody",
        "C-M1",
        "domain/rules/amounts.py",
        "    exact = group.shares.get(placed.at)\n",
        "    exact = None\n",
        (f"{_UNIT}/test_scenarios.py",),
    ),
    Mutant(
        "a balance that is not known counts as nothing",
        "C-M2",
        "domain/ledger/account.py",
        "        if self.reported.error is not None:\n            return None\n        if self.is_liability:\n",
        "        if self.reported.error is not None:\n            return Cents(0)\n        if self.is_liability:\n",
        (f"{_UNIT}/test_scenarios.py", f"{_UNIT}/test_ledger.py"),
    ),
    Mutant(
        "rules set each other off for ever",
        "C-M3",
        "services/movements.py",
        "        if depth > MAX_DEPTH or caused >= MAX_EXECUTIONS_PER_ORIGIN:\n",
        "        if depth > 4 * MAX_DEPTH:\n",
        (f"{_SERVICES}/test_causation.py",),
    ),
    Mutant(
        "a rule sets itself off",
        "C-M3",
        "services/movements.py",
        "            if state.rule_id != origin.rule_id\n",
        "",
        (f"{_SERVICES}/test_causation.py",),
    ),
    Mutant(
        "money that has not arrived sets rules off",
        "C-M4",
        "services/movements.py",
        "        if transfer.status is not TransferStatus.COMPLETE or arrival is None or transfer.mode "
        "is not Mode.LIVE:\n",
        "        if arrival is None:\n",
        (f"{_SERVICES}/test_life_of_a_transfer.py", f"{_SERVICES}/test_causation.py", f"{_SERVICES}/test_trying.py"),
    ),
    Mutant(
        "a limit is forgotten from run to run",
        "-",
        "domain/rules/planning.py",
        "max(0, cap.amount - self.snapshot.caps_used.get(key, 0))",
        "max(0, cap.amount)",
        (f"{_UNIT}/test_scenarios.py", f"{_SERVICES}/test_caps.py"),
    ),
    Mutant(
        "a simulation moves money",
        "-",
        "services/settlement.py",
        "        if planned.error_code is not None or execution.mode is Mode.SIMULATION:\n",
        "        if planned.error_code is not None:\n",
        (f"{_SERVICES}/test_cancel.py", f"{_SERVICES}/test_audit.py"),
    ),
    # Tenancy, keys, logs, approvals.
    Mutant(
        "a transfer is found whosever it is",
        "C-A1",
        "storage/transfers.sql",
        "WHERE t.organization_id = %(organization_id)s::uuid AND t.id = %(id)s::uuid;\n\n-- name: find_transfers\n",
        "WHERE t.id = %(id)s::uuid;\n\n-- name: find_transfers\n",
        ("tests/db/test_queries_on_citus.py",),
    ),
    Mutant(
        "a revoked key is good for as long as it is remembered",
        "C-A3",
        "storage/rate_limits.sql",
        "        SELECT secret_hash, calls_per_minute FROM api_key WHERE revoked_at IS NULL\n",
        "        SELECT secret_hash, calls_per_minute FROM api_key\n",
        (f"{_SERVICES}/test_keys.py",),
    ),
    Mutant(
        "a key is written to the log",
        "C-A4",
        "cli/logs.py",
        '    (re.compile(r"\\b((?:sk|at|rs|ss|si|whsec)_)[A-Za-z0-9+/=_-]{12,}"), rf"\\1{MASK}"),\n',
        "",
        (f"{_UNIT}/test_logs.py", "tests/e2e/test_logs.py"),
    ),
    Mutant(
        "a rule that nobody enabled runs for whoever triggers it",
        "C-A5",
        "services/admission.py",
        "        elif state.approval_id is None and command.mode is Mode.LIVE:\n",
        "        elif False:\n",
        (f"{_SERVICES}/test_settlement.py", f"{_SERVICES}/test_approvals.py", "tests/api/test_story.py"),
    ),
    Mutant(
        "a rule is enabled as it is, not as it was shown",
        "C-A5",
        "services/rules.py",
        "        if record.fingerprint != fingerprint:\n            raise RuleChanged\n",
        "",
        (f"{_SERVICES}/test_approvals.py", "tests/api/app/test_rules.py"),
    ),
    Mutant(
        "a transfer is approved as it is, not as it was shown",
        "C-A5",
        "services/approvals.py",
        "        if digest_of(shown) != digest or not await _is_rule_as_it_was(tx, organization, shown):\n",
        "        if False:\n",
        (f"{_SERVICES}/test_approvals_of_transfers.py",),
    ),
    # Outbound calls, webhooks, the audit log, denial of service.
    Mutant(
        "one good address vouches for the others",
        "C-S1",
        "outbound/guard.py",
        "    for address in addresses:\n        if not _may_reach(target, address, policy):\n",
        "    for address in list(addresses)[:1]:\n        if not _may_reach(target, address, policy):\n",
        ("tests/outbound/test_guard.py",),
    ),
    Mutant(
        "a name is looked up again for the connection",
        "C-S1",
        "outbound/guard.py",
        "    if ip_address(peer) != address:\n",
        "    if False:\n",
        ("tests/outbound/test_guard.py", "tests/outbound/test_client.py"),
    ),
    Mutant(
        "Python's table says what is public",
        "C-S2",
        "outbound/addresses.py",
        "    return special_use(address) is None\n",
        "    return address.is_global\n",
        ("tests/outbound/test_addresses.py", "tests/outbound/test_guard.py"),
    ),
    Mutant(
        "two entries of the audit log follow the same one",
        "C-S4",
        "storage/audit_log.sql",
        "    number = h.number + 1, entries = h.entries + excluded.entries, digest = excluded.digest,\n",
        "    number = h.number + 1, entries = h.entries, digest = excluded.digest,\n",
        (f"{_SERVICES}/test_audit_log.py",),
    ),
    Mutant(
        "the audit log's chain leaves out what was before",
        "C-S4",
        "storage/audit_log.sql",
        "    hash = sha256(h.hash || int8send(h.number + 1) || excluded.digest);\n",
        "    hash = sha256(int8send(h.number + 1) || excluded.digest);\n",
        (f"{_SERVICES}/test_audit_log.py",),
    ),
    Mutant(
        "a request may take for ever to come",
        "C-S5",
        "cli/limits.py",
        "        if longest_s is None or now - self._since <= longest_s:\n",
        "        if longest_s is None or now - self._since <= 1000 * longest_s:\n",
        ("tests/api/test_slow_clients.py",),
    ),
    Mutant(
        "text with NUL reaches the database",
        "C-S6",
        "domain/rules/fields.py",
        '    if "\\x00" in text:\n        return False\n',
        "",
        ("tests/api/test_bad_input.py",),
    ),
)
