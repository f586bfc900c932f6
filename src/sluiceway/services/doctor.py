"""What `sluiceway doctor` says of a deployment: each thing that can be looked at, whether it is right, in one sentence.

Looks and changes nothing. What is wrong keeps money from moving or could lose it; a warning is for a person to weigh.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from sluiceway.services.kept_secrets import count_by_key, missing_keys
from sluiceway.services.readiness import RECENT_S
from sluiceway.storage import survey
from sluiceway.storage.database import APPLICATION_ROLE, READING_ROLE, Database, ReadTx
from sluiceway.storage.keyring import Keyring
from sluiceway.storage.migrate import Migration, migrations
from sluiceway.storage.survey import AppliedMigration, Server, Strength

GIB: Final = 1 << 30
LEAST_FREE_BYTES: Final = 1 * GIB
LITTLE_FREE_SHARE: Final = 0.1
SKEW_WARNING_S: Final = 1.0
SKEW_WRONG_S: Final = 10.0
"""Clocks further apart than this are not for one who moves money by the time of day."""


class Verdict(Enum):
    """How a thing is."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    verdict: Verdict
    says: str


async def examine(
    database: Database,
    now: Callable[[], datetime],
    unsafe: Sequence[str],
    connections: int,
    *,
    is_second_factor_required: bool = False,
) -> list[Finding]:
    """Look at a database that can be reached. `unsafe`: what speaks against its settings; `connections`: our own."""
    async with database.lend() as tx:
        before = now()
        server = await survey.ask_server(tx)
        after = now()
        findings = [
            Finding("database", Verdict.OK, f"PostgreSQL {server.version}, {server.size_bytes / GIB:.2f} GiB of data"),
            judge_durability(unsafe),
            judge_checksums(server),
            judge_line(server),
            judge_connections(server, connections),
            judge_skew((server.now - (before + (after - before) / 2)).total_seconds()),
            judge_role(server),
            judge_login(server),
            judge_reading(server),
        ]
        applied = await survey.applied_migrations(tx) if server.has_history else []
        migrated = judge_migrations(migrations(), applied)
        findings.append(migrated)
        if migrated.verdict is Verdict.OK:
            findings += await _of_the_schema(
                tx, database.options.keyring, is_second_factor_required=is_second_factor_required
            )
        return findings


async def _of_the_schema(tx: ReadTx, keyring: Keyring, *, is_second_factor_required: bool) -> list[Finding]:
    return [
        judge_rights(await survey.excessive_rights(tx)),
        judge_secrets(sum((await count_by_key(tx, keyring.marks())).values(), Counter[str | None]()), keyring.ids()),
        judge_beats(await survey.beat_ages_s(tx)),
        *judge_strength(await survey.strength(tx), is_second_factor_required=is_second_factor_required),
    ]


def judge_disk(what: str, free_bytes: int, all_bytes: int) -> Finding:
    """Judge a disk: one that fills up stops everything at once."""
    says = f"{free_bytes / GIB:.1f} of {all_bytes / GIB:.1f} GiB are free where {what}"
    if free_bytes < LEAST_FREE_BYTES:
        return Finding("disk", Verdict.WRONG, f"{says}: make room before PostgreSQL has to stop")
    if free_bytes < all_bytes * LITTLE_FREE_SHARE:
        return Finding("disk", Verdict.WARNING, says)
    return Finding("disk", Verdict.OK, says)


def judge_durability(unsafe: Sequence[str]) -> Finding:
    """Judge what was allowed to be unsafe: it is wrong all the same."""
    if unsafe:
        return Finding("durability", Verdict.WRONG, "; ".join(unsafe))
    return Finding("durability", Verdict.OK, "what is committed is on disk, and whole")


def judge_checksums(server: Server) -> Finding:
    """Judge whether a disk that lies is believed."""
    if server.has_checksums:
        return Finding("checksums", Verdict.OK, "a damaged page is noticed when it is read")
    return Finding(
        "checksums", Verdict.WARNING, "a damaged page is not noticed: stop PostgreSQL, and run pg_checksums --enable"
    )


def judge_line(server: Server) -> Finding:
    """Judge the way to the database: what goes over a network in the clear is for everybody on it to read."""
    if not server.is_remote:
        return Finding("line", Verdict.OK, "the database is reached without a network")
    if server.is_encrypted:
        return Finding("line", Verdict.OK, "the line to the database is encrypted")
    return Finding(
        "line", Verdict.WARNING, "the line to the database is not encrypted: sslmode=verify-full where it leaves here"
    )


def judge_connections(server: Server, connections: int) -> Finding:
    """Judge the room for connections: a process that finds none answers nobody."""
    says = f"{connections} for each process of {server.max_connections} that the server has for everybody"
    verdict = Verdict.OK if connections * 2 <= server.max_connections else Verdict.WARNING
    return Finding("connections", verdict, says)


def judge_skew(skew_s: float) -> Finding:
    """Judge the clocks: rules run by this machine's, limits by the database's."""
    says = f"the database's clock is {abs(skew_s):.1f} s {'ahead of' if skew_s > 0 else 'behind'} this machine's"
    if abs(skew_s) > SKEW_WRONG_S:
        return Finding("clock", Verdict.WRONG, f"{says}: synchronize both")
    return Finding("clock", Verdict.WARNING if abs(skew_s) > SKEW_WARNING_S else Verdict.OK, says)


def judge_role(server: Server) -> Finding:
    """Judge who we are to the database: what happened must be out of our reach."""
    if not server.has_application_role:
        return Finding("role", Verdict.WRONG, f"there is no role {APPLICATION_ROLE}: sluiceway migrate")
    if server.role != APPLICATION_ROLE:
        # Citus connects to its nodes as the role that asks.
        return Finding("role", Verdict.WARNING, f"statements run as {server.role} and not as {APPLICATION_ROLE}")
    if server.is_superuser:
        return Finding("role", Verdict.WRONG, f"{APPLICATION_ROLE} is a superuser, whom no grant binds")
    return Finding("role", Verdict.OK, f"{server.login_role} logs in and works as {APPLICATION_ROLE}")


