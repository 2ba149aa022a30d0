"""CONTRIBUTING.md names every dependency, and every path it and README.md name is there."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_dependency_has_its_line_of_why() -> None:
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    names = {re.split(r"[\[<>=~]", line)[0].lower() for line in wanted}
    rows = re.findall(r"(?m)^\| ([\w., -]+) \|", (ROOT / "CONTRIBUTING.md").read_text())
    explained = {name.strip().lower() for row in rows for name in row.split(",")}
    assert sorted(names - explained) == []


@pytest.mark.parametrize("paper", ["README.md", "CONTRIBUTING.md"])
def test_the_papers_name_only_paths_that_exist(paper: str) -> None:
    named = re.findall(
        r"`((?:shared|services|tests|deploy|docs|examples)/[\w./-]+|[\w-]+\.(?:md|toml|yml))`",
        (ROOT / paper).read_text(),
    )
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_no_file_names_a_private_registry() -> None:
    files = ["pyproject.toml", "uv.lock", "dangol", "deploy/Dockerfile", "tests/e2e/node/package-lock.json"]
    hosts = {host for file in files for host in re.findall(r"https?://([\w.-]+)", (ROOT / file).read_text())}
    known = {
        "pypi.org",
        "files.pythonhosted.org",
        "127.0.0.1",
        "github.com",
        "feross.org",
        "opencollective.com",
        "www.patreon.com",
    }
    assert hosts <= known
