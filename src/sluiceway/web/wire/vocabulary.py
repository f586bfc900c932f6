"""The vocabulary of rules and the recipes, for pages that draw themselves from it."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from sluiceway.domain.ids import AccountId, IdKind, format_id
from sluiceway.domain.rules import RECIPES, VOCABULARY, Field, FieldKind, Form, Recipe, roles_of, visible
from sluiceway.services.standpoints import Standpoint
from sluiceway.web.wire.expectations import EXPECTATION
from sluiceway.web.wire.rules import Answers, CheckedShown, Tried, Written
from sluiceway.web.wire.shapes import ZONES, Cents, show


class ChoiceShown(Struct, rename="camel"):
    """One value that can be chosen."""

    value: str
    label: str


class FieldShown(Struct, rename="camel"):
    """One thing to fill in. `either` has `options`, of which one is filled in; `object` and `list` have `fields`."""

    key: str
    label: str
    kind: str
    help: str
    is_required: bool
    role: str | None
    choices: list[ChoiceShown]
    low: int | None
    high: int | None
    default: str | int | bool | None
    fields: list["FieldShown"]
    options: list["FormShown"]


class FormShown(Struct, rename="camel"):
    """A kind of trigger or action, with what it asks."""

    type: str
    label: str
    help: str
    fields: list[FieldShown]


class RightShown(Struct, rename="camel"):
    """A fact that can stand on the right of a comparison."""

    fact: str
    label: str
    takes_account: bool


class FactShown(Struct, rename="camel"):
    """A fact that can stand on the left."""

    fact: str
    label: str
    help: str
    kind: str
    takes_account: bool
    rights: list[RightShown]


class GroupShown(Struct, rename="camel"):
    """A way to join conditions."""

    key: str
    label: str
    help: str


class AccountChoice(Struct, rename="camel"):
    """An account, what it can be chosen for, and what is available there now."""

    id: str
    name: str
    kind: str
    currency: str
    roles: list[str]
    available_in_cents: Cents | None


class VocabularyShown(Struct, rename="camel"):
    """Everything that an editor of rules offers."""

    triggers: list[FormShown]
    facts: list[FactShown]
    operators: list[ChoiceShown]
    groups: list[GroupShown]
    actions: list[FormShown]
    settings: list[FieldShown]
    accounts: list[AccountChoice]
    zones: list[str]
    expectation: list[FieldShown]
    max_steps: int
    max_actions: int
    max_children: int
    max_depth: int


class RecipeShown(Struct, rename="camel"):
    """A recipe: what it does, and what it asks."""

    key: str
    title: str
    summary: str
    fields: list[FieldShown]


class RecipesShown(Struct, rename="camel"):
    """All recipes, and the accounts to choose from."""

    recipes: list[RecipeShown]
    accounts: list[AccountChoice]
    zones: list[str]


class AnswerRecipe(Struct, rename="camel", forbid_unknown_fields=True):
    """Answers to what a recipe asks, by the keys of its fields."""

    recipe: str
    answers: Answers


class PreparedShown(Struct, rename="camel"):
    """The rule that a recipe makes of them. It is not saved."""

    definition: Written
    checked: CheckedShown
    tried: Tried | None


def show_vocabulary(at: Standpoint) -> bytes:
    """Show the vocabulary, with the accounts of an organization."""
    words, zone = VOCABULARY, at.organization.time_zone
    return show(
        VocabularyShown(
            [_form(form, zone) for form in words.triggers],
            [
                FactShown(
                    word.fact,
                    word.label,
                    word.help,
                    word.kind,
                    word.takes_account,
                    [RightShown(right.fact, right.label, right.takes_account) for right in word.rights],
                )
                for word in words.facts
            ],
            [ChoiceShown(operator.value, operator.label) for operator in words.operators],
            [GroupShown(group.key, group.label, group.help) for group in words.groups],
            [_form(form, zone) for form in words.actions],
            [_field(field, zone) for field in words.settings],
            _accounts(at),
            ZONES,
            [_field(field, zone) for field in EXPECTATION],
            words.max_steps,
            words.max_actions,
            words.max_children,
            words.max_depth,
        )
    )


def show_recipes(at: Standpoint) -> bytes:
    """Show what can be cooked, and with which accounts."""
    recipes = [_recipe(each, at.organization.time_zone) for each in RECIPES]
    return show(RecipesShown(recipes, _accounts(at), ZONES))


def _recipe(each: Recipe, zone: str) -> RecipeShown:
    return RecipeShown(each.key, each.title, each.summary, [_field(field, zone) for field in each.fields])


def _form(form: Form, zone: str) -> FormShown:
    return FormShown(form.type, form.label, form.help, [_field(field, zone) for field in form.fields])


def _field(field: Field, zone: str) -> FieldShown:
    """Show a field. `zone`: in which those begin that ask for one, since people write the times that they read."""
    return FieldShown(
        field.key,
        field.label,
        field.kind,
        field.help,
        field.is_required,
        field.role,
        [ChoiceShown(choice.value, choice.label) for choice in field.choices],
        field.low,
        field.high,
        zone if field.kind is FieldKind.ZONE else field.default,
        [_field(inner, zone) for inner in field.fields],
        [_form(option, zone) for option in field.options],
    )


def _accounts(at: Standpoint) -> list[AccountChoice]:
    """List the accounts, oldest first, told apart where two look alike."""
    uses: Mapping[str, int] = _count(visible(record.name) for record in at.records.values())
    shown: list[AccountChoice] = []
    for account_id, record in sorted(at.records.items()):
        roles = roles_of(record.account)
        if roles:
            shown.append(
                AccountChoice(
                    format_id(IdKind.ACCOUNT, account_id),
                    _name(account_id, record.name, uses),
                    record.account.external_kind or record.account.kind,
                    record.account.currency,
                    list(roles),
                    record.account.available(record.balance),
                )
            )
    return shown


def _name(account_id: AccountId, name: str, uses: Mapping[str, int]) -> str:
    shown = visible(name)
    return shown if uses[shown] == 1 else f"{shown} ({format_id(IdKind.ACCOUNT, account_id)})"


def _count(names: Iterable[str]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found