def judge_login(server: Server) -> Finding:
    """Judge who connects: our role binds whoever put it on, as long as they cannot take it off for more."""
    if server.is_login_superuser or server.is_login_owner:
        what = "is a superuser" if server.is_login_superuser else "owns the schema"
        return Finding(
            "login",
            Verdict.WARNING,
            f"{server.login_role}, who logs in, {what} and could undo what binds {APPLICATION_ROLE}: give the server a"
            " login of its own, and name the owner with DATABASE_OWNER_URL (docs/howto/run-in-production.md)",
        )
    return Finding("login", Verdict.OK, f"{server.login_role} cannot become the owner of the schema")


def judge_reading(server: Server) -> Finding:
    """Judge whether reports can be made by somebody who cannot write at all."""
    if server.has_reading_role:
        return Finding("reading", Verdict.OK, f"reports can read as {READING_ROLE}, which cannot write")
    return Finding(
        "reading",
        Verdict.WARNING,
        f"nobody can only read: have an administrator run CREATE ROLE {READING_ROLE} NOLOGIN;"
        f" GRANT {READING_ROLE} TO {APPLICATION_ROLE}; then sluiceway migrate",
    )


def judge_migrations(wanted: Sequence[Migration], applied: Sequence[AppliedMigration]) -> Finding:
    """Judge the schema: it has to be the one that this program was written for."""
    known = {migration.version: migration for migration in wanted}
    done = {one.version: one for one in applied}
    changed = [one.name for one in applied if one.version in known and known[one.version].sha256 != one.sha256]
    missing = [migration.name for version, migration in known.items() if version not in done]
    newer = [one.name for one in applied if one.version not in known]
    if changed:
        return Finding("migrations", Verdict.WRONG, f"changed after they were applied: {', '.join(changed)}")
    if newer:
        return Finding("migrations", Verdict.WRONG, f"newer than this program: {', '.join(newer)}")
    if missing:
        return Finding("migrations", Verdict.WRONG, f"not applied: {', '.join(missing)} (sluiceway migrate)")
    return Finding("migrations", Verdict.OK, f"all {len(wanted)} are applied")


def judge_rights(excessive: Sequence[str]) -> Finding:
    """Judge what our role may do: postings, approvals, revisions and the log only grow."""
    if excessive:
        return Finding("rights", Verdict.WRONG, f"{APPLICATION_ROLE} may {', '.join(excessive)}: revoke it")
    return Finding("rights", Verdict.OK, f"{APPLICATION_ROLE} can change no posting, approval, revision or log")


def judge_secrets(strange: Counter[str | None], known: Sequence[str]) -> Finding:
    """Judge whether secrets are sealed. `strange`: how many are not, by what has sealed them; `known`: our keys."""
    if missing := missing_keys(strange, list(known)):
        return Finding("secrets", Verdict.WRONG, missing)
    if strange[None]:
        says = f"{strange[None]} secrets lie open (sluiceway secrets rotate)"
        return Finding("secrets", Verdict.WRONG, says)
    if not known:
        says = "there is no SECRET_KEY, and nothing to seal yet: who starts first makes a key in its data directory"
        return Finding("secrets", Verdict.WARNING, says)
    return Finding("secrets", Verdict.OK, f"what has to be shown again is sealed, with {len(known)} keys at hand")


def judge_beats(ages_s: Sequence[float]) -> Finding:
    """Judge whether somebody settles. Nobody may be meant to at this moment, so it is for a person to weigh."""
    recent = [age_s for age_s in ages_s if age_s <= RECENT_S]
    if recent:
        return Finding("workers", Verdict.OK, f"{len(recent)} settle, the last word {recent[0]:.0f} s ago")
    last = f"; the last word was {ages_s[0]:.0f} s ago" if ages_s else ""
    return Finding("workers", Verdict.WARNING, f"nobody settles what is due{last}: sluiceway serve, or worker")


def judge_strength(found: Strength, *, is_second_factor_required: bool = False) -> list[Finding]:
    """Judge what opens doors: it is hard to guess, and there is more than a password before money."""
    findings = [
        Finding("keys", Verdict.OK, f"{found.keys} live, each of 190 random bits and kept as a hash"),
        Finding("webhook secrets", Verdict.OK, f"{found.signing_secrets} in use, each of 24 random bytes or more"),
        Finding("people", Verdict.OK, f"{found.admins} may enable rules, each with a second factor"),
    ]
    if found.unlimited_keys:
        says = f"{found.unlimited_keys} of {found.keys} live keys have no rate limit (sluiceway keys limit)"
        findings[0] = Finding("keys", Verdict.WARNING, says)
    if found.short_signing_secrets:
        says = f"{found.short_signing_secrets} are shorter than 24 bytes (sluiceway webhooks rotate)"
        findings[1] = Finding("webhook secrets", Verdict.WRONG, says)
    if found.admins_without_second_factor:
        says = f"{found.admins_without_second_factor} of {found.admins} who may enable rules have no second factor"
        says += (
            " yet: until they sign in and set one up, whoever knows their password can"
            if is_second_factor_required
            else ": REQUIRE_SECOND_FACTOR=1 asks everybody for one"
        )
        findings[2] = Finding("people", Verdict.WARNING, says)
    if found.outdated_hashes:
        findings.append(Finding("passwords", Verdict.WRONG, f"{found.outdated_hashes} are not kept as argon2id"))
    return findings
