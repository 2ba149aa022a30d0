"""HTML for mail: its styles in line, its links counted and kept honest, its footer, and what it says as plain text."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape, unescape
from html.parser import HTMLParser

import css_inline
import mrml

from dangol.decisions import Reason
from dangol_dispatcher.liquid_language import TemplateProblem

# Nothing is fetched or read from disk for a mail; media queries stay, for phones.
_INLINER = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=True, keep_at_rules=True)
_HREF = re.compile(r"""(<a\b[^>]*?\bhref\s*=\s*)("([^"]*)"|'([^']*)'|([^\s>"']+))""", re.IGNORECASE)
_SAFE_SCHEME = re.compile(r"^(https?:|mailto:|tel:|sms:|#|/|[a-z][a-z0-9+.-]*://)", re.IGNORECASE)
_BARRED_SCHEME = re.compile(r"^[\x00-\x20]*(javascript|vbscript|data|file)\s*:", re.IGNORECASE)
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
BREAKS = {"p", "div", "br", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "li", "table", "section", "article", "hr"}
UNSEEN = {"style", "script", "head", "title", "noscript", "template"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A sentence with a link by which more mail is refused."""

    before: str
    link: str
    after: str
    url: str


def from_mjml(source: str) -> str:
    """HTML of an MJML document; raises `TemplateProblem` where it is none."""
    try:
        return str(mrml.to_html(source).content)
    except Exception as error:
        raise TemplateProblem(Reason.TEMPLATE_ERROR, f"mjml: {error}") from error


def inlined(html: str) -> str:
    """The same with its style sheets written into its tags, as mail readers need it."""
    return _INLINER.inline(html) if "<style" in html.lower() else html


def with_links(html: str, tracked: Callable[[int, str], str] | None) -> tuple[str, list[str]]:
    """The HTML with each web link as `tracked(n, url)`, and the URLs in that order. Script links lead nowhere."""
    urls: list[str] = []

    def replaced(found: re.Match[str]) -> str:
        url = unescape(found[3] or found[4] or found[5] or "")
        if _BARRED_SCHEME.match(url) or not _SAFE_SCHEME.match(url.strip() or "#"):
            return f'{found[1]}"#"'
        if tracked is None or not url.lower().startswith(("http://", "https://")):
            return found[0]
        urls.append(url)
        return f'{found[1]}"{escape(tracked(len(urls) - 1, url))}"'

    return _HREF.sub(replaced, html), urls


def with_preheader(html: str, text: str) -> str:
    """The HTML beginning with the line a mailbox shows beside the subject, unseen in the mail itself."""
    if not text:
        return html
    hidden = f'<div style="display:none;max-height:0;overflow:hidden">{escape(text)}</div>'
    start = _BODY.search(html)
    return f"{html[: start.end()]}{hidden}{html[start.end() :]}" if start else hidden + html


def footer(who: str, refusals: Sequence[Refusal], pixel: str = "") -> str:
    """Who speaks and how to refuse, and an opening counter if wanted."""
    lines = [f"<div>{escape(who)}</div>"] if who else []
    lines += [
        f'<div>{escape(one.before)} <a href="{escape(one.url)}" style="color:#777777">{escape(one.link)}</a>'
        f"{escape(one.after)}</div>"
        for one in refusals
    ]
    style = "padding:24px 16px;text-align:center;font:12px/1.7 sans-serif;color:#777777"
    added = f'<div style="{style}">{"".join(lines)}</div>' if lines else ""
    if pixel:
        added += f'<img src="{escape(pixel)}" width="1" height="1" alt="" style="display:block">'
    return added


def end_of(html: str) -> int:
    """Where a footer is put: before the body's end."""
    places = [found.start() for found in _BODY_END.finditer(html)]
    return places[-1] if places else len(html)


def text_of(html: str) -> str:
    """What the HTML says, as plain text, links written out behind their words."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    text = re.sub(r"[ \t\r\f\v\u00a0\u200c\u200b]+", " ", "".join(reader.said))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r" *\n *", "\n", text)).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self._unseen = 0
        self._links: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in UNSEEN:
            self._unseen += 1
        elif tag == "a":
            self._links.append((named.get("href") or "", len(self.said)))
        elif tag == "img" and not self._unseen:
            self.said.append(named.get("alt") or "")
        elif tag in BREAKS:
            self.said.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag == "a" and self._links:
            url, start = self._links.pop()
            if url.startswith(("http://", "https://")) and url not in "".join(self.said[start:]):
                self.said.append(f" ({url})")
        elif tag in BREAKS:
            self.said.append("\n\n" if tag in ("p", "table") else "\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.said.append(re.sub(r"\s+", " ", data))
