"""A Chromium for the tests: the machine's, else Debian's package."""

import shutil
from pathlib import Path

from tests.support.programs import Unobtainable, apt_install

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Quiet and offline: it talks to the page under test and to nobody else. Give it a fresh --user-data-dir.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find() -> Path:
    """The path of a Chromium; installs it as root on Debian; `Unobtainable` otherwise."""
    if found := _on_path():
        return found
    apt_install("chromium")
    if found := _on_path():
        return found
    raise Unobtainable("no chromium, though it was just installed")


def _on_path() -> Path | None:
    return next((Path(found) for name in NAMES if (found := shutil.which(name))), None)
