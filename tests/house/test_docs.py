"""What docs/ tells is so: examples compile and pass, words, settings, routes and functions are all there."""

import pytest

from dangol.definitions import DefinitionSet
from dangol.documents import read_dir, read_texts
from dangol_journey.forms import JOURNEY
from dangol_journey.trial import run_tests
from tests.support.papers import ROOT, STARTER, Block, blocks, files_of, problems_of

LANGUAGE = ("docs/journeys.md", "docs/journeys.ko.md")
EXAMPLES = [(paper, block) for paper in LANGUAGE for block in blocks(paper) if block.info.startswith("yaml")]


@pytest.mark.parametrize(("paper", "block"), EXAMPLES, ids=[f"{paper}:{block.line}" for paper, block in EXAMPLES])
def test_each_example_compiles_without_a_warning(paper: str, block: Block) -> None:
    assert [str(problem) for problem in problems_of(block)] == []


@pytest.mark.parametrize("paper", LANGUAGE)
def test_the_journey_test_shown_passes(paper: str) -> None:
    (block,) = (one for one in blocks(paper) if one.info.startswith("yaml tests/"))
    given, _ = read_texts(files_of(block))
    starter, _ = read_dir(STARTER)
    others = [one for one in starter if one.kind != "test"]
    results = run_tests(DefinitionSet(1, "default", (*others, *given)))
    assert [one.told for one in results] == [""]


def test_both_languages_show_the_same_examples() -> None:
    english, korean = ([one.info for one in blocks(paper)] for paper in LANGUAGE)
    assert english == korean


@pytest.mark.parametrize("paper", LANGUAGE)
def test_every_field_of_a_journey_is_told(paper: str) -> None:
    text = (ROOT / paper).read_text()
    assert [name for name in JOURNEY.fields if f"`{name}" not in text] == []
