"""`dangol test`: which folders it takes, and that no test is no success."""

from pathlib import Path

import pytest

from dangol.commands import trying
from dangol.errors import Invalid

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_examples_pass(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder above stands for the definitions within it."""
    assert trying.run(EXAMPLES) == 0
    assert "0 failed" in capsys.readouterr().out


def test_no_tests_is_told(tmp_path: Path) -> None:
    """It would look like success."""
    with pytest.raises(Invalid, match="no journey tests"):
        trying.run(tmp_path)


def test_wrong_files_are_told_with_their_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, all problems of all files."""
    (tmp_path / "journeys").mkdir()
    (tmp_path / "journeys" / "a.yaml").write_text("journey: a\nenter: {event: A}\nsteps: [{sned: x}]\n")
    (tmp_path / "journeys" / "b.yaml").write_text("journey: b\nenter: {event: A}\nsteps: [{wait: soon}]\n")
    assert trying.run(tmp_path) == 2
    said = capsys.readouterr().err
    assert "a.yaml:3:10" in said
    assert "b.yaml:3:16" in said
