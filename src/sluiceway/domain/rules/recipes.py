"""Recipes: rules that many people want, as templates with a few things to fill in. What comes out is a plain rule.

A template is the rule's own notation with `Given` where an answer stands. `recipe` is the only function.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from sluiceway.domain.errors import InvalidParameters, Problem
from sluiceway.domain.rules.fields import join
from sluiceway.domain.rules.model import Rule
from sluiceway.domain.rules.notation import MAX_CHILDREN, read_rule
from sluiceway.domain.rules.vocabulary import Field, FieldKind, Role, account, amount, percent, schedule_fields


@dataclass(frozen=True, slots=True)
class Given:
    """Where the answer to a field stands in a template. Of an object, its keys are merged into where `key` is `...`."""

    key: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """One recipe: what it is called, what it does and why, what it asks, and the rule that it makes."""

    key: str
    title: str
    summary: str
    fields: tuple[Field, ...]
    template: Mapping[str, Any]


_INCOME: Final = account("income", "Where money arrives", Role.SOURCE)
_WHEN: Final = Field("when", "When", FieldKind.OBJECT, fields=schedule_fields())


def _on_funds(account_key: str) -> dict[str, Any]:
    return {"type": "ON_FUNDS_TRANSFERRED", "account_id": Given(account_key)}


def _scheduled(account_key: str | None = None) -> dict[str, Any]:
    own = {} if account_key is None else {"account_id": Given(account_key)}
    return {"type": "SCHEDULED", "...": Given("when"), **own}


def _move(source: str, destination: str | None, **more: Any) -> dict[str, Any]:  # noqa: ANN401 -- a piece of JSON
    to = {} if destination is None else {"destination": Given(destination)}
    return {"source": Given(source), **to, **more}


def _share(percent_key: str, source: str, destination: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 -- the same
    return _move(
        source,
        destination,
        type="PERCENTAGE",
        percentage_value=Given(percent_key),
        percentage_target="INCOMING_AMOUNT",
        **more,
    )


def _steps(*actions: dict[str, Any], conditions: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    return [{"conditions": conditions, "actions": list(actions)}]


def _pay_down(key: str, title: str, summary: str) -> Recipe:
    return Recipe(
        key,
        title,
        summary,
        (
            account("source", "Pay from", Role.SOURCE),
            amount("amount", "This much each time"),
            Field(
                "debts",
                "Debts",
                FieldKind.LIST,
                low=1,
                high=MAX_CHILDREN,
                fields=(account("account", "Card or loan", Role.LIABILITY),),
            ),
            _WHEN,
        ),
        {
            "name": title,
            "trigger": _scheduled("source"),
            "steps": _steps(
                _move(
                    "source",
                    None,
                    type=key.removeprefix("minimum_plus_").upper(),
                    amount_in_cents=Given("amount"),
                    liabilities=Given("debts"),
                    up_to_enabled=True,
                )
            ),
        },
    )


RECIPES: Final = (
    Recipe(
        "pay_yourself_first",
        "Pay yourself first",
        "Saves a share of everything that comes in, before anything else is paid.",
        (_INCOME, percent("share", "Share to save", default="20"), account("savings", "Save to", Role.DESTINATION)),
        {
            "name": "Pay yourself first",
            "trigger": _on_funds("income"),
            "steps": _steps(_share("share", "income", "savings")),
        },
    ),
    Recipe(
        "fifty_thirty_twenty",
        "50 / 30 / 20",
        "Splits what comes in between needs, wants and savings. Every cent is moved where the shares make 100.",
        (
            _INCOME,
            account("needs", "Needs", Role.DESTINATION),
            percent("needs_share", "Share for needs", default="50"),
            account("wants", "Wants", Role.DESTINATION),
            percent("wants_share", "Share for wants", default="30"),
            account("savings", "Savings", Role.DESTINATION),
            percent("savings_share", "Share for savings", default="20"),
        ),
        {
            "name": "50 / 30 / 20",
            "trigger": _on_funds("income"),
            "steps": _steps(
                _share("needs_share", "income", "needs"),
                _share("wants_share", "income", "wants"),
                _share("savings_share", "income", "savings"),
            ),
        },
    ),
    Recipe(
        "profit_first",
        "Profit first",
        "For a business: takes profit, the owner's pay and tax from each payment, and leaves the rest to spend.",
        (
            _INCOME,
            account("profit", "Profit", Role.DESTINATION),
            percent("profit_share", "Share for profit", default="5"),
            account("owner", "Owner's pay", Role.DESTINATION),
            percent("owner_share", "Share for the owner", default="50"),
            account("tax", "Tax", Role.DESTINATION),
            percent("tax_share", "Share for tax", default="15"),
            account("operating", "Operating expenses", Role.DESTINATION),
            percent("operating_share", "Share to spend", default="30"),
        ),
        {
            "name": "Profit first",
            "trigger": _on_funds("income"),
            "steps": _steps(
                *(_share(f"{part}_share", "income", part) for part in ("profit", "owner", "tax", "operating"))
            ),
        },
    ),
    Recipe(
        "tax_set_aside",
        "Set tax aside",
        "Puts a share of each payment where it waits for the tax bill, up to a limit a year.",
        (
            _INCOME,
            percent("share", "Share for tax", default="25"),
            account("tax", "Set aside in", Role.DESTINATION),
            amount("most", "At most in a year"),
        ),
        {
            "name": "Set tax aside",
            "trigger": _on_funds("income"),
            "steps": _steps(
                _share("share", "income", "tax", limit={"period": "PER_YEAR", "amount_in_cents": Given("most")})
            ),
        },
    ),
    Recipe(
        "bills_pod",
        "Keep the bills pod filled",
        "When money arrives, fills the pod that bills are paid from up to what they need.",
        (_INCOME, account("bills", "Bills are paid from", Role.DESTINATION), amount("level", "Fill it up to")),
        {
            "name": "Keep the bills pod filled",
            "trigger": _on_funds("income"),
            "steps": _steps(
                _move("income", "bills", type="TOP_UP", amount_in_cents=Given("level"), up_to_enabled=True)
            ),
        },
    ),
    Recipe(
        "sweep_above",
        "Sweep what is above",
        "Keeps an amount where it is, and moves what is above it to where it earns more.",
        (
            account("source", "Keep in", Role.SOURCE),
            amount("keep", "Keep", low=0),
            account("destination", "Move the rest to", Role.DESTINATION),
            _WHEN,
        ),
        {
            "name": "Sweep what is above",
            "trigger": _scheduled("source"),
            "steps": _steps(_move("source", "destination", type="SWEEP_ABOVE", amount_in_cents=Given("keep"))),
        },
    ),
    Recipe(
        "keep_a_buffer",
        "Keep a buffer",
        "When an account has fallen below an amount, fills it up again from another, as far as that goes.",
        (
            account("account", "Account to protect", Role.DESTINATION),
            amount("level", "Never below"),
            account("reserve", "Fill it up from", Role.SOURCE),
            _WHEN,
        ),
        {
            "name": "Keep a buffer",
            "trigger": _scheduled("account"),
            "steps": _steps(
                _move("reserve", "account", type="TOP_UP", amount_in_cents=Given("level"), up_to_enabled=True),
                conditions={"condition": {"fact": "BALANCE", "operator": "LESS_THAN", "value": Given("level")}},
            ),
        },
    ),
    Recipe(
        "card_in_full",
        "Pay the card in full",
        "Pays the last statement of a card in full, so that it never costs interest.",
        (account("source", "Pay from", Role.SOURCE), account("card", "Card", Role.LIABILITY), _WHEN),
        {
            "name": "Pay the card in full",
            "trigger": _scheduled("source"),
            "steps": _steps(_move("source", "card", type="LAST_STATEMENT_BALANCE")),
        },
    ),
    _pay_down(
        "minimum_plus_avalanche",
        "Pay debts down, highest interest first",
        "Pays the minimum of each debt and the rest to the one that costs most: the least interest in all.",
    ),
    _pay_down(
        "minimum_plus_snowball",
        "Pay debts down, smallest first",
        "Pays the minimum of each debt and the rest to the smallest: the first one is gone soonest.",
    ),
    Recipe(
        "save_until",
        "Save until it is enough",
        "Saves a share of what comes in for as long as there is less than the goal.",
        (
            _INCOME,
            percent("share", "Share to save", default="10"),
            account("savings", "Save to", Role.DESTINATION),
            amount("goal", "Until there is"),
        ),
        {
            "name": "Save until it is enough",
            "trigger": _on_funds("income"),
            "steps": _steps(
                _share("share", "income", "savings"),
                conditions={
                    "condition": {
                        "fact": "BALANCE",
                        "operator": "LESS_THAN",
                        "value": Given("goal"),
                        "params": {"account_id": Given("savings")},
                    }
                },
            ),
        },
    ),
    Recipe(
        "spare_change",
        "Save the spare change",
        "Rounds a balance down and saves what is above.",
        (
            account("source", "Round down", Role.SOURCE),
            amount("multiple", "To a multiple of"),
            account("savings", "Save to", Role.DESTINATION),
            _WHEN,
        ),
        {
            "name": "Save the spare change",
            "trigger": _scheduled("source"),
            "steps": _steps(_move("source", "savings", type="ROUND_DOWN", amount_in_cents=Given("multiple"))),
        },
    ),
    Recipe(
        "allowance",
        "Allowance",
        "Moves the same amount each time, to spend without a second thought.",
        (
            account("source", "From", Role.SOURCE),
            amount("amount", "Amount"),
            account("destination", "To", Role.DESTINATION),
            _WHEN,
        ),
        {
            "name": "Allowance",
            "trigger": _scheduled("source"),
            "steps": _steps(_move("source", "destination", type="FIXED", amount_in_cents=Given("amount"))),
        },
    ),
)

RECIPES_BY_KEY: Final = {each.key: each for each in RECIPES}


def recipe(made_of: Recipe, answers: Mapping[str, Any]) -> Rule:
    """Make the rule of a recipe. Raises InvalidParameters with the path of the field that is missing or wrong."""
    problems = [*_missing(made_of.fields, answers, "")]
    if unknown := answers.keys() - {field.key for field in made_of.fields}:
        problems += [Problem(key, "is not a known field") for key in sorted(unknown)]
    if problems:
        raise InvalidParameters(tuple(problems))
    places: dict[str, str] = {}
    definition = _fill(made_of.template, answers, "", places)
    try:
        return read_rule(definition)
    except InvalidParameters as refused:
        raise InvalidParameters(tuple(_at_field(problem, places) for problem in refused.problems)) from None


def _missing(fields: tuple[Field, ...], answers: Mapping[str, Any], path: str) -> list[Problem]:
    found: list[Problem] = []
    for field in fields:
        value, at = answers.get(field.key), join(path, field.key)
        if value is None or value in ("", []):
            found += [Problem(at, "is required")] if field.is_required else []
        elif field.kind is FieldKind.OBJECT:
            inner: Mapping[str, Any] = cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
            found += _missing(field.fields, inner, at)
    return found


def _fill(template: Any, answers: Mapping[str, Any], path: str, places: dict[str, str]) -> Any:  # noqa: ANN401 -- JSON
    """Put the answers in, and note where in the rule each of them stands."""
    if isinstance(template, Given):
        places[path] = template.key
        return answers.get(template.key)
    if isinstance(template, Mapping):
        filled: dict[str, Any] = {}
        for key, value in cast("Mapping[str, Any]", template).items():
            if key == "...":
                merged: Mapping[str, Any] = answers[value.key]
                filled |= merged
                places |= {path: value.key} | {join(path, inner): join(value.key, inner) for inner in merged}
            else:
                filled[key] = _fill(value, answers, join(path, key), places)
        return filled
    if isinstance(template, list):
        rows = cast("Sequence[Any]", template)
        return [_fill(row, answers, join(path, index), places) for index, row in enumerate(rows)]
    return template


def _at_field(problem: Problem, places: Mapping[str, str]) -> Problem:
    """Say a problem of the rule of the field that it comes from."""
    path, rest = problem.path, ""
    while path and path not in places:
        path, _, last = path.rpartition("/")
        rest = f"/{last}{rest}"
    return Problem(places[path] + rest, problem.message) if path else problem
