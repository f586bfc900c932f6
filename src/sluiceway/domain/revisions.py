"""A rule as it is kept: immutable revisions, of which the present one may stand under a person's approval."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sluiceway.domain.ids import ApprovalId, OrganizationId, RuleId
from sluiceway.domain.rules import Rule


class RevisionKey(NamedTuple):
    """Which revision of which rule."""

    organization_id: OrganizationId
    rule_id: RuleId
    revision: int


class RuleState(NamedTuple):
    """What admission and settlement must know of a rule now. Enabled means: it stands under an approval."""

    organization_id: OrganizationId
    rule_id: RuleId
    revision: int
    fingerprint: bytes
    approval_id: ApprovalId | None
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class RuleRecord:
    """A rule at its present revision, as it is kept and shown."""

    organization_id: OrganizationId
    id: RuleId
    rule: Rule
    revision: int
    fingerprint: bytes
    approval_id: ApprovalId | None
    position: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None

    @property
    def is_enabled(self) -> bool:
        """Tell whether a person has enabled exactly this revision."""
        return self.approval_id is not None
