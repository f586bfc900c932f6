"""How an organization is set up: its waits and limits, and the switch that stops everything."""

from typing import Final

from sluiceway.api.http import Reply
from sluiceway.domain.access import Role
from sluiceway.domain.rules import PaymentSide
from sluiceway.services import limits, organizations, sessions
from sluiceway.storage.ach import Period
from sluiceway.web.operations import AppCall, AppOperation, operation
from sluiceway.web.wire import settings as wire
from sluiceway.web.wire.session import CURRENCY
from sluiceway.web.wire.shapes import Envelope, read_body

SHOWN: Final = Envelope[wire.SettingsShown]


@operation("GET", "/settings", role=Role.VIEWER, summary="Read how the organization is set up", answer=SHOWN)
async def get_settings(call: AppCall) -> Reply:
    """Read the organization's waits and limits, and whether everything is paused."""
    return await _show(call)


@operation("POST", "/settings/pause", role=Role.ADMIN, summary="Pause everything", answer=SHOWN)
async def pause_organization(call: AppCall) -> Reply:
    """Stop the automation: when this is answered, no rule moves anything until it is resumed."""
    await organizations.pause(call.edge.engine, call.principal.organization_id, act=call.act)
    return await _show(call)


@operation("POST", "/settings/resume", role=Role.ADMIN, summary="Go on", needs_proof=True, answer=SHOWN)
async def resume_organization(call: AppCall) -> Reply:
    """Let the automation go on: what has waited runs, of each schedule the latest missed time."""
    await organizations.resume(call.edge.engine, call.principal.organization_id, act=call.act)
    return await _show(call)


@operation(
    "PUT",
    "/settings/waits",
    role=Role.ADMIN,
    summary="Set the waits",
    needs_proof=True,
    body=wire.NewWaits,
    answer=SHOWN,
)
async def set_waits(call: AppCall) -> Reply:
    """Set how long a transfer waits for a person, and how long a payment can be cancelled before it goes out."""
    approval_lasts, handover_delay = wire.read_waits(read_body(call.body, wire.NewWaits))
    await organizations.set_waits(
        call.edge.engine,
        call.principal.organization_id,
        approval_lasts=approval_lasts,
        handover_delay=handover_delay,
        act=call.act,
    )
    return await _show(call)


@operation(
    "PUT",
    "/settings/limits",
    role=Role.ADMIN,
    summary="Set a limit",
    needs_proof=True,
    body=wire.NewLimit,
    answer=SHOWN,
)
async def set_limit(call: AppCall) -> Reply:
    """Set how much may go to or come from other banks in a period."""
    wanted = read_body(call.body, wire.NewLimit)
    await limits.set_limit(
        call.edge.engine,
        call.principal.organization_id,
        PaymentSide(wanted.side),
        Period(wanted.period),
        amount=wire.read_limit(wanted),
        transfers=wanted.transfers,
        act=call.act,
    )
    return await _show(call)


@operation(
    "PUT",
    "/settings/time-zone",
    role=Role.ADMIN,
    summary="Set the time zone",
    body=wire.NewTimeZone,
    answer=SHOWN,
)
async def set_time_zone(call: AppCall) -> Reply:
    """Set in which zone people read times. Rules run by the zone that they name, and limits by the banks' days."""
    wanted = read_body(call.body, wire.NewTimeZone)
    await organizations.set_time_zone(call.edge.engine, call.principal.organization_id, wanted.time_zone, act=call.act)
    return await _show(call)


async def _show(call: AppCall) -> Reply:
    engine, organization_id = call.edge.engine, call.principal.organization_id
    [organization] = await sessions.organizations_of(engine, [organization_id])
    found = await limits.list_limits(engine, organization_id)
    return call.reply(wire.show_settings(organization, found, call.session.person.role, CURRENCY))


OPERATIONS: Final[tuple[AppOperation, ...]] = (
    get_settings,
    pause_organization,
    resume_organization,
    set_waits,
    set_limit,
    set_time_zone,
)
