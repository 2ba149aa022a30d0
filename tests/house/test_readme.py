"""What README.md and README.ko.md tell is run, in their order, against a started product, and says what they show."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.papers import Block, blocks, problems_of, shape
from tests.support.product import DANGOL, Product, clean_environment, embedded

PAPERS = {"README.md": "en_US.UTF-8", "README.ko.md": "ko_KR.UTF-8"}


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    """`dangol up`, in a folder where `./dangol` is the command."""
    launcher = tmp_path / "dangol"
    launcher.write_text(f'#!/bin/sh\nexec "{DANGOL}" "$@"\n')
    launcher.chmod(0o755)
    with embedded(tmp_path, None) as running:
        yield running


def run(block: Block, product: Product, language: str) -> str:
    """Run a block as a reader would; its whole output."""
    keys = {"DANGOL_URL": product.url, "DANGOL_WRITE_KEY": product.write_key, "LANG": language, "COLUMNS": "200"}
    command = ["bash", "-e", "-c"] if block.info.startswith("sh") else [sys.executable, "-c"]
    done = subprocess.run(
        [*command, block.text.replace("http://127.0.0.1:8420", product.url)],
        cwd=product.place,
        env=clean_environment() | keys,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, f"line {block.line}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("paper", PAPERS)
def test_its_commands_work_and_say_what_is_shown(product: Product, paper: str) -> None:
    for block, shown in pairwise([*blocks(paper), Block("", "", 0)]):
        if not block.info.endswith(" run"):
            continue
        said = run(block, product, PAPERS[paper])
        expected = shape(shown.text.splitlines()) if shown.info == "text" else set()
        assert expected <= shape(said.splitlines()), f"{paper}, line {shown.line}: {said}"


def test_both_languages_run_the_same() -> None:
    english, korean = ([one.text for one in blocks(paper) if one.info.endswith(" run")] for paper in PAPERS)
    assert english == korean


@pytest.mark.parametrize("paper", PAPERS)
def test_its_files_are_right(paper: str) -> None:
    found = [problem for one in blocks(paper) if one.info.startswith("yaml") for problem in problems_of(one)]
    assert [str(problem) for problem in found if problem.severity == "error"] == []
