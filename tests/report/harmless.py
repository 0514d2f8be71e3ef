"""Read a page as a browser would, and say which elements may be there."""

from __future__ import annotations

from html.parser import HTMLParser

from exportstats.text import plain, shorten

# The allowed elements of a page, with their attributes.
ALLOWED = {
    "html": {"lang"},
    "head": set(),
    "meta": {"charset", "http-equiv", "content", "name"},
    "title": set(),
    "style": set(),
    "body": {"style"},
    "div": {"class", "style", "tabindex", "role", "aria-label"},
    "main": set(),
    "header": set(),
    "footer": set(),
    "section": set(),
    "h1": {"style"},
    "h2": {"style"},
    "p": {"class", "style"},
    "ol": set(),
    "ul": {"class"},
    "li": {"class"},
    "span": {"class", "style"},
    "picture": set(),
    "source": {"media", "srcset"},
    "b": {"style"},
    "details": set(),
    "summary": set(),
    "table": {"class", "style", "cellspacing", "cellpadding"},
    "thead": set(),
    "tbody": set(),
    "tr": set(),
    "th": {"scope", "class", "style"},
    "td": {"class", "style", "data-name"},
    "pre": {"style"},
    "code": set(),
    "figure": set(),
    "figcaption": set(),
    "img": {"src", "alt", "width", "style"},
    "a": {"href"},
}
EMPTY = {"meta", "img", "source"}


class Seen(HTMLParser):
    """The elements, attributes and text that a browser parses from a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.cells: list[str] = []
        self.text = ""
        self.rest: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        assert len({name for name, _ in attrs}) == len(attrs), attrs
        if tag not in EMPTY:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        """Check that a closed element was open."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Record text."""
        if self.open and self.open[-1] not in ("style", "title"):
            self.text += data
            if self.open[-1] in ("td", "th"):
                self.cells[-1] += data

    def handle_comment(self, data: str) -> None:
        """Record a comment, which is not allowed."""
        self.rest.append(data)

    def handle_decl(self, decl: str) -> None:
        """Record a declaration."""
        self.rest.append(decl)

    def handle_pi(self, data: str) -> None:
        """Record a processing instruction, which is not allowed."""
        self.rest.append(data)


def shown_of(text: str) -> str:
    """Return text as it is displayed: escapes visible, the middle cut."""
    return shorten(plain(text), 120)
