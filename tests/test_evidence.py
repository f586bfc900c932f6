"""What a proof wrote down is what the documents say, and says that nothing was violated."""

import json
from pathlib import Path

import pytest

from tests.claims import DOCUMENT, table, with_table
from tests.evidence import FOLDER, Evidence
from tests.prove import PARTS

FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nothing_was_violated(file: Path):
    document = json.loads(file.read_text(encoding="utf-8"))

    assert file.stem == f"{document['part']}-{document['began_at'][:10]}"
    assert (document["violations"], document["what_was_violated"]) == (0, [])
    assert document["commit"]


def test_all_evidence_is_of_a_part_that_can_be_run_again():
    assert FILES
    assert {file.stem[:-11] for file in FILES} <= set(PARTS)


def test_the_document_says_what_the_evidence_says():
    text = DOCUMENT.read_text(encoding="utf-8")

    assert with_table(text) == text, "python -m tests.claims"


def test_evidence_says_what_it_found_and_how_to_find_it_again(tmp_path: Path):
    evidence = Evidence("example", ["python", "-m", "tests.example", "--of", "two words"], figures={"kills": 1200})
    evidence.violations.append("a cent was lost")
    written = json.loads(evidence.write(tmp_path).read_text(encoding="utf-8"))

    assert (written["part"], written["violations"], written["kills"]) == ("example", 1, 1200)
    assert written["command"] == "python -m tests.example --of 'two words'"
    assert written["what_was_violated"] == ["a cent was lost"]
    assert "| example | kills 1,200 | 1 |" in table(tmp_path)


def test_evidence_that_is_gone_on_with_on_another_day_is_replaced(tmp_path: Path):
    old = tmp_path / "example-2026-01-31.json"
    old.write_text('{"kills": 3}')
    (tmp_path / "example-of-others-2026-02-28.json").write_text("{}")
    evidence = Evidence("example", ["python"])

    before = evidence.earlier(tmp_path)
    evidence.figures["kills"] = 1200 + (before or {})["kills"]
    written = evidence.write(tmp_path)

    assert json.loads(written.read_text(encoding="utf-8"))["kills"] == 1203
    assert not old.exists()
    assert Evidence("another", ["python"]).earlier(tmp_path) is None
