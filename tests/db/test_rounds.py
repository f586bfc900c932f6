"""Many changes in one statement, each row once."""

from sluiceway.storage.rounds import in_rounds


def test_changes_of_different_rows_are_one_statement():
    assert list(in_rounds(("ids", "statuses"), [("o", "1", "A"), ("o", "2", "B")])) == [
        {"organization_id": "o", "ids": ["1", "2"], "statuses": ["A", "B"]}
    ]


def test_the_second_change_of_a_row_comes_in_a_second_round_after_the_first():
    changes = [("o", "1", "A"), ("o", "2", "B"), ("o", "1", "C"), ("p", "1", "D"), ("o", "1", "E")]

    assert list(in_rounds(("ids", "statuses"), changes)) == [
        {"organization_id": "o", "ids": ["1", "2"], "statuses": ["A", "B"]},
        {"organization_id": "p", "ids": ["1"], "statuses": ["D"]},
        {"organization_id": "o", "ids": ["1"], "statuses": ["C"]},
        {"organization_id": "o", "ids": ["1"], "statuses": ["E"]},
    ]


def test_nothing_is_no_statement():
    assert list(in_rounds(("ids",), [])) == []
