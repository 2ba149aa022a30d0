"""`dangol init`: the starter's files, to begin from."""

import shutil
from pathlib import Path

import dangol
from dangol.commands import show
from dangol.errors import Invalid

STARTER = Path(dangol.__file__).parent / "starter"


def init(directory: Path) -> None:
    """Copy the starter into a new or empty folder; raises `Invalid` where there is something already."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise Invalid("not_empty", f"{directory} is not an empty folder", hint="name a new one: dangol init shop")
    shutil.copytree(STARTER, directory, dirs_exist_ok=True)
    count = sum(1 for path in directory.rglob("*") if path.is_file())
    show.out.print(f"{count} files in {directory}: journeys/, templates/, tests/ …")
    show.out.print(f"next:  dangol test {directory}      the journeys' tests, in milliseconds")
    show.out.print(f"       dangol up {directory}        run it; every file you save is applied")
