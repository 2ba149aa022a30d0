"""Files become documents, and every mistake in them is told at its line and column."""

from pathlib import Path

import pytest

from dangol.documents import (
    Document,
    Problem,
    from_json,
    in_order,
    near,
    problem,
    read_dir,
    read_texts,
    to_json,
)
from tests.support.mistakes import Mistake, mistakes_in

STARTER = Path(__file__).parents[2] / "shared/dangol/starter"


def one(text: str, file: str = "templates/t.yaml") -> Document:
    documents, problems = read_texts({file: text})
    assert problems == []
    return documents[0]


@pytest.mark.parametrize("mistake", mistakes_in(Path(__file__).with_name("mistakes.txt")))
def test_a_mistake_is_told_where_it_is(mistake: Mistake) -> None:
    _, problems = read_texts({mistake.file: mistake.text})
    assert tuple(str(found) for found in problems) == mistake.told


def test_a_control_character_is_told_where_it_is() -> None:
    _, problems = read_texts({"journeys/j.yaml": "journey: j\nabout: \x07\n"})
    assert [(one.line, one.column, one.code) for one in problems] == [(2, 8, "control_character")]


def test_the_starter_has_no_mistakes() -> None:
    documents, problems = read_dir(STARTER)
    assert problems == []
    assert {document.kind for document in documents} >= {"workspace", "event", "trait", "journey", "template", "test"}


def test_values_are_those_of_yaml_1_2() -> None:
    body = one("template: t\nvalues: [on, yes, 10:00, 2026-01-01, 0x1f, 1_000, ~, 1e3, 007, 10%, true]\n").body
    assert body["values"] == ["on", "yes", "10:00", "2026-01-01", 31, "1_000", None, 1000.0, 7, "10%", True]


def test_a_list_holds_one_document_an_item_each_with_its_own_lines() -> None:
    documents, _ = read_texts({"events.yaml": "# what the app sends\n- {event: A}\n- event: B\n  has: {x: string}\n"})
    assert [(one.kind, one.name, one.at()) for one in documents] == [("event", "A", (2, 3)), ("event", "B", (3, 3))]
    assert documents[1].at(("has", "x")) == (4, 12)
    assert documents[1].key_at(("has", "x")) == (4, 9)


def test_documents_of_one_file_are_parted_by_three_dashes() -> None:
    documents, _ = read_texts({"templates/t.yaml": "template: a\n---\n# the second\ntemplate: b\nsms: {text: hi}\n"})
    assert [(one.name, one.at(("sms", "text"))) for one in documents] == [("a", (1, 1)), ("b", (5, 13))]


def test_a_broken_document_hides_no_other() -> None:
    documents, problems = read_texts({"templates/t.yaml": "template: [a\n---\ntemplate: b\n"})
    assert [one.name for one in documents] == ["b"]
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("written", "offset", "place"),
    [
        ("text: abcd", 2, (2, 9)),
        ('text: "abcd"', 2, (2, 10)),
        (r'text: "a\"bcd"', 3, (2, 12)),
        ("text: 'it''s so'", 5, (2, 14)),
        ("text: |\n  abc\n  def", 5, (4, 4)),
        ("text: |\n  abc\n\n  def", 6, (5, 4)),
    ],
)
def test_a_character_of_a_text_has_its_place_in_the_file(written: str, offset: int, place: tuple[int, int]) -> None:
    assert one(f"template: t\n{written}\n").at(("text",), offset) == place


def test_a_part_that_is_not_there_is_told_at_the_part_above() -> None:
    assert one("template: t\nemail: {subject: s}\n").at(("email", "html")) == (2, 8)


def test_files_named_by_a_template_stand_in_its_body() -> None:
    files = {
        "templates/t.yaml": "template: t\nemail: {subject: s, mjml: t.mjml}\n",
        "templates/t.mjml": "<mjml>\n  {{ x }}\n",
    }
    document = read_texts(files)[0][0]
    assert document.body["email"]["mjml"] == "<mjml>\n  {{ x }}\n"
    told = problem(document, ("email", "mjml"), "liquid", "no value x", offset=9)
    assert (told.file, told.line, told.column) == ("templates/t.mjml", 2, 3)


def test_a_file_outside_the_folder_is_not_there() -> None:
    _, problems = read_texts({"templates/t.yaml": "template: t\nemail: {html: ../../secret.html}\n"})
    assert [one.code for one in problems] == ["no_file"]


def test_uploaded_codes_are_the_first_column() -> None:
    files = {"coupons/c.yaml": "{coupon: c, codes: c.csv}\n", "coupons/c.csv": 'code,note\n"A-1",x\nA-2,y\n\n'}
    assert read_texts(files)[0][0].body["codes"] == ["A-1", "A-2"]


def test_a_folder_is_read_from_disk(tmp_path: Path) -> None:
    (tmp_path / "journeys").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "journeys/j.yaml").write_text("﻿journey: 여정\n", "utf-8")
    (tmp_path / "journeys/bad.yaml").write_bytes(b"journey: \xff\n")
    (tmp_path / ".git/x.yaml").write_text("{")
    documents, problems = read_dir(tmp_path)
    assert [one.name for one in documents] == ["여정"]
    assert [str(one) for one in problems] == ["journeys/bad.yaml:1:1: journeys/bad.yaml is not UTF-8 text"]


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert [one.code for one in read_dir(tmp_path / "none")[1]] == ["no_directory"]


def test_a_document_goes_through_json_and_keeps_its_lines() -> None:
    document = one("# a comment\ntemplate: t\nsms: {text: hi}\n")
    again = from_json(to_json(document))
    assert again == document
    assert again.at(("sms", "text")) == (3, 13)


def test_a_document_that_came_as_json_is_told_by_its_path() -> None:
    document = Document("journey", "j", {"journey": "j", "steps": [{"send": "x"}]})
    told = problem(document, ("steps", 0, "send"), "unknown_template", "there is no template x")
    assert (told.line, told.where, str(told)) == (0, "steps[0].send", "journey j steps[0].send: there is no template x")


def test_problems_are_told_once_and_in_order() -> None:
    first, second = Problem("a", 1, 1, "x", "one"), Problem("a", 2, 1, "x", "two")
    assert in_order([second, first, second]) == [first, second]


@pytest.mark.parametrize(
    ("word", "hint"),
    [("emial", "did you mean email?"), ("Order Complete", "did you mean order_completed?"), ("zzz", "")],
)
def test_a_word_close_to_a_known_one_is_pointed_out(word: str, hint: str) -> None:
    assert near(word, ["email", "order_completed", "sms"]) == hint


def test_deep_and_great_documents_are_refused() -> None:
    _, deep = read_texts({"templates/t.yaml": "template: " + "[" * 60 + "]" * 60})
    _, great = read_texts({"templates/t.yaml": "x" * 1_000_001})
    assert [one.code for one in [*deep, *great]] == ["too_deep", "file_too_big"]


def test_nothing_that_is_nested_without_end_is_raised() -> None:
    _, problems = read_texts({"templates/t.yaml": "template: " + "[" * 100_000})
    assert [one.code for one in problems] == ["too_deep"]
