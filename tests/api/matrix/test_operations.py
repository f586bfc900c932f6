"""Every operation, called with every permission, for every kind of thing, with every kind of credential."""

import pytest

from tests.api.matrix.calls import combinations_of, run_row
from tests.api.matrix.oracle import Row, Words
from tests.api.matrix.stage import Stage
from tests.api.matrix.tables import DOCUMENTS, NAMES, SERVED, TABLES, operation_of, operations_of, served

ENOUGH = 10_000


@pytest.mark.parametrize(("words", "rows"), TABLES, ids=[words.name for words, _ in TABLES])
def test_every_operation_has_a_row_and_every_row_an_operation(words: Words, rows: tuple[Row, ...]) -> None:
    assert {operation_of(row) for row in served(words, rows)} == operations_of(DOCUMENTS[words.name])
    assert len({row.name for row in rows}) == len(rows)


def test_there_are_enough_combinations() -> None:
    assert sum(len(combinations_of(words, row)) for words, row in SERVED) >= ENOUGH


@pytest.mark.parametrize(("words", "row"), SERVED, ids=NAMES)
async def test_an_operation_answers_everybody_as_the_table_says(stage: Stage, words: Words, row: Row) -> None:
    run = await run_row(stage, words, row)

    assert not run.wrong, f"{len(run.wrong)} of {run.count}:\n" + "\n".join(run.wrong[:5])
    for alike, answers in run.said.items():
        assert len(answers) == 1, f"not the same of {alike}: {answers}"
        [(_, _, body)] = answers
        assert words.messages.get(alike[0], "").encode() in body
