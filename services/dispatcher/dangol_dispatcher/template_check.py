"""Checks of templates before they are published: every mistake at once, each with its place and how to mend it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dangol.definitions import DefinitionSet
    from dangol.documents import Problem


def check(definitions: "DefinitionSet") -> "list[Problem]":
    """The mistakes in a workspace's templates."""
    return []
