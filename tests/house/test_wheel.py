"""The wheel in a stranger's environment: our packages import, and folders of common names stay theirs."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"dangol", "dangol_ingest", "dangol_journey", "dangol_dispatcher", "dangol_insights", "dangol_bench"}
DECOYS = ("services", "shared", "tests")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True, timeout=120)
    (built,) = folder.glob("dangol-*.whl")
    return built


def test_the_wheel_holds_our_packages_and_nothing_else(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES


def test_every_package_of_the_wheel_is_typed(wheel: Path) -> None:
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(zipfile.ZipFile(wheel).namelist())


def test_it_lives_beside_packages_of_common_names(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path, symlinks=True)
    site = next(tmp_path.glob("lib/python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)  # what installing a pure wheel does, without asking an index
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    for decoy in DECOYS:
        (site / decoy).mkdir()
        (site / decoy / "__init__.py").write_text('WHOSE = "theirs"\n')
    names = ", ".join([*DECOYS, *sorted(PACKAGES)])
    tell = f"import {names}; print(services.WHOSE, shared.WHOSE, tests.WHOSE, dangol.__file__)"
    said = subprocess.run(
        [tmp_path / "bin" / "python", "-c", tell], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.split() == ["theirs", "theirs", "theirs", str(site / "dangol" / "__init__.py")]
