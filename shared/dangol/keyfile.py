"""The file of this machine's keys, read by commands that need nothing else of the product."""

from pathlib import Path


def read_keys(path: Path) -> dict[str, str]:
    """The NAME=value lines of a keys file; empty where there is none."""
    if not path.is_file():
        return {}
    lines = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in lines}
