"""Every refusal: what we will not do for a caller. A code (the class) and its fields; no status, no prose."""

from dataclasses import dataclass

from sluiceway.domain.ids import IdKind


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: where (a `/`-separated path, empty for the whole) and what."""

    path: str
    message: str


class Refusal(Exception):
    """The parent of everything that we refuse to do for a caller."""

    is_on_record = False
    """Whether the audit log has it already."""


@dataclass(eq=False)
class Unauthenticated(Refusal):
    """No credential, or one that is unknown, malformed or revoked."""


@dataclass(eq=False)
class PermissionDenied(Refusal):
    """The credential lacks the permission, or the resource is outside its list."""


@dataclass(eq=False)
class NotFound(Refusal):
    """Nothing of this kind with this id, as the caller spelled it, in the caller's organization."""

    kind: IdKind
    spelling: str


@dataclass(eq=False)
class InvalidParameters(Refusal):
    """The request breaks its schema or the model's rules."""

    problems: tuple[Problem, ...]


@dataclass(eq=False)
class TransferAccountNotFound(Refusal):
    """An account named in a transfer's body does not exist."""

    is_source: bool
    spelling: str


@dataclass(eq=False)
class MaximumAmountExceeded(Refusal):
    """The amount is above the maximum that the key's entry for this pair allows."""

    maximum: int


@dataclass(eq=False)
class RuleDisabled(Refusal):
    """A live run of a rule that no person has enabled in its present revision."""


@dataclass(eq=False)
class RuleNotSupported(Refusal):
    """The rule uses a form that this API generation cannot express."""


@dataclass(eq=False)
class RuleChanged(Refusal):
    """The rule is no longer the revision that the person was shown."""


@dataclass(eq=False)
class RuleHasProblems(Refusal):
    """The rule cannot be enabled as it stands: accounts have gone, or it no longer passes its checks."""

    problems: tuple[Problem, ...]


@dataclass(eq=False)
class PasswordRefused(Refusal):
    """The person is unknown or the password is wrong; which of the two is not said."""


@dataclass(eq=False)
class IdempotencyKeyMismatch(Refusal):
    """The idempotency key was used before with another body."""


@dataclass(eq=False)
class IdempotencyKeyInUse(Refusal):
    """The first request with this idempotency key is still under way."""


@dataclass(eq=False)
class AccountNotEmpty(Refusal):
    """An account that holds or expects money, or that a liability or an active card is paid from, cannot be deleted."""


@dataclass(eq=False)
class SandboxOnly(Refusal):
    """Live organizations refuse sandbox operations."""


@dataclass(eq=False)
class TransferChanged(Refusal):
    """The transfer is not what the person was shown, or its rule has been changed or disabled since."""


@dataclass(eq=False)
class TransferNotCancellable(Refusal):
    """The transfer has ended, or the bank may have it already."""


@dataclass(eq=False)
class MoneyStopped(Refusal):
    """The audit has found a promise broken: no money of the organization moves until an operator lets it go on."""


@dataclass(eq=False)
class ClockRefused(Refusal):
    """A sandbox clock never goes back, and never further ahead than the calendar's end."""

    reason: str


@dataclass(eq=False)
class BankRefused(Refusal):
    """The sandbox bank will not do that to a payment or an account: it does not fit, or it is too late."""

    reason: str


@dataclass(eq=False)
class CardRefused(Refusal):
    """A card, or what it has done, does not allow that."""

    reason: str


@dataclass(eq=False)
class RateLimited(Refusal):
    """More than `limit` requests a minute; the next one is let through in `wait_s` seconds."""

    limit: int
    wait_s: int


@dataclass(eq=False)
class TooManyGuesses(Refusal):
    """An unknown credential, after too many of them from one network; the next is looked at in `wait_s` seconds."""

    wait_s: int


class AppRefusal(Refusal):
    """The parent of what only a person in the app is refused: no program with a key ever meets one of these."""


@dataclass(eq=False)
class CrossSite(AppRefusal):
    """A page of another site has sent this, or nothing shows that it was a page of ours."""


@dataclass(eq=False)
class RoleRequired(AppRefusal):
    """The person's role does not allow it; the role that does."""

    role: str


@dataclass(eq=False)
class SignInRefused(AppRefusal):
    """Nobody has this e-mail address with this password, or this code, or this passkey; which is not said."""


@dataclass(eq=False)
class TooManyAttempts(AppRefusal):
    """There have been too many attempts to sign in; the next one is let through in `wait_s` seconds."""

    wait_s: int


@dataclass(eq=False)
class SecondFactorRequired(AppRefusal):
    """The person has shown a password, and has a second factor to show."""


@dataclass(eq=False)
class SecondFactorMissing(AppRefusal):
    """The server asks everybody for a second factor, and the person has none yet."""


@dataclass(eq=False)
class ReauthenticationRequired(AppRefusal):
    """It takes a password or passkey that has been shown within the last minutes."""


@dataclass(eq=False)
class AlreadySetUp(AppRefusal):
    """There is somebody already who can sign in."""


@dataclass(eq=False)
class PersonRefused(AppRefusal):
    """That cannot be done to this person; why."""

    reason: str


@dataclass(eq=False)
class InvitationRefused(AppRefusal):
    """The invitation is unknown, has been used or taken back, or is too old; which is not said."""
