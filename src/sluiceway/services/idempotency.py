"""Idempotent calls: one effect and one answer for each key, however often and wherever it is sent."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from sluiceway.domain.audit import Act
from sluiceway.domain.errors import IdempotencyKeyInUse, IdempotencyKeyMismatch, Refusal
from sluiceway.domain.ids import OrganizationId
from sluiceway.services.audit_log import Done, record
from sluiceway.services.engine import Engine
from sluiceway.storage.database import ConstraintViolated, WriteTx
from sluiceway.storage.idempotency import CLAIMED, Claim, ClaimKey, Remembered, claim, find_answers

ATTEMPTS = 5


class Answer(NamedTuple):
    """What a caller is told: the status and the body, byte for byte as they are remembered for replays."""

    status: int
    body: bytes
    is_replay: bool = False


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The key that a caller sent. `scope` is the operation with its path; `body_hash` is taken of the decoded body."""

    scope: str
    key: str
    body_hash: bytes


class Command(Protocol):
    """What an idempotent call looks like from here."""

    @property
    def organization_id(self) -> OrganizationId:
        """Whose call it is; a key is unique within the organization, whichever credential sent it."""
        ...

    @property
    def idempotency(self) -> Idempotency | None:
        """The key, if the caller sent one."""
        ...

    @property
    def act(self) -> Act | None:
        """What the audit log says of it; None: nothing."""
        ...


C = TypeVar("C", bound=Command)
Effect = Callable[[WriteTx, Sequence[C]], Awaitable[Sequence[Answer | Refusal]]]


@dataclass(eq=False)
class KeyTaken(Exception):
    """Another transaction has answered one of our keys meanwhile: roll back and look again."""


async def run_idempotently(engine: Engine, commands: Sequence[C], effect: Effect[C]) -> list[Answer | Refusal]:
    """Run the effect of a batch in one transaction, once for each key; an answer or a refusal for each call, in order.

    Calls whose key has an answer get it again, whatever has changed since; the rest go to `effect` together. An answer
    is remembered in the effect's own transaction, which also puts it into the audit log; a refusal is not remembered,
    and whoever tells the caller records it.

    Raises KeyTaken, and nothing was done, when others keep sending the keys of a batch: its calls are then run alone.
    """
    keys = [_key_of(command) for command in commands]
    leading = _leaders(keys)

    async def work(tx: WriteTx) -> list[Answer | Refusal]:
        sent = {index: key for index, key in enumerate(keys) if key is not None and leading[index] == index}
        remembered = await find_answers(tx, list(sent.values()))
        answers: dict[int, Answer | Refusal] = {
            index: _replay(commands[index], remembered[key]) for index, key in sent.items() if key in remembered
        }
        active = [index for index, leader in enumerate(leading) if index == leader and index not in answers]
        fresh = {index: key for index, key in sent.items() if index not in answers}
        outcomes: Sequence[Answer | Refusal] = ()
        if active:
            outcomes = await effect(tx, [commands[index] for index in active])
        answers.update(zip(active, outcomes, strict=True))
        answers.update(await _answered_meanwhile(tx, commands, fresh, answers))
        await _remember(engine, tx, fresh, commands, answers)
        everybody = [_follow(commands, answers, leader, index) for index, leader in enumerate(leading)]
        await record(
            engine,
            tx,
            [
                Done(command.act, is_replay=answer.is_replay)
                for command, answer in zip(commands, everybody, strict=True)
                if command.act is not None and isinstance(answer, Answer)
            ],
        )
        return everybody

    for _ in range(ATTEMPTS):
        try:
            return await engine.database.write(work)
        except KeyTaken:
            continue
        except ConstraintViolated as refused:
            # Another transaction has answered one of our keys meanwhile: look again.
            if refused.constraint != CLAIMED:
                raise
    if len(commands) == 1:
        return [IdempotencyKeyInUse()]
    # Not one after the other here: if a later one failed, what those before it did would be done a second time.
    raise KeyTaken


async def _answered_meanwhile(
    tx: WriteTx, commands: Sequence[Command], fresh: dict[int, ClaimKey], answers: dict[int, Answer | Refusal]
) -> dict[int, Answer | Refusal]:
    """Look again for the keys of what was refused: the same call, sent elsewhere, may have been first.

    Then it has been done, which is why it cannot be done again. Whoever did it was waited for at some lock.
    """
    refused = {index: key for index, key in fresh.items() if isinstance(answers[index], Refusal)}
    remembered = await find_answers(tx, list(refused.values())) if refused else {}
    return {index: _replay(commands[index], remembered[key]) for index, key in refused.items() if key in remembered}


async def _remember(
    engine: Engine,
    tx: WriteTx,
    sent: dict[int, ClaimKey],
    commands: Sequence[Command],
    answers: dict[int, Answer | Refusal],
) -> None:
    claims: list[Claim] = []
    for index, key in sent.items():
        answer, idempotency = answers[index], commands[index].idempotency
        if isinstance(answer, Answer) and not answer.is_replay and idempotency is not None:
            claims.append(Claim(key, idempotency.body_hash, answer.status, answer.body))
    await claim(tx, claims, engine.now())


def _key_of(command: Command) -> ClaimKey | None:
    idempotency = command.idempotency
    if idempotency is None:
        return None
    return ClaimKey(command.organization_id, idempotency.scope, idempotency.key)


def _leaders(keys: Sequence[ClaimKey | None]) -> list[int]:
    """Find, for each call of a batch, the first call with the same key: itself, unless the batch repeats a key."""
    first: dict[ClaimKey, int] = {}
    return [index if key is None else first.setdefault(key, index) for index, key in enumerate(keys)]


def _replay(command: Command, remembered: Remembered) -> Answer | Refusal:
    idempotency = command.idempotency
    assert idempotency is not None, "only calls with a key are repeated"
    if remembered.body_hash != idempotency.body_hash:
        return IdempotencyKeyMismatch()
    return Answer(remembered.status, remembered.answer, is_replay=True)


def _follow(
    commands: Sequence[Command], answers: dict[int, Answer | Refusal], leader: int, index: int
) -> Answer | Refusal:
    """Answer a call from the first call of its batch with the same key."""
    answer, first, own = answers[leader], commands[leader].idempotency, commands[index].idempotency
    if index == leader or first is None or own is None:
        return answer
    if isinstance(answer, Refusal):
        # A refusal is not remembered, so it speaks for this very body alone; another one may be sent again.
        return answer if own.body_hash == first.body_hash else IdempotencyKeyInUse()
    return _replay(commands[index], Remembered(first.body_hash, answer.status, answer.body))
