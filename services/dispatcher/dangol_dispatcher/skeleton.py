"""A mail's HTML and text, worked out once for all who differ only in plain values: the rest is putting values in.

MJML, style sheets, links and plain text cost milliseconds, and come out the same but for a name or a code. So they are
worked out with marks in the place of values, and only where nothing could come of a value's letters but the letters.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from html import escape, unescape

import msgspec

from dangol_dispatcher.html_mail import end_of, from_mjml, inlined, text_of, with_links, with_preheader
from dangol_dispatcher.liquid_language import TemplateProblem
from dangol_dispatcher.marks import FIRST, LINK, LINKS, MARK, MOST, Marked, Pieces, filled, pieces

Tracked = Callable[[int, str], str]
_SIGNS = {chr(FIRST + number) for number in range(MOST)}
_FIRST_SIGNS = {chr(FIRST + MOST + number) for number in range(MOST)}  # of the preheader
_ANY = "\ua000-\ua3ff"
# A document whose tags are so plain that nobody reads them in two ways; comments, doctype and processing included.
_TAG = (
    r"</?[A-Za-z][A-Za-z0-9:-]*(?:\s+[A-Za-z0-9_:.-]+(?:\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>=`"
    + _ANY
    + r"]+))?)*\s*/?>"
    r"|<!--[^" + _ANY + r"]*?-->|<![A-Za-z][^<>" + _ANY + r"]*>|<\?[^<>" + _ANY + r"]*\?>"
)
_PLAIN_TAGS = re.compile(rf"(?:[^<>]+|{_TAG})*+")
_MARKED_ATTRIBUTE = re.compile(rf"\s([\w:.-]+)\s*=\s*(?:\"[^\"<>{_ANY}]*[{_ANY}]|'[^'<>{_ANY}]*[{_ANY}])")
_ATTRIBUTES = {"href", "src", "alt", "title"}  # nobody computes with these
_UNDECIDED_LINK = re.compile(rf"href\s*=\s*[\"']?(?!#)[^\"'>:/{_ANY}]*[{_ANY}]", re.IGNORECASE)  # a mark in its scheme
_HALF_A_SIGN = re.compile(rf"&#?\w*[{_ANY}]")
_UNREAD = re.compile(
    r"<(style|script|xmp|iframe|textarea|mj-style|mj-raw|mj-attributes)\b.*?</\1", re.DOTALL | re.IGNORECASE
)
_ANCHOR = re.compile(r"<a\b([^>]*)>(.*?)</a\s*>", re.DOTALL | re.IGNORECASE)
_NESTED = re.compile(r"<a\b", re.IGNORECASE)
_ALT = re.compile(r"<[^<>]*?\balt\s*=\s*[\"']([^\"'<>]*)[\"'][^<>]*>|<[^<>]*>", re.IGNORECASE)
_SAMPLES = ("a1", "가나 Kim, 10%")


class Bodies(msgspec.Struct, frozen=True):
    """The HTML up to its footer and behind it, the text, and the URLs whose clicks are counted."""

    before: str
    after: str
    text: str
    urls: list[str]


class Skeleton(msgspec.Struct, frozen=True):
    """The same for everybody."""

    before: Pieces
    after: Pieces
    text: Pieces
    urls: tuple[Pieces, ...]


def bodies(source: Marked, preheader: Marked, tracked: Tracked | None, *, mjml: bool) -> Bodies:
    """What a message says in HTML and text; raises `TemplateProblem` where the MJML is none."""
    if source.apart and (preheader.apart or not preheader.shape):
        found = skeleton(source.shape, preheader.shape, mjml=mjml, tracked=tracked is not None)
        if found is not None:
            return _said(found, {**source.values, **preheader.values}, tracked)
    return worked_out(source.whole(), preheader.whole(), tracked, mjml=mjml)


def worked_out(source: str, preheader: str, tracked: Tracked | None, *, mjml: bool) -> Bodies:
    """The same from the whole text, step by step."""
    html = from_mjml(source) if mjml else inlined(source)
    html = with_preheader(html, preheader)
    text = text_of(with_links(html, None)[0])
    html, urls = with_links(html, tracked)
    end = end_of(html)
    return Bodies(html[:end], html[end:], text, urls)


@lru_cache(maxsize=256)
def skeleton(source: str, preheader: str, *, mjml: bool, tracked: bool) -> Skeleton | None:
    """What is the same for everybody; None where a value could make another document of it."""
    signs, first_signs = set(MARK.findall(source)), set(MARK.findall(preheader))
    if signs - _SIGNS or first_signs - _FIRST_SIGNS or not _stands_apart(source):
        return None
    marked = signs | first_signs
    try:
        made = worked_out(source, preheader, None, mjml=mjml)
        if not _links_stand_apart(made.before + made.after):
            return None
        if tracked:
            made = worked_out(source, preheader, lambda number, _url: chr(LINK + number), mjml=mjml)
    except TemplateProblem:
        return None
    if len(made.urls) > LINKS:
        return None
    urls = tuple(pieces(url) for url in made.urls)
    cut = Skeleton(pieces(made.before), pieces(made.after), pieces(made.text), urls)
    return cut if all(_holds(cut, source, preheader, marked, sample, mjml, tracked) for sample in _SAMPLES) else None


def _said(found: Skeleton, values: dict[str, str], tracked: Tracked | None) -> Bodies:
    urls = [filled(url, values) for url in found.urls]
    given = dict(values)
    if tracked:
        given |= {chr(LINK + number): escape(tracked(number, url)) for number, url in enumerate(urls)}
    return Bodies(filled(found.before, given), filled(found.after, given), filled(found.text, values), urls)


def _stands_apart(source: str) -> bool:
    """Whether marks stand only in text, and in attributes and places in which any letters are just letters."""
    return (
        _PLAIN_TAGS.fullmatch(source) is not None
        and {found[1].lower() for found in _MARKED_ATTRIBUTE.finditer(source)} <= _ATTRIBUTES
        and not _UNDECIDED_LINK.search(source)
        and not _HALF_A_SIGN.search(source)
        and not any(MARK.search(found[0]) for found in _UNREAD.finditer(source))
    )


def _links_stand_apart(html: str) -> bool:
    """Whether a link is written out behind its words, or they are the link themselves, for everybody alike."""
    for found in _ANCHOR.finditer(html):
        if _NESTED.search(found[2]):
            return False
        words = unescape(_ALT.sub(lambda tag: tag[1] or "", found[2]))
        if "//" in words and MARK.search(words + found[1]):
            return False
    return True


def _holds(
    cut: Skeleton, source: str, preheader: str, marked: set[str], sample: str, mjml: bool, tracked: bool
) -> bool:
    """Whether what is put in comes out as if it had been there from the start."""
    values = {mark: f"{sample}{number}" for number, mark in enumerate(sorted(marked))}
    follow: Tracked | None = (lambda number, url: f"https://x.test/{number}?{url}") if tracked else None
    try:
        whole = worked_out(filled(pieces(source), values), filled(pieces(preheader), values), follow, mjml=mjml)
    except TemplateProblem:
        return False
    return _said(cut, values, follow) == whole
