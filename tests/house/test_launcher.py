"""`./dangol` on a fresh checkout: makes the environment once, then is the CLI."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(place: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("VIRTUAL_ENV", "PYTEST", "DANGOL_"))}
    return subprocess.run(
        [place / "dangol", *arguments],
        env={**kept, **environment},
        cwd=place.parent,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a clone would hold."""
    place = tmp_path_factory.mktemp("checkout") / "clone"
    unkept = shutil.ignore_patterns(
        ".git", ".venv*", ".*_cache", "__pycache__", "node_modules", "build", "data", "*.db"
    )
    return Path(shutil.copytree(ROOT, place, ignore=unkept))


def test_the_first_use_makes_the_environment_and_the_second_says_nothing(checkout: Path) -> None:
    first = run(checkout, "--help")
    assert first.returncode == 0, first.stderr
    assert "first use" in first.stderr
    assert "Usage: dangol" in first.stdout
    assert not (checkout / ".venv/bin/pytest").exists()
    assert run(checkout, "--help").stderr == ""


def test_a_changed_lock_brings_the_environment_up_to_date(checkout: Path) -> None:
    run(checkout, "--help")
    with (checkout / "uv.lock").open("a") as lock:
        lock.write("# touched\n")
    assert "up to date" in run(checkout, "--help").stderr
    assert run(checkout, "--help").stderr == ""


def test_without_a_python_new_enough_it_says_so(tmp_path: Path) -> None:
    shutil.copy2(ROOT / "dangol", tmp_path / "dangol")
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("sh", "dirname", "readlink", "cmp", "mkdir", "cat", "rm", "sleep"):
        if found := shutil.which(tool):
            (tools / tool).symlink_to(found)
    said = run(tmp_path, "--help", PATH=str(tools))
    assert said.returncode == 1
    assert "needs Python 3.11" in said.stderr
