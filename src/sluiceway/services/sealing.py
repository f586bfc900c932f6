"""Seals what was committed, stretch by stretch, and finds what somebody has changed or deleted since behind our back.

A seal says nothing of what came late: a commit may be slow, and a clock may be set back. What was added is for the
other checks, which know what belongs together. Settings are sealed as a whole, and change only while the audit log says
that somebody has changed settings.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from sluiceway.domain.ids import OrganizationId, least_id
from sluiceway.storage import seals as stored
from sluiceway.storage.database import ReadTx
from sluiceway.storage.seals import KINDS, Keys, Look, Seal, Sealed, Stretch

AT_ONCE: Final = 5_000
"""How many rows a stretch has at most, or a few more."""
LAG: Final = timedelta(seconds=5)
"""How old a row is before it is sealed: by then what began with it has been committed, or comes late."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A seal that does not hold."""

    organization_id: OrganizationId
    of: str
    number: int
    expected: str
    found: str


@dataclass(slots=True)
class SealReport:
    """How many hashes were compared, and which seals do not hold.

    `late`: those of which there is more than they have, for good reason. `changed`: those that do not hold.
    """

    hashes: int = 0
    broken: list[Broken] = field(default_factory=list[Broken])
    late: list[tuple[Seal, Stretch]] = field(default_factory=list[tuple[Seal, Stretch]])
    changed: list[tuple[Seal, Stretch]] = field(default_factory=list[tuple[Seal, Stretch]])


async def check_seals(
    tx: ReadTx, organization_id: OrganizationId, now: datetime, *, kinds: Sequence[Sealed] = KINDS
) -> SealReport:
    """Hold everything that was sealed against what there is now."""
    report = SealReport()
    look = await stored.find_look(tx, organization_id)
    counts: dict[str, int] = {}
    for kind in kinds:
        seals = await stored.find_seals(tx, organization_id, kind)
        counts[kind.of] = len(seals)
        before = kind.keys.value[0]
        for number, seal in enumerate(seals, 1):
            if (wrong := _wrong_with_seal(organization_id, seal, number, before)) is not None:
                report.broken.append(Broken(organization_id, kind.of, number, *wrong))
            elif not stored.may_be_forgotten(kind, seal, now):
                await _check(tx, organization_id, kind, seal, report)
            elif seal.hashes:
                # What it was about may be forgotten, so it is too.
                report.late.append((seal, Stretch(None, [])))
            before = seal.to_key
    _check_look(organization_id, look, {of: count for of, count in counts.items() if count}, report, kinds)
    return report


def _wrong_with_seal(organization_id: OrganizationId, seal: Seal, number: int, before: str) -> tuple[str, str] | None:
    if seal.number != number or seal.from_key != before:
        return f"seal {number} from {before or 'the beginning'} on", f"seal {seal.number} from {seal.from_key}"
    if (digest := seal.digest(organization_id)) != seal.hash:
        return f"a seal with hash {digest.hex()}", seal.hash.hex()
    return None


def _check_look(
    organization_id: OrganizationId,
    look: Look | None,
    counts: dict[str, int],
    report: SealReport,
    kinds: Sequence[Sealed],
) -> None:
    wanted = {} if look is None else {kind.of: look.seals[kind.of] for kind in kinds if kind.of in look.seals}
    if wanted != counts:
        report.broken.append(Broken(organization_id, "looks", 0, _counted(wanted), _counted(counts)))
    elif look is not None and look.digest(organization_id) != look.hash:
        report.broken.append(Broken(organization_id, "looks", 0, look.digest(organization_id).hex(), look.hash.hex()))


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} seals of {of}" for of, count in sorted(counts.items())) or "no seals"


async def _check(tx: ReadTx, organization_id: OrganizationId, kind: Sealed, seal: Seal, report: SealReport) -> None:
    found = await stored.read_stretch(tx, organization_id, kind, seal.from_key, seal.to_key)
    report.hashes += len(seal.hashes)
    if found.hashes == seal.hashes:
        return
    then, now = Counter(seal.hashes), Counter(found.hashes)
    gone, new = (then - now).total(), (now - then).total()
    counted = f"{gone} gone or changed, {new} new or changed, in {kind.table}"
    if kind.is_settings:
        if await stored.settings_changed(tx, organization_id, seal):
            report.late.append((seal, found))
            return
        wrong = "what the audit log says that somebody has set", counted
    elif gone:
        where = "" if kind.keys is Keys.NONE else f" after {seal.from_key} up to {seal.to_key}"
        wrong = f"{len(seal.hashes)} as they were sealed at {seal.sealed_at.isoformat()}", f"{counted}{where}"
    else:
        report.late.append((seal, found))
        return
    report.changed.append((seal, found))
    report.broken.append(Broken(organization_id, kind.of, seal.number, *wrong))


@dataclass(slots=True)
class NewSeals:
    """What was sealed now, and whether there is more to seal already."""

    seals: list[Seal] = field(default_factory=list[Seal])
    is_more: bool = False

    @property
    def hashes(self) -> int:
        """Count the hashes of history; settings are sealed again and again."""
        return sum(len(seal.hashes) for seal in self.seals)


async def seal_on(
    tx: ReadTx,
    organization_id: OrganizationId,
    now: datetime,
    batches: int,
    *,
    is_everything: bool = False,
    most: int = 1,
) -> NewSeals:
    """Hash what has come since the last seals, at most so many stretches of a kind; `is_everything`: up to the end."""
    last = await stored.last_seals(tx, organization_id)
    made = NewSeals()
    for kind in KINDS:
        number, from_key = last.get(kind.of, (0, kind.keys.value[0]))
        end = kind.keys.value[1] if is_everything else _end(kind, now)
        if kind.keys is Keys.NONE:
            if number:
                continue
            stretch = await stored.read_stretch(tx, organization_id, kind, *Keys.NONE.value)
            made.seals.append(Seal(kind.of, 1, *Keys.NONE.value, stretch.hashes, batches, now))
            continue
        for _ in range(most):
            stretch = await stored.read_stretch(tx, organization_id, kind, from_key, end, AT_ONCE)
            if stretch.last_key is None:
                break
            number += 1
            made.seals.append(Seal(kind.of, number, from_key, stretch.last_key, stretch.hashes, batches, now))
            from_key = stretch.last_key
            if len(stretch.hashes) < AT_ONCE:
                break
        else:
            made.is_more = True
    return made


def _end(kind: Sealed, now: datetime) -> str:
    match kind.keys:
        case Keys.ID:
            return least_id(now - LAG)
        case Keys.TIME:
            return (now - LAG).isoformat()
        case _:
            return str(kind.keys.value[1])


def resealed(late: Sequence[tuple[Seal, Stretch]], now: datetime, batches: int) -> list[Seal]:
    """Take what came late into the seals of its time. A seal without anything keeps its own time."""
    return [
        replace(seal, hashes=found.hashes, batches=batches, sealed_at=now if found.hashes else seal.sealed_at)
        for seal, found in late
    ]
