"""The database most of these tests run on."""

from pathlib import Path

import pytest

from tests.support.databases import sqlite_copy


@pytest.fixture
def url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """A SQLite database of its own, with its tables."""
    return sqlite_copy(migrated_sqlite, tmp_path)
