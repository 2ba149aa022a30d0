"""A text with a mark where each plain value stands: what follows can be worked out once for all who differ in these."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from unicodedata import category

from liquid.exceptions import OutputStreamLimitError
from liquid.output import LimitedStringIO

# Syllables of Yi: printable letters, for what writes MJML spells out what is not. A text that has them is left alone.
FIRST, MOST = 0xA000, 256  # of a field's values; those of a mail's second field, and of its links, come behind
LINK, LINKS = FIRST + 2 * MOST, 512
MARK = re.compile("([\ua000-\ua3ff])")
_READ = re.compile(
    "[&<>\"'`/\\\\\uff9e\uff9f\ua000-\ua3ff]"
)  # by HTML, CSS, MJML or a URL as more than itself, or by us
Pieces = tuple[str, ...]  # text, mark, text, mark, …, text


class Marked(NamedTuple):
    """A field of one message, its values by their marks. `apart`: all of its person is behind marks, so others may have
    the same `shape`."""

    shape: str
    values: Mapping[str, str]
    apart: bool

    def whole(self) -> str:
        """As it is said."""
        return filled(pieces(self.shape), self.values) if self.values else self.shape

    @classmethod
    def of(cls, text: str) -> "Marked":
        """A text in which nothing is marked."""
        return cls(text, {}, False)


class Marks(LimitedStringIO):
    """What a template is rendered into; `first` is the sign of its first value."""

    def __init__(self, limit: int, first: int = FIRST) -> None:
        super().__init__(limit=limit)
        self._first, self._marks, self._times = first, dict[str, str](), dict[str, int]()
        self._apart = True

    def put(self, value: str) -> int:
        """A value: its mark where it is plain, else itself."""
        if not value:
            return 0
        mark = self._marks.get(value)
        if mark is None:
            if len(self._marks) >= MOST or not plain(value):
                self._apart = False
                return self.write(value)
            mark = self._marks[value] = chr(self._first + len(self._marks))
        self.size += len(value.encode())
        if self.size > self.limit:
            raise OutputStreamLimitError("output stream limit reached", token=None)
        self._times[mark] = self._times.get(mark, 0) + 1
        return super(LimitedStringIO, self).write(mark)

    def give_up(self) -> None:
        """What is written next may be of this person, unmarked."""
        self._apart = False

    def said(self) -> Marked | None:
        """What was rendered; None where a text or a value has the same signs of its own."""
        shape = self.getvalue()
        if any(shape.count(mark) != times for mark, times in self._times.items()):
            return None
        return Marked(shape, {mark: value for value, mark in self._marks.items()}, self._apart)


def plain(value: str) -> bool:
    """Whether a value stands for itself wherever text may stand, and in a link behind its scheme: printable words with
    single blanks between them, which nothing reads as markup, folds, or joins to what is before."""
    return (
        value.isprintable()
        and " " not in (value[0], value[-1])
        and "  " not in value
        and not _READ.search(value)
        and (value.isascii() or not any(category(sign)[0] == "M" for sign in value))  # accents of their own
    )


def pieces(shape: str) -> Pieces:
    """A text cut at its marks."""
    return tuple(MARK.split(shape))


def filled(cut: Pieces, given: Mapping[str, str]) -> str:
    """The text with what was given in the place of each mark."""
    said = list(cut)
    said[1::2] = [given.get(mark, mark) for mark in cut[1::2]]
    return "".join(said)
